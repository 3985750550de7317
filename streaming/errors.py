"""Errors of the line and of engines, the agent's included.

StreamingError
├── AudioUnreadable     a file that is missing, empty, not audio, ...
├── DeviceUnavailable   no microphone, no permission, unplugged
└── EngineFailed        an engine died, answered nonsense, or cannot be used
    ├── EngineMissing   its package is not installed
    ├── ModelUnusable   its weights are missing, truncated, of another kind, or lack what is asked of them
    ├── OutOfMemory     even the smallest piece of work does not fit
    ├── ContextOverflow a prompt is longer than the model's window
    ├── ServerFailed    a server is down, slow, mute, refuses, or answers what it should not
    └── Superseded      a newer request took the place of this one, or it came too late to be of use
"""

from __future__ import annotations


class StreamingError(Exception):
    """Something on the line went wrong; the message says what was wrong, what was expected and what to do."""


class AudioUnreadable(StreamingError):
    """A file cannot be heard: missing, a directory, empty, not audio."""


class DeviceUnavailable(StreamingError):
    """There is no such microphone or loudspeaker, or it was lost."""


class EngineFailed(StreamingError):
    """An engine died, answered nonsense, or cannot be used."""


class EngineMissing(EngineFailed):
    """The package of an engine is not installed."""


class ModelUnusable(EngineFailed):
    """Weights are missing, truncated, of another kind than the engine takes, or lack what is asked of them."""


class OutOfMemory(EngineFailed):
    """Even the smallest piece of the work does not fit into memory."""


class ContextOverflow(EngineFailed):
    """A prompt does not fit into the model's window.

    Attributes:
        n_tokens: length of the prompt, tokens (for a server that does not say it: None).
        limit: the window, tokens (None as above).
    """

    def __init__(self, message: str, *, n_tokens: int | None = None, limit: int | None = None) -> None:
        super().__init__(message)
        self.n_tokens = n_tokens
        self.limit = limit


class ServerFailed(EngineFailed):
    """A server is down, slow, mute, refuses or answers what it should not.

    Attributes:
        status: HTTP status, None when there was no answer.
        can_retry: the same request may go well later (429, 5xx, a connection lost before the first byte of the answer).
        retry_after_s: how long the server asked to wait, None when it did not.
    """

    def __init__(
        self, message: str, *, status: int | None = None, can_retry: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.can_retry = can_retry
        self.retry_after_s = retry_after_s


class Superseded(EngineFailed):
    """A newer request took the place of this one, or it came too late to be of use; nothing is wrong."""

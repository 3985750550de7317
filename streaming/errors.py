"""Errors of the line.

StreamingError
├── AudioUnreadable    a file that is missing, empty, not audio, ...
├── DeviceUnavailable  no microphone, no permission, unplugged
└── EngineFailed       a recogniser or analyst died, or is not installed
"""

from __future__ import annotations


class StreamingError(Exception):
    """Something on the line went wrong; the message says what was wrong, what was expected and what to do."""


class AudioUnreadable(StreamingError):
    """A file cannot be heard: missing, a directory, empty, not audio."""


class DeviceUnavailable(StreamingError):
    """There is no such microphone or loudspeaker, or it was lost."""


class EngineFailed(StreamingError):
    """A speech engine died, answered nonsense, or its package is not installed."""

"""What a connection needs of a conversation, so that the two can be built and tested apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..wire.dialect import ServerEvent, Stop

Endpoint: TypeAlias = Literal["realtime", "translations"]
"""Which protocol: `/v1/realtime` or `/v1/realtime/translations`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a client said when it connected.

    Attributes:
        session: id of the new session, made by the server; not to be guessed.
        query: `model`, `intent`, `attune`, ... as given, the last of several; secrets are taken out.
        resume_token: lets the client come back to this session; told in `session.created`.
    """

    endpoint: Endpoint
    session: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    resume_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a message of a client was, for limits: its fault if any, the seconds of sound in it, whether it ends."""

    fault: str | None = None
    sound_s: float = 0.0
    ends: Stop | None = None


class Dialogue(Protocol):
    """One session, seen from its connection; it lives on while the connection is lost."""

    async def run(self, post: Callable[[Sequence[ServerEvent]], None]) -> None:
        """Hold the conversation until it ends. `post` takes every server event, in order, and returns at once.

        Raises:
            AgentError, StreamingError: it cannot begin, or go on.
        """
        ...

    def receive(self, message: str | bytes) -> Received:
        """Take a message of the client. Returns at once, never raises; answers go to `post`."""
        ...

    def fault(self, code: str, message: str) -> None:
        """Tell the client of a fault of ours or of a limit, as an `error` event."""
        ...

    def ending(self, *, in_s: float, reason: str) -> None:
        """Tell the client that the session ends soon (`attune.session.ending`, where it was asked for)."""
        ...

    def resumed(self, *, n_replayed: int) -> None:
        """The client is back."""
        ...

    def end(self, how: Stop) -> None:
        """End the stream: "flush" answers what was said and hears it out, "now" stops the reply; `run` then returns."""
        ...


class Dialogues(Protocol):
    """Makes dialogues: what all sessions of a process share stands behind it."""

    def open(self, opening: Opening) -> Dialogue:
        """Return a new session's dialogue; its `run` begins it.

        Raises:
            AgentError, EngineFailed: the client asks for what is not here (a translation without a language model).
        """
        ...

    @property
    def is_degraded(self) -> str | None:
        """What does not work at present (an engine is down), None: everything does."""
        ...

"""Who stands by a conversation: notes what comes in and when things happen, or has them happen again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..timing import AsItComes, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streaming.events import Samples
    from streaming.listener import Listener
    from streaming.pipeline import Heard
    from streaming.sources import Sound

    from ..events import SessionEvent
    from ..session import Session


class Witness(Timing, Protocol):
    """Stands between the parts of one conversation: each method is given a part, and returns what takes its place."""

    @property
    def gates(self) -> bool:
        """Whether `source` asks the gate, in place of the line."""
        ...

    def source(
        self, source: AsyncIterator[Sound], *, gate: Callable[[Samples], Samples] | None = None
    ) -> AsyncIterator[Sound]:
        """What comes in; `gate` says what may be heard of a block."""
        ...

    def backlog_s(self, backlog_s: Callable[[], float] | None) -> Callable[[], float] | None:
        """How far the source is ahead."""
        ...

    def listener(self, listener: Listener) -> None:
        """Whoever listens, before it hears anything."""
        ...

    def heard(self, heard: AsyncIterator[Heard]) -> AsyncIterator[Heard]:
        """What the session is given."""
        ...

    def tell(self, tell: Callable[[SessionEvent], Awaitable[None]]) -> Callable[[SessionEvent], Awaitable[None]]:
        """Who is told."""
        ...

    def target(self, target: Callable[[], str] | None) -> Callable[[], str] | None:
        """What language is translated to."""
        ...

    async def attend(self, session: Session, heard: AsyncIterator[Heard]) -> None:
        """Run the session to its end."""
        ...


class Nobody(AsItComes):
    """No witness."""

    gates = False

    def source(
        self, source: AsyncIterator[Sound], *, gate: Callable[[Samples], Samples] | None = None
    ) -> AsyncIterator[Sound]:
        """See `Witness`."""
        del gate
        return source

    def backlog_s(self, backlog_s: Callable[[], float] | None) -> Callable[[], float] | None:
        """See `Witness`."""
        return backlog_s

    def listener(self, listener: Listener) -> None:
        """See `Witness`."""

    def heard(self, heard: AsyncIterator[Heard]) -> AsyncIterator[Heard]:
        """See `Witness`."""
        return heard

    def tell(self, tell: Callable[[SessionEvent], Awaitable[None]]) -> Callable[[SessionEvent], Awaitable[None]]:
        """See `Witness`."""
        return tell

    def target(self, target: Callable[[], str] | None) -> Callable[[], str] | None:
        """See `Witness`."""
        return target

    async def attend(self, session: Session, heard: AsyncIterator[Heard]) -> None:
        """See `Witness`."""
        await session.run(heard)

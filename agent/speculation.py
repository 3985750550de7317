"""Work that is done ahead: what a model will be asked is prefilled while the user still speaks.

What never changes is worked through as soon as somebody speaks; at a pause the rest follows, as far as it is known (the
final n-best is still under way then, so the end will differ from the last partial). When the voice comes back, what
was begun at the pause is void and stops. When the utterance is over everything stops: the question itself goes on from
where the cache is. Nobody waits for any of it, and nothing depends on it but time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from streaming.errors import StreamingError

from .errors import AgentError
from .ports import Foresighted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyio.abc import TaskGroup

    from streaming.events import Utterance

    from .conversation import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculated:
    """How often work was begun ahead, and how it went: to its end, dropped as void, or an engine failed."""

    n_begun: int = 0
    n_done: int = 0
    n_dropped: int = 0
    n_failed: int = 0

    def plus(self, **more: int) -> Speculated:
        """Return the counts with `more` added to those it names."""
        return replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


@dataclass(slots=True, eq=False)
class _Work:
    """One piece of work; `generation` is the pause it belongs to, 0 for what every pause needs."""

    conversation: Conversation
    snapshot: Utterance | None
    generation: int
    scope: anyio.CancelScope


class Speculation:
    """Has engines work ahead, one piece of work at a time; a newer one takes the place of an older one.

    In lockstep, given no task group, work is finished before the call returns: the same sound, the same calls.
    """

    def __init__(self, engines: Iterable[object]) -> None:
        """Work ahead with those of `engines` that can (`agent.ports.Foresighted`); the others are passed over."""
        self._engines = [engine for engine in engines if isinstance(engine, Foresighted)]
        self._under_way: _Work | None = None
        self._warm: Conversation | None = None
        self._counts = Speculated()

    @property
    def is_busy(self) -> bool:
        """Whether work is under way."""
        return self._under_way is not None

    def counted(self) -> Speculated:
        """Return the counts since this was last asked."""
        counts, self._counts = self._counts, Speculated()
        return counts

    async def warm(self, conversation: Conversation, *, tasks: TaskGroup | None = None) -> None:
        """Work through what does not depend on what is being said, unless that is done or something is under way."""
        if self._warm is not conversation and self._under_way is None:
            await self._begin(_Work(conversation, None, 0, anyio.CancelScope()), tasks)

    async def pause(
        self, snapshot: Utterance, conversation: Conversation, *, generation: int, tasks: TaskGroup | None = None
    ) -> None:
        """Work through all that is known at pause number `generation` of an utterance, given as a snapshot."""
        # What engines have worked through so far stays in their caches: nothing is done twice.
        self.drop()
        await self._begin(_Work(conversation, snapshot, generation, anyio.CancelScope()), tasks)

    def resume(self) -> None:
        """The voice is back: what was begun at the last pause is void."""
        if self._under_way is not None and self._under_way.generation:
            self.drop()

    def drop(self) -> None:
        """Stop what is under way. Idempotent."""
        work, self._under_way = self._under_way, None
        if work is not None:
            work.scope.cancel()
            self._count(n_dropped=1)

    async def _begin(self, work: _Work, tasks: TaskGroup | None) -> None:
        if not self._engines:
            return
        self._under_way = work
        self._count(n_begun=1)
        if tasks is None:
            await self._do(work)
        else:
            tasks.start_soon(self._do, work)

    async def _do(self, work: _Work) -> None:
        if self._under_way is not work:
            return  # void before it was begun
        with work.scope:
            for engine in self._engines:
                await self._prepare(engine, work)
        if self._under_way is work:  # else it was dropped, and counted as such
            self._under_way = None
            # Also where an engine failed: it is asked again when there is something new to ask.
            self._warm = work.conversation
            self._count(n_done=1)

    async def _prepare(self, engine: Foresighted, work: _Work) -> None:
        try:
            await engine.prepare(work.snapshot, work.conversation)
        except (AgentError, StreamingError):
            self._count(n_failed=1)

    def _count(self, **more: int) -> None:
        self._counts = self._counts.plus(**more)

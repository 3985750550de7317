"""Utterances that are not answered, or not yet: who waits for what, and what becomes of those nobody answers.

Some wait for a reply that goes on; one may still be asked for; the others are logged as soon as they were read.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .answer import metrics_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from .answer import Answer
    from .events import SessionEvent
    from .record import Record


MOST_WAITING = 16
"""Utterances that may wait for a reply that nothing interrupts; of more the oldest is kept without an answer."""


class Unanswered:
    """Keeps them. The stream never waits for a slow recogniser, but in lockstep, where every step is finished.

    Attributes:
        waiting: for the reply that goes on, oldest first.
        one: what a `Respond` is for, until the next utterance is over.
        unlogged: shown to engines already, on their way to the log.
        tasks: where is waited for readings; None: in lockstep, or leaving, before a call returns.
    """

    def __init__(self, record: Record, *, tell: Callable[[SessionEvent], Awaitable[None]]) -> None:
        self._record = record
        self._tell = tell
        self.waiting: deque[Answer] = deque()
        self.one: Answer | None = None
        self.unlogged: list[Answer] = []
        self.tasks: TaskGroup | None = None

    @property
    def held(self) -> tuple[Answer, ...]:
        """All of them."""
        return (*self.waiting, *(() if self.one is None else (self.one,)), *self.unlogged)

    async def queue(self, answer: Answer) -> None:
        """Have an utterance wait for the reply that goes on."""
        self.waiting.append(answer)
        if len(self.waiting) > MOST_WAITING:
            await self.put_away(self.waiting.popleft())

    async def drop_queue(self) -> None:
        """Nothing waits any more."""
        while self.waiting:
            await self.put_away(self.waiting.popleft())

    async def hide(self, answer: Answer) -> None:
        """Engines are not to be shown it, and nobody is to answer it; the turn log keeps it."""
        answer.is_hidden = True
        if answer is self.one:
            await self.put_away(self.take())
        elif answer in self.waiting:
            self.waiting.remove(answer)
            await self.put_away(answer)

    def take(self) -> Answer | None:
        """Return the one that may be asked for; there is none from now on."""
        answer, self.one = self.one, None
        return answer

    async def put_away(self, answer: Answer | None) -> None:
        """Nobody will answer it: engines are shown it from now on, and it is logged once it was read."""
        if answer is None:
            return
        self._record.show(answer)
        self.unlogged.append(answer)
        if self.tasks is None:
            await self._log(answer)
        else:
            self.tasks.start_soon(self._log_when_read, answer)

    async def read_all(self) -> None:
        """Return when all of them were read and logged."""
        for answer in tuple(self.unlogged):
            await self._log_when_read(answer)

    async def hand_over_all(self) -> None:
        """Hand all of them to the log, read or not."""
        for answer in tuple(self.unlogged):
            await self._log(answer, waits=False)

    async def _log_when_read(self, answer: Answer) -> None:
        await answer.was_read.wait()
        await self._log(answer)

    async def _log(self, answer: Answer, *, waits: bool = True) -> None:
        if answer in self.unlogged:
            self.unlogged.remove(answer)
            await self._record.log(answer, tasks=self.tasks, waits=waits)
            await self._tell(metrics_of(answer))

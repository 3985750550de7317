"""Handing turns to the log, and telling when they are on disk: the disk may be slow, the microphone is not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from .errors import TurnLogFailed
from .events import StorageDegraded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from .correction import EmotionCorrection
    from .events import EmotionEstimate, SessionEvent, Turn
    from .hosting import Consent
    from .turnlog import Saving, TurnLog


class Keeps(Protocol):
    """What keeps turns: a turn log, or whoever stands before it."""

    def saving(self, turn: Turn) -> Saving:
        """See `agent.turnlog.TurnLog`."""
        ...

    async def correct(self, session: str, correction: EmotionCorrection, estimate: EmotionEstimate) -> None:
        """See `agent.turnlog.TurnLog`."""
        ...


class SessionLog:
    """The turn log for one session, which is put on disk with its first turn: by then it is known what was agreed to.

    A session in which nothing was said leaves no trace.
    """

    def __init__(self, log: TurnLog, *, locale: str, consent: Callable[[], Consent]) -> None:
        self._log = log
        self._locale = locale
        self._consent = consent
        self._has_begun = False

    def saving(self, turn: Turn) -> Saving:
        """See `Keeps`."""
        self._begin(turn.session)
        return self._log.saving(turn)

    async def correct(self, session: str, correction: EmotionCorrection, estimate: EmotionEstimate) -> None:
        """See `Keeps`."""
        self._begin(session)
        await self._log.correct(session, correction, estimate)

    def _begin(self, session: str) -> None:
        if not self._has_begun:
            self._has_begun = True
            consent = self._consent()
            self._log.announce(session, locale=self._locale, consent=consent.given, emotion_source=consent.source)


class Keeping:
    """Keeps the turns of one session; without a log it does nothing."""

    def __init__(self, log: Keeps | None, *, tell: Callable[[SessionEvent], Awaitable[None]]) -> None:
        self._log = log
        self._tell = tell
        self._unacknowledged: list[Saving] = []

    async def keep(self, turn: Turn, *, tasks: TaskGroup | None) -> None:
        """Hand a turn over; tell that it is on disk, or why not, by a task or, without `tasks`, before returning."""
        saving = await self.hand_over(turn)
        if saving is None:
            return
        if tasks is None:
            await self._acknowledge(saving)
        else:
            tasks.start_soon(self._acknowledge, saving)

    async def hand_over(self, turn: Turn) -> Saving | None:
        """Hand a turn over; `settle` tells of it. None where there is no log, or it refused, which is told."""
        if self._log is None:
            return None
        try:
            saving = self._log.saving(turn)
        except TurnLogFailed as trouble:
            await self._tell(StorageDegraded(utterance=turn.utterance, message=str(trouble)))
            return None
        self._unacknowledged.append(saving)
        return saving

    async def correct(
        self, session: str, correction: EmotionCorrection, estimate: EmotionEstimate, *, tasks: TaskGroup | None
    ) -> None:
        """Hand over what the user said of a feeling; tell where that fails. Waits for the disk as `keep` does."""
        if self._log is None:
            return
        writing = partial(self._corrected, self._log, session, correction, estimate)
        if tasks is None:
            await writing()
        else:
            tasks.start_soon(writing)

    async def settle(self, *, within_s: float) -> None:
        """Leaving: tell of the turns whose tasks are gone, and which of them the disk has not taken in this time."""
        with anyio.move_on_after(within_s, shield=True):
            for saving in tuple(self._unacknowledged):
                await self._acknowledge(saving)
        slow = f"the disk took more than {within_s:g} s; the turn is held in memory and written when the disk answers"
        # Whoever leaves was cancelled, as a rule: without a shield of its own this would never be told.
        with anyio.move_on_after(within_s, shield=True):
            for saving in tuple(self._unacknowledged):
                await self._tell(StorageDegraded(utterance=saving.turn.utterance, message=slow))

    async def _acknowledge(self, saving: Saving) -> None:
        try:
            event = await saving
        except TurnLogFailed as trouble:
            event = StorageDegraded(utterance=saving.turn.utterance, message=str(trouble))
        if saving in self._unacknowledged:
            self._unacknowledged.remove(saving)
            await self._tell(event)

    async def _corrected(
        self, log: Keeps, session: str, correction: EmotionCorrection, estimate: EmotionEstimate
    ) -> None:
        try:
            await log.correct(session, correction, estimate)
        except TurnLogFailed as trouble:
            await self._tell(StorageDegraded(utterance=correction.utterance, message=str(trouble)))

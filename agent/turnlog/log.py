"""The turn log as a session uses it: asynchronous, never in the way of sound."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import anyio

from ..errors import TurnLogFailed
from ..events import EmotionSource, Turn, TurnSaved
from .config import TurnLogConfig
from .rows import SessionInfo, correction_row, instant, session_row, turn_row
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from concurrent.futures import Future
    from pathlib import Path

    from ..correction import EmotionCorrection
    from ..events import EmotionEstimate

CLOSE_LIMIT_S: Final = 20.0
"""Leaving waits this long at most for the disk."""


def utc_now() -> datetime:
    """Return the wall-clock time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """A turn on its way to the disk; await it for the acknowledgement, or for the reason why there is none yet."""

    turn: Turn
    seq: Future[int]

    def __await__(self) -> Generator[object, None, TurnSaved]:
        seq = yield from asyncio.wrap_future(self.seq).__await__()
        return TurnSaved(session=self.turn.session, seq=seq, utterance=self.turn.utterance)


class TurnLog:
    """Saves turns so that an acknowledged one is never lost. Made by `TurnLog.open`."""

    def __init__(self, writer: Writer, *, path: Path, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._clock = clock
        self.path = path

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, *, config: TurnLogConfig | None = None, clock: Callable[[], datetime] = utc_now
    ) -> AsyncGenerator[TurnLog]:
        """Open the log at `path`, made with its folder where there is none; leaving writes what is still held.

        Raises:
            TurnLogFailed: the file cannot be opened (read-only, locked, damaged, another program's, newer); on leaving:
                turns could not be saved even now.
        """
        writer = Writer(path, config=config or TurnLogConfig())
        writer.start()
        try:
            await asyncio.wrap_future(writer.opened)
            yield cls(writer, path=path, clock=clock)
        finally:
            await _close(writer, path=path)

    @property
    def n_unsaved(self) -> int:
        """How many turns and sessions are held in memory because they are not on disk yet."""
        return self._writer.n_held

    async def start_session(
        self,
        session: str | None = None,
        *,
        locale: str = "en",
        consent: bool = False,
        emotion_source: EmotionSource = "both",
    ) -> str:
        """Put a session on disk and return its id, a new one unless given. A known session is left as it is.

        Raises:
            TurnLogFailed: as `save`; the session is kept in memory likewise.
        """
        info = SessionInfo(
            id=uuid4().hex[:12] if session is None else session,
            started=instant(self._clock()),
            locale=locale,
            consent=consent,
            emotion_source=emotion_source,
        )
        await asyncio.wrap_future(self._writer.put_session(session_row(info)))
        return info.id

    def announce(self, session: str, *, locale: str, consent: bool, emotion_source: EmotionSource) -> None:
        """Hand a session over at once, before its first turn; what goes wrong shows with that turn."""
        started = instant(self._clock())
        info = SessionInfo(id=session, started=started, locale=locale, consent=consent, emotion_source=emotion_source)
        self._writer.put_session(session_row(info))

    async def save(self, turn: Turn) -> TurnSaved:
        """Put a turn on disk and return its acknowledgement, only once it survives a power cut.

        Cancelling the wait neither loses nor doubles the turn. Saving the same utterance of a session again changes
        nothing and returns the same `seq`.

        Raises:
            TurnLogFailed: the disk is full, locked or gone: the turn is kept in memory and written with the next one,
                or at closing. Or too many turns wait already, or this turn makes no sense: it is not kept.
        """
        return await self.saving(turn)

    def saving(self, turn: Turn) -> Saving:
        """Hand a turn over at once; awaiting what comes back is `save`. For callers that must not wait for the disk.

        Raises:
            TurnLogFailed: this turn makes no sense, or too many wait already: it is not kept.
        """
        row = turn_row(turn, saved_at=instant(self._clock()))
        return Saving(turn=turn, seq=self._writer.put_turn(row))

    async def correct(self, session: str, correction: EmotionCorrection, estimate: EmotionEstimate) -> None:
        """Put what the user said of a feeling on disk, with the estimate that stands since.

        The turn need not be saved yet, and stays as it was. Cancelling the wait loses nothing.

        Raises:
            TurnLogFailed: as `save`.
        """
        row = correction_row(session, correction, estimate, saved_at=instant(self._clock()))
        await asyncio.wrap_future(self._writer.put_correction(row))


async def _close(writer: Writer, *, path: Path) -> None:
    writer.close()
    with anyio.move_on_after(CLOSE_LIMIT_S, shield=True) as limit:
        await asyncio.wrap_future(writer.closed)
    if limit.cancelled_caught:
        raise TurnLogFailed(
            f"the turn log {path} did not close in {CLOSE_LIMIT_S:g} s: {writer.n_held} turn(s) unsaved"
        )

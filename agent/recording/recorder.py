"""Records a conversation: stands by it, changes nothing, and notes what `agent.recording` says."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import numpy as np

from streaming.audio import FRAME, SAMPLE_RATE, Blocks
from streaming.pipeline import AT_ONCE, HURRY_S

from ..jsonl import to_record
from .values import to_json
from .witness import Nobody
from .writer import RecordingWriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from streaming.controls import Control
    from streaming.events import AudioDropped, Samples
    from streaming.listener import Listener
    from streaming.pipeline import Heard
    from streaming.sources import Sound

    from ..config import Config
    from ..events import SessionEvent
    from ..session import Session
    from .witness import Witness

VERSION: Final = 1
BEGIN_S: Final = 5.0
"""How long a conversation waits for the folder of its recording."""
CLOCKED: Final = frozenset({"metrics", "turn.saved", "storage.degraded"})
"""Events whose place among the others is a matter of the clock, or the disk: they are not counted."""


@dataclass(slots=True, kw_only=True)
class Place:
    """Where a conversation is: samples and controls of the stream that the session was given, events it told."""

    n_samples: int = 0
    n_controls: int = 0
    n_told: int = 0

    def as_json(self) -> list[int]:
        """Return the three numbers, in order."""
        return [self.n_samples, self.n_controls, self.n_told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """Where conversations are recorded, each in a folder of its own below `folder`.

    Attributes:
        folder: made when the first one begins.
        about: what all of them have in common: whose engines, which settings.
        note: told why a recording did not begin, or ended early.
    """

    folder: Path
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    note: Callable[[str], None] = lambda _: None

    @asynccontextmanager
    async def witness(self, session: str, **about: Any) -> AsyncGenerator[Witness]:  # noqa: ANN401 - JSON
        """Give who records a session, until the block ends; where the folder cannot be written, which is told, nobody.

        `about` goes into the header.
        """
        recorder = await self._begun(session, about)
        if recorder is None:
            yield Nobody()
            return
        try:
            yield recorder
        finally:
            await recorder.close()

    async def _begun(self, session: str, about: Mapping[str, Any]) -> Recorder | None:
        """Return who records; None where that cannot be, or where the disk does not answer in time."""
        is_waited_for = True

        def begin() -> Recorder | None:
            recorder = self._begin(session, about)
            if recorder is not None and not is_waited_for:
                recorder.close_now()
            return recorder

        try:
            # A limiter of its own: a disk that stands still must not use up the threads that all sessions share.
            with anyio.fail_after(BEGIN_S):
                return await anyio.to_thread.run_sync(begin, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
        except TimeoutError:
            self._ended(f"the disk is too slow: {self.folder}")
            return None
        finally:
            is_waited_for = False

    def _begin(self, session: str, about: Mapping[str, Any]) -> Recorder | None:
        header = {"version": VERSION, "session": session} | dict(self.about) | dict(about)
        try:
            writer = RecordingWriter(self._free(session), header, trouble=self._ended)
        except OSError as trouble:
            self._ended(f"{trouble.strerror or trouble}: {trouble.filename or self.folder}")
            return None
        return Recorder(writer)

    def _free(self, session: str) -> Path:
        """Return a folder that is not there yet; the sound of a file is the same session each time."""
        plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in session)
        folder, n = self.folder / plain, 1
        while folder.exists():
            n += 1
            folder = self.folder / f"{plain}-{n}"
        return folder

    def _ended(self, why: str) -> None:
        self.note(f"this conversation is not recorded any more, it goes on: {why}")


class Recorder:
    """The witness (`agent.recording.witness.Witness`) that writes; `close` it after the session."""

    gates = True

    def __init__(self, writer: RecordingWriter) -> None:
        self._writer = writer
        self._place = Place()
        self._n_given = 0  # samples
        self._n_controls = 0
        self._n_before = 0  # samples, before what is being heard
        self._blocks = Blocks(FRAME)
        self._is_hurried = False
        self._target: str | None = None

    async def close(self) -> None:
        """Write what is left, as far as the disk takes it in time (`CLOSE_S`)."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.close_now, limiter=anyio.CapacityLimiter(1))

    def close_now(self) -> None:
        """As `close`, from a thread that may wait."""
        self._writer.close()

    # The line

    async def source(
        self, source: AsyncIterator[Sound], *, gate: Callable[[Samples], Samples] | None = None
    ) -> AsyncGenerator[Sound, None]:
        """See `Witness`. Gives no more at once than is heard at once, so that what is late is late from here on."""
        async for sound in source:
            if isinstance(sound, np.ndarray):
                for piece in self._pieces(sound, gate):
                    yield self._given(piece)
                continue
            self._n_controls += 1
            self._note_control(sound)
            yield sound
        rest = self._blocks.flush()
        if rest.size:
            yield self._given(rest if gate is None else gate(rest))
        self._n_controls += 1  # the end

    def _note_control(self, control: AudioDropped | Control) -> None:
        try:
            written = to_json(control)
        except TypeError as trouble:
            self._writer.give_up(str(trouble))
            return
        self._writer.entry({"control": written, "at": self._n_given})

    def _pieces(self, sound: Samples, gate: Callable[[Samples], Samples] | None) -> Iterator[Samples]:
        """Give what is heard at once; the gate is asked right before each block is heard."""
        if gate is None:
            yield from (sound[at : at + AT_ONCE * FRAME] for at in range(0, sound.size, AT_ONCE * FRAME))
        else:
            yield from map(gate, self._blocks.feed(sound))

    def _given(self, samples: Samples) -> Samples:
        self._writer.sound(samples)
        self._n_before = self._n_given
        self._n_given += samples.size
        return samples

    def backlog_s(self, backlog_s: Callable[[], float] | None) -> Callable[[], float] | None:
        """See `Witness`."""
        return None if backlog_s is None else lambda: self._noted_backlog(backlog_s())

    def _noted_backlog(self, behind_s: float) -> float:
        if (is_hurried := behind_s > HURRY_S) != self._is_hurried:
            self._is_hurried = is_hurried
            self._writer.entry({"hurried": is_hurried, "at": self._n_before})
        return behind_s

    def listener(self, listener: Listener) -> None:
        """See `Witness`."""
        listener.partials = self

    def takes(self, utterance: int, n_samples: int, *, is_there: bool) -> bool:
        """See `streaming.listener.PartialTiming`."""
        if is_there:
            self._writer.entry({"partial": utterance, "after": n_samples})
        return is_there

    def voids(self, utterance: int, n_samples: int, *, is_void: bool) -> bool:
        """See `streaming.listener.PartialTiming`."""
        if is_void:
            self._writer.entry({"void": utterance, "after": n_samples})
        return is_void

    # The session

    async def heard(self, heard: AsyncIterator[Heard]) -> AsyncGenerator[Heard, None]:
        """See `Witness`."""
        async for block in heard:
            self._place.n_samples = round(block.now_s * SAMPLE_RATE)
            self._place.n_controls = self._n_controls
            yield block

    def tell(self, tell: Callable[[SessionEvent], Awaitable[None]]) -> Callable[[SessionEvent], Awaitable[None]]:
        """See `Witness`."""

        async def told(event: SessionEvent) -> None:
            record = to_record(event)
            self._writer.entry({"event": record})
            self._place.n_told += record["type"] not in CLOCKED
            await tell(event)

        return told

    def target(self, target: Callable[[], str] | None) -> Callable[[], str] | None:
        """See `Witness`."""
        return None if target is None else lambda: self._noted_target(target())

    def _noted_target(self, target: str) -> str:
        if target != self._target:
            self._target = target
            self._writer.entry({"target": target, "at": self._place.as_json()})
        return target

    async def attend(self, session: Session, heard: AsyncIterator[Heard]) -> None:
        """See `Witness`."""
        await session.run(heard)
        self._writer.entry({"end": True})

    # What is a matter of time (`agent.timing.Timing`)

    async def reach(self, moment: str, utterance: int) -> None:
        """See `Timing`."""
        self._note(moment, utterance)

    def passed(self, moment: str) -> None:
        """See `Timing`."""
        self._note(moment, 0)

    def patience_s(self, utterance: int, usual_s: float) -> float:
        """See `Timing`."""
        del utterance
        return usual_s

    def over_s(self, utterance: int, ended_s: float | None) -> float | None:
        """See `Timing`."""
        if ended_s is not None:
            self._note("over", utterance, value=ended_s)
        return ended_s

    async def due(self, utterance: int) -> None:
        """See `Timing`."""

    def stopped_after(self, n_samples: int) -> int:
        """See `Timing`."""
        self._writer.entry({"stopped_after": n_samples})
        return n_samples

    def _note(self, moment: str, utterance: int, **value: float) -> None:
        at = self._place.as_json()
        self._writer.entry({"moment": moment, "utterance": utterance, "at": at} | value)


def about_engines(profile: str, config: Config) -> dict[str, Any]:
    """Return what a header says of whose engines answered and by which settings."""
    names = ("emotion", "locale", "voice", "duplex", "memory")
    told = {name: getattr(config, name) for name in names}
    helplines = None if config.helplines is None else str(config.helplines)
    return {"attune": version("attune"), "profile": profile, "config": told | {"helplines": helplines}}

"""Many speakers on a schedule: open loop, latency from the time at which the sound was due."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ...errors import MeasureFailed
from .speaker import APPEND_S, Speaker, text_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WATCHED: Final = (
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "conversation.item.input_audio_transcription.completed",
    "attune.emotion.final",
    "response.created",
)
PATH: Final = "/v1/realtime?model=attune&attune=emotion"
GOLDEN: Final = 0.6180339887498949
GRACE_S: Final = 2.0
"""Events may come this much after the last frame before they count as missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What `n` speakers measured: milliseconds, one value per event; `late_ms` is the load's own lateness per frame.

    `n_missed` events never came, `n_lost` speakers were thrown out, `n_refused` never got in; of the clients that never
    read, `n_deaf_gone` were dropped.
    """

    n: int
    latency_ms: tuple[float, ...]
    late_ms: tuple[float, ...]
    n_missed: int
    n_lost: int
    n_refused: int
    n_deaf_gone: int = 0

    @property
    def is_void(self) -> bool:
        """Whether the load itself was too late to tell anything."""
        return bool(self.late_ms) and float(np.percentile(self.late_ms, 99)) > 5.0

    def percentile(self, q: float) -> float:
        """Return a percentile of the latency, milliseconds; infinite where events are missing beyond it."""
        everything = np.concatenate([np.array(self.latency_ms), np.full(self.n_missed, np.inf)])
        return float(np.percentile(everything, q, method="higher")) if everything.size else float("nan")


@dataclass(slots=True, kw_only=True)
class Schedule:
    """When which speaker sends: all of them the same `frames`, over and over, the starts spread over `spread_s`."""

    frames: Sequence[bytes]
    seconds: float
    spread_s: float
    began: float = 0.0
    late_ms: list[float] = field(default_factory=list[float])

    def start_of(self, index: int, n: int) -> float:
        """Return when speaker `index` of `n` sends its first frame.

        Within the 100 ms each has a place of its own, spread evenly whatever `n` is: people do not start in step.
        """
        tick = int(self.spread_s * index / n / APPEND_S)
        return self.began + APPEND_S * (tick + index * GOLDEN % 1.0)

    @property
    def n_frames(self) -> int:
        """How many frames each speaker sends."""
        return round((self.spread_s + self.seconds) / APPEND_S)

    async def run(self, speakers: Sequence[Speaker], *, besides: Sequence[Speaker] = ()) -> None:
        """Send everything when it is due; those `besides` send with the first of the speakers, and are not measured."""
        n = len(speakers)
        self.began = time.perf_counter() + 0.2
        # Every speaker once per 100 ms, each at its own place within them: the order never changes.
        order = sorted(range(n), key=lambda i: (self.start_of(i, n) - self.began) % APPEND_S)
        sent = [0] * n
        tick = 0
        while min(sent) < self.n_frames:
            for i in order:
                phase = (self.start_of(i, n) - self.began) % APPEND_S
                due = self.began + tick * APPEND_S + phase
                if due + 1e-6 < self.start_of(i, n) or sent[i] >= self.n_frames:
                    continue
                if (wait := due - time.perf_counter()) > 0.0005:
                    await asyncio.sleep(wait)
                frame = self.frames[sent[i] % len(self.frames)]
                speakers[i].send(frame)
                for one in besides if i == 0 else ():
                    one.send(frame)
                sent[i] += 1
                self.late_ms.append(1000 * max(0.0, time.perf_counter() - due))
            tick += 1
            await asyncio.sleep(0)
        await asyncio.sleep(GRACE_S)


async def run_load(
    port: int, *, n: int, n_deaf: int, schedule: Schedule, reference: Mapping[tuple[str, int], int] | None
) -> tuple[Load, dict[tuple[str, int], int]]:
    """Let `n` speakers talk; return what was measured, and which frame led to which event for the first of them.

    Args:
        port: of the server.
        n: how many speakers.
        n_deaf: how many clients besides speak and never read.
        schedule: what they send and when.
        reference: the frame that leads to each event, by (kind, how many of its kind came before), from a run of one.
    """
    speakers, n_refused = await _connect(port, n)
    deaf = (await _connect(port, n_deaf))[0] if n_deaf else []
    try:
        for speaker in deaf:
            speaker.deafen()
        await schedule.run(speakers, besides=deaf)
        n_lost = sum(speaker.lost is not None for speaker in speakers)
        n_deaf_gone = sum(speaker.is_gone for speaker in deaf)
    finally:
        for speaker in (*speakers, *deaf):
            speaker.close()
    first = _frames_of(speakers[0], schedule.start_of(0, len(speakers)))
    latency_ms, n_missed = _latencies(speakers, schedule, reference or first)
    load = Load(
        n=n,
        latency_ms=tuple(latency_ms),
        late_ms=tuple(schedule.late_ms),
        n_missed=n_missed,
        n_lost=n_lost,
        n_refused=n_refused,
        n_deaf_gone=n_deaf_gone,
    )
    return load, first


async def _connect(port: int, n: int) -> tuple[list[Speaker], int]:
    loop = asyncio.get_running_loop()
    speakers: list[Speaker] = []
    n_refused, why = 0, ""
    text_only = text_frame('{"type":"session.update","session":{"type":"realtime"}}')
    for _ in range(n):
        _, speaker = await loop.create_connection(
            lambda: Speaker(PATH, WATCHED), "127.0.0.1", port, family=socket.AF_INET
        )
        try:
            await asyncio.wait_for(speaker.opened, 10)
        except (ConnectionError, TimeoutError) as refusal:
            n_refused += 1
            why = str(refusal)
            continue
        speaker.send(text_only)
        speakers.append(speaker)
    if not speakers:
        raise MeasureFailed(f"the server let nobody in: {why}")
    return speakers, n_refused


def _frames_of(speaker: Speaker, start: float) -> dict[tuple[str, int], int]:
    """Return which frame each event followed, for a speaker whose server had nothing else to do."""
    counts: dict[str, int] = {}
    found: dict[tuple[str, int], int] = {}
    for kind, at in speaker.events:
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        found[kind, number] = int((at - start) / APPEND_S)
    return found


def _latencies(
    speakers: Sequence[Speaker], schedule: Schedule, reference: Mapping[tuple[str, int], int]
) -> tuple[list[float], int]:
    latency_ms: list[float] = []
    n_missed = 0
    n = len(speakers)
    measured_from = schedule.began + schedule.spread_s
    for index, speaker in enumerate(speakers):
        start = schedule.start_of(index, n)
        counts: dict[str, int] = {}
        arrived: dict[tuple[str, int], float] = {}
        for kind, at in speaker.events:
            arrived[kind, counts.get(kind, 0)] = at
            counts[kind] = counts.get(kind, 0) + 1
        for event, frame in reference.items():
            due = start + frame * APPEND_S
            if due < measured_from or frame >= schedule.n_frames - 5:
                continue
            if event in arrived:
                latency_ms.append(1000 * (arrived[event] - due))
            else:
                n_missed += 1
    return latency_ms, n_missed

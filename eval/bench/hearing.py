"""What it costs to hear one of many sessions, and what feeding it inline saves: all ways on the same sound, in one run.

Cost is processor time of the whole process per second of one session's sound, half of it silence, at chunks of 100 ms.
The line is the real one but for the recogniser, which works in processes of its own and is scripted here: segmenter
with voice activity, prosody, acoustics. Sessions run side by side on one event loop, unpaced.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import numpy as np

from streaming.acoustics import AcousticsTracker
from streaming.audio import FRAME, SAMPLE_RATE
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.voice_activity import FusedActivity
from streaming.events import SpeechAudio
from streaming.listener import Listener, Stages
from streaming.pipeline import listen
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

from ..signature import sign
from .machine import VERSION, machine
from .sounds import read_sounds, voiced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from streaming.events import Samples

CHUNK: Final = SAMPLE_RATE // 10
NOISE: Final = 3e-4
N_SESSIONS: Final = 8
N_RUNS: Final = 3
SENTENCES: Final = (
    ("slt", "my brother bought a new car yesterday and he is very proud of it"),
    ("rms", "i feel sad and tired all the time because nobody calls me"),
    ("awb", "the weather is nice and the sun is shining all over the place"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingBench:
    """One run; milliseconds of processor time per second of one session's sound, the best of some runs.

    Attributes:
        segmenter_ms, prosody_ms, listener_ms: parts of the work, then all of it, without an event loop.
        inline_ms, chunk_ms, block_ms: with the event loop, fed inline, by a thread per chunk, by a thread per 20 ms.
        p_speech: share of the sound that belongs to an utterance.
        seconds, n_sessions, signature: what it was measured on.
    """

    segmenter_ms: float
    prosody_ms: float
    listener_ms: float
    inline_ms: float
    chunk_ms: float
    block_ms: float
    p_speech: float
    seconds: float
    n_sessions: int
    signature: str


def measure(directory: Path | None = None, *, n_sessions: int = N_SESSIONS, n_runs: int = N_RUNS) -> HearingBench:
    """Measure on the sound files of `directory`, or on sentences voiced with flite when there is none.

    Raises:
        CorpusUnreadable: no sound files there, or no flite to voice any.
        AudioUnreadable: a file cannot be heard.
    """
    sounds = voiced(SENTENCES) if directory is None else read_sounds(directory)
    sound = _with_silence(sounds)
    seconds = sound.size / SAMPLE_RATE
    speech = [event for event in _segmented(sound) if isinstance(event, SpeechAudio)]

    def ms(work: Callable[[], object], *, n: int = 1) -> float:
        return 1000 * min(_cpu_s(work) for _ in range(n_runs)) / seconds / n

    def together(*, is_gated: bool = False, inline: bool = False) -> Callable[[], None]:
        return lambda: anyio.run(_sessions, sound, n_sessions, is_gated, inline)

    name = "flite" if directory is None else directory.name
    digest = hashlib.sha256(sound.tobytes()).hexdigest()
    fields = {
        "data": f"{name}#{digest[:8]}",
        "n": len(sounds),
        "sessions": n_sessions,
        "runs": n_runs,
        "machine": machine(),
    }
    return HearingBench(
        segmenter_ms=ms(lambda: _segmented(sound)),
        prosody_ms=ms(lambda: _measured(speech)),
        listener_ms=ms(lambda: _heard(sound)),
        inline_ms=ms(together(inline=True), n=n_sessions),
        chunk_ms=ms(together(), n=n_sessions),
        block_ms=ms(together(is_gated=True), n=n_sessions),
        p_speech=len(speech) * FRAME / sound.size,
        seconds=seconds,
        n_sessions=n_sessions,
        signature=str(sign(fields, version=VERSION)),
    )


def table(result: HearingBench) -> str:
    """The figures as a Markdown table, the signature below."""
    rows = (
        ("fed by a thread per 20 ms, over inline", f"{result.block_ms / result.inline_ms:.1f}x"),
        ("fed by a thread per chunk, over inline", f"{result.chunk_ms / result.inline_ms:.1f}x"),
        ("sessions that one core could hear inline", f"{1000 / result.inline_ms:.0f}"),
        ("inline, CPU ms per second of a session", f"{result.inline_ms:.2f}"),
        ("of it the listener", f"{result.listener_ms:.2f}"),
        ("of it segmenter and voice activity", f"{result.segmenter_ms:.2f}"),
        ("of it prosody and acoustics", f"{result.prosody_ms:.2f}"),
    )
    lines = ["| measure | here |", "|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    amount = (
        f"{result.n_sessions} sessions of {result.seconds:.0f} s, {100 * result.p_speech:.0f} % of it in utterances"
    )
    return "\n".join([*lines, "", amount, "", f"`{result.signature}`"])


def _with_silence(sounds: Sequence[Samples]) -> Samples:
    """Each sound followed by as much silence, in a quiet room."""
    parts = [part for sound in sounds for part in (sound, np.zeros_like(sound))]
    sound = np.concatenate(parts)
    return (sound + np.random.default_rng(1).normal(0.0, NOISE, sound.size)).astype(np.float32)


def _cpu_s(work: Callable[[], object]) -> float:
    start_s = time.process_time()
    work()
    return time.process_time() - start_s


def _listener() -> Listener:
    return Listener(
        Stages(
            segmenter=Segmenter(FusedActivity()),
            transcriber=ScriptedTranscriber([" ".join(text for _, text in SENTENCES[:1])]),
            prosody=ProsodyTracker(),
            acoustics=AcousticsTracker(),
        )
    )


def _segmented(sound: Samples) -> list[object]:
    segmenter = Segmenter(FusedActivity())
    return [event for i in range(0, sound.size, CHUNK) for event in segmenter.feed(sound[i : i + CHUNK])]


def _measured(speech: Sequence[SpeechAudio]) -> None:
    prosody, acoustics = ProsodyTracker(), AcousticsTracker()
    for block in speech:
        acoustics.feed(block.samples, prosody.feed(block.samples))


def _heard(sound: Samples) -> None:
    listener = _listener()
    for i in range(0, sound.size, CHUNK):
        listener.feed(sound[i : i + CHUNK])
    listener.flush()


async def _sessions(sound: Samples, n: int, is_gated: bool, inline: bool) -> None:  # noqa: FBT001 - `anyio.run` passes positions
    async def one() -> None:
        async for _ in listen(_chunks(sound), _listener(), gate=_untouched if is_gated else None, inline=inline):
            pass

    async with anyio.create_task_group() as tasks:
        for _ in range(n):
            tasks.start_soon(one)


def _untouched(block: Samples) -> Samples:
    return block


async def _chunks(sound: Samples) -> AsyncIterator[Samples]:
    for i in range(0, sound.size, CHUNK):
        await anyio.lowlevel.checkpoint()
        yield sound[i : i + CHUNK]

"""The whole line in real time: from the end of the voice to the emotion and the answer, and what it costs.

Sound is paced like live, so the wait for the final transcript counts as a user would feel it. Latencies are taken from
the true end of the voice (the last sample of it was given to the line), never from the decision that it ended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import numpy as np

from agent.assembly import Audience, Talk, converse
from agent.backends.choose import embedded_engines
from agent.config import Config
from agent.events import EmotionEstimate, Metrics
from streaming.audio import FRAME, SAMPLE_RATE, Blocks, silence
from streaming.events import Utterance
from streaming.sources import Pace

from ..signature import fingerprint, sign
from .machine import VERSION, machine
from .sounds import read_sounds, voiced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from agent.events import SessionEvent
    from streaming.events import Samples
    from streaming.sources import Sound

GAP_S = 1.2
SENTENCES = (
    "i got the job today and i am so happy",
    "my best friend is moving away next month",
    "why does nobody ever tell me anything",
    "we went to the market and bought some bread",
    "i am afraid of what the doctor will say",
    "that was the best day of my whole life",
    "i miss my brother so much",
    "the meeting is at three in the afternoon",
    "leave me alone i am so angry with you",
    "thank you for listening to me",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBench:
    """Latencies in milliseconds, one per utterance; `core_share` is the main process's share of one core."""

    emotion_ms: tuple[float, ...]
    final_wait_ms: tuple[float, ...]
    endpoint_ms: tuple[float, ...]
    first_words_ms: tuple[float, ...]
    first_sound_ms: tuple[float, ...]
    core_share: float
    seconds: float
    signature: str


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Wall-clock times of what was told, per utterance."""

    began: float = 0.0
    utterances: list[tuple[Utterance, float]] = field(default_factory=list[tuple[Utterance, float]])
    emotion_at: dict[int, float] = field(default_factory=dict[int, float])
    metrics: dict[int, Metrics] = field(default_factory=dict[int, Metrics])

    async def tell(self, event: SessionEvent) -> None:
        now = time.perf_counter()
        match event:
            case Utterance():
                self.utterances.append((event, now))
            case EmotionEstimate(is_final=True):
                self.emotion_at[event.utterance] = now
            case Metrics():
                self.metrics[event.utterance] = event
            case _:
                pass


def measure(directory: Path | None = None, *, sentences: Sequence[str] = SENTENCES) -> LineBench:
    """Return the figures of one real-time run over the recordings of `directory`, or over `sentences` flite voices.

    Raises:
        CorpusUnreadable: no recordings, or no flite to voice the sentences.
    """
    sounds = _said(sentences) if directory is None else read_sounds(directory)
    watch = _Watch()
    config = Config(emotion="both", voice="auto")
    cpu_s = time.process_time()
    anyio.run(_converse, sounds, watch, config)
    cpu_s = time.process_time() - cpu_s
    seconds = sum(len(sound) / SAMPLE_RATE + GAP_S for sound in sounds)
    data = directory.name if directory is not None else "flite-slt-rms"
    mark = fingerprint([sound.tobytes() for sound in sounds])[:8]
    answered = watch.metrics.keys() & watch.emotion_at.keys()
    rows = [(u, at, watch.metrics[u.utterance]) for u, at in watch.utterances if u.utterance in answered]
    fields = {"data": f"{data}#{mark}", "n": len(rows), "profile": "embedded", "pace": "live", "machine": machine()}
    return LineBench(
        emotion_ms=tuple(1000 * (watch.emotion_at[u.utterance] - watch.began - u.decided_s) for u, _, _ in rows),
        final_wait_ms=tuple(1000 * (at - watch.began - u.decided_s) for u, at, _ in rows),
        endpoint_ms=tuple(1000 * (u.decided_s - u.end_s) for u, _, _ in rows),
        first_words_ms=tuple(1000 * (at - watch.began - u.end_s) + (m.reply_ms or 0.0) for u, at, m in rows),
        first_sound_ms=tuple(
            1000 * (at - watch.began - u.end_s) + m.sound_ms for u, at, m in rows if m.sound_ms is not None
        ),
        core_share=cpu_s / seconds,
        seconds=seconds,
        signature=str(sign(fields, version=VERSION)),
    )


def table(result: LineBench) -> str:
    """Return the figures as a Markdown table beside their budgets, the signature below."""
    rows = [
        ("endpoint to emotion event", _spread(result.emotion_ms), "≤ 10 ms p99"),
        ("of it: wait for the final 10-best", _spread(result.final_wait_ms), ""),
        ("endpoint wait after the voice", _spread(result.endpoint_ms), "400 to 700 ms"),
        ("end of voice to first words of the answer", _spread(result.first_words_ms), ""),
        ("end of voice to first sound of the answer", _spread(result.first_sound_ms), "≤ 700 ms p50"),
        ("main process, share of a core", f"{100 * result.core_share:.1f} %", ""),
    ]
    lines = ["| measure | here (p50 / p90 / max) | budget |", "|---|---|---|", *(f"| {' | '.join(r)} |" for r in rows)]
    return "\n".join([*lines, "", f"`{result.signature}`"])


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    p50, p90, top = np.percentile(values, [50, 90, 100])
    return f"{p50:.0f} / {p90:.0f} / {top:.0f} ms"


async def _converse(sounds: Sequence[Samples], watch: _Watch, config: Config) -> None:
    audience = Audience(tell=watch.tell, level=lambda _: None, note=lambda _: None)
    talk = Talk(is_live=False, keeps=False, session="bench")
    with embedded_engines() as engines:
        await converse(_paced(sounds, watch), engines=engines, config=config, talk=talk, audience=audience)


async def _paced(sounds: Sequence[Samples], watch: _Watch) -> AsyncIterator[Sound]:
    """Yield the recordings as if they were being spoken, a pause after each, in 20 ms blocks as a device gives."""
    pace = Pace(clock=time.perf_counter)
    gap = silence(round(GAP_S * SAMPLE_RATE))
    blocks = Blocks(FRAME)
    watch.began = time.perf_counter()
    for block in blocks.feed(np.concatenate([part for sound in sounds for part in (sound, gap)])):
        await pace.wait(block.size)
        yield block


def _said(sentences: Sequence[str]) -> list[Samples]:
    """Return the sentences, two voices taking turns."""
    return voiced((("slt", "rms")[index % 2], text) for index, text in enumerate(sentences))

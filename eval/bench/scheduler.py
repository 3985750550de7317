"""Many sessions on one Whisper model: requests batched by the scheduler beside one call at a time, in one run.

All arms decode the same questions with the same options, and what they read is compared: a lock around the model, the
scheduler with one request a call (its order alone), the scheduler with batches. Three measures: what a request costs in
calls of growing size (the upper bound of any gain), finals per second when each session always has one under way, and
the wait for a final when sessions talk, partials included. On a CPU the model has one thread, unless told otherwise:
with more, small calls are slowed by their threads waiting for each other, which flatters batches. Where no model is
given, weights are random: sizes and arithmetic are real, the words are noise.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from streaming.backends.whisper_features import FRAMES_PER_S, MelFrames
from streaming.backends.whisper_model import load_whisper
from streaming.backends.whisper_values import DecodeOptions, Question
from streaming.batching import SchedulerSettings

from ..signature import fingerprint, sign
from .line import SENTENCES
from .machine import VERSION, machine
from .sharing import Batched, OneAtATime, Round, Talked, Turn, finals_in_a_row, talking
from .sounds import read_sounds, voiced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streaming.backends.whisper_model import WhisperModel
    from streaming.events import Samples
    from streaming.scheduler import SchedulerStats

    from .sharing import Sharing

Size = Literal["micro", "tiny", "base", "small", "large"]
SIZES: Final[dict[Size, tuple[int, int, int, int]]] = {
    "micro": (32, 2, 2, 80),
    "tiny": (384, 4, 6, 80),
    "base": (512, 6, 8, 80),
    "small": (768, 12, 12, 80),
    "large": (1280, 32, 20, 128),
}
"""Width, layers, heads and mel bands of the models with random weights; all but "micro" are Whisper's."""
FINAL, PARTIAL, ENCODING = "final, 10 beams", "partial, greedy", "encoding and one token"
KINDS: Final = {FINAL: (10, 112), PARTIAL: (1, 112), ENCODING: (1, 1)}
"""Beams and longest text of each kind of request."""
N_WORDS = 25
BUDGET = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of the model.

    Attributes:
        n_sessions: sessions at once.
        max_batch: most requests in one call.
        n_finals, n_rounds: finals of each session in a round of the throughput measure, and rounds, the arms in turns.
        n_turns, n_partials, every_s: turns of each talking session, partials in one, seconds between them.
        pad_s: length the sound is padded to; the models were trained on 30.
        n_threads: of the model on a CPU.
    """

    n_sessions: int = 16
    max_batch: int = 16
    n_finals: int = 1
    n_rounds: int = 2
    n_turns: int = 2
    n_partials: int = 5
    every_s: float = 0.4
    pad_s: float = 30.0
    n_threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the model with `n` requests of a kind: milliseconds for each request.

    Of the processor where the model has one thread of it, as nothing else that runs disturbs that; else by the clock.
    """

    kind: str
    n: int
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to share the model: rounds of finals in a row, what came of every turn of talking sessions.

    `stats` is the scheduler's account of the talking sessions, None without one.
    """

    name: str
    rounds: tuple[Round, ...]
    talked: tuple[Talked, ...]
    stats: SchedulerStats | None

    @property
    def finals_per_s(self) -> float:
        """Finals per second of clock time, median of the rounds."""
        return float(np.median([each.n / each.wall_s for each in self.rounds]))

    @property
    def processor_ms(self) -> float:
        """Processor time a final, milliseconds, least of the rounds."""
        return min(1000 * each.processor_s / each.n for each in self.rounds)

    @property
    def best(self) -> list[tuple[int, ...]]:
        """The tokens of the best reading of every final in a row."""
        answers = [answer for each in self.rounds for answer in each.answers]
        return [answer.hypotheses[0].tokens if answer.hypotheses else () for answer in answers]

    def agreement(self, other: Arm) -> float:
        """Return the share of the finals in a row whose best readings are equal, token for token."""
        return float(np.mean([mine == theirs for mine, theirs in zip(self.best, other.best, strict=True)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerBench:
    """What a call costs by its size, and the arms: the lock first, the scheduler with full batches last."""

    calls: tuple[Call, ...]
    arms: tuple[Arm, ...]
    signature: str

    @property
    def ratio(self) -> float:
        """Finals per second, batched over one at a time."""
        return self.arms[-1].finals_per_s / self.arms[0].finals_per_s


def measure(
    data: Path | None = None,
    *,
    model: Path | None = None,
    size: Size = "tiny",
    device: str = "auto",
    load: Load | None = None,
) -> SchedulerBench:
    """Return the figures of a run over the recordings of `data`, or over sentences flite voices.

    Raises:
        CorpusUnreadable: no recordings, or no flite to voice the sentences.
        EngineFailed: the model or the device cannot be used.
    """
    load = load or Load()
    heard = _said() if data is None else read_sounds(data)
    sounds = [heard[i % len(heard)] for i in range(load.n_sessions)]
    with tempfile.TemporaryDirectory() as folder:
        path = model or _random_weights(Path(folder), size)
        whisper = load_whisper(path, device=device, n_threads=load.n_threads)
    mark = fingerprint([sound.tobytes() for sound in sounds])[:8]
    fields = {
        "data": f"{'flite-slt-rms' if data is None else data.name}#{mark}",
        "model": f"random-{size}" if model is None else model.name,
        "device": whisper.device,
        "type": whisper.compute_type,
        "threads": load.n_threads,
        "sessions": load.n_sessions,
        "batch": load.max_batch,
        "pad": f"{load.pad_s:g}s",
        "machine": machine(),
    }
    try:
        return _measured(whisper, sounds, load=load, signature=str(sign(fields, version=VERSION)))
    finally:
        whisper.close()


def table(result: SchedulerBench) -> str:
    """Return the figures as two Markdown tables, the signature below."""
    arms = result.arms
    waits = [np.percentile([1000 * talked.final_wait_s for talked in arm.talked], [50, 95]) for arm in arms]
    rows = [
        ("finals per second", *(f"{arm.finals_per_s:.1f}" for arm in arms)),
        ("the same, against the lock", *(f"{arm.finals_per_s / arms[0].finals_per_s:.2f}x" for arm in arms)),
        ("processor time a final", *(f"{arm.processor_ms:.1f} ms" for arm in arms)),
        ("same best readings as with the lock", *(f"{100 * arm.agreement(arms[0]):.0f} %" for arm in arms)),
        ("talking: wait for a final, p50 / p95", *(f"{p50:.0f} / {p95:.0f} ms" for p50, p95 in waits)),
        ("talking: partials answered in time", *map(_answered, arms)),
        ("talking: requests in a call, mean / largest", *map(_batches, arms)),
        ("talking: queueing, p50 / p95", *map(_queueing, arms)),
    ]
    lines = [f"| {' | '.join(['measure', *(arm.name for arm in arms)])} |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    told = f"throughput of batches against the lock: {result.ratio:.2f}x (budget on a GPU: {BUDGET:g}x)"
    return "\n".join([*_cost_lines(result.calls), "", *lines, "", told, "", f"`{result.signature}`"])


def _cost_lines(calls: Sequence[Call]) -> list[str]:
    sizes = sorted({call.n for call in calls})
    lines = [
        f"| milliseconds a request, in a call of | {' | '.join(map(str, sizes))} | best gain |",
        f"|---|{'---|' * (len(sizes) + 1)}",
    ]
    for kind in KINDS:
        costs = {call.n: call.ms for call in calls if call.kind == kind}
        told = " | ".join(f"{costs[n]:.1f}" for n in sizes)
        lines.append(f"| {kind} | {told} | {costs[1] / min(costs.values()):.2f}x |")
    return lines


def _answered(arm: Arm) -> str:
    n = sum(talked.n_partials for talked in arm.talked)
    return f"{100 * sum(talked.n_answered for talked in arm.talked) / n:.0f} %" if n else "none asked"


def _batches(arm: Arm) -> str:
    return "" if arm.stats is None else f"{arm.stats.mean_batch:.1f} / {arm.stats.largest_batch}"


def _queueing(arm: Arm) -> str:
    return "" if arm.stats is None else f"{1000 * arm.stats.queue_p50_s:.0f} / {1000 * arm.stats.queue_p95_s:.0f} ms"


def _measured(whisper: WhisperModel, sounds: Sequence[Samples], *, load: Load, signature: str) -> SchedulerBench:
    calls = _calls(whisper, sounds, load=load)
    ways: dict[str, Callable[[], Sharing]] = {
        "a lock": lambda: OneAtATime(whisper.decode),
        "scheduler, 1 a call": lambda: Batched(whisper.decode, settings=SchedulerSettings(max_batch=1, window_s=0.0)),
        f"scheduler, up to {load.max_batch}": lambda: Batched(
            whisper.decode, settings=SchedulerSettings(max_batch=load.max_batch)
        ),
    }
    finals = [_question(whisper, sound, kind=FINAL, pad_s=load.pad_s) for sound in sounds]
    turns = [_turn(whisper, sound, load=load) for sound in sounds]
    rounds = [[_round(way(), finals, n=load.n_finals) for way in ways.values()] for _ in range(load.n_rounds)]
    arms: list[Arm] = []
    for i, (name, way) in enumerate(ways.items()):
        with closing(way()) as sharing:
            talked = talking(sharing, turns, n=load.n_turns)
            arms.append(
                Arm(name=name, rounds=tuple(each[i] for each in rounds), talked=tuple(talked), stats=sharing.stats())
            )
    return SchedulerBench(calls=tuple(calls), arms=tuple(arms), signature=signature)


def _round(sharing: Sharing, finals: Sequence[Question], *, n: int) -> Round:
    with closing(sharing):
        return finals_in_a_row(sharing, finals, n=n)


def _calls(whisper: WhisperModel, sounds: Sequence[Samples], *, load: Load) -> list[Call]:
    """Time one call of each kind and size, the better of two."""
    sizes = [n for n in (1, 4, 16, 64) if n <= load.max_batch]
    calls: list[Call] = []
    for kind in KINDS:
        questions = [
            _question(whisper, sounds[i % len(sounds)], kind=kind, pad_s=load.pad_s) for i in range(max(sizes))
        ]
        whisper.decode(questions[:1])
        for n in sizes:
            timed = [_timed_s(whisper, questions[:n], n_threads=load.n_threads) for _ in range(2)]
            calls.append(Call(kind=kind, n=n, ms=1000 * min(timed) / n))
    return calls


def _timed_s(whisper: WhisperModel, questions: Sequence[Question], *, n_threads: int) -> float:
    clock = time.process_time if whisper.device == "cpu" and n_threads == 1 else time.perf_counter
    began = clock()
    whisper.decode(questions)
    return clock() - began


def _turn(whisper: WhisperModel, sound: Samples, *, load: Load) -> Turn:
    """Return a turn over the sound: its partials hear ever more of it."""
    ends = [round(len(sound) * (i + 1) / (load.n_partials + 1)) for i in range(load.n_partials)]
    return Turn(
        partials=tuple(_question(whisper, sound[:end], kind=PARTIAL, pad_s=load.pad_s) for end in ends),
        final=_question(whisper, sound, kind=FINAL, pad_s=load.pad_s),
        every_s=load.every_s,
    )


def _question(whisper: WhisperModel, sound: Samples, *, kind: str, pad_s: float) -> Question:
    mel = MelFrames(whisper.filters)
    mel.feed(sound)
    n_beams, max_tokens = KINDS[kind]
    options = DecodeOptions(n_frames=round(pad_s * FRAMES_PER_S), n_beams=n_beams, max_tokens=max_tokens)
    return Question(features=mel.read(), options=options, language="en")


def _said() -> list[Samples]:
    """Return the sentences, two voices taking turns."""
    return voiced((("slt", "rms")[index % 2], text) for index, text in enumerate(SENTENCES))


def _random_weights(folder: Path, size: Size) -> Path:
    from ..tiny.whisper import tiny_whisper  # noqa: PLC0415 - brings torch, which a given model does without

    width, n_layers, n_heads, n_mels = SIZES[size]
    return tiny_whisper(
        folder,
        width=width,
        n_layers=n_layers,
        n_heads=n_heads,
        n_mels=n_mels,
        n_words=N_WORDS,
        multilingual=size != "micro",
    )

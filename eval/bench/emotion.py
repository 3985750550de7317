"""Is the emotion ready before the answer begins, and how much of its prompt was worked through by then?

The real session, R3 and reply prompts on models of given speed and a clock of its own (`eval.bench.virtual`). The user
speaks with inner pauses after which they go on, sometimes talks over the answer, and says at the end something else
than the last partial had. The speeds are assumptions, named in the table; shares of prompts do not depend on them.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Final

from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.emotion.r3 import R3Recognizer
from agent.backends.reply.language_model import LanguageModelResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.conversation import Conversation
from agent.events import EmotionEstimate, Metrics, ReplyDone
from agent.loudspeaker import SilentSink
from agent.preparation import Engines
from agent.r3.conditions import condition
from agent.session import Session, SessionSettings
from streaming.audio import silence
from streaming.events import (
    Hypothesis,
    Prosody,
    RollingProsody,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
    Utterance,
)
from streaming.nbest import cross_wer
from streaming.pipeline import Heard

from ..signature import sign
from .line import SENTENCES
from .machine import VERSION
from .virtual import Speed, TimedModel, run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from agent.events import EmotionSource, SessionEvent
    from streaming.events import ListenerEvent

N_TURNS: Final = 75
WINDOW: Final = 25
CONDITION: Final = "live"
SESSION: Final = "bench"
STEP_S: Final = 0.02
WORD_S: Final = 0.35
PAUSE_S: Final = 0.2
ENDPOINT_S: Final = 0.5
BETWEEN_S: Final = 0.8
ANSWER: Final = (
    "That sounds like a lot to carry, and it makes sense that it stays with you. "
    "What was the hardest part of it for you today?"
)
BUDGET_READY: Final = 0.99
BUDGET_CACHED: Final = 0.9

SPEEDS: Final = (
    Speed(name="8B on a graphics card", prompt_per_s=2500, answer_per_s=60),
    Speed(name="8B on a laptop", prompt_per_s=300, answer_per_s=20),
    Speed(name="3B on a processor", prompt_per_s=80, answer_per_s=10),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One speed, with or without work ahead.

    Attributes:
        n: answers that began before the user went on speaking.
        ready: share of them before whose first token the estimate was there.
        cached_share: mean share of the emotion prompt that was in the cache at the end of an utterance, over the turns
            that find the window full; None for a way of asking that does not tell.
        least_share: the least of these.
        emotion_ms: from the end of the utterance to its estimate: median and 95th percentile.
        words_ms: median from there to the first token of the answer.
    """

    speed: str
    is_ahead: bool
    n: int
    ready: float
    cached_share: float | None
    least_share: float | None
    emotion_ms: tuple[float, float]
    words_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionBench:
    """All figures of a run."""

    rows: tuple[Row, ...]
    signature: str


def measure(*, n_turns: int = N_TURNS, speeds: Sequence[Speed] = SPEEDS, name: str = CONDITION) -> EmotionBench:
    """Return the figures for each of `speeds`, with work ahead and without; the same on every machine.

    Raises:
        ValueError: no turn would find the window full.
    """
    if n_turns <= WINDOW:
        raise ValueError(f"expected more turns than the window of {WINDOW}, got {n_turns}")
    rows = tuple(_row(speed, is_ahead, n_turns, name) for speed in speeds for is_ahead in (True, False))
    fields = {"condition": name, "context": WINDOW, "turns": n_turns, "clock": "virtual", "endpoint_s": ENDPOINT_S}
    return EmotionBench(rows=rows, signature=str(sign(fields, version=VERSION)))


def table(result: EmotionBench) -> str:
    """Return the figures as a Markdown table, the signature below."""
    lines = [
        (
            "| model (assumed tokens/s) | works ahead | answers | emotion before the answer "
            "| cached at the end: mean / least | emotion p50 / p95 | first token of the answer p50 |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for row in result.rows:
        p50, p95 = row.emotion_ms
        lines.append(
            f"| {row.speed} | {'yes' if row.is_ahead else 'no'} | {row.n} | {100 * row.ready:.1f} % "
            f"| {_share(row.cached_share)} / {_share(row.least_share)} | {p50:.0f} / {p95:.0f} ms "
            f"| {row.words_ms:.0f} ms |"
        )
    budgets = f"Budgets: ready in ≥ {100 * BUDGET_READY:.0f} % of turns, ≥ {100 * BUDGET_CACHED:.0f} % cached."
    return "\n".join([*lines, "", budgets, "", f"`{result.signature}`"])


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


class _NotAhead:
    """A recogniser without what it can do ahead and afterwards."""

    def __init__(self, recognizer: R3Recognizer) -> None:
        self._recognizer = recognizer

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        return await self._recognizer.recognize(utterance, conversation, revision=revision, source=source)


@dataclass(slots=True, kw_only=True)
class _Watch:
    """When things were told, in the loop's seconds, and what the metrics say, by utterance."""

    ended: dict[int, float] = field(default_factory=dict[int, float])
    estimated: dict[int, float] = field(default_factory=dict[int, float])
    metrics: dict[int, Metrics] = field(default_factory=dict[int, Metrics])
    n_done: int = 0

    async def tell(self, event: SessionEvent) -> None:
        now = asyncio.get_running_loop().time()
        match event:
            case Utterance():
                self.ended[event.utterance] = now
            case EmotionEstimate(is_final=True):
                self.estimated.setdefault(event.utterance, now)
            case ReplyDone():
                self.n_done += 1
            case Metrics():
                self.metrics[event.utterance] = event
            case _:
                pass


def _row(speed: Speed, is_ahead: bool, n_turns: int, name: str) -> Row:  # noqa: FBT001 - one of a product
    model, watch = TimedModel(speed, answer=ANSWER), _Watch()
    run_virtual(lambda: _converse(model, watch, is_ahead=is_ahead, n_turns=n_turns, name=name))
    began = _begun(watch.ended, model.first_words.get(SESSION, []))
    estimated = {n: watch.estimated.get(n, math.inf) for n in watch.ended}
    waits = [estimated[n] - at_s for n, at_s in watch.ended.items()]
    shares = [m.cached_share for n, m in watch.metrics.items() if n > WINDOW and m.cached_share is not None]
    spread = quantiles(waits, n=20)
    return Row(
        speed=f"{speed.name} ({speed.prompt_per_s:g} read, {speed.answer_per_s:g} written)",
        is_ahead=is_ahead,
        n=len(began),
        ready=sum(estimated[n] <= at_s for n, at_s in began.items()) / len(began),
        cached_share=fmean(shares) if shares else None,
        least_share=min(shares, default=None),
        emotion_ms=(1000 * spread[9], 1000 * spread[18]),
        words_ms=1000 * median(at_s - watch.ended[n] for n, at_s in began.items()),
    )


def _begun(ended: Mapping[int, float], first_words: Sequence[float]) -> dict[int, float]:
    """Return when the answer to each utterance began; those that the user cut off before are missing."""
    turns = sorted(ended)
    until = [*(ended[n] for n in turns[1:]), math.inf]
    return {n: at_s for n, end_s in zip(turns, until, strict=True) for at_s in first_words if ended[n] <= at_s < end_s}


async def _converse(model: TimedModel, watch: _Watch, *, is_ahead: bool, n_turns: int, name: str) -> None:
    recognizer = R3Recognizer(model, condition=condition(name), small=EmbeddedRecognizer())
    engines = Engines(
        recognizer=recognizer if is_ahead else _NotAhead(recognizer),
        responder=LanguageModelResponder(model),
        speech=ScriptedSpeech(),
    )
    session = Session(
        Conversation(session=SESSION),
        engines=engines,
        sink=SilentSink(),
        tell=watch.tell,
        settings=SessionSettings(lockstep=False),
        clock=asyncio.get_running_loop().time,
    )
    await session.run(_talk(watch, n_turns))


async def _talk(watch: _Watch, n_turns: int) -> AsyncIterator[Heard]:
    """Yield blocks of 20 ms as they would come live; the user waits for the end of most answers."""
    n_blocks = 0

    async def block(events: Sequence[ListenerEvent] = ()) -> Heard:
        nonlocal n_blocks
        n_blocks += 1
        await asyncio.sleep(STEP_S)
        return Heard(now_s=n_blocks * STEP_S, level_db=-40.0, events=tuple(events))

    for turn in range(1, n_turns + 1):
        script = _said(turn, start_s=(n_blocks + 1) * STEP_S)
        while script:
            now_s = (n_blocks + 1) * STEP_S
            due = [event for at_s, event in script if at_s <= now_s + 1e-9]
            script = script[len(due) :]
            yield await block(due)
        # Every seventh time the user talks over the answer, a second after its first word at the latest.
        until_s = n_blocks * STEP_S + (1.5 if turn % 7 == 0 else 600)
        while watch.n_done < turn and n_blocks * STEP_S < until_s:
            yield await block()
        for _ in range(0 if turn % 7 == 0 else round(BETWEEN_S / STEP_S)):
            yield await block()


def _said(turn: int, *, start_s: float) -> list[tuple[float, ListenerEvent]]:
    """Return what a listener says of one utterance and when: a partial per word, a pause in every third."""
    words = f"{SENTENCES[turn % len(SENTENCES)]} number {turn}".split()
    out: list[tuple[float, ListenerEvent]] = [(start_s + 0.1, SpeechStarted(utterance=turn, at_s=start_s))]
    at_s, generation = start_s, 0
    prosody = Prosody(energy_rel_db=3.0 * (turn % 3 - 1), pitch_rel_st=2.0 * (turn % 2), rate_rel=1.0, voiced_s=2.0)
    for n in range(1, len(words) + 1):
        at_s += WORD_S
        out.append((at_s, _heard(turn, words[:n], at_s)))
        out.append((at_s, RollingProsody(utterance=turn, at_s=at_s, prosody=prosody)))
        if turn % 3 == 0 and n == len(words) // 2:
            generation += 1
            out.append((at_s + PAUSE_S, SpeechPaused(utterance=turn, generation=generation, at_s=at_s)))
            at_s += 2 * PAUSE_S
            out.append((at_s, SpeechResumed(utterance=turn, at_s=at_s)))
    out.append((at_s + PAUSE_S, SpeechPaused(utterance=turn, generation=generation + 1, at_s=at_s)))
    decided_s = at_s + ENDPOINT_S
    final = _final(turn, words, decided_s)
    ended = SpeechEnded(utterance=turn, start_s=start_s, end_s=at_s, decided_s=decided_s, reason="endpoint")
    whole = Utterance(
        utterance=turn,
        start_s=start_s,
        end_s=at_s,
        decided_s=decided_s,
        transcript=final,
        prosody=prosody,
        samples=silence(0),
        cross_wer=cross_wer(final.nbest),
    )
    return [*out, (decided_s, ended), (decided_s, final), (decided_s, whole)]


def _heard(turn: int, words: Sequence[str], at_s: float) -> Transcript:
    reading = Hypothesis(text=" ".join(words), logp=-1.0, posterior=1.0, source="script")
    return Transcript(utterance=turn, revision=len(words), at_s=at_s, is_final=False, nbest=(reading,))


def _final(turn: int, words: Sequence[str], at_s: float) -> Transcript:
    """Return ten readings, each with another word wrong, the best one other than the last partial was."""
    texts = [" ".join([*words[:-1], "them"])]
    texts += [" ".join([*words[: n + 1], "the", *words[n + 2 :]]) for n in range(9)]
    nbest = tuple(
        Hypothesis(text=text, logp=-float(n + 1), posterior=0.5**n / 2, source="script") for n, text in enumerate(texts)
    )
    return Transcript(utterance=turn, revision=99, at_s=at_s, is_final=True, nbest=nbest)

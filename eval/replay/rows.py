"""Rows from what came of items, and the lines they are written as. Pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from agent.jsonl import emotion_fields, prosody_record, transcript_record
from agent.translation.languages import is_same_language
from streaming.events import Hypothesis
from streaming.nbest import posteriors

from .row import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.events import EmotionEstimate
    from streaming.events import Transcript, Utterance

    from ..corpora.item import Item
    from .row import Status
    from .sound import Sound

_NEVER_THE_SAME: Final = ("cached_share",)
"""Of an estimate: what hangs on what else was asked of the model before."""
_HEAD: Final = ("type", "utterance", "at_s", "final")


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of an item, gathered while it is heard.

    `is_answered`: something was to be said in answer to it, in the language `target`, None: that of the conversation.
    `heard_ms`: until it was heard and its emotion read, an answer that came meanwhile included; `took_ms`: all of it.
    """

    item: Item
    is_answered: bool = False
    target: str | None = None
    sound: Sound | None = None
    utterances: list[Utterance] = field(default_factory=list["Utterance"])
    partials: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    said: dict[int, str] = field(default_factory=dict[int, str])
    n_rolling: int = 0
    finals: list[EmotionEstimate] = field(default_factory=list["EmotionEstimate"])
    troubles: list[str] = field(default_factory=list[str])
    is_unreadable: bool = False
    model: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    costs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    heard_ms: float = 0.0
    took_ms: float = 0.0
    emotion_ms: float | None = None
    reply_ms: float | None = None

    def status(self, *, reads: bool) -> Status:
        """Return how it went; `reads`: an estimate was wanted."""
        if self.is_unreadable:
            return "unreadable"
        if not self.utterances:
            return "failed" if self.troubles else "no_speech"
        lacks_words = self.is_answered and not self.answer
        return "failed" if lacks_words or (reads and not self.finals) else "ok"

    def show(self, partial: Transcript, *, at_s: float) -> None:
        """Note what is shown while somebody speaks, `at_s` seconds into the item, after what was said in it before."""
        text = " ".join([*(each.transcript.text for each in self.utterances), partial.text])
        if not self.partials or self.partials[-1]["text"] != text:
            self.partials.append({"at_s": round(at_s, 3), "text": text})

    def say(self, text: str) -> None:
        """Note what is said in answer to the last utterance so far."""
        number = len(self.utterances)
        self.said[number] = self.said.get(number, "") + text

    @property
    def answer(self) -> str:
        """What was said in answer, or its translation; to an item longer than an utterance may be part by part."""
        return " ".join(part.strip() for part in self.said.values()).strip()


def row_of(outcome: Outcome, *, corpus: str, run: str, labels: Mapping[str, str], reads: bool) -> Row:
    """Return the row of an item."""
    item, sound = outcome.item, outcome.sound
    first = outcome.utterances[0] if outcome.utterances else None
    problems = [*([sound.problem] if sound and sound.problem else []), *outcome.troubles]
    return Row(
        item=item.id,
        corpus=corpus,
        run=run,
        status=outcome.status(reads=reads),
        dialogue=item.dialogue,
        order=item.order,
        speaker=item.speaker,
        split=item.split,
        audio_sha256=None if sound is None else sound.sha256,
        audio_s=None if sound is None else round(sound.seconds, 3),
        problem="; ".join(dict.fromkeys(problems)) or None,
        truth=truth_of(item, labels, target=outcome.target),
        nbest=_nbest(outcome.utterances),
        partials=outcome.partials,
        prosody=None if first is None or sound is None else _prosody(first),
        estimates=_estimates(outcome),
        answer=outcome.answer or None,
        answer_in=outcome.target if outcome.answer else None,
        model=outcome.model,
    )


def times_of(outcome: Outcome) -> dict[str, Any]:
    """Return the wall-clock times of an item, and what its calls cost: never the same twice."""
    return {
        "item": outcome.item.id,
        "audio_s": None if outcome.sound is None else round(outcome.sound.seconds, 3),
        "heard_ms": round(outcome.heard_ms, 3),
        "took_ms": round(outcome.took_ms, 3),
        "emotion_ms": None if outcome.emotion_ms is None else round(outcome.emotion_ms, 3),
        "reply_ms": None if outcome.reply_ms is None else round(outcome.reply_ms, 3),
        "model": outcome.costs,
    }


def line_of(row: Row) -> str:
    """Return a row as one line of JSON without a line end."""
    return json.dumps(asdict(row), ensure_ascii=False, allow_nan=False)


def truth_of(item: Item, labels: Mapping[str, str], *, target: str | None = None) -> dict[str, Any]:
    """Return what the corpus says of an item, what it does not tell left out.

    `emotion` and `votes` go by our labels; a label that has no place there stays, under its own name, in `label` and
    `votes`, and `emotion` is left out. A reference translation into another language than `target` is left out, too.
    """
    refers = target is None or item.target is None or is_same_language(item.target, target)
    votes: Counter[str] = Counter()
    for label, n in item.votes:
        votes[labels.get(label, label)] += n
    told: dict[str, Any] = {
        "text": item.text,
        "label": item.emotion,
        "emotion": None if item.emotion is None else labels.get(item.emotion),
        "votes": dict(votes) or None,
        "arousal": item.arousal,
        "dominance": item.dominance,
        "valence": item.valence,
        "description": item.description,
        "translation": item.translation if refers else None,
        "target": item.target if refers else None,
        "gender": item.gender,
    }
    known = {name: value for name, value in told.items() if value is not None and not _is_no_number(value)}
    return known | {"language": item.language, "is_to_be_scored": item.is_to_be_scored}


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _nbest(utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Return the readings; of an item longer than an utterance may be, those of its parts put together by rank."""
    if not utterances:
        return []
    transcript = utterances[0].transcript
    for more in utterances[1:]:
        transcript = replace(transcript, nbest=_joined(transcript.nbest, more.transcript.nbest))
    return transcript_record(transcript)["nbest"]


def _joined(left: Sequence[Hypothesis], right: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    pairs = [(left[min(at, len(left) - 1)], right[min(at, len(right) - 1)]) for at in range(max(len(left), len(right)))]
    shares = posteriors([one.logp + other.logp for one, other in pairs])
    return tuple(
        Hypothesis(
            text=f"{one.text} {other.text}",
            logp=one.logp + other.logp,
            posterior=share,
            source=one.source,
            words=one.words + other.words,
        )
        for (one, other), share in zip(pairs, shares, strict=True)
    )


def _prosody(utterance: Utterance) -> dict[str, Any]:
    told = prosody_record(utterance.utterance, utterance.prosody, at_s=0.0, is_final=True)
    return {name: value for name, value in told.items() if name not in _HEAD}


def _estimates(outcome: Outcome) -> list[dict[str, Any]]:
    counted = [{"n_rolling": outcome.n_rolling}] if outcome.n_rolling else []
    finals = [emotion_fields(estimate) for estimate in outcome.finals]
    return [*counted, *({k: v for k, v in one.items() if k not in _NEVER_THE_SAME} for one in finals)]

"""One line of a ledger: everything that came of one item, so that scoring needs nothing else. Plain values; pure.

Byte-identical wherever, whenever and by however many workers it was made; wall-clock times stand in a file of their own
(`times.jsonl`), since they never repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Status: TypeAlias = Literal["ok", "no_speech", "unreadable", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of an item.

    Attributes:
        item: its id; `corpus`, `dialogue`, `order`, `speaker`, `split` as read.
        run: hash of all that the row depends on besides the item (config, prompts, weights, versions).
        audio_sha256: of the samples as they were heard (16 kHz), None without audio.
        status: "no_speech": heard, and no word in it; "unreadable", "failed": `problem` says why; all are counted.
        truth: what the corpus says: text, emotion (mapped), votes, a/d/v, translation; absent keys are not told.
        nbest: readings with logp and posterior, best first; from the corpus's own where it brings them.
        partials: what was shown while it was said, as {"at_s", "text"}: when in its sound, and the best reading;
            repeats are left out.
        prosody: measures and words of `agent.jsonl.prosody_record`.
        estimates: how many rolling ones there were (`n_rolling`), then final ones and revisions, as
            `agent.jsonl.emotion_fields`; the last stands.
        answer: what was said or translated, None in estimating only.
        answer_in: the language it is a translation into; None: it is an answer, and no translation.
        model: raw text or label scores and tokens of each call of a language model, in order; whether it came from the
            cache stands with the times.
    """

    item: str
    corpus: str
    run: str
    status: Status
    dialogue: str | None = None
    order: int = 0
    speaker: str | None = None
    split: str = ""
    audio_sha256: str | None = None
    audio_s: float | None = None
    problem: str | None = None
    truth: dict[str, Any] = field(default_factory=dict[str, Any])
    nbest: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    partials: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    prosody: dict[str, Any] | None = None
    estimates: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answer: str | None = None
    answer_in: str | None = None
    model: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

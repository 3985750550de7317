"""What block 6 knows: how emotion, recognition errors and the length of an utterance go together. Pure.

Estimated from a corpus by the procedure of papers_spec 3.3 and kept as a file:

    {"source": "IEMOCAP, sessions 1-4", "n_words": 61234,
     "wer_by_emotion": {"angry": 0.28, "happy": 0.31, "neutral": 0.25, "sad": 0.3},
     "wer_by_length": {"1-5": 0.41, "6-10": 0.3, "11-20": 0.27, ">20": 0.24}}

Shares, not percent. Until there is one only the direction is told that other work supports (Munot & Nenkova 2019).
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from prompts import load
from streaming.nbest import edits, normalise

from ..errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BINS = ((5, "1-5"), (10, "6-10"), (20, "11-20"))
LONGEST = ">20"
_SHORT = {"1-5", "6-10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One utterance of a corpus: its label, what was said, what recognisers heard."""

    emotion: str
    reference: str
    hypotheses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Word error rates, pooled over recognisers: errors per word of the references. They may exceed 1.

    Attributes:
        by_emotion: label to rate.
        by_length: bin of reference words ("1-5", "6-10", "11-20", ">20") to rate.
        n_words: reference words the rates rest on.
        source: corpus and split.
    """

    by_emotion: Mapping[str, float]
    by_length: Mapping[str, float]
    n_words: int
    source: str

    def __post_init__(self) -> None:
        """Refuse rates that cannot be."""
        rates = [*self.by_emotion.values(), *self.by_length.values()]
        if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
            raise ConfigInvalid(f"expected word error rates of at least 0, got {rates}")


def estimate(rows: Iterable[Spoken], *, source: str) -> Findings:
    """Return the rates of a corpus: errors of all hypotheses over words of their references, per emotion and length.

    Words are compared after `streaming.nbest.normalise`; utterances without a word in their reference do not count.
    """
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    n_words = 0
    for row in rows:
        words = normalise(row.reference).split()
        if not words:
            continue
        n_words += len(words)
        n_errors = sum(edits(words, normalise(hypothesis).split()) for hypothesis in row.hypotheses)
        for key in (("emotion", row.emotion), ("length", _bin(len(words)))):
            counts[key][0] += n_errors
            counts[key][1] += len(words) * len(row.hypotheses)
    rates = {key: n_errors / n for key, (n_errors, n) in sorted(counts.items()) if n}
    return Findings(
        by_emotion={name: rate for (kind, name), rate in rates.items() if kind == "emotion"},
        by_length={name: rate for (kind, name), rate in rates.items() if kind == "length"},
        n_words=n_words,
        source=source,
    )


def sentence(findings: Findings | None) -> str:
    """Return what block 6 says of the findings; without any, or with one label only, the direction alone."""
    prompt = load("knowledge_asr_relation")
    if findings is None or len(findings.by_emotion) < 2:
        return prompt.item("directional")
    high = max(findings.by_emotion, key=lambda label: findings.by_emotion[label])
    low = min(findings.by_emotion, key=lambda label: findings.by_emotion[label])
    told = prompt.item(
        "by_emotion",
        high=high,
        low=low,
        high_pct=percent(findings.by_emotion[high]),
        low_pct=percent(findings.by_emotion[low]),
    )
    return f"{told} {_of_length(findings)}".rstrip()


def written(findings: Findings) -> str:
    """Return the file's text."""
    content = {
        "source": findings.source,
        "n_words": findings.n_words,
        "wer_by_emotion": dict(findings.by_emotion),
        "wer_by_length": dict(findings.by_length),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> Findings:
    """Return the findings of a file's text.

    Raises:
        ConfigInvalid: it is not such a file.
    """
    try:
        content = cast("dict[str, Any]", json.loads(text))
        return Findings(
            by_emotion={str(label): float(rate) for label, rate in content["wer_by_emotion"].items()},
            by_length={str(name): float(rate) for name, rate in content["wer_by_length"].items()},
            n_words=int(content["n_words"]),
            source=str(content["source"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise ConfigInvalid(
            f"expected JSON with source, n_words, wer_by_emotion and wer_by_length, got something else: {problem!r}"
        ) from problem


def percent(share: float) -> str:
    """Return a share in whole percent, without the sign."""
    return f"{100 * share:.0f}"


def _of_length(findings: Findings) -> str:
    if len(findings.by_length) < 2:
        return ""
    worst = max(findings.by_length, key=lambda name: findings.by_length[name])
    return load("knowledge_asr_relation").item(
        "by_length",
        length="short" if worst in _SHORT else "long",
        bin=worst,
        bin_pct=percent(findings.by_length[worst]),
    )


def _bin(n_words: int) -> str:
    return next((name for most, name in BINS if n_words <= most), LONGEST)

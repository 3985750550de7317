"""Lists of readings: compare, merge, rank, measure how far they disagree. Knows nothing of engines or sound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from .events import Hypothesis, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

_APOSTROPHE = "\u2019"
_ALTERNATIVE = re.compile(r"\(\d+\)")
_FILLER = re.compile(r"<[^>]*>|\[[^\]]*\]|\+\+[^+]*\+\+|!(?:NULL|SENT_START|SENT_END)")
_SPOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read the sound: its words and the engine's natural-log score."""

    words: tuple[Word, ...]
    logp: float

    @property
    def text(self) -> str:
        """The words, joined by single spaces."""
        return " ".join(word.text for word in self.words)


def normalise(text: str) -> str:
    """Return `text` as it is compared: lower case, words only, no fillers, marks or punctuation.

    >>> normalise("<sil> The(2) [NOISE] car, o'clock!")
    "the car o'clock"
    """
    plain = _FILLER.sub(" ", _ALTERNATIVE.sub("", text))
    return " ".join(_SPOKEN.findall(plain.lower().replace(_APOSTROPHE, "'")))


def log_sum_exp(values: Sequence[float]) -> float:
    """Return log(sum(exp(v))) without overflow; minus infinity for none."""
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))


def posteriors(logps: Sequence[float], *, temperature: float = 1.0) -> list[float]:
    """Return the softmax of `logps` / `temperature`: in [0, 1], summing to 1."""
    if not logps:
        return []
    scaled = [logp / temperature for logp in logps]
    total = log_sum_exp(scaled)
    return [math.exp(value - total) for value in scaled]


def rank(
    readings: Sequence[Reading], *, source: str, n_best: int = 10, temperature: float = 1.0
) -> tuple[Hypothesis, ...]:
    """Return the best distinct readings as hypotheses, by falling score.

    Readings that are alike after `normalise` become one: its score is the log-sum-exp of theirs, its words are those of
    the best. Empty readings and scores that are not finite are left out.

    Args:
        readings: in any order; scores are natural logs on one scale.
        source: name of the engine.
        n_best: how many to keep at most.
        temperature: divides the scores before the softmax; above 1 for an over-confident engine.
    """
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        key = normalise(reading.text)
        if key and math.isfinite(reading.logp):
            groups.setdefault(key, []).append(reading)
    merged = [
        (log_sum_exp([reading.logp for reading in group]), key, max(group, key=lambda reading: reading.logp))
        for key, group in groups.items()
    ]
    merged.sort(key=lambda entry: (-entry[0], entry[1]))
    kept = merged[:n_best]
    shares = posteriors([logp for logp, _, _ in kept], temperature=temperature)
    return tuple(
        Hypothesis(text=best.text, logp=logp, posterior=share, source=source, words=best.words)
        for (logp, _, best), share in zip(kept, shares, strict=True)
    )


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return how many words must be put in, left out or changed to get from one to the other (Levenshtein)."""
    # Readings of one utterance share most of their words: what they share at both ends needs no search.
    n_ends = min(len(reference), len(hypothesis))
    n_head = next((i for i in range(n_ends) if reference[i] != hypothesis[i]), n_ends)
    n_tail = next((i for i in range(n_ends - n_head) if reference[-1 - i] != hypothesis[-1 - i]), n_ends - n_head)
    reference = reference[n_head : len(reference) - n_tail]
    hypothesis = hypothesis[n_head : len(hypothesis) - n_tail]
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, start=1):
        diagonal, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, start=1):
            change = diagonal + (expected != heard)
            diagonal = row[j]
            row[j] = min(change, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Return edits per word of `reference` after `normalise`; against no words, 0 if both are empty, else 1."""
    expected, heard = normalise(reference).split(), normalise(hypothesis).split()
    return _per_word(edits(expected, heard), expected)


def cross_wer(nbest: Sequence[Hypothesis]) -> float | None:
    """Return how far the readings disagree: mean WER over ordered pairs, cut at 1; None for fewer than two.

    After R3 (cross_WER: each hypothesis in turn is the reference of every other).
    """
    readings = [normalise(hypothesis.text).split() for hypothesis in nbest]
    rates: list[float] = []
    for one, other in combinations(readings, 2):
        n_edits = edits(one, other)
        rates += [_per_word(n_edits, one), _per_word(n_edits, other)]
    return min(1.0, sum(rates) / len(rates)) if rates else None


def _per_word(n_edits: int, reference: Sequence[str]) -> float:
    return n_edits / len(reference) if reference else float(n_edits > 0)

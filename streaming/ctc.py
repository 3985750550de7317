"""From a frame-wise character model to an n-best list with true probabilities and words on their frames.

Numpy only; knows no model and no sound. `streaming.ctc_beam` finds readings, `streaming.ctc_alignment` scores them
exactly, so that a reading's score does not depend on what the search pruned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .ctc_alignment import align, ctc_logps
from .ctc_beam import BeamSettings, search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .ctc_alignment import LogProbs

_NO_TOKEN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alphabet:
    """What the columns of a model's output stand for.

    Attributes:
        symbols: text of each column; several characters are allowed.
        blank: index of the blank.
        delimiter: index of the symbol between words, None when words are not told apart.
        silent: indices that are never read (beginning and end of sentence, unknown, ...).
    """

    symbols: tuple[str, ...]
    blank: int
    delimiter: int | None = None
    silent: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Check that the indices are there."""
        named = (
            [self.blank, *sorted(self.silent)]
            if self.delimiter is None
            else [self.blank, self.delimiter, *sorted(self.silent)]
        )
        if min(named) < 0 or max(named) >= len(self.symbols):
            raise ValueError(f"indices {named} are not all within the {len(self.symbols)} symbols")
        if self.delimiter == self.blank:
            raise ValueError(f"blank and delimiter are both {self.blank}, expected two symbols")

    def without_silent(self, log_probs: LogProbs) -> NDArray[np.float64]:
        """Return the log-probabilities with minus infinity for what is never read."""
        rows = np.array(log_probs, np.float64)
        rows[:, sorted(self.silent)] = -np.inf
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWord:
    """A word on its frames `first` to `end` - 1; `p` is the mean (geometric) of its symbols' best frames, in [0, 1]."""

    text: str
    first: int
    end: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CtcReading:
    """One way to read the frames: its symbols, its words, and log P(text | frames), summed over all alignments."""

    tokens: tuple[int, ...]
    words: tuple[SpokenWord, ...]
    logp: float

    @property
    def text(self) -> str:
        """The words, joined by single spaces."""
        return " ".join(word.text for word in self.words)


def read_nbest(log_probs: LogProbs, alphabet: Alphabet, *, settings: BeamSettings | None = None) -> list[CtcReading]:
    """Return the most probable distinct readings, best first; the empty reading may be among them.

    Args:
        log_probs: natural log, shape (frames, symbols); 0 frames are read as nothing at all.
        alphabet: what the columns stand for.
        settings: how wide to search.
    """
    settings = settings or BeamSettings()
    rows = alphabet.without_silent(log_probs)
    found = [
        tokens for tokens, _ in search(rows, blank=alphabet.blank, delimiter=alphabet.delimiter, settings=settings)
    ][: settings.n_best]
    logps = ctc_logps(rows, found, blank=alphabet.blank, delimiter=alphabet.delimiter)
    spans = align(rows, found, blank=alphabet.blank, delimiter=alphabet.delimiter)
    readings = [
        CtcReading(tokens=tokens, words=_words(tokens, frames, rows, alphabet), logp=float(logp))
        for tokens, frames, logp in zip(found, spans, logps, strict=True)
    ]
    return sorted((reading for reading in readings if np.isfinite(reading.logp)), key=lambda reading: -reading.logp)


def read_greedy(log_probs: LogProbs, alphabet: Alphabet) -> CtcReading:
    """Return the reading of the most probable alignment; `logp` is that alignment's, no sum."""
    rows = alphabet.without_silent(log_probs)
    best = rows.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=_NO_TOKEN))
    ends = np.flatnonzero(np.diff(best, append=_NO_TOKEN)) + 1
    tokens: list[int] = []
    frames: list[tuple[int, int]] = []
    for token, first, end in zip(best[starts].tolist(), starts.tolist(), ends.tolist(), strict=True):
        is_gap = token == alphabet.delimiter and (not tokens or tokens[-1] == token)
        if token != alphabet.blank and not is_gap:
            tokens.append(token)
            frames.append((first, end))
    if tokens and tokens[-1] == alphabet.delimiter:
        del tokens[-1], frames[-1]
    logp = float(rows[np.arange(len(best)), best].sum())
    return CtcReading(tokens=tuple(tokens), words=_words(tokens, frames, rows, alphabet), logp=logp)


def _words(
    tokens: Sequence[int], frames: Sequence[tuple[int, int]], rows: NDArray[np.float64], alphabet: Alphabet
) -> tuple[SpokenWord, ...]:
    """Return the words that the symbols spell, on their frames."""
    words: list[SpokenWord] = []
    start = 0
    for end in [*(i for i, token in enumerate(tokens) if token == alphabet.delimiter), len(tokens)]:
        spelled = range(start, min(end, len(frames)))
        if spelled:
            best = [rows[frames[i][0] : frames[i][1], tokens[i]].max() for i in spelled]
            words.append(
                SpokenWord(
                    text="".join(alphabet.symbols[tokens[i]] for i in spelled),
                    first=frames[spelled[0]][0],
                    end=frames[spelled[-1]][1],
                    p=min(1.0, float(np.exp(np.mean(best)))),
                )
            )
        start = end + 1
    return tuple(words)

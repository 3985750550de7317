"""Whisper's tokens as words with times. Knows tokens and alignments by their numbers, not the model."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..nbest import normalise
from .whisper_values import HeardWord

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS_PER_S = 50
"""Steps of the encoder's output in a second."""
UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces: their words are joined by nothing."""

_OPENING = frozenset("\"'\u201c\u2018\u00bf\u00a1([{<-\u00ab")


def joined(words: Sequence[str], *, language: str | None) -> str:
    """Return the text the words make."""
    return ("" if language in UNSPACED else " ").join(words)


def spoken_pieces(pieces: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the words in the pieces that a tokenizer's text falls into: text, first piece, piece after the last.

    Marks belong to the word before, opening ones to the word behind.
    """
    words: list[tuple[str, int, int]] = []
    opening, n_opening = "", 0
    for i, piece in enumerate(pieces):
        text = piece.strip()
        is_mark = not any(letter.isalnum() for letter in text)
        if is_mark and (piece[:1].isspace() or not words) and text[:1] in _OPENING:
            opening, n_opening = opening + text, n_opening + 1
        elif is_mark and words:
            before, first, _ = words[-1]
            words[-1] = (before + opening + text, first, i + 1)
            opening, n_opening = "", 0
        elif text:
            words.append((opening + text, i - n_opening, i + 1))
            opening, n_opening = "", 0
    return words


def word_texts(pieces: Sequence[str]) -> list[str]:
    """Return the words in the pieces, marks with them."""
    return [text for text, _, _ in spoken_pieces(pieces)]


def aligned(
    pieces: Sequence[str],
    n_tokens: Sequence[int],
    *,
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
) -> tuple[HeardWord, ...] | None:
    """Return the words with times and mean token probabilities; None when the alignment does not cover them.

    Args:
        pieces: what the tokenizer's text falls into.
        n_tokens: tokens of each piece.
        path: (token, step of the encoder) pairs of the alignment, the mark of the end being the last token.
        probabilities: of the tokens.
    """
    starts_s = _token_starts_s(path)
    edges = np.concatenate([[0], np.cumsum(n_tokens)]).astype(int)
    if len(starts_s) <= edges[-1] or len(probabilities) < edges[-1]:
        return None
    words: list[HeardWord] = []
    for text, first, after in spoken_pieces(pieces):
        begin, end = int(edges[first]), int(edges[after])
        words.append(
            HeardWord(
                text=text,
                start_s=starts_s[begin],
                end_s=starts_s[end],
                probability=min(1.0, float(np.mean(probabilities[begin:end]))),
            )
        )
    return tuple(words)


def _token_starts_s(path: Sequence[tuple[int, int]]) -> list[float]:
    """Return when each token begins: where the path first comes to it."""
    starts: dict[int, int] = {}
    for token, step in path:
        starts.setdefault(token, step)
    return [starts[token] / STEPS_PER_S for token in sorted(starts)]


def timed_like(texts: Sequence[str], known: Sequence[HeardWord], *, heard_s: float) -> tuple[HeardWord, ...]:
    """Return the words of another reading: with the times of the known ones they share, else spread between those."""
    said, heard = [normalise(text) for text in texts], [normalise(word.text) for word in known]
    words: list[HeardWord] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, said, heard, autojunk=False).get_opcodes():
        if tag == "equal":
            words += [
                HeardWord(text=text, start_s=word.start_s, end_s=word.end_s)
                for text, word in zip(texts[i:i_end], known[j:j_end], strict=True)
            ]
        else:
            begin_s = known[j - 1].end_s if j else 0.0
            end_s = known[j_end].start_s if j_end < len(known) else heard_s
            words += _spread(texts[i:i_end], begin_s, max(begin_s, end_s))
    return tuple(words)


def _spread(texts: Sequence[str], begin_s: float, end_s: float) -> list[HeardWord]:
    edges = np.linspace(begin_s, end_s, len(texts) + 1).tolist()
    return [
        HeardWord(text=text, start_s=start_s, end_s=stop_s)
        for text, (start_s, stop_s) in zip(texts, pairwise(edges), strict=True)
    ]


def place_to_cut(words: Sequence[HeardWord], *, before_s: float, reach_s: float = 5.0) -> tuple[int, float] | None:
    """Return after how many words, and when, an utterance is best cut; None when no word ends in time.

    The middle of the longest gap behind a word that ends in the last `reach_s` before `before_s`; behind the last word
    before that when none does.
    """
    ended = [i for i, word in enumerate(words) if 0.0 < word.end_s <= before_s]
    near = [i for i in ended if words[i].end_s >= before_s - reach_s]
    best: tuple[float, int, float] | None = None
    for i in near or ended[-1:]:
        word = words[i]
        next_s = words[i + 1].start_s if i + 1 < len(words) else before_s
        gap_s = max(0.0, min(next_s, before_s) - word.end_s)
        if best is None or gap_s >= best[0]:
            best = (gap_s, i + 1, word.end_s + gap_s / 2)
    return None if best is None else best[1:]

"""Trains the word model: GoEmotions in spoken form -> the weights that ship with the agent.

One pipeline for everything, so that what is measured is what ships: n-grams -> two heads -> the n-grams that matter ->
the heads again -> 8-bit weights; calibrated on comments that a third of the model never saw.
"""

from __future__ import annotations

# scipy.sparse ships no types: what it returns is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from agent.backends.emotion.spoken import tokens_of
from agent.backends.emotion.text import N_FOUR, TextWeights, occurrences_of, text_weights_of, values_of
from agent.labels import BIG_FOUR, EIGHT

from ..errors import CorpusUnreadable
from .goemotions import EIGHT_OF, WIDE, Comment, big_four_targets, eight_targets, soft_targets
from .linear import Floats, Head, LinearSettings, Rows, fit_calibration, train_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from agent.backends.emotion.spoken import Token

LEAST: Final = 4
"""Comments of a class below which nothing is trained."""
CHUNK: Final = 2000
"""Comments turned into n-grams at a time; bounds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSettings:
    """How the word model is made.

    Attributes:
        n_grams: how many are kept; 17 bytes each in the weights.
        min_comments: n-grams seen in fewer comments are never considered.
        wide_weight: weight in the Big Four head of comments whose labels are only neighbours of the four classes.
        folds: for calibration; each comment is judged by a model that has not seen it.
    """

    n_grams: int = 32_000
    min_comments: int = 2
    wide_weight: float = 0.1
    folds: int = 3
    four: LinearSettings = field(default_factory=LinearSettings)
    eight: LinearSettings = field(default_factory=LinearSettings)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        if min(self.n_grams, self.min_comments) < 1 or self.folds < 2 or self.wide_weight < 0:
            raise ValueError(f"n_grams and min_comments must be 1 or more, folds 2 or more, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextCorpus:
    """Comments in spoken form with the targets of both heads, soft to train on and hard (-1 = none) to judge by."""

    tokens: tuple[tuple[Token, ...], ...]
    four: Floats
    eight: Floats
    four_class: NDArray[np.intp]
    eight_class: NDArray[np.intp]

    def take(self, index: NDArray[np.intp]) -> TextCorpus:
        """Return the comments at `index`."""
        return TextCorpus(
            tokens=tuple(self.tokens[at] for at in index),
            four=self.four[index],
            eight=self.eight[index],
            four_class=self.four_class[index],
            eight_class=self.eight_class[index],
        )


def corpus_of(comments: Sequence[Comment], *, wide_weight: float) -> TextCorpus:
    """Return `comments` ready for training."""
    four_class = big_four_targets(comments)
    weight = np.where(four_class >= 0, 1.0, wide_weight)
    return TextCorpus(
        tokens=tuple(tuple(tokens_of(comment.text)) for comment in comments),
        four=soft_targets(comments, WIDE, BIG_FOUR) * weight[:, None],
        eight=soft_targets(comments, EIGHT_OF, EIGHT),
        four_class=four_class,
        eight_class=eight_targets(comments),
    )


def count_comments(documents: Sequence[Sequence[Token]]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return every n-gram's key, ascending, and the number of documents it stands in."""
    keys: list[NDArray[np.uint64]] = []
    for start in range(0, len(documents), CHUNK):
        found = occurrences_of(documents[start : start + CHUNK])
        document = found.group >> np.uint64(1)
        keys.append(np.unique((document << np.uint64(32)) | found.key) & np.uint64(0xFFFFFFFF))
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)
    return unique.astype(np.uint32), counts


def rows_of(documents: Sequence[Sequence[Token]], *, keys: NDArray[np.uint32], idf: Floats) -> Rows:
    """Return the documents as sparse rows over `keys`, exactly as the agent computes them."""
    parts: list[Rows] = []
    for start in range(0, len(documents), CHUNK):
        chunk = documents[start : start + CHUNK]
        found = occurrences_of(chunk)
        column, value = values_of(found, keys=keys, idf=idf)
        known = column >= 0
        document = (found.group[known] >> np.uint64(1)).astype(np.intp)
        shape = (len(chunk), len(keys))
        parts.append(sparse.coo_matrix((value[known], (document, column[known])), shape=shape).tocsr())
    return sparse.vstack(parts, format="csr")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """Both heads over one list of n-grams, before 8 bits and calibration."""

    keys: NDArray[np.uint32]
    idf: Floats
    four: Head
    eight: Head


def train_heads(corpus: TextCorpus, settings: TextSettings) -> Trained:
    """Return both heads over the n-grams that matter most to either."""
    keys, counts = count_comments(corpus.tokens)
    often = counts >= settings.min_comments
    idf = np.log((1 + len(corpus.tokens)) / (1 + counts[often])) + 1
    all_of_it = _train(corpus, keys=keys[often], idf=idf, settings=settings)
    rows = rows_of(corpus.tokens, keys=all_of_it.keys, idf=idf)
    matter = np.maximum(_importance(rows, all_of_it.four), _importance(rows, all_of_it.eight))
    # Ties are broken by the key's place, so that the choice does not hang on the sorting algorithm.
    kept = np.sort(np.lexsort((np.arange(len(matter)), -matter))[: settings.n_grams])
    return _train(corpus, keys=all_of_it.keys[kept], idf=idf[kept], settings=settings)


def _train(corpus: TextCorpus, *, keys: NDArray[np.uint32], idf: Floats, settings: TextSettings) -> Trained:
    rows = rows_of(corpus.tokens, keys=keys, idf=idf)
    heads: list[Head] = []
    for targets, head in ((corpus.four, settings.four), (corpus.eight, settings.eight)):
        used = np.flatnonzero(targets.sum(axis=1) > 0)
        heads.append(train_head(rows[used], targets[used], head))
    return Trained(keys=keys, idf=idf, four=heads[0], eight=heads[1])


def _importance(rows: Rows, head: Head) -> Floats:
    spread = head.weights.std(axis=1)
    strength = spread * np.sqrt(np.asarray(rows.multiply(rows).mean(axis=0)).ravel())
    return strength / strength.max()


def quantised(trained: Trained) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of the weights file, uncalibrated: 8-bit weights with one scale per column."""
    weights = np.hstack([trained.four.weights, trained.eight.weights])
    weights = weights - _head_means(weights)
    scale = np.abs(weights).max(axis=0) / 127
    low, high = float(trained.idf.min()), float(trained.idf.max())
    step = max((high - low) / 255, 1e-6)
    n_columns = weights.shape[1]
    return {
        "keys": trained.keys,
        "idf": np.round((trained.idf - low) / step).astype(np.uint8),
        "idf_scale": np.array([low, step]),
        "weights": np.round(weights / scale).astype(np.int8),
        "scale": scale.astype(np.float32),
        "bias": np.concatenate([trained.four.bias, trained.eight.bias]),
        "temperature": np.ones(2),
        "offset": np.zeros(n_columns),
    }


def _head_means(weights: Floats) -> Floats:
    # A softmax does not see what all columns of a head share; without it 8 bits hold more.
    four = weights[:, :N_FOUR].mean(axis=1, keepdims=True)
    eight = weights[:, N_FOUR:].mean(axis=1, keepdims=True)
    return np.hstack([np.repeat(four, N_FOUR, axis=1), np.repeat(eight, weights.shape[1] - N_FOUR, axis=1)])


def logits_of(documents: Sequence[Sequence[Token]], weights: TextWeights) -> Floats:
    """Return the uncalibrated logits of both heads, shape (n, 12)."""
    return np.asarray(rows_of(documents, keys=weights.keys, idf=weights.idf) @ weights.weights) + weights.bias


def _check(corpus: TextCorpus) -> None:
    for labels, classes in ((BIG_FOUR, corpus.four_class), (EIGHT, corpus.eight_class)):
        counts = np.bincount(classes[classes >= 0], minlength=len(labels))
        for label, count in zip(labels, counts.tolist(), strict=True):
            if count < LEAST:
                raise CorpusUnreadable(f"{count} comments are {label}, expected {LEAST} or more to learn it from")


def train_text(
    comments: Sequence[Comment], *, settings: TextSettings, progress: Callable[[str], None]
) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of the weights file, trained on `comments` and calibrated on held-out folds of them.

    Raises:
        CorpusUnreadable: a class has too few comments to learn it from.
    """
    corpus = corpus_of(comments, wide_weight=settings.wide_weight)
    _check(corpus)
    fold = np.arange(len(comments)) % settings.folds
    unseen = np.zeros((len(comments), N_FOUR + len(EIGHT)))
    for at in range(settings.folds):
        progress(f"words: fold {at + 1} of {settings.folds}, for calibration")
        weights = text_weights_of(quantised(train_heads(corpus.take(np.flatnonzero(fold != at)), settings)))
        held_out = np.flatnonzero(fold == at)
        unseen[held_out] = logits_of(corpus.take(held_out).tokens, weights)
    progress("words: all comments")
    arrays = quantised(train_heads(corpus, settings))
    four, eight = corpus.four_class >= 0, corpus.eight_class >= 0
    four_fit = fit_calibration(unseen[four, :N_FOUR], corpus.four_class[four])
    eight_fit = fit_calibration(unseen[eight, N_FOUR:], corpus.eight_class[eight])
    calibration = {
        "temperature": np.array([four_fit[0], eight_fit[0]]),
        "offset": np.concatenate([four_fit[1], eight_fit[1]]),
    }
    return {**arrays, **calibration}

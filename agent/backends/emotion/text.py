"""Emotion from words: a linear model over n-grams, numpy only, that says exactly which words moved it.

Trained by `attune-eval fit emotion` on GoEmotions comments in spoken form. It knows nothing of voice or conversation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...distribution import Distribution, calibrate
from ...errors import ConfigInvalid
from ...events import TriggerWord
from ...labels import BIG_FOUR, EIGHT
from .spoken import FUNCTION_WORDS, char_keys, pair_key, tokens_of, word_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .spoken import Token

Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).with_name("weights") / "text.npz"
N_FOUR, N_EIGHT = len(BIG_FOUR), len(EIGHT)
TRIGGER_WEIGHT = 0.8
"""Smallest pull, in calibrated logits, that is shown: below it the words of wrong and right estimates look alike."""
MAX_TRIGGERS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Occurrences:
    """The n-grams of some texts, one entry per time an n-gram stands in a text.

    Attributes:
        group: uint64, 2 x the text's index, + 1 for pieces of words; each group is scaled to length 1 by itself.
        key: uint64, the n-gram's CRC32.
        first, second: the tokens (numbered over all texts) that share the n-gram; equal unless it spans two. `second`
            never falls, and holds every token.
    """

    group: NDArray[np.uint64]
    key: NDArray[np.uint64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextWeights:
    """A trained word model. Rows are n-grams sorted by key; columns are BIG_FOUR, then EIGHT.

    Attributes:
        keys: uint32, shape (n,). idf: float64, shape (n,). weights: float32, shape (n, 12).
        bias: float64, shape (12,), such that equal logits mean equal odds under a uniform prior.
        temperature: float64, shape (2,), of the two heads. offset: float64, shape (12,), added after the temperature.
    """

    keys: NDArray[np.uint32]
    idf: Floats
    weights: NDArray[np.float32]
    bias: Floats
    temperature: Floats
    offset: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextEstimate:
    """What the words of one text express.

    Attributes:
        big_four, eight: calibrated distributions over BIG_FOUR and EIGHT under a uniform prior.
        tokens: the words as heard. contributions: float64, shape (n tokens, 4): what each word adds to each Big Four
            logit, calibrated; with `constant`, shape (4,), they sum exactly to the logits.
        n_known: how many n-grams the model knew; 0 means the words say nothing.
    """

    big_four: Distribution
    eight: Distribution
    tokens: tuple[Token, ...]
    contributions: Floats
    constant: Floats
    n_known: int

    def pulls(self, label: int) -> Floats:
        """Return each word's pull to a label: its Big Four logit minus the mean of the others. Shape (n tokens,)."""
        own = self.contributions[:, label]
        return (own * N_FOUR - self.contributions.sum(axis=1)) / (N_FOUR - 1)

    def content_pulls(self, label: int) -> dict[str, float]:
        """Return the pull of each word that can be evidence, by the word as shown; a word said twice adds up."""
        found: dict[str, float] = {}
        for token, pull in zip(self.tokens, self.pulls(label).tolist(), strict=True):
            if token.word not in FUNCTION_WORDS:
                found[token.shown] = found.get(token.shown, 0.0) + pull
        return found

    def triggers(self, label: int) -> tuple[TriggerWord, ...]:
        """Return the content words that moved the text towards a Big Four label, strongest first."""
        return strongest(self.content_pulls(label), label=BIG_FOUR[label])


def strongest(pulls: dict[str, float], *, label: str) -> tuple[TriggerWord, ...]:
    """Return the words whose pull reaches TRIGGER_WEIGHT, strongest first, at most MAX_TRIGGERS."""
    kept = sorted(((weight, word) for word, weight in pulls.items() if weight >= TRIGGER_WEIGHT), reverse=True)
    return tuple(TriggerWord(word=word, label=label, weight=round(weight, 4)) for weight, word in kept[:MAX_TRIGGERS])


def occurrences_of(texts: Sequence[Sequence[Token]]) -> Occurrences:
    """Return the n-grams of `texts`: words, pairs of neighbours and, except where negated, pieces of words."""
    group: list[int] = []
    key: list[int] = []
    first: list[int] = []
    second: list[int] = []
    at = 0
    for words in range(0, 2 * len(texts), 2):
        tokens = texts[words // 2]
        previous = "<"
        for place, token in enumerate(tokens):
            pieces = () if token.negation else char_keys(token.word)
            key += (word_key(token.word, is_negated=bool(token.negation)), pair_key(previous, token.word), *pieces)
            group += (words, words, *[words + 1] * len(pieces))
            first += (at, at - 1 if place else at, *[at] * len(pieces))
            second += [at] * (2 + len(pieces))
            previous = token.word
            at += 1
        if tokens:
            key.append(pair_key(previous, ">"))
            group.append(words)
            first.append(at - 1)
            second.append(at - 1)
    return Occurrences(
        group=np.array(group, dtype=np.uint64),
        key=np.array(key, dtype=np.uint64),
        first=np.array(first, dtype=np.intp),
        second=np.array(second, dtype=np.intp),
    )


def values_of(found: Occurrences, *, keys: NDArray[np.uint32], idf: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return for each occurrence its row in `keys` (-1 when unknown) and its share of the n-gram's value.

    The value of an n-gram is (1 + ln count) x idf, scaled so that each group of a text has length 1; it is shared
    evenly by its occurrences.
    """
    row = np.minimum(np.searchsorted(keys, found.key.astype(np.uint32)), max(len(keys) - 1, 0))
    known = keys[row] == found.key
    both = (found.group << np.uint64(32)) | found.key
    _, first, inverse, count = np.unique(both, return_index=True, return_inverse=True, return_counts=True)
    weight = np.where(known[first], (1.0 + np.log(count)) * idf[row[first]], 0.0)
    group = found.group[first].astype(np.intp)
    length = np.sqrt(np.bincount(group, weights=weight**2))
    scaled = weight / np.maximum(length[group], 1e-12)
    return np.where(known, row, -1), (scaled / count)[inverse]


class TextModel:
    """The word model with its weights in memory. Immutable; safe to share."""

    def __init__(self, weights: TextWeights) -> None:
        self._weights = weights

    def estimate(self, text: str) -> TextEstimate:
        """Return what one text expresses."""
        return self.estimate_many([text])[0]

    def estimate_many(self, texts: Sequence[str]) -> list[TextEstimate]:
        """Return what each text expresses, in one pass (an n-best list costs little more than its best)."""
        documents = [tokens_of(text) for text in texts]
        found = occurrences_of(documents)
        n_tokens = sum(len(tokens) for tokens in documents)
        contributions, n_known = self._contributions(found, n_tokens=n_tokens)
        estimates: list[TextEstimate] = []
        start = 0
        for tokens in documents:
            span = slice(start, start + len(tokens))
            estimates.append(self._estimate(tokens, contributions[span], n_known=int(n_known[span].sum())))
            start += len(tokens)
        return estimates

    def _contributions(self, found: Occurrences, *, n_tokens: int) -> tuple[Floats, NDArray[np.int64]]:
        """What each token adds to each logit, shape (n tokens, 12), and how many known n-grams end in it."""
        if n_tokens == 0:
            return np.zeros((0, N_FOUR + N_EIGHT)), np.zeros(0, dtype=np.int64)
        row, value = values_of(found, keys=self._weights.keys, idf=self._weights.idf)
        added = value[:, None] * self._weights.weights[row]
        starts = np.searchsorted(found.second, np.arange(n_tokens))
        contributions = np.add.reduceat(added, starts, axis=0)
        # Half of a pair belongs to its first word; no word is the first of two pairs, so plain indexing adds up.
        pairs = np.flatnonzero(found.first != found.second)
        contributions[found.second[pairs]] -= added[pairs] / 2
        contributions[found.first[pairs]] += added[pairs] / 2
        return contributions, np.add.reduceat((row >= 0).astype(np.int64), starts)

    def _estimate(self, tokens: Sequence[Token], contributions: Floats, *, n_known: int) -> TextEstimate:
        weights = self._weights
        logits = contributions.sum(axis=0) + weights.bias
        four, eight = weights.temperature
        return TextEstimate(
            big_four=calibrate(logits[:N_FOUR], temperature=float(four), bias=weights.offset[:N_FOUR]),
            eight=calibrate(logits[N_FOUR:], temperature=float(eight), bias=weights.offset[N_FOUR:]),
            tokens=tuple(tokens),
            contributions=contributions[:, :N_FOUR] / four,
            constant=weights.bias[:N_FOUR] / four + weights.offset[:N_FOUR],
            n_known=n_known,
        )


def text_weights_of(arrays: Mapping[str, NDArray[np.generic]]) -> TextWeights:
    """Return the weights held by the arrays of a weights file.

    Raises:
        KeyError: an array is missing.
    """
    low, step = arrays["idf_scale"].astype(np.float64)
    return TextWeights(
        keys=arrays["keys"].astype(np.uint32),
        idf=low + step * arrays["idf"].astype(np.float64),
        weights=arrays["weights"].astype(np.float32) * arrays["scale"].astype(np.float32),
        bias=arrays["bias"].astype(np.float64),
        temperature=arrays["temperature"].astype(np.float64),
        offset=arrays["offset"].astype(np.float64),
    )


def read_text_weights(path: Path) -> TextWeights:
    """Return the weights that `attune-eval fit emotion` wrote.

    Raises:
        ConfigInvalid: the file is missing or is no such file.
    """
    try:
        # Opened here: numpy leaves the file open when it turns out to be no zip.
        with path.open("rb") as file, np.load(file) as held:
            return text_weights_of(held)
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ConfigInvalid(
            f"{path} holds no emotion weights for words ({error}): reinstall, or run attune-eval fit emotion"
        ) from error


@cache
def load_text_model(path: Path = WEIGHTS) -> TextModel:
    """Return the word model, read once per process.

    Raises:
        ConfigInvalid: the weights cannot be read.
    """
    return TextModel(read_text_weights(path))

"""Emotion from words: a linear model over n-grams, numpy only, that says exactly which words moved it.

Trained by `attune-eval fit emotion` on GoEmotions comments in spoken form. It knows nothing of voice or conversation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...distribution import Distribution, calibrate
from ...errors import ConfigInvalid
from ...events import TriggerWord
from ...labels import BIG_FOUR, EIGHT
from .spoken import pair_key, piece_keys, tokens_of, word_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .spoken import Token

Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).with_name("weights") / "text.npz"
KEY_BYTES = 4
N_FOUR, N_EIGHT = len(BIG_FOUR), len(EIGHT)
IS_NEUTRAL = np.array([float(label == "neutral") for label in BIG_FOUR])
OUTSIDE = [EIGHT.index("fearful"), EIGHT.index("disgusted")]
"""Feelings the Big Four lack. The more likely one is, the less "neutral" is the answer: nobody scared is at ease."""
OUTSIDE_FLOOR = 0.02
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
            if token.is_telling:
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
    """Return the n-grams of `texts`: words, pairs of neighbours and, except where negated, pieces of words.

    A token brings its word, the pair with the word before, its pieces and, at the end of a text, the pair with the end.
    """
    keys: list[bytes] = []
    n_pieces: list[int] = []
    for tokens in texts:
        previous = "<"
        for token in tokens:
            pieces = b"" if token.negation else piece_keys(token.word)
            keys += (word_key(token.word, is_negated=bool(token.negation)), pair_key(previous, token.word), pieces)
            n_pieces.append(len(pieces) // KEY_BYTES)
            previous = token.word
        if tokens:
            keys.append(pair_key(previous, ">"))
    lengths = np.array([len(tokens) for tokens in texts], dtype=np.intp)
    return _laid_out(np.frombuffer(b"".join(keys), dtype="<u4"), np.array(n_pieces, dtype=np.intp), lengths)


def _laid_out(keys: NDArray[np.uint32], n_pieces: NDArray[np.intp], lengths: NDArray[np.intp]) -> Occurrences:
    """Say of each key, in the order of `occurrences_of`, which text and tokens it belongs to."""
    text = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)
    is_last = np.zeros(len(text), dtype=np.intp)
    is_last[ends[lengths > 0] - 1] = 1
    is_first = np.roll(is_last, 1)
    count = 2 + n_pieces + is_last
    token = np.repeat(np.arange(len(text)), count)
    place = np.arange(len(keys)) - np.repeat(np.cumsum(count) - count, count)
    is_piece = (place >= 2) & (place < 2 + n_pieces[token])
    return Occurrences(
        group=(2 * text[token] + is_piece).astype(np.uint64),
        key=keys.astype(np.uint64),
        first=token - ((place == 1) & (is_first[token] == 0)),
        second=token,
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
        ends = np.cumsum([0, *map(len, documents)]).tolist()
        spans = [slice(start, end) for start, end in pairwise(ends)]
        logits = np.array([contributions[span].sum(axis=0) for span in spans]).reshape(-1, N_FOUR + N_EIGHT)
        four, offset, eight = self._calibrated(logits + self._weights.bias)
        t_four = float(self._weights.temperature[0])
        return [
            TextEstimate(
                big_four=four[at],
                eight=eight[at],
                tokens=tuple(tokens),
                contributions=contributions[span, :N_FOUR] / t_four,
                constant=self._weights.bias[:N_FOUR] / t_four + offset[at],
                n_known=int(n_known[span].sum()),
            )
            for at, (tokens, span) in enumerate(zip(documents, spans, strict=True))
        ]

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

    def _calibrated(self, logits: Floats) -> tuple[Floats, Floats, Floats]:
        """The Big Four distributions, the offsets they were made with, and the eight-class distributions, by text."""
        weights = self._weights
        t_four, t_eight = weights.temperature.tolist()
        eight = calibrate(logits[:, N_FOUR:], temperature=t_eight, bias=weights.offset[N_FOUR:])
        inside = np.maximum(1.0 - eight[:, OUTSIDE].sum(axis=1), OUTSIDE_FLOOR)
        offset = weights.offset[:N_FOUR] + IS_NEUTRAL * np.log(inside)[:, None]
        return calibrate(logits[:, :N_FOUR], temperature=t_four, bias=offset), offset, eight


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

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# (scikit-learn, scipy and threadpoolctl ship no complete types)
"""Trains the voice model: features as at run time, two logistic regressions per head, temperatures by cross-validation.

Settings were fixed beforehand on coarse grounds; nothing is ever fitted to a speaker the figures are taken on. Sorted
input, seeded noise, one thread and rounded weights make the result the same to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from agent.backends.emotion.voice import CLIP, HEADS, SEVEN, VoiceWeights, arrays_of
from agent.distribution import softmax
from agent.labels import BIG_FOUR
from streaming.acoustics import FEATURE_NAMES

from ..errors import CorpusUnreadable
from .voice_table import voice_table
from .weights import write_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .emodb import Clip
    from .voice_table import VoiceTable

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.intp]

COLD: Final = 0
WARM: Final = 1
NEUTRAL: Final = SEVEN.index("neutral")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSettings:
    """How the voice model is trained.

    Attributes:
        strength: inverse weight of the ridge penalty (C), for classes and utterances of mean weight 1.
        copies: degraded copies of each clip; every second one shares its room with all of the speaker's.
        neutral_share: in how far the warm weights are trained on speakers who were heard speaking neutrally before, as
            people mostly do, and not in all seven emotions alike.
        copy_weight: what all copies of a clip weigh beside the clip itself, in the cold and the warm weights: the cold
            ones meet unknown rooms, for the warm ones the speaker's mean holds the room already.
    """

    strength: float = 0.05
    copies: int = 4
    neutral_share: float = 0.3
    copy_weight: tuple[float, float] = (0.6, 0.3)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        if self.strength <= 0 or self.copies < 0 or min(self.copy_weight) < 0 or not 0 <= self.neutral_share <= 1:
            raise ValueError(f"strength must be above 0, copies and weights not below, a share in [0, 1], got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedVoice:
    """A trained voice model and what it was trained on."""

    weights: VoiceWeights
    n_clips: int
    n_speakers: int
    settings: VoiceSettings = field(default_factory=VoiceSettings)


def train(clips: Sequence[Clip], settings: VoiceSettings | None = None) -> TrainedVoice:
    """Return the voice model trained on all clips.

    Raises:
        CorpusUnreadable: fewer than three speakers, or a speaker or class is missing.
    """
    settings = settings or VoiceSettings()
    table = voice_table(clips, copies=settings.copies)
    return TrainedVoice(
        weights=train_weights(table, settings),
        n_clips=int((table.copy == 0).sum()),
        n_speakers=len(np.unique(table.speaker)),
        settings=settings,
    )


def save(trained: TrainedVoice, path: Path) -> None:
    """Write the weights file that `agent.backends.emotion.voice.read_voice_weights` reads."""
    provenance = (
        f"EmoDB (Burkhardt et al. 2005), {trained.n_clips} clips of {trained.n_speakers} speakers, "
        f"{trained.settings}, by eval.training.voice"
    )
    write_weights(path, arrays_of(replace(trained.weights, provenance=provenance)))


def train_weights(table: VoiceTable, settings: VoiceSettings) -> VoiceWeights:
    """Return the weights for the rows of a table, rounded as the file holds them.

    Raises:
        CorpusUnreadable: fewer than three speakers, or a class is missing.
    """
    if len(np.unique(table.speaker)) < 3 or len(np.unique(table.label)) < len(SEVEN):
        raise CorpusUnreadable("a voice model needs three speakers and all seven emotions of EmoDB")
    with threadpool_limits(1):
        weights = _fitted(table, settings)
        return replace(weights, temperature=_temperatures(table, settings))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """Rows of a table as the cold or the warm weights see them: centred features, weights, and which row each is."""

    features: Floats
    weight: Floats
    row: Ints


def _seen(table: VoiceTable, mean: Floats, settings: VoiceSettings, kind: int) -> _Seen:
    weight, row = _row_weights(table, settings, kind), np.arange(len(table.label), dtype=np.intp)
    if kind == COLD:
        return _Seen(features=table.features - mean, weight=weight, row=row)
    share = settings.neutral_share
    centres = (table.speaker_means(), table.speaker_means(NEUTRAL))
    return _Seen(
        features=np.concatenate([table.features - centre for centre in centres]),
        weight=np.concatenate((weight * (1 - share), weight * share)),
        row=np.concatenate((row, row)),
    )


def _fitted(table: VoiceTable, settings: VoiceSettings) -> VoiceWeights:
    """Weights with temperature 1."""
    n_columns = HEADS[-1].stop
    mean = _average(table.features, _row_weights(table, settings, COLD)).astype(np.float32).astype(np.float64)
    scale = np.empty((2, len(FEATURE_NAMES)))
    weights = np.zeros((2, len(FEATURE_NAMES), n_columns))
    bias = np.zeros((2, n_columns))
    for kind in (COLD, WARM):
        seen = _seen(table, mean, settings, kind)
        scale[kind] = (np.sqrt(_average(seen.features**2, seen.weight)) + 1e-9).astype(np.float32)
        z = np.clip(seen.features / scale[kind], -CLIP, CLIP)
        for head, (targets, used) in zip(HEADS, _tasks(table), strict=True):
            rows = (targets[seen.row] >= 0) & (seen.weight > 0)
            balanced = _balanced(targets[seen.row][rows], seen.weight[rows], n=_n_clips(table, targets))
            fitted = _regression(z[rows][:, used], targets[seen.row][rows], balanced, settings.strength)
            weights[kind, used, head], bias[kind, head] = fitted
    weights = weights.astype(np.float16).astype(np.float64)
    bias = bias.astype(np.float16).astype(np.float64)
    return VoiceWeights(mean=mean, scale=scale, weights=weights, bias=bias, temperature=np.ones((2, len(HEADS))))


def _tasks(table: VoiceTable) -> tuple[tuple[Ints, Ints], ...]:
    """For each head the target of each row (-1: not in this head) and the features it may use."""
    four = np.array([BIG_FOUR.index(label) if label in BIG_FOUR else -1 for label in SEVEN], np.intp)[table.label]
    everything = np.arange(len(FEATURE_NAMES), dtype=np.intp)
    # How high the arousal is does not depend on who speaks which vowels; the cepstra mostly tell that.
    no_timbre = np.array([i for i, name in enumerate(FEATURE_NAMES) if not name.startswith("mfcc")], np.intp)
    return (four, everything), (table.label, everything), (table.label, no_timbre)


def _row_weights(table: VoiceTable, settings: VoiceSettings, kind: int) -> Floats:
    used = np.ones(table.copy.shape, np.bool_) if kind == COLD else table.copy % 2 == 0
    n_copies = settings.copies if kind == COLD else settings.copies // 2
    return np.where(table.copy == 0, 1.0, used * settings.copy_weight[kind] / max(n_copies, 1))


def _average(values: Floats, weights: Floats) -> Floats:
    return np.average(values, axis=0, weights=weights)


def _n_clips(table: VoiceTable, targets: Ints) -> int:
    return int(((table.copy == 0) & (targets >= 0)).sum())


def _balanced(targets: Ints, weights: Floats, *, n: int) -> Floats:
    """Row weights under which all classes weigh the same, `n` together."""
    per_class = np.bincount(targets, weights=weights)
    return weights / per_class[targets] * (n / np.count_nonzero(per_class))


def _regression(z: Floats, targets: Ints, weights: Floats, strength: float) -> tuple[Floats, Floats]:
    """Weights, shape (n features, classes), and bias of a multinomial logistic regression."""
    model = LogisticRegression(C=strength, max_iter=1000, tol=1e-6)
    model.fit(z, targets, sample_weight=weights)
    return np.asarray(model.coef_, np.float64).T, np.asarray(model.intercept_, np.float64)


def _temperatures(table: VoiceTable, settings: VoiceSettings) -> Floats:
    """The temperatures under which speakers that were left out are most likely, rounded as the file holds them."""
    best = np.empty((2, len(HEADS)))
    outs = [table.speaker == speaker for speaker in np.unique(table.speaker)]
    models = [_fitted(table.rows(~out), settings) for out in outs]
    for kind in (COLD, WARM):
        parts = [(table.rows(out), model) for out, model in zip(outs, models, strict=True)]
        seen = [(part, model, _seen(part, model.mean, settings, kind)) for part, model in parts]
        weight = np.concatenate([s.weight for _, _, s in seen])
        logits = np.concatenate([_logits(model, s.features, kind) for _, model, s in seen])
        for i, head in enumerate(HEADS):
            targets = np.concatenate([_tasks(part)[i][0][s.row] for part, _, s in seen])
            rows = (targets >= 0) & (weight > 0)
            balanced = _balanced(targets[rows], weight[rows], n=1)
            best[kind, i] = _temperature(logits[rows, head], targets[rows], balanced)
    return best.astype(np.float16).astype(np.float64)


def _logits(model: VoiceWeights, features: Floats, kind: int) -> Floats:
    return np.clip(features / model.scale[kind], -CLIP, CLIP) @ model.weights[kind] + model.bias[kind]


def _temperature(logits: Floats, targets: Ints, weights: Floats) -> float:
    """The temperature with the smallest cross-entropy, between 0.1 and 10."""
    rows = np.arange(len(targets))

    def loss(log_t: float) -> float:
        p = softmax(logits, temperature=float(np.exp(log_t)))[rows, targets]
        return -float(weights @ np.log(np.maximum(p, 1e-12)))

    found: Any = minimize_scalar(loss, bounds=(-2.3, 2.3), method="bounded")
    return float(np.exp(found.x))

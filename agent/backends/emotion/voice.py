"""Emotion from the voice: linear heads over the features of `streaming.acoustics`, numpy only, that say why.

Two sets of weights are held. The cold one knows the voices it was trained on only; the warm one sees how the utterance
differs from the speaker's earlier ones. With every utterance heard, the estimate leans more on the warm one. Trained by
`attune-eval fit emotion` on acted German studio speech (EmoDB): what is unlike that is trusted less. Knows no words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from streaming.acoustics import FEATURE_NAMES

from ...distribution import Distribution, softmax
from ...errors import ConfigInvalid
from ...labels import BIG_FOUR, EIGHT
from .voice_cues import GROUPS, cues_of, group_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from streaming.events import Acoustics

    from ...events import VoiceCue

Floats: TypeAlias = NDArray[np.float64]

VERSION: Final = 1

SEVEN: Final = ("angry", "bored", "disgusted", "fearful", "happy", "neutral", "sad")
"""What the training speech holds; nobody in it is surprised or contemptuous."""

AROUSAL_OF: Final = (0.85, 0.2, 0.7, 0.8, 0.8, 0.3, 0.2)
"""Level of each of SEVEN in [0, 1], ours: what is usually called high lies over 0.5, what is called low under it."""

VALENCE_OF: Final = (0.245, 0.175, 0.2, 0.19, 0.905, 0.5, 0.185)
DOMINANCE_OF: Final = (0.625, 0.335, 0.555, 0.285, 0.73, 0.5, 0.335)
"""Russell & Mehrabian (1977, J. Research in Personality 11), moved from [-1, 1] to [0, 1]; neutral in the middle."""

HEADS: Final = (slice(0, 4), slice(4, 11), slice(11, 18))
"""Columns of the weights: Big Four, SEVEN, and SEVEN without timbre, which arousal is read from."""

SHRINK: Final = 3
"""After so many utterances the speaker weighs as much as all others together (the research note's 3.1)."""

CLIP: Final = 3.0
"""Standard deviations beyond which a feature counts no further."""

USUAL_DISTANCE: Final = 1.25
"""Root mean square of the standardised features up to which an utterance resembles what the model was trained on."""

CAUTION: Final = 1.5
"""Extra temperature of the shipped model: calibrated on acted German, it will be asked about everyday speech."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoiceWeights:
    """A trained voice model; index 0 of the first axis is cold, 1 is warm.

    Attributes:
        mean: float64, shape (n,): of the features over the training speakers. scale: float64, shape (2, n).
        weights: float64, shape (2, n, 18), columns as in HEADS. bias: float64, shape (2, 18).
        temperature: float64, shape (2, 3), per head.
        provenance: what it was trained on, in words.
    """

    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats
    temperature: Floats
    provenance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoiceEstimate:
    """What the voice of one utterance expresses.

    Attributes:
        big_four: calibrated, over BIG_FOUR, under a uniform prior. seven: the same over SEVEN.
        arousal, dominance, valence: in [0, 1]: expected level of the class. Arousal is dependable; dominance and above
            all valence are weak in the voice alone.
        trust: in (0, 1], how far the sound resembles the training speech; the distributions are flattened by it.
        contributions: float64, shape (n groups, 4): what each of `voice_cues.GROUPS` adds to each Big Four logit; with
            `constant`, shape (4,), they sum exactly to the logits.
        cues: the groups that moved the voice towards the most likely label, strongest first.
    """

    big_four: Distribution
    seven: Distribution
    arousal: float
    dominance: float
    valence: float
    trust: float
    contributions: Floats
    constant: Floats
    cues: tuple[VoiceCue, ...]

    @property
    def eight(self) -> dict[str, float]:
        """Probabilities of those of EIGHT that the model knows, given that it is one of them (boredom is left out)."""
        known = {label: float(p) for label, p in zip(SEVEN, self.seven, strict=True) if label in EIGHT}
        total = sum(known.values())
        return {label: p / total for label, p in known.items()}


class VoiceModel:
    """The voice model with its weights in memory. Immutable; safe to share.

    `caution` divides the logits of the classes; 1 gives the calibration on the training corpus. Arousal, which is an
    expectation already, is left alone.
    """

    def __init__(self, weights: VoiceWeights, *, caution: float = CAUTION) -> None:
        self._weights = weights
        self._caution = np.array([caution, caution, 1.0])

    @property
    def provenance(self) -> str:
        """What the model was trained on, in words."""
        return self._weights.provenance

    def estimate(self, acoustics: Acoustics) -> VoiceEstimate:
        """Return what the voice expresses."""
        held = self._weights
        warmth, z = self._standardised(acoustics)
        mix = np.array([1 - warmth, warmth])
        clipped = np.clip(z, -CLIP, CLIP)
        trust = trust_of(z[0])
        # One row per feature, one column per logit: everything below is sums over these.
        parts = np.einsum("c,cf,cfk->fk", mix, clipped, held.weights)
        bias = mix @ held.bias
        temperature = mix @ held.temperature * self._caution / trust
        logits = parts.sum(axis=0) + bias
        four, seven, arousal = (
            softmax(logits[head], temperature=float(t)) for head, t in zip(HEADS, temperature, strict=True)
        )
        own = HEADS[0]
        parts = parts[:, own] / temperature[0]
        return VoiceEstimate(
            big_four=four,
            seven=seven,
            arousal=float(arousal @ AROUSAL_OF),
            dominance=float(seven @ DOMINANCE_OF),
            valence=float(seven @ VALENCE_OF),
            trust=trust,
            contributions=group_matrix(FEATURE_NAMES) @ parts,
            constant=bias[own] / temperature[0],
            cues=cues_of(parts, mix @ z, label=int(four.argmax())),
        )

    def _standardised(self, acoustics: Acoustics) -> tuple[float, Floats]:
        """How much the speaker is known, in [0, 1), and the features as the cold and the warm weights see them."""
        held, features = self._weights, acoustics.features
        if features.shape != held.mean.shape:
            raise ConfigInvalid(f"acoustics hold {features.shape} features, the voice model needs {held.mean.shape}")
        n = acoustics.n_speaker if acoustics.speaker_mean is not None else 0
        warmth = n / (n + SHRINK)
        usual = held.mean if acoustics.speaker_mean is None else acoustics.speaker_mean
        centre = warmth * usual + (1 - warmth) * held.mean
        return warmth, np.stack((features - held.mean, features - centre)) / held.scale


def trust_of(z: Floats) -> float:
    """Return how far an utterance resembles the training speech, in (0, 1], from its cold standardised features."""
    distance = float(np.sqrt(np.mean(z * z)))
    return min(1.0, USUAL_DISTANCE / distance) if distance else 1.0


def arrays_of(weights: VoiceWeights) -> dict[str, NDArray[np.generic]]:
    """Return what a weights file holds: reading it back gives the same numbers if they fit the types here."""
    return {
        "version": np.array([VERSION], np.int32),
        "features": np.array(FEATURE_NAMES),
        "labels": np.array((*BIG_FOUR, *SEVEN, *SEVEN)),
        "groups": np.array(tuple(GROUPS)),
        "mean": weights.mean.astype(np.float32),
        "scale": weights.scale.astype(np.float32),
        "weights": weights.weights.astype(np.float16),
        "bias": weights.bias.astype(np.float16),
        "temperature": weights.temperature.astype(np.float16),
        "provenance": np.array([weights.provenance]),
    }


def read_voice_weights(path: Path) -> VoiceWeights:
    """Return the weights that `attune-eval fit emotion` wrote.

    Raises:
        ConfigInvalid: the file is missing, is no such file, or was trained on other features or labels.
    """
    try:
        with path.open("rb") as file, np.load(file) as held:
            _check(held["version"], held["features"], held["labels"])
            return VoiceWeights(
                mean=held["mean"].astype(np.float64),
                scale=held["scale"].astype(np.float64),
                weights=held["weights"].astype(np.float64),
                bias=held["bias"].astype(np.float64),
                temperature=held["temperature"].astype(np.float64),
                provenance=str(held["provenance"][0]),
            )
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise ConfigInvalid(
            f"{path} holds no emotion weights for voices ({error}): reinstall, or run attune-eval fit emotion"
        ) from error


def _check(version: NDArray[np.generic], features: NDArray[np.generic], labels: NDArray[np.generic]) -> None:
    if version.tolist() != [VERSION]:
        raise ValueError(f"version {version.tolist()}, expected {VERSION}")
    if tuple(features.tolist()) != FEATURE_NAMES:
        raise ValueError("trained on other features than streaming.acoustics gives")
    if tuple(labels.tolist()) != (*BIG_FOUR, *SEVEN, *SEVEN):
        raise ValueError("trained on other labels")


@cache
def load_voice_model() -> VoiceModel:
    """Return the shipped voice model, read once per process.

    Raises:
        ConfigInvalid: the weights cannot be read.
    """
    with as_file(files("agent.backends.emotion") / "weights" / "voice.npz") as path:
        return VoiceModel(read_voice_weights(path))

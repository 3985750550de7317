"""Names for what moves the voice model: groups of features, and words for the way they point. Pure."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streaming.acoustics import FEATURE_NAMES

from ...events import VoiceCue
from ...labels import BIG_FOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

Floats: TypeAlias = NDArray[np.float64]

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "pitch height": ("pitch_mean",),
    "pitch movement": ("pitch_spread", "pitch_slope", "pitch_change_", "pitch_rising"),
    "tension": ("centroid_", "slope_", "alpha_ratio_", "hammarberg_", "h1_", "low_band_"),
    "timbre": ("mfcc", "flux_", "timbre_"),
    "loudness": ("level_",),
    "roughness": ("hnr_", "jitter_", "shimmer_"),
    "rhythm": ("voiced_share", "stretch", "gap_", "peaks_"),
}
"""Each feature belongs to the group that holds a beginning of its name."""

WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "pitch height": ("pitch_mean", "high pitch", "low pitch"),
    "pitch movement": ("pitch_spread", "lively pitch", "flat pitch"),
    "tension": ("alpha_ratio_mean", "tense, bright voice", "soft, dark voice"),
    "loudness": ("level_change_abs", "fast energy changes", "even energy"),
    "roughness": ("hnr_mean", "clear voice", "rough or breathy voice"),
    "rhythm": ("peaks_per_s", "quick rhythm", "slow rhythm"),
}
"""For each group with a name people know: the feature that tells its direction, the words for much and for little."""

CUE_WEIGHT: Final = 0.3
"""Smallest contribution, in calibrated logits, that is shown."""

CLEAR: Final = 0.4
"""Standard deviations from the usual that a feature must lie before it is called high or low."""

MAX_CUES: Final = 4


@cache
def group_matrix(features: tuple[str, ...]) -> Floats:
    """Return shape (n groups, n features): 1 where the feature belongs to the group. Each belongs to exactly one."""
    matrix = np.array(
        [[float(name.startswith(beginnings)) for name in features] for beginnings in GROUPS.values()], np.float64
    )
    unplaced = [name for name, n in zip(features, matrix.sum(axis=0), strict=True) if n != 1]
    if unplaced:
        raise ValueError(f"features must belong to one group each, these do not: {unplaced}")
    return matrix


def cues_of(parts: Floats, z: Floats, *, label: int) -> tuple[VoiceCue, ...]:
    """Return the named groups that pull to a Big Four label by CUE_WEIGHT or more, strongest first.

    A group is named only if the feature that names it lies clearly off the usual and pulls the same way itself.

    Args:
        parts: shape (n features, 4), what each of FEATURE_NAMES adds to each Big Four logit.
        z: shape (n features,), how far each lies from the usual, in standard deviations.
        label: index of the label.
    """
    n = len(BIG_FOUR)
    pulls = (parts[:, label] * n - parts.sum(axis=1)) / (n - 1)
    found: list[tuple[float, str]] = []
    for group, pull in zip(GROUPS, (group_matrix(FEATURE_NAMES) @ pulls).tolist(), strict=True):
        if group not in WORDS or pull < CUE_WEIGHT:
            continue
        lead, much, little = WORDS[group]
        at = FEATURE_NAMES.index(lead)
        if abs(z[at]) >= CLEAR and pulls[at] > 0:
            found.append((pull, much if z[at] > 0 else little))
    found.sort(reverse=True)
    return tuple(VoiceCue(cue=cue, label=BIG_FOUR[label], weight=round(pull, 4)) for pull, cue in found[:MAX_CUES])

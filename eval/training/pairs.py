"""Fusion on made-up pairs: held-out words and held-out voices of the same class, put together at random.

Nobody said these words in that voice. What the figures show is only whether one side drowns the other and whether two
honest experts are better than one; they say nothing of real speech, where words and voice hang together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.backends.emotion.fusion import FusionSettings, doubted, fuse_four
from agent.backends.emotion.voice import CAUTION
from agent.distribution import log, softmax
from agent.labels import BIG_FOUR

from ..metrics import unweighted_accuracy
from ..signature import sign
from ..statistics import bootstrap_blocks
from .report import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..statistics import Resampling
    from .text_figures import Judged
    from .voice_figures import Answers

Floats: TypeAlias = NDArray[np.float64]
Classes: TypeAlias = NDArray[np.intp]

PAIRS_PER_CLIP: Final = 20
SEED: Final = 1


def paired_rows(
    words: Judged, voices: Answers, *, heard: str, data: Mapping[str, str], version: str, resampling: Resampling
) -> list[Row]:
    """Return the UA of words, of voices and of both on made-up pairs; speakers are drawn again for the intervals."""
    settings = FusionSettings()
    used = np.flatnonzero(voices.four >= 0)
    truth = np.repeat(voices.four[used], PAIRS_PER_CLIP)
    speaker = np.repeat(voices.speaker[used], PAIRS_PER_CLIP)
    # The answers are calibrated for speech like EmoDB; the shipped model is as cautious as this of all speech.
    cautious = softmax(log(voices.big_four[used]), temperature=CAUTION)
    voice = np.repeat(cautious, PAIRS_PER_CLIP, axis=0)
    text = words.distributions[_partners(truth, words.truth)]
    fused = np.stack([_fused(one, other, settings) for one, other in zip(text, voice, strict=True)])
    fields = {**data, "pairs": f"random-within-class-x{PAIRS_PER_CLIP}", "voice": heard, "bootstrap": "speakers"}
    signature = sign({**fields, "draws": resampling.draws, "seed": resampling.seed}, version=version)
    rows: list[Row] = []
    for name, said in (("words", text), ("voice", voice), ("both", fused)):
        classes = said.argmax(axis=1)

        def percent(drawn: Classes, classes: Classes = classes) -> float | None:
            score = unweighted_accuracy(truth[drawn], classes[drawn], labels=BIG_FOUR)
            return None if score.value is None else 100 * score.value

        found = bootstrap_blocks(speaker.tolist(), percent, resampling=resampling)
        rows.append(
            Row(
                figure=f"made-up pairs, {heard}, Big Four UA from {name}",
                value=found.value,
                low=found.low,
                high=found.high,
                n=len(truth),
                signature=signature,
                note="" if found.value is not None else "a class is missing",
            )
        )
    return rows


def _fused(text: Floats, voice: Floats, settings: FusionSettings) -> Floats:
    return fuse_four(doubted(text, settings.text_doubt), doubted(voice, settings.voice_doubt), settings)


def _partners(truth: Classes, among: Classes) -> Classes:
    """For each of `truth` a random row of `among` of the same class."""
    random = np.random.default_rng(SEED)
    rows = np.empty(len(truth), dtype=np.intp)
    for label in np.unique(truth):
        asked = truth == label
        rows[asked] = random.choice(np.flatnonzero(among == label), size=int(asked.sum()))
    return rows

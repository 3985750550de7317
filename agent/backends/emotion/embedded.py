"""The recogniser that needs nothing: words and voice by two small linear models, fused. A pure function."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

import numpy as np

from ...distribution import Distribution, decide, js_divergence, mixture, normalise
from ...events import EmotionEstimate, Evidence, TriggerWord
from ...labels import BIG_FOUR, EIGHT, Affect, affect_of
from .fusion import FusionSettings, doubted, fuse_affect, fuse_eight, fuse_four, middle
from .text import load_text_model, strongest
from .voice import load_voice_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Acoustics, Hypothesis, Utterance

    from ...conversation import Conversation
    from ...events import EmotionSource
    from .text import TextModel
    from .voice import VoiceEstimate, VoiceModel

METHOD: Final = "embedded@1"
NEUTRAL: Final = "neutral"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WordsHeard:
    """What an n-best list expresses: the mean over its hypotheses, weighed by their posteriors.

    `affect` is the middle of what both heads imply; `triggers` speak for the words' own most likely label.
    """

    four: Distribution
    eight: Distribution
    affect: Affect
    triggers: tuple[TriggerWord, ...]


class EmbeddedRecognizer:
    """Reads Big Four, eight classes, arousal, dominance and valence from words and voice in about a millisecond."""

    def __init__(
        self,
        *,
        text: TextModel | None = None,
        voice: VoiceModel | None = None,
        settings: FusionSettings | None = None,
    ) -> None:
        """Use the shipped models unless others are given.

        Raises:
            ConfigInvalid: the shipped weights cannot be read.
        """
        self._text = text or load_text_model()
        self._voice = voice or load_voice_model()
        self._settings = settings or FusionSettings()

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return an estimate; it abstains when neither words nor voice say anything. Earlier turns play no part."""
        del conversation
        return self.estimate(utterance, revision=revision, source=source)

    def estimate(self, utterance: Utterance, *, revision: int = 1, source: EmotionSource = "both") -> EmotionEstimate:
        """Return the estimate at once; the same utterance gives the same estimate."""
        words = self._words(utterance.transcript.nbest) if source in {"text", "both"} else None
        acoustics = utterance.prosody.acoustics if source in {"voice", "both"} else None
        voice = None if acoustics is None or not is_measured(acoustics) else self._voice.estimate(acoustics)
        text_four = None if words is None else doubted(words.four, self._settings.text_doubt)
        voice_four = None if voice is None else doubted(voice.big_four, self._settings.voice_doubt)
        four = fuse_four(text_four, voice_four, self._settings)
        is_silent = words is None and voice is None
        top = None if is_silent else decide(four, threshold=self._settings.threshold)
        affect = fuse_affect(None if words is None else words.affect, voice, self._settings)
        return EmotionEstimate(
            utterance=utterance.utterance,
            revision=revision,
            is_final=utterance.is_final,
            at_s=utterance.decided_s,
            labels=BIG_FOUR,
            distribution=plain(four),
            top=None if top is None else BIG_FOUR[top],
            confidence=float(four.max()),
            arousal=affect and affect.arousal,
            dominance=affect and affect.dominance,
            valence=affect and affect.valence,
            text_distribution=text_four if text_four is None else plain(text_four),
            voice_distribution=voice_four if voice_four is None else plain(voice_four),
            conflict=None if text_four is None or voice_four is None else js_divergence(text_four, voice_four),
            eight=() if is_silent else self._eight(words, voice, four),
            evidence=evidence_of(words, voice),
            method="off" if source == "off" else METHOD,
        )

    def _words(self, nbest: Sequence[Hypothesis]) -> WordsHeard | None:
        """Return what the hypotheses express, None when the model knows nothing in any of them."""
        read = self._text.estimate_many([hypothesis.text for hypothesis in nbest])
        known = [(h.posterior, e) for h, e in zip(nbest, read, strict=True) if e.n_known]
        if not known:
            return None
        # Posteriors that are all 0 (an engine that gives none) count alike: normalise makes them uniform.
        weights = normalise([p if isfinite(p) and p > 0 else 0.0 for p, _ in known]).tolist()
        estimates = [estimate for _, estimate in known]
        eight = mixture(np.array([e.eight for e in estimates]), weights)
        four = mixture(np.array([e.big_four for e in estimates]), weights)
        label = int(four.argmax())
        pulls: dict[str, float] = {}
        for weight, estimate in zip(weights, estimates, strict=True):
            for word, pull in estimate.content_pulls(label).items():
                pulls[word] = pulls.get(word, 0.0) + weight * pull
        return WordsHeard(
            four=four,
            eight=eight,
            affect=middle(affect_of(BIG_FOUR, plain(four)), affect_of(EIGHT, plain(eight))),
            triggers=() if BIG_FOUR[label] == NEUTRAL else strongest(pulls, label=BIG_FOUR[label]),
        )

    def _eight(
        self, words: WordsHeard | None, voice: VoiceEstimate | None, four: Distribution
    ) -> tuple[tuple[str, float], ...]:
        fused = fuse_eight(words and words.eight, voice and voice.eight, four=four, settings=self._settings)
        return tuple(zip(EIGHT, plain(fused), strict=True))


def is_measured(acoustics: Acoustics) -> bool:
    """Tell whether all that the voice model needs is a finite number: one that is not would make all it says NaN."""
    usual = acoustics.speaker_mean
    return bool(np.isfinite(acoustics.features).all() and (usual is None or np.isfinite(usual).all()))


def evidence_of(words: WordsHeard | None, voice: VoiceEstimate | None) -> Evidence:
    """Return what either side rests on; in a conflict the labels of words and cues differ."""
    return Evidence(words=words.triggers if words else (), cues=voice.cues if voice else ())


def plain(distribution: Distribution) -> tuple[float, ...]:
    """Return the probabilities as Python numbers."""
    return tuple(distribution.tolist())

"""Emotion off the voice by any audio-classification model of transformers whose labels are emotions.

It hears the utterance itself and knows neither its words nor the conversation.
"""

# pyright: reportUnknownMemberType=false
# (transformers comes with an extra; what it gives here is untyped.)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from streaming.backends.torch_runtime import load_pretrained, load_whole, need_torch, need_transformers, torch_device

from ...distribution import decide
from ...events import EmotionEstimate
from ...labels import EIGHT, affect_of
from ..dims.batched import BatchedModel, load_extractor
from .label_names import map_labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streaming.events import Samples, Utterance

    from ...conversation import Conversation
    from ...events import EmotionSource
    from ..dims.batched import BatchedSettings
    from .label_names import LabelMap

METHOD: Final = "audio-classification"

_WHAT = "emotion model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationSettings:
    """When the model is believed.

    Attributes:
        threshold: least probability of the top label; below it the estimate abstains.
        known_share: least share of the model's probability on labels that are ours; below it the estimate abstains.
    """

    threshold: float = 0.4
    known_share: float = 0.5

    def __post_init__(self) -> None:
        if not (0 <= self.threshold <= 1 and 0 <= self.known_share <= 1):
            raise ValueError(f"expected shares in [0, 1], got {self.threshold} and {self.known_share}")


class AudioClassificationRecognizer:
    """`agent.ports.EmotionRecognizer` by a classifier of sound, shared by all sessions of a process.

    Labels are those of the model that are ours (`agent.labels.EIGHT`). Arousal, dominance and valence follow from the
    distribution: hints (`agent.labels.ANCHORS`), no measurements.
    """

    def __init__(
        self, model: BatchedModel, *, label_map: LabelMap, settings: ClassificationSettings | None = None
    ) -> None:
        """Use `load`. The model answers with probabilities of its own labels."""
        self._model = model
        self._map = label_map
        self._settings = settings or ClassificationSettings()

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        device: str = "auto",
        settings: ClassificationSettings | None = None,
        batching: BatchedSettings | None = None,
    ) -> AudioClassificationRecognizer:
        """Return the recogniser of the model in the folder `path`, on `device` ("auto", "cpu" or "cuda").

        Raises:
            EngineMissing: torch or transformers is not installed.
            ModelUnusable: there is no such model, or it is broken, or its labels are not emotions we know.
            EngineFailed: "cuda" is asked for and absent.
        """
        transformers = need_transformers()
        device = torch_device(device)
        config = load_pretrained(
            lambda: transformers.AutoConfig.from_pretrained(str(path), local_files_only=True), path, what=_WHAT
        )
        named = cast("Mapping[int, str]", config.id2label)
        label_map = map_labels([named[at] for at in sorted(named)], model=f"{_WHAT} {path}")
        extractor = load_extractor(transformers.AutoFeatureExtractor, path, what=_WHAT)
        loader = transformers.AutoModelForAudioClassification
        model = load_whole(loader, path, what=_WHAT, may_lack=("masked_spec_embed",)).float().to(device)
        softmax = need_torch().softmax

        def forward(batch: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as the module's comment says
            return softmax(model(**batch).logits.double(), dim=-1)

        batched = BatchedModel(
            forward, extractor=extractor, config=config, device=device, name="emotion classifier", settings=batching
        )
        return cls(batched, label_map=label_map, settings=settings)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its estimates."""
        return self._map.labels

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return an estimate; it abstains when the voice may not be used or there is no sound of it yet.

        Raises:
            EngineFailed: the model failed.
        """
        del conversation
        if source not in {"voice", "both"} or not utterance.samples.size:
            return self._unclear(utterance, revision=revision, source=source)
        return await self._heard(utterance, revision=revision)

    async def probabilities(self, samples: Samples) -> tuple[tuple[str, float], ...]:
        """Return the distribution over `labels` for one utterance: float32, mono, 16 kHz.

        Raises:
            EngineFailed: there is no sound or it is not all numbers; the model failed.
        """
        distribution, _ = self._map.distribution(await self._model.answer(samples))
        return tuple(zip(self._map.labels, distribution.tolist(), strict=True))

    def close(self) -> None:
        """Free the model. Idempotent."""
        self._model.close()

    async def _heard(self, utterance: Utterance, *, revision: int) -> EmotionEstimate:
        labels = self._map.labels
        distribution, share = self._map.distribution(await self._model.answer(utterance.samples))
        plain = tuple(distribution.tolist())
        top = decide(distribution, threshold=self._settings.threshold)
        affect = affect_of(labels, plain)
        return EmotionEstimate(
            utterance=utterance.utterance,
            revision=revision,
            is_final=utterance.is_final,
            at_s=utterance.decided_s,
            labels=labels,
            distribution=plain,
            top=None if top is None or share < self._settings.known_share else labels[top],
            confidence=max(plain),
            arousal=affect.arousal,
            dominance=affect.dominance,
            valence=affect.valence,
            voice_distribution=plain,
            eight=tuple(zip(labels, plain, strict=True)) if labels == EIGHT else (),
            method=METHOD,
        )

    def _unclear(self, utterance: Utterance, *, revision: int, source: EmotionSource) -> EmotionEstimate:
        labels = self._map.labels
        return EmotionEstimate(
            utterance=utterance.utterance,
            revision=revision,
            is_final=utterance.is_final,
            at_s=utterance.decided_s,
            labels=labels,
            distribution=tuple(1 / len(labels) for _ in labels),
            top=None,
            confidence=1 / len(labels),
            method="off" if source == "off" else METHOD,
        )

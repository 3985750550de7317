"""Arousal, dominance and valence off the voice by audEERING's wav2vec2 regressor, or one trained like it."""

# pyright: reportUnknownMemberType=false
# (transformers comes with an extra; what it gives here is untyped.)

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from streaming.backends.torch_runtime import load_pretrained, load_whole, need_transformers, torch_device
from streaming.errors import ModelUnusable

from ...labels import Affect
from .batched import BatchedModel, load_extractor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streaming.events import Samples

    from .batched import BatchedSettings

NOTICE: Final = "audEERING's dimension model is CC BY-NC-SA 4.0: for research, not for commercial use"
"""What is to be shown before the published weights are fetched or used."""

DIMENSIONS: Final = ("arousal", "dominance", "valence")

_WHAT = "dimension model"


class Wav2Vec2Dimensions:
    """`agent.ports.DimensionsReader` by a wav2vec2 regressor, shared by all sessions of a process."""

    def __init__(self, model: BatchedModel, *, order: tuple[str, ...]) -> None:
        """Use `load`. `order` names the columns of the model's rows, a permutation of DIMENSIONS."""
        self._model = model
        self._order = order

    @classmethod
    def load(cls, path: Path, *, device: str = "auto", settings: BatchedSettings | None = None) -> Wav2Vec2Dimensions:
        """Return the reader of the model in the folder `path`, on `device` ("auto", "cpu" or "cuda").

        Raises:
            EngineMissing: torch or transformers is not installed.
            ModelUnusable: there is no such model, or it is broken, or no regressor of the three dimensions.
            EngineFailed: "cuda" is asked for and absent.
        """
        transformers = need_transformers()
        device = torch_device(device)
        config = load_pretrained(
            lambda: transformers.AutoConfig.from_pretrained(str(path), local_files_only=True), path, what=_WHAT
        )
        order = _order(config, path)
        extractor = load_extractor(transformers.Wav2Vec2FeatureExtractor, path, what=_WHAT)

        from .regressor import EmotionModel  # noqa: PLC0415 - needs torch, which is there from here on

        # In full precision also on a GPU: the model is small, and its answers are read to the second digit.
        model = load_whole(EmotionModel, path, what=_WHAT, may_lack=("masked_spec_embed",)).float().to(device)
        batched = BatchedModel(
            lambda batch: model(**batch),
            extractor=extractor,
            config=config,
            device=device,
            name="wav2vec2 dimensions",
            settings=settings,
        )
        return cls(batched, order=order)

    @property
    def name(self) -> str:
        """See `DimensionsReader`."""
        return "wav2vec2"

    async def read(self, samples: Samples) -> Affect:
        """See `DimensionsReader`; what lies outside [0, 1] is moved to its edge.

        Raises:
            EngineFailed: there is no sound or it is not all numbers; the model failed.
        """
        raw = await self.read_raw(samples)
        return Affect(**{name: min(1.0, max(0.0, value)) for name, value in raw.items()})

    async def read_raw(self, samples: Samples) -> dict[str, float]:
        """Return the three values as the model gives them: about 0 to 1, not held in.

        Raises:
            EngineFailed: as `read`.
        """
        row = await self._model.answer(samples)
        return dict(zip(self._order, row.tolist(), strict=True))

    def close(self) -> None:
        """See `DimensionsReader`."""
        self._model.close()


def _order(config: Any, path: Path) -> tuple[str, ...]:  # noqa: ANN401 - as the module's comment says
    """Return what the model's outputs are, in their order."""
    if config.model_type != "wav2vec2":
        raise ModelUnusable(f"{_WHAT} {path} is a {config.model_type}, expected a wav2vec2")
    labels = cast("Mapping[int, str]", config.id2label)
    order = tuple(labels[at].strip().lower() for at in sorted(labels))
    if sorted(order) != sorted(DIMENSIONS):
        raise ModelUnusable(f"{_WHAT} {path} gives {', '.join(order)}; expected {', '.join(DIMENSIONS)}")
    return order

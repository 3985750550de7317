"""Language models that hear: Qwen2-Audio and its like, by transformers, in this process.

Nothing heavy is imported before a model is loaded.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from streaming.backends.torch_runtime import load_pretrained, load_whole, need_transformers, torch_device, torch_dtype

from .transformers_model import TransformersModel
from .transformers_settings import TransformersSettings

if TYPE_CHECKING:
    from ...llm.values import Capabilities
    from .audio_ears import Ears
    from .audio_text import HearingText
    from .transformers_forward import Forward

_WHAT = "audio language model"


class AudioLanguageModel(TransformersModel):
    """A causal language model that takes `Message.audio`. Made by `load`; implements `agent.ports.LanguageModel`.

    Works as `TransformersModel` does, caches and packed labels included: a sound is so many more tokens of the prompt,
    heard once. Any model of transformers' multimodal ones will do whose processor puts a token of its own in the place
    of sound, and whose decoder reads words and sound alike.
    """

    def __init__(
        self, forward: Forward, text: HearingText, *, ears: Ears, name: str, settings: TransformersSettings
    ) -> None:
        super().__init__(forward, text, name=name, settings=settings)
        self._ears = ears

    @classmethod
    def load(
        cls, path: Path, *, device: str = "auto", dtype: str = "auto", settings: TransformersSettings | None = None
    ) -> AudioLanguageModel:
        """Return the model in a local folder; arguments and errors as for `TransformersModel.load`.

        Raises:
            ModelUnusable: besides, it is a model that takes no sound.
        """
        transformers = need_transformers()
        from .audio_ears import Ears, HearingModel, extractor_of  # noqa: PLC0415 - torch only when a model is loaded
        from .audio_text import HearingText  # noqa: PLC0415 - as above
        from .transformers_forward import Forward  # noqa: PLC0415 - as above

        path, settings = Path(path), settings or TransformersSettings()
        place = torch_device(device)
        number = torch_dtype(place, dtype)
        processor = load_pretrained(
            lambda: transformers.AutoProcessor.from_pretrained(str(path), local_files_only=True), path, what=_WHAT
        )
        extractor_of(processor)  # told before the weights are read, which takes minutes
        loaded = load_whole(transformers.AutoModelForMultimodalLM, path, what=_WHAT, dtype=number)
        model = load_pretrained(lambda: loaded.to(place), path, what=_WHAT)
        ears = Ears(model, processor)
        ears.check()
        forward = Forward(HearingModel(model, ears), settings=settings)
        text = HearingText(processor, ears)
        return cls(forward, text, ears=ears, name=f"audio:{path.name}", settings=settings)

    @property
    def capabilities(self) -> Capabilities:
        """As for `TransformersModel`; it hears."""
        return replace(super().capabilities, hears=True)

    def close(self) -> None:
        """Free the model; answers under way fail. Idempotent."""
        super().close()
        self._ears.close()

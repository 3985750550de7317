# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (transformers types its models only in part.)
"""How sound gets into a language model: as tokens of its own, read by the model's decoder like any others.

A sound is given as many negative token ids as the model's processor makes of it, ids no other sound has. What is known
of prompts, caches and labels elsewhere then holds for prompts with sound, and the same sound again costs nothing. Where
such an id goes into the model, the vector stands that its audio tower made.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary, ref

import numpy as np

from streaming.audio import SAMPLE_RATE, finite, padded, silence
from streaming.backends.torch_runtime import need_torch, translated_memory_errors
from streaming.errors import AudioUnreadable, EngineFailed, ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from streaming.events import Samples

SHORTEST: Final = SAMPLE_RATE // 10
"""Samples; a tower makes no token of much less. Silence is added to shorter sounds."""

_LONGEST_S: Final = 30
_N_KEPT: Final = 8


@dataclass(slots=True, eq=False, kw_only=True, weakref_slot=True)
class Sound:
    """A sound as a model takes it.

    Attributes:
        inputs: what the processor made of it, a prompt of nothing but this sound.
        first_id, n_tokens: its ids are first_id, first_id - 1, ..., all negative.
        vectors: shape (n_tokens, width), None until it is first read.
    """

    inputs: Mapping[str, Any]
    first_id: int
    n_tokens: int
    vectors: torch.Tensor | None = None

    @property
    def ids(self) -> range:
        """Its token ids, in order."""
        return range(self.first_id, self.first_id - self.n_tokens, -1)


class Ears:
    """The audio half of a model: its processor and its tower.

    Args:
        model: a loaded model that takes text and sound.
        processor: its processor.

    Attributes:
        token, token_id: the one that stands for a sound in a text.
        marked: the same with what the model was trained to see around it.

    Raises:
        ModelUnusable: it has no token that stands for sound, or its processor is not for 16 kHz.
    """

    def __init__(self, model: Any, processor: Any) -> None:  # noqa: ANN401 - any model that hears
        extractor = extractor_of(processor)
        self._model: Any = model
        self._processor = processor
        self.token: str = getattr(processor, "audio_token", "")
        self.token_id: int = getattr(model.config, "audio_token_id", None) or -1
        if not self.token or self.token_id < 0:
            raise ModelUnusable(f"{type(model).__name__} has no token for sound; expected one like <|AUDIO|>")
        self.marked = self.token.join(str(getattr(processor, f"audio_{end}_token", "")) for end in ("bos", "eos"))
        self._longest = int(getattr(extractor, "n_samples", _LONGEST_S * SAMPLE_RATE))
        self._kept: OrderedDict[bytes, Sound] = OrderedDict()
        self._in_use: dict[int, tuple[ref[Samples], list[Sound]]] = {}
        self._by_first: WeakValueDictionary[int, Sound] = WeakValueDictionary()
        self._next_id = -1

    def listen(self, samples: Samples) -> list[Sound]:
        """Return a sound as one or, where it is longer than the model takes at once, several.

        They can be read as long as `samples` is alive; the last few are kept longer.

        Raises:
            EngineFailed: there is no sound, or it is not all numbers.
        """
        try:
            finite(samples)
        except AudioUnreadable as trouble:
            raise EngineFailed(f"the model cannot hear this: {trouble}") from trouble
        if not samples.size:
            raise EngineFailed("expected sound with the message, got no samples")
        sounds = [self._sound(part) for part in np.array_split(samples, self.n_sounds(samples))]
        in_use, key = self._in_use, id(samples)
        self._in_use[key] = (ref(samples, lambda _: in_use.pop(key, None)), sounds)
        return sounds

    def check(self) -> None:
        """Hear a moment of silence, so that a model that cannot be used says so when it is loaded.

        Raises:
            ModelUnusable: it takes sound in another way than expected.
            OutOfMemory: there is no room for it.
        """
        try:
            with need_torch().inference_mode(), translated_memory_errors():
                self._vectors(self._sound(silence(SHORTEST)))
        except EngineFailed:
            raise
        except Exception as trouble:  # models are programs of strangers and fail as they like
            said = " ".join(f"{type(trouble).__name__}: {trouble}".split())[:200]
            raise ModelUnusable(
                f"{type(self._model).__name__} cannot be given sound as Attune does it: {said}"
            ) from trouble
        self._kept.clear()

    def n_sounds(self, samples: Samples) -> int:
        """Return how many sounds `listen` makes of one."""
        return max(1, -(-samples.size // self._longest))

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the vectors of token ids, shape (rows, n), of text or sound: shape (rows, n, width)."""
        vectors = self._model.get_input_embeddings()(ids.clamp(min=0))
        if bool((ids >= 0).all()):
            return vectors
        vectors, is_lost = vectors.clone(), ids < 0
        for sound in list(self._by_first.values()):
            at = sound.first_id - ids
            is_mine = (at >= 0) & (at < sound.n_tokens)
            if bool(is_mine.any()):
                vectors[is_mine] = self._vectors(sound)[at[is_mine]].to(vectors.dtype)
                is_lost &= ~is_mine
        assert not bool(is_lost.any()), "a sound is read while its prompt is alive"
        return vectors

    def close(self) -> None:
        """Let the model go. Idempotent."""
        self._model = None
        self._kept.clear()
        self._in_use.clear()

    def _sound(self, samples: Samples) -> Sound:
        wave = padded(samples, max(samples.size, SHORTEST))
        digest = hashlib.blake2b(wave.tobytes(), digest_size=16).digest()
        if (known := self._kept.get(digest)) is not None:
            self._kept.move_to_end(digest)
            return known
        inputs = self._processor(text=self.token, audio=[wave], sampling_rate=SAMPLE_RATE, return_tensors="pt")
        n_tokens = int((inputs["input_ids"] == self.token_id).sum())
        sound = Sound(inputs=dict(inputs), first_id=self._next_id, n_tokens=n_tokens)
        self._next_id -= n_tokens
        self._kept[digest] = self._by_first[sound.first_id] = sound
        if len(self._kept) > _N_KEPT:
            self._kept.popitem(last=False)
        return sound

    def _vectors(self, sound: Sound) -> torch.Tensor:
        """Return what the model puts in the place of a sound's tokens, caught where its decoder would read it."""
        if sound.vectors is None:
            caught = _caught(self._model, sound.inputs)
            sound.vectors = caught[0][sound.inputs["input_ids"][0].to(caught.device) == self.token_id]
        return sound.vectors


class HearingModel:
    """A model that takes the ids of sounds among those of text: a causal model as `transformers_forward` wants one."""

    def __init__(self, model: Any, ears: Ears) -> None:  # noqa: ANN401 - any model that hears
        self._model = model
        self._ears = ears
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.config = model.config
        self.generation_config = model.generation_config

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self._model.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of its weights."""
        return self._model.dtype

    def forward(
        self,
        *,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        logits_to_keep: int | torch.Tensor = 0,
        **values: Any,  # noqa: ANN401 - the model's own
    ) -> Any:  # noqa: ANN401 - the model's own answer
        """Return the model's answer, with the logits of the last `logits_to_keep` tokens, or of the tokens it names."""
        vectors = self._ears.embed(input_ids)
        if self._keeps:
            return self._model(
                inputs_embeds=vectors, position_ids=position_ids, logits_to_keep=logits_to_keep, **values
            )
        answer = self._model(inputs_embeds=vectors, position_ids=position_ids, **values)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        answer.logits = answer.logits[:, kept]
        return answer

    __call__ = forward


def extractor_of(processor: Any) -> Any:  # noqa: ANN401 - any of transformers' processors
    """Return what turns sound into features.

    Raises:
        ModelUnusable: the processor takes no sound, or of another rate than 16 kHz.
    """
    extractor = getattr(processor, "feature_extractor", None)
    if extractor is None:
        raise ModelUnusable(f"{type(processor).__name__} takes no sound; expected a model that hears, like Qwen2-Audio")
    if extractor.sampling_rate != SAMPLE_RATE:
        raise ModelUnusable(f"the model hears at {extractor.sampling_rate} Hz, expected {SAMPLE_RATE}")
    return extractor


class _CaughtError(Exception):
    """Carries the decoder's input out of the model: reading it would be work for nothing."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.vectors = vectors


def _caught(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:  # noqa: ANN401 - any model that hears
    """Return the vectors the model's own code makes of a prompt with sound, shape (1, n, width)."""

    def catch(_module: object, _args: Sequence[Any], values: Mapping[str, Any]) -> None:
        if (vectors := values.get("inputs_embeds")) is not None:
            raise _CaughtError(vectors)

    hook = model.get_decoder().register_forward_pre_hook(catch, with_kwargs=True)
    try:
        model(**{name: _on(model, value) for name, value in inputs.items()})
    except _CaughtError as caught:
        return caught.vectors
    finally:
        hook.remove()
    raise ModelUnusable(f"{type(model).__name__} reads sound in a way that Attune does not know; use another model")


def _on(model: Any, value: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - any model that hears
    """Return a tensor where the model is, numbers in the type of its weights, ids and masks as they are."""
    return value.to(model.device, model.dtype) if value.is_floating_point() else value.to(model.device)

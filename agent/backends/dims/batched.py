"""A transformers model that answers each utterance with a row of numbers, shared by all sessions and batched.

Utterances that go together are padded to the same length whoever else is in the batch, and masked; where a model cannot
tell padding from sound (a norm over time, spectrograms) only those of one shape go together. So an answer does not
depend on company. Long utterances are cut into equal windows whose answers are averaged, each counting as long as it
lasts.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (torch and transformers come with an extra; what they give here is untyped.)

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.to_thread
import numpy as np

from streaming.audio import SAMPLE_RATE, finite, padded
from streaming.backends.torch_runtime import load_pretrained, need_torch, translated_memory_errors
from streaming.errors import AudioUnreadable, EngineFailed, ModelUnusable
from streaming.scheduler import Lane, Scheduler, SchedulerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from streaming.events import Samples
    from streaming.scheduler import Ticket

Row: TypeAlias = "NDArray[np.float64]"
Features: TypeAlias = "dict[str, NDArray[Any]]"

WAVE = "input_values"
MASK = "attention_mask"
MASKABLE = frozenset({"wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat"})
SHORTEST = 400
"""Samples of one 25 ms frame: no model of speech sees anything in less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedSettings:
    """How utterances are cut and put together.

    Attributes:
        longest_s: a longer utterance is cut into windows, seconds.
        grid_s: utterances are padded to a multiple of this, seconds.
        scheduling: how requests are gathered.
    """

    longest_s: float = 20.0
    grid_s: float = 0.5
    scheduling: SchedulerSettings = field(default_factory=lambda: SchedulerSettings(max_batch=8))

    def __post_init__(self) -> None:
        if not 0 < self.grid_s <= self.longest_s:
            raise ValueError(f"expected 0 < grid_s <= longest_s, got {self.grid_s} and {self.longest_s}")


class BatchedModel:
    """The model behind its scheduler.

    Args:
        forward: takes a batch by name as tensors on the model's device, returns one row per utterance, shape (n, k).
        extractor: the model's feature extractor, see `load_extractor`.
        config: the model's configuration.
        device: where the model is.
        name: for messages.
    """

    def __init__(
        self,
        forward: Callable[[Mapping[str, Any]], Any],
        *,
        extractor: Any,  # noqa: ANN401 - as the module's comment says
        config: Any,  # noqa: ANN401 - as above
        device: str,
        name: str,
        settings: BatchedSettings | None = None,
    ) -> None:
        self._forward = forward
        self._extractor = extractor
        self._device = device
        self._name = name
        self._settings = settings or BatchedSettings()
        self._shortest = max(SHORTEST, receptive_field(config))
        self._can_mask = can_mask(config)
        self._scheduler: Scheduler[Features, Row] = Scheduler(
            self._answer_batch, name=name, settings=self._settings.scheduling
        )

    async def answer(self, samples: Samples) -> Row:
        """Return the model's row for an utterance. Cancelling withdraws what the model has not begun.

        Raises:
            EngineFailed: there is no sound, or it is not all numbers; the model failed or said what is no number.
        """
        tickets: list[Ticket[Row]] = []
        try:
            return await anyio.to_thread.run_sync(self._answer, samples, tickets, abandon_on_cancel=True)
        finally:
            for ticket in tickets:
                ticket.cancel()

    def close(self) -> None:
        """End the scheduler. Idempotent."""
        self._scheduler.close()

    def _answer(self, samples: Samples, tickets: list[Ticket[Row]]) -> Row:
        try:
            finite(samples)
        except AudioUnreadable as trouble:
            raise EngineFailed(f"{self._name} cannot hear this: {trouble}") from trouble
        windows = cut(samples, longest=round(self._settings.longest_s * SAMPLE_RATE))
        session = object()  # each utterance counts as a session: fair between them
        for window in windows:
            features = self._features(window)
            bucket = tuple((name, value.shape) for name, value in sorted(features.items()))
            tickets.append(self._scheduler.submit(features, session=session, bucket=bucket, lane=Lane.FINAL))
        rows = np.stack([ticket.result() for ticket in tickets])
        return np.average(rows, axis=0, weights=[window.size for window in windows])

    def _features(self, window: Samples) -> Features:
        """Return what the model takes, without a batch axis."""
        sound = padded(window, max(window.size, self._shortest))
        made = self._extractor(sound, sampling_rate=SAMPLE_RATE, return_tensors="np")
        features: Features = {name: np.asarray(value)[0] for name, value in made.items()}
        wave = features.get(WAVE)
        if wave is None or wave.ndim != 1:
            return features
        if not self._can_mask:
            return {WAVE: wave}
        grid = round(self._settings.grid_s * SAMPLE_RATE)
        size = ceil(wave.size / grid) * grid
        mask = np.arange(size) < wave.size
        return {WAVE: padded(wave, size), MASK: mask.astype(np.int64)}

    def _answer_batch(self, batch: Sequence[Features]) -> list[Row | EngineFailed]:
        torch = need_torch()
        with torch.inference_mode(), translated_memory_errors():
            inputs = {
                name: torch.from_numpy(np.stack([row[name] for row in batch])).to(self._device) for name in batch[0]
            }
            rows = self._forward(inputs).double().cpu().numpy()
        return [row if np.isfinite(row).all() else self._senseless() for row in rows]

    def _senseless(self) -> EngineFailed:
        return EngineFailed(f"{self._name} answered what is no number; its weights are damaged, fetch them again")


def cut(samples: Samples, *, longest: int) -> list[Samples]:
    """Return `samples` in as few windows of at most `longest` as will do, equal but for one sample.

    Raises:
        EngineFailed: there are no samples.
    """
    if not samples.size:
        raise EngineFailed("expected the sound of an utterance, got no samples")
    return np.array_split(samples, ceil(samples.size / longest))


def receptive_field(config: Any) -> int:  # noqa: ANN401 - as the module's comment says
    """Return how many samples the convolutions of a wav2vec2-like model need for one frame; 1 for others."""
    n = 1
    layers = zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True)
    for kernel, stride in reversed(list(layers)):
        n = (n - 1) * stride + kernel
    return n


def can_mask(config: Any) -> bool:  # noqa: ANN401 - as the module's comment says
    """Return whether a model gives a padded sound and its mask the answer of the sound alone.

    Others give about that (SEW), or norm each channel over the whole of the sound, padding included ("group").
    """
    return config.model_type in MASKABLE and config.feat_extract_norm == "layer"


def load_extractor(loader: Any, path: Path, *, what: str) -> Any:  # noqa: ANN401 - as the module's comment says
    """Return the feature extractor in `path`, made by `loader.from_pretrained`.

    Raises:
        ModelUnusable: it is missing or broken, or not for 16 kHz.
    """
    extractor = load_pretrained(lambda: loader.from_pretrained(str(path), local_files_only=True), path, what=what)
    if extractor.sampling_rate != SAMPLE_RATE:
        raise ModelUnusable(f"{what} {path} wants sound at {extractor.sampling_rate} Hz, expected {SAMPLE_RATE}")
    return extractor

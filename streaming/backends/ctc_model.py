"""A wav2vec 2.0-like character model (wav2vec 2.0, HuBERT, WavLM, data2vec, ...) by transformers: sound in, frames out.

Several stretches of sound are heard at once, each as if it were alone: what padding would do to a model is prevented
where it can be and looked for where it cannot, when the model is loaded. Knows nothing of threads or words.
"""

from __future__ import annotations

import warnings
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import SAMPLE_RATE
from ..errors import EngineFailed, ModelUnusable
from .ctc_vocabulary import read_alphabet
from .torch_runtime import (
    load_pretrained,
    load_whole,
    need_torch,
    need_transformers,
    torch_device,
    translated_memory_errors,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..ctc import Alphabet
    from ..events import Samples

_WHAT = "ctc model"
_MAY_LACK = frozenset({"masked_spec_embed"})
"""Used in training only; many published models come without it."""
_PROBE = (9000, 5000)
_ALIKE = 0.05
"""Natural log: what arithmetic may differ by; padding that is heard differs by several."""


class CtcModel:
    """A network on a device. One thread at a time.

    Attributes:
        name: of the folder it came from.
        alphabet: what its outputs stand for.
        stride: samples per frame.
        n_least: samples of the shortest sound it can hear.
        pads: whether sounds of different lengths can be heard together.
    """

    def __init__(self, network: Any, *, name: str, alphabet: Alphabet, device: str, normalises: bool) -> None:  # noqa: ANN401 - a transformers model
        self._torch = need_torch()
        self.device = device
        self._network = network.to(device)
        self._normalises = normalises
        self._lengths: list[int] = []
        self.name = name
        self.alphabet = alphabet
        self.stride = int(network.config.inputs_to_logits_ratio)
        self.n_least = _n_least(network.config)
        if getattr(network.config, "feat_extract_norm", "layer") == "group":
            self._hear_features_alone()
        self.pads = self._hears_alike()

    @classmethod
    def load(cls, path: Path, *, device: str = "auto") -> CtcModel:
        """Read a model from a folder with config.json, preprocessor_config.json, vocab.json and weights.

        A language model beside them is not used.

        Raises:
            ModelUnusable: it is damaged, or not a CTC model of 16 kHz sound and characters.
            EngineFailed: there is no such device; EngineMissing, OutOfMemory: as they say.
        """
        device = torch_device(device)
        transformers, torch = need_transformers(), need_torch()
        network = load_whole(transformers.AutoModelForCTC, path, what=_WHAT, may_lack=_MAY_LACK, dtype=torch.float32)
        if network.main_input_name != "input_values" or not hasattr(network.config, "inputs_to_logits_ratio"):
            raise ModelUnusable(
                f"{_WHAT} {path} is a {type(network).__name__}; expected one that hears samples, like Wav2Vec2ForCTC"
            )
        extractor: Any = load_pretrained(
            lambda: transformers.AutoFeatureExtractor.from_pretrained(str(path), local_files_only=True),
            path,
            what="feature extractor of",
        )
        if extractor.sampling_rate != SAMPLE_RATE:
            raise ModelUnusable(f"{_WHAT} {path} hears {extractor.sampling_rate} Hz, expected {SAMPLE_RATE} Hz")
        alphabet = read_alphabet(path, n_outputs=network.config.vocab_size, blank=network.config.pad_token_id or 0)
        normalises = bool(getattr(extractor, "do_normalize", False))
        with translated_memory_errors():
            return cls(network, name=path.name, alphabet=alphabet, device=device, normalises=normalises)

    def bucket(self, n_samples: int) -> Hashable:
        """Return a value that is equal for lengths that should be heard together."""
        # Lengths within a factor of about 1.4: less than a third of a batch is padding.
        return round(2 * log2(n_samples)) if self.pads else n_samples

    def hear(self, rows: Sequence[Samples]) -> list[NDArray[np.float32] | EngineFailed]:
        """Return the log-probabilities of each row of sound, shape (frames, symbols), or why there are none.

        Args:
            rows: each float32, shape (n,), n at least `n_least`; all of one bucket.

        Raises:
            OutOfMemory: not so many at once.
        """
        with translated_memory_errors():
            return [self._checked(answer) for answer in self._answers(rows)]

    def _checked(self, answer: NDArray[np.float32]) -> NDArray[np.float32] | EngineFailed:
        if np.isnan(answer).any():
            return EngineFailed(f"{self.name} answered values that are not numbers; its weights may be damaged")
        return answer

    def _answers(self, rows: Sequence[Samples]) -> list[NDArray[np.float32]]:
        torch = self._torch
        self._lengths = [len(row) for row in rows]
        sound = np.zeros((len(rows), max(self._lengths)), np.float32)
        for i, row in enumerate(rows):
            sound[i, : len(row)] = self._normal(row)
        values = torch.from_numpy(sound).to(self.device)
        lengths = torch.tensor(self._lengths, device=self.device)
        with torch.inference_mode():
            is_sound = torch.arange(sound.shape[1], device=self.device) < lengths[:, None]
            # Without a mask where none is needed: models differ in how they take one.
            options = {} if bool(is_sound.all()) else {"attention_mask": is_sound.long()}
            logits = self._network(values, **options).logits
            answers = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
            n_frames = self._network._get_feat_extract_output_lengths(lengths).tolist()
        return [answer[:n] for answer, n in zip(answers, n_frames, strict=True)]

    def _normal(self, row: Samples) -> Samples:
        """Return the sound with mean 0 and variance 1, as the feature extractor gives it, if the model wants that."""
        return (row - row.mean()) / np.sqrt(row.var() + 1e-7) if self._normalises else row

    def _hear_features_alone(self) -> None:
        """Make the convolutions, whose group norm runs over all of a row's time, hear each row without its padding."""
        extractor = getattr(self._network.base_model, "feature_extractor", None)
        if extractor is None:
            return
        torch, alone = self._torch, extractor.forward

        def each(values: Any) -> Any:  # noqa: ANN401 - tensors
            features = [alone(row[None, :n])[0].T for row, n in zip(values, self._lengths, strict=True)]
            n_frames = int(self._network._get_feat_extract_output_lengths(values.shape[1]))
            features[0] = torch.nn.functional.pad(features[0], (0, 0, 0, n_frames - len(features[0])))
            return torch.nn.utils.rnn.pad_sequence(features, batch_first=True).transpose(1, 2)

        extractor.forward = each

    def _hears_alike(self) -> bool:
        """Tell whether a short sound is heard the same beside a long one as alone."""
        noise = np.random.default_rng(0).normal(scale=0.1, size=max(_PROBE)).astype(np.float32)
        rows = [noise[: max(self.n_least, n)] for n in _PROBE]
        # torch says so of WavLM whenever rows are padded; the two masks mean the same.
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask", category=UserWarning)
        together = self._answers(rows)
        alone = [self._answers([row])[0] for row in rows]
        differences = [np.abs(one - other).max() for one, other in zip(together, alone, strict=True)]
        return bool(max(differences) < _ALIKE)


def _n_least(config: Any) -> int:  # noqa: ANN401 - a transformers config
    """Return how many samples the convolutions need for one frame."""
    n = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        n = (n - 1) * stride + kernel
    return n

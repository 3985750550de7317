"""Self-supervised models of speech as frozen upstreams: every layer's hidden states, averaged over time.

wav2vec 2.0, HuBERT, WavLM, data2vec and XLS-R in the form of transformers, from a folder; nothing is downloaded.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (torch and transformers come with an extra; what they give here is untyped.)

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streaming.audio import padded
from streaming.backends.torch_runtime import (
    load_pretrained,
    need_torch,
    need_transformers,
    torch_device,
    translated_memory_errors,
)
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from pathlib import Path

    from streaming.events import Samples

    from ...metrics import Floats

_WHAT: Final = "upstream"
_SHORTEST: Final = 400
"""Samples of one 25 ms frame: no model of speech sees anything in less."""
_BLOCK: Final = 1 << 20


class HiddenStates:
    """`eval.training.upstream.Upstream` by a model of transformers; loaded when the first utterance comes."""

    is_light: bool = False

    def __init__(self, path: Path, *, name: str, device: str = "auto") -> None:
        """Use the model in the folder `path`, called `name` in tables, on `device` ("auto", "cpu" or "cuda")."""
        self._path = path
        self._name = name
        self._device = device
        self._identity = ""
        self._model: Any = None

    @property
    def name(self) -> str:
        """See `Upstream`."""
        return self._name

    @property
    def identity(self) -> str:
        """See `Upstream`: the hash of the folder's files, wherever it lies."""
        if not self._identity:
            self._identity = f"hidden:{_hash_of(self._path)}"
        return self._identity

    def features(self, samples: Samples) -> Floats | None:
        """See `Upstream`: the input of the first layer and the output of each, the sound at mean 0 and variance 1."""
        torch = need_torch()
        model, device = self._loaded()
        sound = padded(samples, max(samples.size, _SHORTEST))
        # Constant sound is no sound: its variance is nothing to divide by.
        if not np.isfinite(sound).all() or not sound.std():
            return None
        sound = ((sound - sound.mean()) / sound.std()).astype(np.float32)
        with torch.inference_mode(), translated_memory_errors():
            states = model(torch.from_numpy(sound[None]).to(device), output_hidden_states=True).hidden_states
            rows = np.stack([state[0].mean(dim=0).double().cpu().numpy() for state in states])
        if not np.isfinite(rows).all():
            raise EngineFailed(f"{_WHAT} {self._path} answered what is no number; its weights are damaged")
        return rows

    def _loaded(self) -> tuple[Any, str]:
        if self._model is None:
            transformers = need_transformers()
            device = torch_device(self._device)
            model = load_pretrained(
                lambda: transformers.AutoModel.from_pretrained(str(self._path), local_files_only=True),
                self._path,
                what=_WHAT,
            )
            self._model = model.float().eval().to(device), device
        return self._model


def _hash_of(path: Path) -> str:
    whole = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        whole.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK):
                whole.update(block)
    return whole.hexdigest()

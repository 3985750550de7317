"""Fixtures for engines of the line: tiny models with random weights, made once per session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eval.tiny.wav2vec2 import Kind, Norm


@pytest.fixture(scope="session")
def tiny_whisper_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CTranslate2 Whisper that speaks English only; its Hugging Face source lies beside it in "source"."""
    from eval.tiny.whisper import tiny_whisper  # noqa: PLC0415 - imports torch, which most tests do without

    return tiny_whisper(tmp_path_factory.mktemp("whisper"), keep_source=True)


@pytest.fixture(scope="session")
def tiny_polyglot_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CTranslate2 Whisper that knows 99 languages."""
    from eval.tiny.whisper import tiny_whisper  # noqa: PLC0415 - as above

    return tiny_whisper(tmp_path_factory.mktemp("polyglot"), multilingual=True)


@pytest.fixture(scope="session")
def tiny_ctc_path(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a tiny character recogniser of a kind and seed, once, and gives its folder."""
    import torch  # noqa: PLC0415 - most tests do without

    from eval.tiny.wav2vec2 import tiny_ctc  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("ctc")

    def make(kind: Kind = "wav2vec2", *, seed: int = 0, norm: Norm | None = None) -> Path:
        path = folder / f"{kind}-{seed}-{norm}"
        return path if path.exists() else tiny_ctc(path, kind=kind, seed=seed, norm=norm)

    return make

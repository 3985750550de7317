"""Tiny models of emotion in the voice, made on the spot with random weights: true classes, true files."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# (transformers leaves its model classes partly untyped.)

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import (
    HubertConfig,
    HubertForSequenceClassification,
    SEWConfig,
    SEWForSequenceClassification,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WavLMConfig,
    WavLMForSequenceClassification,
)

from agent.backends.dims.regressor import EmotionModel

from .weights import save, seeded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

DIMENSIONS: Final = ("arousal", "dominance", "valence")
EMOTIONS: Final = ("angry", "happy", "neutral", "sad")

_CLASSIFIERS: Final[dict[str, tuple[Any, Any]]] = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2ForSequenceClassification),
    "hubert": (HubertConfig, HubertForSequenceClassification),
    "wavlm": (WavLMConfig, WavLMForSequenceClassification),
    "sew": (SEWConfig, SEWForSequenceClassification),
}


def tiny_dimensions(
    folder: Path, *, labels: Sequence[str] = DIMENSIONS, norm: str = "layer", seed: int = 0, is_old: bool = False
) -> Path:
    """Write a regressor with audEERING's layout into `folder` and return it.

    Args:
        folder: is made if it is missing.
        labels: names of the outputs in their order.
        norm: "layer" as in the published model, or "group" as in wav2vec2-base.
        seed: of the weights.
        is_old: write `pytorch_model.bin` with the names older torch gave to weight norm, as published.
    """
    model = seeded(lambda: EmotionModel(Wav2Vec2Config(**_sizes(labels, norm))), seed=seed)
    _write(model, folder)
    if is_old:
        old = {_old_name(name): value for name, value in model.state_dict().items()}
        torch.save(old, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def tiny_audio_classifier(
    folder: Path, *, labels: Sequence[str] = EMOTIONS, kind: str = "wav2vec2", norm: str = "layer", seed: int = 0
) -> Path:
    """Write a classifier over `labels` into `folder` and return it.

    `kind` is "wav2vec2", "hubert", "wavlm" or "sew"; the other arguments are those of `tiny_dimensions`.
    """
    make_config, make_model = _CLASSIFIERS[kind]
    _write(seeded(lambda: make_model(make_config(**_sizes(labels, norm))), seed=seed), folder)
    return folder


def _sizes(labels: Sequence[str], norm: str) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "conv_dim": (16,) * 7,
        "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
        "conv_stride": (5, 2, 2, 2, 2, 2, 2),
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "classifier_proj_size": 16,
        "feat_extract_norm": norm,
        "conv_bias": norm == "layer",
        "do_stable_layer_norm": norm == "layer",
        "vocab_size": 32,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: at for at, label in enumerate(labels)},
        # Random weights of the usual size give almost the same answer to every sound.
        "initializer_range": 0.2,
    }


def _write(model: PreTrainedModel, folder: Path) -> None:
    save(model, folder)
    norm = model.config.feat_extract_norm
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=norm == "layer").save_pretrained(folder)


def _old_name(name: str) -> str:
    new = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for now, before in new.items():
        name = name.replace(now, before)
    return name

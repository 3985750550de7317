"""Tiny character recognisers with random weights (wav2vec 2.0, HuBERT, WavLM, data2vec), as folders transformers loads.

For tests and benches where no weights can be had: the letters they hear are noise that depends on the sound; code path,
sizes and arithmetic are real. The alphabet is that of the English LibriSpeech models. No network.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers types only half of what is used here.

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import torch
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioForCTC,
    HubertConfig,
    HubertForCTC,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WavLMConfig,
    WavLMForCTC,
)
from transformers.utils import logging

if TYPE_CHECKING:
    from pathlib import Path

Kind: TypeAlias = Literal["wav2vec2", "hubert", "wavlm", "data2vec"]
Norm: TypeAlias = Literal["group", "layer"]

SYMBOLS: Final = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
_CLASSES: Final[dict[str, tuple[Any, Any]]] = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2ForCTC),
    "hubert": (HubertConfig, HubertForCTC),
    "wavlm": (WavLMConfig, WavLMForCTC),
    "data2vec": (Data2VecAudioConfig, Data2VecAudioForCTC),
}
_USUAL_NORM: Final[dict[str, Norm]] = {"wav2vec2": "group", "hubert": "layer", "wavlm": "group", "data2vec": "layer"}
_LOUDNESS: Final = 40.0
"""The output layer is scaled by it, so that frames differ and something is heard."""
_BLANK_LEAD, _GAP_LEAD = 12.0, 9.0


def tiny_sizes(*, width: int = 32, n_layers: int = 2, norm: Norm = "group") -> dict[str, Any]:
    """Return the sizes of a tiny wav2vec 2.0-like model as arguments of its config; frames are 20 ms as usual."""
    return {
        "hidden_size": width,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 2,
        "intermediate_size": 2 * width,
        "conv_dim": (16,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "feat_extract_norm": norm,
        "do_stable_layer_norm": norm == "layer",
        "conv_bias": norm == "layer",
        "mask_time_prob": 0.0,
    }


def tiny_ctc(
    folder: Path,
    *,
    kind: Kind = "wav2vec2",
    seed: int = 0,
    norm: Norm | None = None,
    width: int = 32,
    n_layers: int = 2,
) -> Path:
    """Write the model and return its directory, `folder`.

    Args:
        folder: made if missing; an older model in it is overwritten.
        kind: whose code hears.
        seed: of the weights.
        norm: "group" as in base models (padding changes what they hear), "layer" as in large ones; None = as usual.
        width: of the hidden layers; 768 is that of a base model.
        n_layers: how many; 12 is that of a base model.
    """
    norm = norm or _USUAL_NORM[kind]
    config_class, model_class = _CLASSES[kind]
    sizes = tiny_sizes(width=width, n_layers=n_layers, norm=norm)
    if kind == "data2vec":  # has layer norm always, and several small position convolutions
        for name in ("feat_extract_norm", "do_stable_layer_norm"):
            del sizes[name]
        sizes["num_conv_pos_embeddings"] = 3
    config = config_class(**sizes, vocab_size=len(SYMBOLS), pad_token_id=0, bos_token_id=1, eos_token_id=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
        with torch.no_grad():
            model.lm_head.weight *= _LOUDNESS
            model.lm_head.bias[0] += _BLANK_LEAD
            model.lm_head.bias[SYMBOLS.index("|")] += _GAP_LEAD
    folder.mkdir(parents=True, exist_ok=True)
    _save(model, folder)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({symbol: i for i, symbol in enumerate(SYMBOLS)}), "utf-8")
    Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=norm == "layer").save_pretrained(folder)
    return folder


def _save(model: Any, folder: Path) -> None:  # noqa: ANN401 - a model of any of the classes
    had_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if had_bar:
            logging.enable_progress_bar()

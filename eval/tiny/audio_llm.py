"""Tiny language models that hear, made on the spot: Qwen2-Audio's (or GLM-ASR's) classes and files, random weights.

Their words are noise; audio tower, processor, chat template and arithmetic are real. They hear up to four seconds at a
time instead of thirty.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (tokenizers and transformers type only half of what is used here.)

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from .llama import TRAINING_TEXT
from .weights import save, seeded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedModel, ProcessorMixin

END, STOP, AUDIO = "<|endoftext|>", "<|im_end|>", "<|AUDIO|>"
SPECIALS: Final = (END, "<|im_start|>", STOP, AUDIO, "<|audio_bos|>", "<|audio_eos|>")
LONGEST_S: Final = 4

_N_MELS, _WIDTH = 16, 32
_FRAMES_PER_S = 50  # after the tower's first convolutions
_SPREAD = 0.3  # random weights of the usual size say almost the same whatever they hear

GLM_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.content is string %}"
    "{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'audio' %}<|AUDIO|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_audio_llm(
    folder: Path,
    *,
    kind: Literal["qwen2_audio", "glmasr"] = "qwen2_audio",
    vocab: int = 460,
    context: int = 512,
    seed: int = 0,
) -> Path:
    """Write the model into `folder` and return it.

    Args:
        folder: is made if it is missing.
        kind: whose classes; GLM-ASR's has no mark around sound, and its model is told which logits are wanted.
        vocab: size of the vocabulary.
        context: trained window, tokens.
        seed: of the weights.
    """
    tokenizer = _tokenizer(vocab)
    extractor = WhisperFeatureExtractor(feature_size=_N_MELS, chunk_length=LONGEST_S)
    make, processor = _KINDS[kind](vocab, context), _PROCESSORS[kind](extractor, tokenizer)
    model = seeded(make, seed=seed)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    save(model, folder)
    processor.save_pretrained(folder)
    return folder


def _text(kind: str, *, vocab: int, context: int) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": vocab,
        "hidden_size": _WIDTH,
        "intermediate_size": 2 * _WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "initializer_range": _SPREAD,
        "pad_token_id": SPECIALS.index(END),
    }


def _qwen2_audio(vocab: int, context: int) -> Callable[[], PreTrainedModel]:
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": _N_MELS,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": _WIDTH,
            "d_model": _WIDTH,
            "max_source_positions": LONGEST_S * _FRAMES_PER_S,
            "initializer_range": _SPREAD,
        },
        text_config=_text("qwen2", vocab=vocab, context=context) | {"use_sliding_window": False},
        audio_token_index=SPECIALS.index(AUDIO),
    )
    return lambda: Qwen2AudioForConditionalGeneration(config)


def _glmasr(vocab: int, context: int) -> Callable[[], PreTrainedModel]:
    config = GlmAsrConfig(
        audio_config={
            "model_type": "glmasr_encoder",
            "num_mel_bins": _N_MELS,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 4 * _WIDTH,  # four frames of the tower are one token
            "hidden_size": _WIDTH,
            "max_position_embeddings": LONGEST_S * _FRAMES_PER_S,
            "initializer_range": _SPREAD,
        },
        text_config=_text("llama", vocab=vocab, context=context),
        audio_token_id=SPECIALS.index(AUDIO),
    )
    return lambda: GlmAsrForConditionalGeneration(config)


def _glmasr_processor(extractor: WhisperFeatureExtractor, tokenizer: PreTrainedTokenizerFast) -> ProcessorMixin:
    return GlmAsrProcessor(extractor, tokenizer, chat_template=GLM_TEMPLATE, audio_token=AUDIO)


_KINDS: Final = {"qwen2_audio": _qwen2_audio, "glmasr": _glmasr}
_PROCESSORS: Final = {"qwen2_audio": Qwen2AudioProcessor, "glmasr": _glmasr_processor}


def _tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained.train_from_iterator(TRAINING_TEXT * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=trained,
        eos_token=STOP,
        pad_token=END,
        additional_special_tokens=[special for special in SPECIALS if special not in {END, STOP}],
    )

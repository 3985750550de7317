"""A tiny Whisper with random weights, as the CTranslate2 directory that faster-whisper loads. No network.

For tests and benches where no weights can be had: its words are noise that depends on the sound, its code path, its
sizes and its arithmetic are real. The tokenizer is a byte-level BPE trained on the spot; a model that knows many
languages needs the true number of tokens, the missing ones are made-up words.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportPrivateImportUsage=false
# ctranslate2, tokenizers, torch and transformers type only half of what is used here.

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import torch
from ctranslate2.converters.transformers import WhisperLoader
from faster_whisper.tokenizer import _LANGUAGE_CODES  # pyright: ignore[reportPrivateUsage] - its only list of them
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import WhisperConfig, WhisperForConditionalGeneration

if TYPE_CHECKING:
    from pathlib import Path

N_TIMESTAMPS: Final = 1501
N_TEXT_TOKENS: Final = 50257
"""Of a Whisper that knows many languages: 99 of them, 8 other marks and the timestamps make it 51 865."""
END: Final = "<|endoftext|>"
FIRST_LANGUAGES: Final = ("en", "zh", "de", "es", "ru", "ko", "fr", "ja")
TRAINING_TEXT: Final = (
    "the weather is nice and the sun is shining, my brother bought a new car yesterday",
    "I feel sad and tired all the time. I am so glad that you came! Please tell me more about it, will you?",
    "nobody told them anything about the late train, but they were happy to see their old friends again",
    "what a wonderful morning for a long walk by the sea with the dog and the children",
)


def tiny_whisper(  # noqa: PLR0913 - each is one size of the model
    folder: Path,
    *,
    width: int = 32,
    n_layers: int = 2,
    n_heads: int = 2,
    n_mels: int = 80,
    n_words: int = 8,
    multilingual: bool = False,
    keep_source: bool = False,
    seed: int = 0,
) -> Path:
    """Write the model and return its directory, `folder` / "whisper".

    Args:
        folder: made if missing; an older model in it is overwritten.
        width: of a hidden vector; with the three sizes below, 384, 4, 6, 80 are those of "tiny", 1280, 32, 20, 128 of
            "large-v3".
        n_layers: in the encoder, and again in the decoder.
        n_heads: of each attention.
        n_mels: of the features.
        n_words: about how many tokens it says whatever it hears.
        multilingual: with the tokens of 99 languages, as language detection needs them.
        keep_source: also save the Hugging Face model with the same weights, in `folder` / "source".
        seed: of the weights.
    """
    tokenizer = _tokenizer(multilingual=multilingual)
    model = _model(tokenizer, sizes=(width, n_layers, n_heads, n_mels), n_words=n_words, seed=seed)
    out = folder / "whisper"
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "preprocessor_config.json").write_text(json.dumps({"feature_size": n_mels}), "utf-8")
    _convert(model, tokenizer, out)
    if keep_source:
        model.save_pretrained(folder / "source")
    return out


def _tokenizer(*, multilingual: bool) -> Tokenizer:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(TRAINING_TEXT * 2, trainer)
    parts = json.loads(trained.to_str())["model"]
    vocabulary: dict[str, int] = parts["vocab"]
    if multilingual:
        for word in _made_up_words(N_TEXT_TOKENS - 1 - len(vocabulary), known=vocabulary):
            vocabulary[word] = len(vocabulary)
        vocabulary[""] = len(vocabulary)  # by this token CTranslate2 tells a model of many languages
    merges = [(first, second) for first, second in parts["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in _marks()])
    return tokenizer


def _token(tokenizer: Tokenizer, name: str) -> int:
    token = tokenizer.token_to_id(name)
    assert token is not None, f"the tokenizer has no {name}"
    return token


def _marks() -> list[str]:
    """Return Whisper's special tokens in its order, but for the order of the languages beyond the first few."""
    codes = [*FIRST_LANGUAGES, *(code for code in _LANGUAGE_CODES if code not in {*FIRST_LANGUAGES, "yue"})]
    tasks = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    return [END, "<|startoftranscript|>", *(f"<|{name}|>" for name in (*codes, *tasks))]


def _made_up_words(n: int, *, known: dict[str, int]) -> list[str]:
    syllables = [consonant + vowel for consonant, vowel in product("bdfgjklmnprstvz", "aeiou")]
    words = (f"\u0120{a}{b}{c}" for a, b, c in product(syllables, repeat=3))  # U+0120 is a space in byte-level BPE
    return [word for _, word in zip(range(n), (word for word in words if word not in known), strict=False)]


def _model(
    tokenizer: Tokenizer, *, sizes: tuple[int, int, int, int], n_words: int, seed: int
) -> WhisperForConditionalGeneration:
    width, n_layers, n_heads, n_mels = sizes
    end = _token(tokenizer, END)
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size() + N_TIMESTAMPS,
        d_model=width,
        num_mel_bins=n_mels,
        encoder_layers=n_layers,
        decoder_layers=n_layers,
        encoder_attention_heads=n_heads,
        decoder_attention_heads=n_heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=end + 1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(config).eval()
        _make_talk(model, inside=_not_first(tokenizer), end=end, n_words=n_words)
    return model


def _not_first(tokenizer: Tokenizer) -> list[int]:
    """Return the text tokens that begin no word, which would run together."""
    names = tokenizer.get_vocab(with_added_tokens=False)
    return [token for name, token in names.items() if len(name) < 3 or not name.startswith("\u0120")]


@torch.no_grad()
def _make_talk(model: WhisperForConditionalGeneration, *, inside: list[int], end: int, n_words: int) -> None:
    """Make the model say different words at each step, moved by the sound, and stop after about `n_words`.

    Plain random weights repeat one token up to the limit. Here the position outweighs the token before, attention to
    the sound is sharp, and the first channel is kept for the end: it grows from step to step.
    """
    decoder: Any = model.model.decoder
    encoder: Any = model.model.encoder
    for convolution in (encoder.conv1, encoder.conv2):
        convolution.weight.normal_(0.0, 0.2)
    tokens, positions = decoder.embed_tokens.weight, decoder.embed_positions.weight
    tokens.normal_(0.0, 1.0)
    positions.normal_(0.0, 4.0)
    tokens[inside] *= 0.3
    tokens[:, 0] = 0.0
    tokens[end] = 0.0
    tokens[end, 0] = 8.0
    # As steep as the other channels together are large, so that `n_words` holds at every width.
    positions[:, 0] = (torch.arange(len(positions)) - n_words).clamp(-20, 60) * (1.06 * len(tokens[0]) ** 0.5)
    for layer in decoder.layers:
        attention = layer.encoder_attn
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj):
            projection.weight.normal_(0.0, 3.0 / len(tokens[0]) ** 0.5)
        attention.out_proj.weight[0] = 0.0


def _convert(model: WhisperForConditionalGeneration, tokenizer: Tokenizer, out: Path) -> None:
    """Write model.bin, config.json and vocabulary.json."""
    spec: Any = WhisperLoader().get_model_spec(model)
    names = {token: name for name, token in tokenizer.get_vocab(with_added_tokens=True).items()}
    vocabulary = [names[token] for token in range(len(names))]
    vocabulary += [f"<|{i * 0.02:.2f}|>" for i in range(N_TIMESTAMPS)]
    spec.register_vocabulary(vocabulary)
    end = _token(tokenizer, END)
    n_layers, n_heads = model.config.decoder_layers, model.config.decoder_attention_heads
    space = tokenizer.encode(" ", add_special_tokens=False).ids
    spec.config.suppress_ids = list(range(end + 1, len(vocabulary)))
    spec.config.suppress_ids_begin = [*space[:1], end]
    spec.config.alignment_heads = [list(head) for head in product(range(n_layers // 2, n_layers), range(n_heads))]
    # Languages start behind <|startoftranscript|>.
    spec.config.lang_ids = list(range(end + 2, _token(tokenizer, "<|translate|>")))
    spec.validate()
    spec.optimize()
    spec.save(str(out))

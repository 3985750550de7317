"""Prompts, labels and answers by tokenizers of several kinds, trained on the spot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from agent.backends.llm.transformers_text import TokenText
from agent.llm.template import chunks
from agent.llm.values import Message, Prompt
from streaming.errors import ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS = ("How does the speaker feel: angry, happy or sad?", "user assistant system [INST] Emotion: happy", "aé東🙂") * 3
SPECIALS = ["<unk>", "<s>", "</s>", "<|end|>"]
TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }} <|end|>{% endfor %}[assistant]"
LABELS = (" angry", " happy", "happy", " sadly", "s", "é")
WORDS = st.lists(
    st.sampled_from(["happy", " ", "  ", "speaker", "ang", "ry", "é", "🙂", "<|end|>", "<s>", "\n", ":", "東"]),
    max_size=6,
).map("".join)


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=340, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False),
    )
    return tokenizer


def sentencepiece(*, is_legacy: bool) -> Tokenizer:
    """As Llama 2's: words begin with a mark of their own, unknown characters are written byte by byte."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if is_legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    every_byte = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(
        [text.replace("東", "").replace("🙂", "") for text in TEXTS],
        trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIALS + every_byte, show_progress=False),
    )
    return without_specials(tokenizer, every_byte)


def without_specials(tokenizer: Tokenizer, names: Sequence[str]) -> Tokenizer:
    """The same tokenizer with `names` as ordinary tokens."""
    import json  # noqa: PLC0415

    stored = json.loads(tokenizer.to_str())
    stored["added_tokens"] = [token for token in stored["added_tokens"] if token["content"] not in names]
    return Tokenizer.from_str(json.dumps(stored))


KINDS = {
    "byte level": byte_level,
    "sentencepiece, legacy": lambda: sentencepiece(is_legacy=True),
    "sentencepiece": lambda: sentencepiece(is_legacy=False),
}


@pytest.fixture(scope="module", params=KINDS)
def text(request: pytest.FixtureRequest) -> TokenText:
    return TokenText(wrapped(KINDS[request.param]()))


def wrapped(tokenizer: Tokenizer, template: str | dict[str, str] = TEMPLATE) -> PreTrainedTokenizerFast:
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=AddedToken("<s>", special=True),
        eos_token=AddedToken("</s>", special=True),
        unk_token=AddedToken("<unk>", special=True),
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = cast("Any", template)
    return fast


def chat(said: str, start: str = "") -> Prompt:
    return Prompt(messages=(Message(role="user", text=said),), answer_start=start)


@given(said=WORDS, start=WORDS)
def test_labels_are_tokenised_as_one_text_with_the_whole_prompt(text: TokenText, said: str, start: str):
    prompt = chat(said, start)
    *before, last = chunks(text._template.parts(prompt), specials=text._specials)
    head = [token for piece in before for token in text.plain(piece)]
    assert text.encode_with(prompt, LABELS) == [[*head, *text.plain(last + label)] for label in LABELS]


@given(said=WORDS)
def test_what_people_write_adds_no_special_token_and_loses_no_text(text: TokenText, said: str):
    tokens, plain = text.encode(chat(said)), text.encode(chat("x"))
    for special in (1, 2, 3):
        assert tokens.count(special) == plain.count(special)
    written = b"".join(text.token_bytes[token] or b"" for token in tokens).decode()
    assert "".join(written.split()) == "".join(f"[user]{said}[assistant]".split())


@given(said=WORDS)
def test_an_answer_comes_back_piece_by_piece_as_it_was_written(text: TokenText, said: str):
    prompt, whole = text.plain("Emotion:"), text.plain("Emotion:" + said)
    if whole[: len(prompt)] != prompt or any(token in whole for token in range(4)):
        return
    written = text.answer(prompt, stop=())
    assert "".join(written.feed(token) for token in whole[len(prompt) :]) + written.flush() == said


def test_special_tokens_write_nothing(text: TokenText):
    assert all(text.token_bytes[special] is None for special in range(1, 4))
    assert text.text_of(1) == text.text_of(10**6) == ""
    assert text.text_of(text.plain(" happy")[-1])


def test_a_raw_prompt_begins_as_the_tokenizer_begins_texts():
    from tokenizers import processors  # noqa: PLC0415

    raw = Prompt(messages=(Message(role="user", text="happy"),), is_raw=True)
    plain = byte_level()
    assert TokenText(wrapped(plain)).encode(raw) == TokenText(wrapped(plain)).plain("happy")
    marked = byte_level()
    marked.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert TokenText(wrapped(marked)).encode(raw) == [1, *TokenText(wrapped(plain)).plain("happy")]


def test_the_default_of_several_templates_is_taken():
    several = TokenText(wrapped(byte_level(), {"default": "D{{ messages[0].content }}", "tool_use": "T"}))
    assert several._template.render(chat("x")) == "Dx"


def test_what_a_template_puts_after_an_answer_ends_one(text: TokenText):
    assert text.ends(None) == {2, 3}


def test_an_empty_tokenizer_is_told():
    with pytest.raises(ModelUnusable, match="no tokenizer"):
        TokenText(PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE())))

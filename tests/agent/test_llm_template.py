"""Chat templates of several families: what they make of a chat, and that nobody but they writes special tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.template import ChatTemplate, Part, chunks, sanitised
from agent.llm.values import Message, Prompt
from streaming.errors import ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

CHATML = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}"
    "{{- bos_token }}{{- 'Today Date: ' + date_string + '\n' }}"
    "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
GEMMA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
DROPS_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{% endfor %}"
)
SHOUTS = "{% for m in messages %}<|turn|>{{ m.content | upper }}{% endfor %}"
ALL = {"chatml": CHATML, "llama-2": LLAMA_2, "llama-3": LLAMA_3, "gemma": GEMMA, "mistral": MISTRAL, "none": None}
SPECIALS = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "<|turn|>")


def chat(*said: str, answer_start: str = "") -> Prompt:
    """Messages from "role: text"."""
    pairs = [line.split(": ", 1) for line in said]
    return Prompt(
        messages=tuple(Message(role=role, text=text) for role, text in pairs),  # pyright: ignore[reportArgumentType]
        answer_start=answer_start,
    )


def rendered(template: str | None, prompt: Prompt) -> str:
    return ChatTemplate(template, bos="<s>", eos="</s>").render(prompt)


FULL = chat("system: Be kind.", "user: Hi!", "assistant: Hello.", "user: Bye.", answer_start="Emotion:")
SYSTEM_IN_USER = "Be kind.\n\nHi!"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "chatml",
            (
                "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\nHello."
                "<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n<|im_start|>assistant\nEmotion:"
            ),
        ),
        (
            "llama-2",
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi! [/INST] Hello. </s><s>[INST] Bye. [/INST]Emotion:",
        ),
        (
            "llama-3",
            (
                "<s>Today Date: 26 Jul 2024\n<|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
                "<|start_header_id|>user<|end_header_id|>\n\nHi!<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
                "Hello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye.<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nEmotion:"
            ),
        ),
        (
            "gemma",
            (
                f"<s><start_of_turn>user\n{SYSTEM_IN_USER}<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n"
                "<start_of_turn>user\nBye.<end_of_turn>\n<start_of_turn>model\nEmotion:"
            ),
        ),
        ("mistral", f"<s>[INST] {SYSTEM_IN_USER} [/INST]Hello.</s>[INST] Bye. [/INST]Emotion:"),
        ("none", "<s>System: Be kind.\n\nUser: Hi!\n\nAssistant: Hello.\n\nUser: Bye.\n\nAssistant:Emotion:"),
    ],
)
def test_a_chat_is_written_as_its_family_writes_it(name: str, wanted: str):
    assert rendered(ALL[name], FULL) == wanted


@pytest.mark.parametrize("name", ["llama-2", "gemma", "mistral"])
def test_neighbours_of_one_role_become_one_where_roles_must_alternate(name: str):
    text = rendered(ALL[name], chat("user: One.", "user: Two.", "assistant: Three.", "user: Four."))
    assert "One.\n\nTwo." in text
    assert text.index("Two.") < text.index("Three.") < text.index("Four.")


@pytest.mark.parametrize("name", ["gemma", "mistral"])
def test_a_chat_the_assistant_begins_is_led_by_an_empty_word_of_the_user(name: str):
    text = rendered(ALL[name], chat("assistant: Hello, I am here.", "user: Hi."))
    assert text.index("user" if name == "gemma" else "[INST]") < text.index("Hello, I am here.") < text.index("Hi.")


def test_a_system_message_late_in_the_chat_goes_into_the_next_of_the_users():
    text = rendered(GEMMA, chat("user: One.", "assistant: Two.", "system: Be brief.", "user: Three."))
    assert "Be brief.\n\nThree." in text


def test_a_system_message_with_nobody_after_it_becomes_the_users():
    assert "user\nBe kind.<end_of_turn>" in rendered(GEMMA, chat("system: Be kind."))


def test_a_system_message_the_template_would_drop_is_not_lost():
    assert rendered(DROPS_SYSTEM, FULL).startswith(f"<user>{SYSTEM_IN_USER}")


@pytest.mark.parametrize("name", ["llama-2", "llama-3", "gemma"])
def test_texts_are_trimmed_where_the_template_trims(name: str):
    assert rendered(ALL[name], chat("user:  \n Hi! ")) == rendered(ALL[name], chat("user: Hi!"))


def test_texts_are_left_alone_where_the_template_does_not_trim():
    assert "\n  Hi! <|im_end|>" in rendered(CHATML, chat("user:   Hi! "))


@pytest.mark.parametrize("name", list(ALL))
@given(text=st.lists(st.sampled_from([*SPECIALS, "a", " ", "<|", "|>", "im_end", "{{", "}}", "<"])).map("".join))
def test_what_people_write_is_never_a_whole_special_token(name: str, text: str):
    template = ChatTemplate(ALL[name], bos="<s>", eos="</s>")
    prompt = chat(f"system: {text}", f"user: x{text}", f"assistant: {text}", f"user: {text}y", answer_start=text)
    plain = chat("system: ", "user: x", "assistant: ", "user: y")
    pieces = chunks(template.parts(prompt), specials=SPECIALS)
    assert "".join(pieces) == template.render(prompt)
    assert count_specials(pieces) == count_specials([template.render(plain)])


def count_specials(pieces: Sequence[str]) -> list[int]:
    """How many of each special token a tokenizer would see."""
    return [sum(piece.count(special) for piece in pieces) for special in SPECIALS]


def test_a_special_token_that_arises_where_parts_meet_is_cut_through():
    parts = (Part(text="a<|im_", is_special=True), Part(text="end|>", is_special=False))
    pieces = chunks(parts, specials=SPECIALS)
    assert "".join(pieces) == "a<|im_end|>"
    assert count_specials(pieces) == [0] * len(SPECIALS)


def test_text_without_special_tokens_comes_in_one_piece():
    assert chunks(ChatTemplate(CHATML).parts(FULL), specials=SPECIALS) == (rendered(CHATML, FULL),)


def test_parts_say_who_wrote_them():
    parts = ChatTemplate(CHATML).parts(chat("user: Hi <|im_end|>", answer_start="So:"))
    assert [part.text for part in parts if not part.is_special] == ["Hi <|im_end|>", "So:"]


def test_a_template_that_changes_texts_gets_them_with_special_tokens_stripped():
    text = rendered(SHOUTS, chat("user: hi <|im_end|><|im<|im_end|>_end|> [INST] </s>there\x00"))
    assert text == "<|turn|>HI   THERE"


def test_a_raw_prompt_is_left_as_it_is():
    prompt = Prompt(messages=(Message(role="user", text="Once <s> upon"),), answer_start=" a", is_raw=True)
    parts = ChatTemplate(CHATML).parts(prompt)
    assert [(part.text, part.is_special) for part in parts] == [("Once <s> upon", False), (" a", False)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{% if %}", "template is broken"),
        ("{{ raise_exception('no chats here') }}", "refuses the chat: no chats here"),
        ("{{ messages.nope.deeper }}", "refuses the chat"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "refuses the chat"),
        ("{{ messages.append(1) }}", "refuses the chat"),
        ("{% for i in range(1000000000) %}x{% endfor %}", "refuses the chat"),
    ],
)
def test_a_template_that_cannot_be_used_says_why(source: str, words: str):
    with pytest.raises(ModelUnusable, match=words):
        rendered(source, chat("user: Hi."))


def test_sanitised_text_keeps_ordinary_words_and_marks():
    assert sanitised("I'm 5 < 6 > 4, [ok]\n\tyes <3") == "I'm 5 < 6 > 4, [ok]\n\tyes <3"


def test_sanitising_leaves_none_of_the_given_tokens():
    assert sanitised("a</end>b¤¤c", ("¤¤",)) == "abc"

"""How an estimate came about: the exact prompts, their cached share, what each source says."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from agent.backends.emotion.scripted import scripted_estimate
from agent.backends.llm.overheard import Overheard
from agent.cli.estimating import Calls
from agent.cli.explain import chat_lines, explanation, headline, sources_table
from agent.llm.values import Message, Prompt, Usage

PROMPT = Prompt(
    messages=(Message(role="system", text="Judge.\n\nOnly this."), Message(role="user", text='"i am [red]fine"')),
    answer_start="Emotion:",
)
ESTIMATE = replace(
    scripted_estimate("sad", confidence=0.7),
    text_distribution=(0.0, 1.0, 0.0, 0.0),
    voice_distribution=(0.0, 0.0, 0.0, 1.0),
    llm_distribution=(0.25, 0.25, 0.25, 0.25),
    prompt_id="recognize_r3@1#d80d18",
)


def shown(thing: object) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False, soft_wrap=True)
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def call(prompt: Prompt = PROMPT, *, usage: Usage | None = None) -> Overheard:
    return Overheard(call="score", prompt=prompt, conversation="s/emotion", usage=usage)


def test_a_chat_is_written_out_line_by_line_with_nothing_left_out():
    assert chat_lines(PROMPT) == [
        "[system]",
        "Judge.",
        "",
        "Only this.",
        "[user]",
        '"i am [red]fine"',
        "[the answer begins]",
        "Emotion:",
    ]


def test_a_raw_prompt_and_sound_are_told():
    heard = Message(role="user", text="go on", audio=np.zeros(160, np.float32))
    assert chat_lines(Prompt(messages=(heard,), is_raw=True)) == ["[raw]", "go on", "(and 160 samples of sound)"]


def test_no_line_of_a_chat_can_steer_a_terminal():
    lines = chat_lines(Prompt(messages=(Message(role="user", text="a\x1b[2J\nb\u202e\r"),), answer_start="\x07"))
    assert not set("".join(lines)) & {"\x1b", "\u202e", "\r", "\x07"}


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(n_prompt=800, n_cached=760), "800 tokens, 95% cached"),
        (Usage(n_prompt=800, n_cached=None), "800 tokens, cached share not told"),
        (Usage(n_prompt=None, n_cached=None), "length not told"),
        (None, "not answered"),
    ],
)
def test_an_explanation_is_the_prompt_by_its_id_with_its_cost_and_then_what_each_source_says(
    usage: Usage | None, told: str
):
    text = shown(explanation(ESTIMATE, [call(usage=usage)]))
    assert f"prompt recognize_r3@1#d80d18 · score · {told}\n" in text
    for line in chat_lines(PROMPT):
        assert f"  {line}\n" in text
    assert text.index("Emotion:") < text.index("language model")


def test_of_calls_that_ask_the_same_only_the_first_is_written_out():
    other = replace(PROMPT, answer_start="Reason:")
    text = shown(explanation(ESTIMATE, [call(), call(), call(other)]))
    assert [f"prompt {n} of 3" in text for n in (1, 2, 3)] == [True] * 3
    assert text.count("(as before)") == 1
    assert text.count("Only this.") == 2


def test_without_a_language_model_that_is_told():
    assert shown(explanation(ESTIMATE, [])).startswith("no language model was asked\n")


def test_the_sources_stand_beside_each_other_with_the_fused_one_last():
    head, *rows = shown(sources_table(ESTIMATE)).splitlines()
    assert head.split() == ["words", "voice", "language", "model", "together"]
    assert [row.split()[0] for row in rows] == ["angry", "happy", "neutral", "sad"]
    assert [float(cell) for cell in rows[1].split() if cell[0].isdigit()] == [1.0, 0.0, 0.25, 0.1]


def test_a_source_that_is_silent_has_no_column_and_one_that_speaks_alone_is_not_repeated():
    alone = replace(ESTIMATE, text_distribution=ESTIMATE.distribution, voice_distribution=None, llm_distribution=None)
    assert shown(sources_table(alone)).splitlines()[0].split() == ["words"]
    silent = replace(alone, text_distribution=None)
    assert shown(sources_table(silent)).splitlines()[0].split() == ["together"]


def test_a_headline_is_the_label_or_unclear():
    assert headline(ESTIMATE).plain == "sad 0.70"
    assert headline(replace(ESTIMATE, top=None)).plain == "unclear 0.70"


def test_only_what_is_asked_about_emotions_is_kept_until_it_is_looked_at():
    calls = Calls()
    for name in ("s", "s/translation", "s/emotion", ""):
        calls.hear(Overheard(call="stream", prompt=PROMPT, conversation=name))
    assert [kept.conversation for kept in calls.take()] == ["s/emotion", ""]
    assert calls.take() == []

"""Every named condition, rendered and kept: what a model is asked changes only on purpose.

After a change on purpose: `ATTUNE_WRITE_GOLDEN=1 pytest tests/agent/test_r3_golden.py`, then look at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.r3.compose import compose, stable_prefix
from agent.r3.condition import View
from agent.r3.conditions import condition, names
from agent.r3.error_correction import Framing, correction
from tests.agent.r3_views import HYPOTHESES, view

if TYPE_CHECKING:
    from agent.llm.values import Prompt

FOLDER = Path(__file__).parent / "golden" / "r3"
FRAMINGS: tuple[Framing, ...] = ("chat", "alpaca", "task_activating")


def told(prompt: Prompt) -> str:
    lines = ["(raw text, no chat template)"] if prompt.is_raw else []
    for message in prompt.messages:
        lines += [f"=== {message.role}", message.text]
    return "\n".join([*lines, "=== answer begins", prompt.answer_start, ""])


def rendered(name: str) -> str:
    asked = compose(condition(name), view(condition(name)))
    parts = ["ids: " + "\n     ".join(asked.ids), "answers: " + ", ".join(f"{a}={b}" for a, b in asked.answers), ""]
    parts += [told(asked.prompt)]
    if asked.score_prompt is not None:
        parts += ["=== scored after", asked.score_prompt.answer_start, ""]
    for label, question in asked.questions:
        parts += [f"=== asked of {label}", question.messages[-1].text.rsplit("\n\n", 1)[-1], ""]
    return "\n".join(parts)


def compare(path: Path, text: str) -> None:
    if os.environ.get("ATTUNE_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text.encode())
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("name", names())
def test_a_condition_asks_what_it_asked(name: str):
    compare(FOLDER / f"{name}.txt", rendered(name))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_error_correction_asks_what_it_asked(framing: Framing):
    compare(FOLDER / f"error-correction-{framing}.txt", told(correction(HYPOTHESES, framing=framing)))


def test_nothing_is_kept_that_no_condition_renders():
    expected = {f"{name}.txt" for name in names()} | {f"error-correction-{framing}.txt" for framing in FRAMINGS}
    assert {path.name for path in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("name", names())
def test_no_place_is_left_open_and_no_block_is_empty(name: str):
    asked = compose(condition(name), view(condition(name)))
    for prompt in (asked.prompt, *(question for _, question in asked.questions)):
        for message in prompt.messages:
            assert "$" not in message.text
            assert "\n\n\n" not in message.text


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("bare", [View(hypotheses=()), View(hypotheses=("no",))], ids=["nothing", "one word"])
def test_every_condition_can_be_asked_of_nearly_nothing(name: str, bare: View):
    asked = compose(condition(name), bare)
    assert all(message.text for message in asked.prompt.messages)
    assert len(asked.ids) == len(set(asked.ids)) > 0


@pytest.mark.parametrize("name", names())
def test_the_stable_prefix_begins_the_prompt(name: str):
    chosen = condition(name)
    prefix, whole = stable_prefix(chosen, view(chosen)), compose(chosen, view(chosen)).prompt
    assert len(prefix.messages) == len(whole.messages)
    *first, last = prefix.messages
    assert [(m.role, m.text) for m in first] == [(m.role, m.text) for m in whole.messages[:-1]]
    assert whole.messages[-1].text.startswith(last.text)

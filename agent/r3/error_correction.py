"""Error correction alone: what a model is asked for the likeliest transcript of a list. Pure but for prompt files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from prompts import load

from ..llm.values import Message, Prompt
from .blocks import fitting, plain_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

Framing: TypeAlias = Literal["chat", "alpaca", "task_activating"]


def correction(hypotheses: Sequence[str], *, framing: Framing = "chat") -> Prompt:
    """Return the prompt whose answer is the transcript of `hypotheses`, best first, their text cleaned.

    Raises:
        ValueError: there is nothing to correct.
    """
    shown = fitting(tuple(hypotheses))
    if not shown:
        raise ValueError("expected at least one hypothesis to correct, got none")
    if framing == "alpaca":
        return _sections(shown)
    listed = "\n".join(plain_lines(shown))
    if framing == "task_activating":
        opening, ending = task_activating(), load("aec_task_activating").item
        closing = f"{opening[-1].text}\n\n{ending('correct', nbest=listed)}"
        return Prompt(messages=(*opening[:-1], Message(role="user", text=closing)))
    called = "the best hypothesis" if len(shown) == 1 else f"the {len(shown)}-best hypotheses"
    asked = load("aec").render(nbest_hypotheses=called, hypotheses=listed)
    return Prompt(messages=(Message(role="system", text=asked.system), Message(role="user", text=asked.user)))


def task_activating(*, hypotheses: Sequence[str] = (), transcript: str = "") -> tuple[Message, ...]:
    """Return the exchange that comes before the task; its last message holds the example and waits for the task.

    Args:
        hypotheses: a real example's list; without one that of the prompt's file is shown.
        transcript: what was said in it.
    """
    prompt = load("aec_task_activating")
    n_answered = sum(line[:1].isdigit() for line in prompt.item("answer_3").splitlines())  # as many as it is asked for
    shown = "\n".join(plain_lines(hypotheses)) if hypotheses else prompt.item("nbest_example")
    example = prompt.item(
        "example",
        n=str(len(shown.split("\n"))),
        domain=prompt.item("domain"),
        nbest_example=shown,
        reference_example=transcript if hypotheses else prompt.item("reference_example"),
    )
    return (
        Message(role="user", text=prompt.item("ask_1")),
        Message(role="assistant", text=prompt.item("answer_1")),
        Message(role="user", text=prompt.item("ask_2")),
        Message(role="assistant", text=prompt.item("answer_2")),
        Message(role="user", text=prompt.item("ask_3", n=str(n_answered))),
        Message(role="assistant", text=prompt.item("answer_3")),
        Message(role="user", text=example),
    )


def _sections(hypotheses: tuple[str, ...]) -> Prompt:
    prompt = load("aec_alpaca")
    best, *others = hypotheses
    text = prompt.render(best=best, others="\n".join(others)).user if others else prompt.item("alone", best=best)
    return Prompt(messages=(Message(role="user", text=f"{text}\n"),), is_raw=True)

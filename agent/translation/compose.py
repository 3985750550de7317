"""The prompt that asks for a translation. Pure but for the prompt files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prompts import load

from ..llm.values import Message, Prompt
from .condition import is_above_middle
from .languages import language_name

if TYPE_CHECKING:
    from .condition import TranslationCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTranslation:
    """What the model is asked.

    Attributes:
        ids: of the prompts used.
        condition: what was asked in fact: without emotion where the dimension is not known.
        ends_at: the text at which the translation is over.
    """

    prompt: Prompt
    ids: tuple[str, ...]
    condition: TranslationCondition
    ends_at: str

    @property
    def method(self) -> str:
        """How it was asked, with the prompts' ids: "translate:chat-arousal3 translate_eq3@1#75b7f6 ..."."""
        return " ".join((f"translate:{self.condition.name}", *self.ids))


def compose(condition: TranslationCondition, *, text: str, source: str, value: float | None = None) -> AskedTranslation:
    """Return what to ask for.

    Args:
        condition: how.
        text: what was said, cleaned; put on one line here, so that nothing in it ends the line it stands on.
        source: code of its language.
        value: the condition's dimension, about 0 to 1; where it is None or no number, emotion is left out.
    """
    is_above = is_above_middle(value, from_middle=condition.from_middle)
    if condition.has_emotion and is_above is None:
        condition = replace(condition, template=1, from_middle=False)
    values = {
        "source": language_name(source),
        "target": language_name(condition.target),
        "text": " ".join(text.split()),
        "status": "with" if is_above else "without",
        "polarity": "positive" if is_above else "negative",
        "dimension": condition.dimension,
    }
    match condition.style:
        case "base":
            # The paper: stop at the first line end.
            prompt, ids = _raw(condition, values)
            return AskedTranslation(prompt=prompt, ids=ids, condition=condition, ends_at="\n")
        case "instruct":
            prompt, ids = _instruction(values)
        case "chat":
            prompt, ids = _chat(condition, values)
    # Some models that chat begin with a line end and put notes after a blank line.
    return AskedTranslation(prompt=prompt, ids=ids, condition=condition, ends_at="\n\n")


def _raw(condition: TranslationCondition, values: dict[str, str]) -> tuple[Prompt, tuple[str, ...]]:
    line, prompt_id = _filled(f"translate_eq{condition.template}", values)
    return Prompt(messages=(Message(role="user", text=line),), is_raw=True), (prompt_id,)


def _instruction(values: dict[str, str]) -> tuple[Prompt, tuple[str, ...]]:
    line, prompt_id = _filled("translate_instruct", values)
    return Prompt(messages=(Message(role="user", text=line),)), (prompt_id,)


def _chat(condition: TranslationCondition, values: dict[str, str]) -> tuple[Prompt, tuple[str, ...]]:
    line, line_id = _filled(f"translate_eq{condition.template}", values)
    chat = load("translate_chat_emotion" if condition.has_emotion else "translate_chat")
    rendered = chat.render(source=values["source"], target=values["target"], line=line)
    messages = (Message(role="system", text=rendered.system), Message(role="user", text=rendered.user))
    return Prompt(messages=messages), (chat.id, line_id)


def _filled(name: str, values: dict[str, str]) -> tuple[str, str]:
    """Return a template with those values in place that it has places for, and its id."""
    prompt = load(name)
    return prompt.render(**{place: values[place] for place in prompt.places}).user, prompt.id

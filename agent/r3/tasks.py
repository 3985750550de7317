"""The task sentence of a condition, the role that goes with it, and the words its labels are answered in. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prompts import load

from .blocks import Part, answer_format, changes, classes, stays
from .untrusted import quoted

if TYPE_CHECKING:
    from .condition import R3Condition, Shot, View

KEYS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PER_LABEL: Final = {"numeric": "folktexts_numeric", "chain": "folktexts_chain"}
"""Elicitations that ask about one label at a time."""

_WORDED: Final = {"ambiguous": "ambiguity_ambiguous", "single": "ambiguity_single"}
_R3: Final = {
    (True, True): "recognize_r3",
    (False, True): "recognize_r3_without_aec",
    (True, False): "recognize_r3_without_reasoning",
    (False, False): "recognize_r3_without_both",
}


def is_told_first(condition: R3Condition) -> bool:
    """Whether task and form of the answer do not depend on the utterance and may stand at the beginning."""
    return condition.task in {"r3", "baseline"} and condition.elicitation in {"label", "answer", "token", "token_words"}


def role(condition: R3Condition) -> list[Part]:
    """Return who the model is told to be, none where the paper's prompt does not say."""
    if condition.task != "r3":
        return []
    prompt = load(_R3[condition.revise, condition.reasoning])
    return [stays(prompt.system, prompt)]


def task(condition: R3Condition, view: View, *, label: str | None = None) -> list[Part]:
    """Return the task sentence and, where the answer has a form of our own, how to write it.

    Args:
        condition: how it is asked.
        view: how many hypotheses there are.
        label: the one asked about, for elicitations of `PER_LABEL`.
    """
    if condition.elicitation in PER_LABEL or condition.elicitation == "choices":
        return [_folktexts(condition, label or condition.labels[0])]
    if condition.task == "probabilities":
        return [_probabilities(condition, view)]
    if condition.elicitation == "percentages" or condition.task in _WORDED:
        return [_in_words(condition, "single" if _is_single(condition) else "ambiguous")]
    told = _baseline(condition) if condition.task == "baseline" else _r3(condition, view)
    return [told, answer_format(condition)]


def answers(condition: R3Condition) -> tuple[tuple[str, str], ...]:
    """Return what the model writes for each label, in the order of the condition: a key, a class word, or itself."""
    if condition.elicitation == "choices":
        return tuple(zip(condition.labels, KEYS, strict=False))
    name = _WORDED["single" if _is_single(condition) else "ambiguous"]
    if condition.task in _WORDED or (condition.elicitation == "percentages" and condition.task != "probabilities"):
        items = load(name).items
        return tuple((label, items.get(label, label)) for label in condition.labels)
    return tuple((label, label) for label in condition.labels)


def answer_start(condition: R3Condition) -> str | None:
    """Return how the answer begins right before what is scored, None where nothing is."""
    if condition.elicitation == "label":
        return "Emotion:"
    if condition.elicitation in {"choices", "numeric"}:
        return load(f"folktexts_{condition.elicitation}").item("answer")
    return None


def _is_single(condition: R3Condition) -> bool:
    return condition.task == "single" and condition.elicitation != "percentages"


def _baseline(condition: R3Condition) -> Part:
    name = "recognize_baseline" + ("_select" if condition.wording == "select" else "")
    prompt = load(name + ("_reasoning" if condition.reasoning else ""))
    return stays(prompt.render(emotion_classes=classes(condition.labels)).user, prompt)


def _r3(condition: R3Condition, view: View) -> Part:
    prompt = load(_R3[condition.revise, condition.reasoning])
    values = {"emotion_classes": classes(condition.labels)}
    if condition.revise:
        values["nbest_hypotheses"] = hypotheses_called(condition, view)
    return stays(prompt.render(**values).user, prompt)


def hypotheses_called(condition: R3Condition, view: View) -> str:
    """Return how the task sentence names the list; without a number where it has to stay the same."""
    if condition.layout == "stable_first":
        return "the N-best hypotheses"
    n = min(condition.n_best, len(view.hypotheses)) if condition.transcripts == "nbest" else 1
    return f"the {n}-best hypotheses" if n > 1 else "the best hypothesis"


def _in_words(condition: R3Condition, which: str) -> Part:
    prompt = load(_WORDED[which])
    words = [prompt.items.get(label, label) for label in condition.labels]
    listed = ", ".join(words) if which == "single" else ", ".join([*words[:-1], f"and {words[-1]}"])
    return stays(prompt.render(class_list=listed).user, prompt)


def _probabilities(condition: R3Condition, view: View) -> Part:
    prompt = load("ambiguity_probabilities")
    named = classes(condition.labels)
    shown = view.shots[: condition.shots]
    examples = [
        prompt.item("example", i=str(i), text=quoted(shot.transcript), emotion_dict=_certain(condition, shot))
        for i, shot in enumerate(shown, start=1)
    ]
    rules = [
        *([prompt.item("rule_examples")] if shown else []),
        prompt.item("rule_dictionary", emotion_classes=named),
        prompt.item("rule_sum"),
        prompt.item("rule_only"),
    ]
    text = prompt.render(
        text=quoted(next(iter(view.hypotheses), "")),
        emotion_classes=named,
        examples="\n".join([*examples, "", ""]) if examples else "",
        rules="\n".join(f"{i}. {rule}" for i, rule in enumerate(rules, start=1)),
    ).user
    return changes(text, prompt)


def _certain(condition: R3Condition, shot: Shot) -> str:
    """Return a worked example's label as a distribution."""
    return "{" + ", ".join(f"'{label}': {float(label == shot.label)}" for label in condition.labels) + "}"


def _folktexts(condition: R3Condition, label: str) -> Part:
    prompt = load(f"folktexts_{condition.elicitation}")
    if condition.elicitation == "choices":
        lines = (prompt.item("choice", key=key, label=word) for word, key in answers(condition))
        return stays(prompt.render(choices="\n".join(lines)).user, prompt)
    return stays(prompt.render(emotion=label, emotion_classes=classes(condition.labels)).user, prompt)

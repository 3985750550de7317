"""The blocks that a prompt is put together from: knowledge, context, hypotheses, task, form of the answer. Pure.

Each is told as parts, and a part knows whether it stays the same from one utterance to the next: what stays can be
worked through ahead of time and is found in the model's cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompts import load

from .asr_relation import percent, sentence
from .disagreement import spots
from .untrusted import cleaned, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompts import Prompt

    from .asr_relation import Findings
    from .condition import R3Condition, Shot, View

MAX_LIST_CHARS = 12_000
"""Characters of hypotheses that are shown; the best always is. A thousand words, ten times, would fill any window."""

MAX_DIFFERENCES_CHARS = 1200
"""Characters of the places where hypotheses differ."""

_STIMULI = {7: ("knowledge_positive", "stimuli_positive"), 8: ("knowledge_negative", "stimuli_negative")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a prompt: its text, the ids of the prompts it comes from, and whether it stays as it is."""

    text: str
    ids: tuple[str, ...]
    is_stable: bool


def stays(text: str, *prompts: Prompt) -> Part:
    """Return a part that is the same for the next utterance."""
    return Part(text=text, ids=tuple(prompt.id for prompt in prompts), is_stable=True)


def changes(text: str, *prompts: Prompt) -> Part:
    """Return a part that is of this utterance."""
    return Part(text=text, ids=tuple(prompt.id for prompt in prompts), is_stable=False)


def classes(labels: Iterable[str]) -> str:
    """Return labels as a list in a sentence."""
    return ", ".join(labels)


def stress(condition: R3Condition) -> list[Part]:
    """Return the stimulus that stands before everything, if any."""
    prompt = load("stimuli_stress")
    return [stays(prompt.item(condition.stress), prompt)] if condition.stress else []


def knowledge(condition: R3Condition, view: View, findings: Findings | None) -> list[list[Part]]:
    """Return the knowledge blocks in numeric order; a block that nothing is known for is left out."""
    blocks = (_block(number, condition, view, findings) for number in condition.blocks)
    return [parts for parts in blocks if parts]


def context(condition: R3Condition, view: View) -> list[Part]:
    """Return the earlier turns as one part, none where the condition shows none or nothing was said."""
    if not condition.context or not view.context:
        return []
    prompt = load("context")
    lines = (
        prompt.item("turn", speaker=line.speaker, text=line.text)
        if condition.layout == "paper"
        else _quoted_line(prompt, speaker=line.speaker, text=quoted(line.text), called=line.called)
        for line in view.context
    )
    return [stays(prompt.render(turns="\n".join(lines)).user, prompt)]


def _quoted_line(prompt: Prompt, *, speaker: str, text: str, called: str | None) -> str:
    if called is None:
        return prompt.item("quoted", speaker=speaker, text=text)
    return prompt.item("quoted_corrected", speaker=speaker, text=text, label=called)


def utterance(condition: R3Condition, view: View) -> list[Part]:
    """Return what was said now: the list of hypotheses, or its best reading."""
    if condition.transcripts == "nbest":
        return [_hypotheses(condition, view)]
    prompt = load("utterance")
    if not view.hypotheses:
        return [changes(prompt.item("empty"), prompt)]
    text = quoted(view.hypotheses[0])
    if condition.context and view.context:
        return [changes(prompt.render(speaker=view.speaker, text=text).user, prompt)]
    return [changes(prompt.item("alone", text=text), prompt)]


def _hypotheses(condition: R3Condition, view: View) -> Part:
    prompt = load("nbest")
    shown = fitting(view.hypotheses[: condition.n_best])
    if not shown:
        return changes(prompt.item("nothing", speaker=view.speaker), prompt)
    if condition.layout == "stable_first":
        return changes(_best_and_others(view, shown), prompt)
    lines = "\n".join(plain_lines(shown))
    return changes(prompt.render(n=str(len(shown)), speaker=view.speaker, hypotheses=lines).user, prompt)


def _best_and_others(view: View, shown: tuple[str, ...]) -> str:
    """Return the best hypothesis and where the others differ.

    It comes first and bare: while the speaker still pauses it is all that is known, and begins the prompt all the same.
    """
    prompt = load("nbest")
    best = prompt.item("best", speaker=view.speaker, text=quoted(shown[0]))
    if len(shown) < 2:
        return best
    n, share = str(len(shown)), next(iter(view.posteriors), -1.0)
    is_known = 0 <= share <= 1  # NaN is not
    best += prompt.item("share", n=n, share=percent(share)) if is_known else prompt.item("count", n=n)
    return f"{best}\n{_differences(prompt, shown)}"


def fitting(hypotheses: tuple[str, ...]) -> tuple[str, ...]:
    """Return as many hypotheses as may be shown, best first; the best always."""
    total, shown = 0, 0
    for text in hypotheses:
        total += len(text)
        if shown and total > MAX_LIST_CHARS:
            break
        shown += 1
    return hypotheses[:shown]


def plain_lines(hypotheses: Iterable[str]) -> list[str]:
    """Return a numbered list, as the papers have it."""
    prompt = load("nbest")
    return [prompt.item("line", rank=str(rank), text=text) for rank, text in enumerate(hypotheses, start=1)]


def _differences(prompt: Prompt, hypotheses: tuple[str, ...]) -> str:
    told: list[str] = []
    for word, *others in spots(hypotheses):
        heard = " or ".join(prompt.item("other", word=other) for other in others)
        told.append(prompt.item("spot", word=word, others=heard))
        if sum(map(len, told)) > MAX_DIFFERENCES_CHARS:
            break
    # Case and punctuation are no difference; other words stand in quotation marks like all speech.
    return (
        prompt.item("differ", spots=cleaned("; ".join(told), limit=MAX_DIFFERENCES_CHARS))
        if told
        else prompt.item("agree")
    )


def hints(condition: R3Condition, view: View) -> list[Part]:
    """Return what the small model offers: its likeliest labels while others remain, and the words it went by."""
    if not condition.hints:
        return []
    prompt = load("hints")
    is_short = condition.layout == "stable_first"
    top = [label for label, _ in view.hints if label in condition.labels]
    rest = [label for label in condition.labels if label not in top]
    told: list[str] = []
    if top and rest:
        short, long = {"top": classes(top)}, {"top": classes(top), "rest": classes(rest)}
        told.append(prompt.item("short_emotions", **short) if is_short else prompt.item("emotions", **long))
    if view.triggers:
        words = ", ".join(f'"{quoted(word)}"' for word in view.triggers)
        told.append(prompt.item("short_words" if is_short else "words", words=words))
    return [changes(" ".join(told), prompt)] if told else []


def hints_explained(condition: R3Condition) -> list[Part]:
    """Return what hints are, for a layout that tells it once."""
    prompt = load("hints")
    return [stays(prompt.system, prompt)] if condition.hints else []


def shots(condition: R3Condition, view: View) -> list[Part]:
    """Return the worked examples as one part, answered in the form that is asked for."""
    shown = view.shots[: condition.shots]
    if not shown or condition.task == "probabilities":  # which tells them with its task
        return []
    prompt = load("shots")
    examples = [
        prompt.item(
            "example", i=str(i), hypotheses="\n".join(_shown(condition, shot)), answer=answered(condition, shot)
        )
        for i, shot in enumerate(shown, start=1)
    ]
    return [stays(prompt.render(n=str(len(shown)), examples="\n\n".join(examples)).user, prompt)]


def _shown(condition: R3Condition, shot: Shot) -> list[str]:
    n = condition.n_best if condition.transcripts == "nbest" else 1
    return plain_lines(fitting(shot.hypotheses[:n]))


def answered(condition: R3Condition, shot: Shot) -> str:
    """Return a worked example's answer in the form that the condition asks for."""
    lines = {"transcript": f"Transcript: {shot.transcript}", "reason": f"Reason: {shot.reason}"}
    if not shot.reason:
        del lines["reason"]
    lines["emotion"] = f"Emotion: {shot.label}"
    return "\n".join(lines[name] for name in answer_lines(condition) if name in lines)


def answer_format(condition: R3Condition) -> Part:
    """Return how the answer is to be written."""
    prompt = load("answer_format")
    named = classes(condition.labels)
    lines = (
        prompt.item(name, emotion_classes=named) if name == "emotion" else prompt.item(name)
        for name in answer_lines(condition)
    )
    return stays(prompt.render(lines="\n".join(lines)).user, prompt)


def answer_lines(condition: R3Condition) -> tuple[str, ...]:
    """Return the lines of the answer in order; the label comes first where it is scored and the rest told after it."""
    told = (
        *(("transcript",) if condition.task == "r3" and condition.revise else ()),
        *(("reason",) if condition.reasoning else ()),
    )
    return ("emotion", *told) if condition.elicitation == "label" else (*told, "emotion")


def _block(number: int, condition: R3Condition, view: View, findings: Findings | None) -> list[Part]:
    if number == 3:
        return _gender(view)
    if number == 4:
        return _paralinguistics(condition, view)
    if number == 6:
        return _asr_relation(condition, view, findings)
    if number in _STIMULI:
        return _stimulus(number, condition)
    prompt = load("knowledge_trigger" if number == 5 else "knowledge_competitive")
    return [stays(prompt.render().system, prompt)]


def _gender(view: View) -> list[Part]:
    prompt = load("knowledge_gender")
    return [stays(prompt.render(gender=view.gender).system, prompt)] if view.gender else []


def _paralinguistics(condition: R3Condition, view: View) -> list[Part]:
    known = {name: level for name, level in view.levels if name in condition.paralinguistics}
    prompt = load("knowledge_paralinguistics")
    is_short = condition.layout == "stable_first"
    told = [
        prompt.item("short_level" if is_short else "level", descriptor=name, level=known[name])
        for name in condition.paralinguistics
        if name in known and not (is_short and known[name] == "medium")  # what is as usual is no cue
    ]
    if not told:
        return []
    levels = ", ".join(told)
    return [changes(prompt.item("short", levels=levels) if is_short else prompt.render(levels=levels).user, prompt)]


def _asr_relation(condition: R3Condition, view: View, findings: Findings | None) -> list[Part]:
    prompt = load("knowledge_asr_relation")
    known = stays(prompt.render(findings=sentence(findings)).system, prompt)
    if not view.hypotheses:
        return [known]
    is_short = condition.layout == "stable_first"
    n_words = len(view.hypotheses[0].split())
    words = f"{n_words} word" if n_words == 1 else f"{n_words} words"
    if view.cross_wer is None or not math.isfinite(view.cross_wer):
        return [known, changes(prompt.item("short_alone" if is_short else "measured_alone", words=words), prompt)]
    wer = percent(view.cross_wer)
    told = prompt.item("short" if is_short else "measured", words=words, cross_wer_pct=wer)
    return [known, changes(told, prompt)]


def _stimulus(number: int, condition: R3Condition) -> list[Part]:
    name, stimuli = (load(which) for which in _STIMULI[number])
    item = stimuli.item(condition.positive if number == 7 else condition.negative)
    return [stays(name.render(stimulus=item).system, name, stimuli)]

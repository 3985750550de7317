"""From a condition and what is known of an utterance to what the model is asked. Pure but for its prompt files.

"paper": [role] [knowledge in numeric order] [examples] [context] [hypotheses] [task] [form of the answer], after
papers_spec 1.4. "stable_first": role, knowledge that never changes, task, form of the answer; then, in the user's role,
examples, older turns, what is of this utterance and the question; each utterance adds at the end and reuses the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from prompts import load

from ..llm.prefix import common_prefix
from ..llm.values import Message, Prompt
from . import blocks, tasks
from .error_correction import task_activating

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streaming.events import Samples

    from .asr_relation import Findings
    from .blocks import Part
    from .condition import R3Condition, View


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What a model is asked about one utterance.

    Attributes:
        prompt: what an answer is generated from.
        ids: the prompts it was put together from, in order, each once.
        score_prompt: the same chat, ending right before what is scored ("Emotion:", "Answer:"); None where nothing is.
            A label follows after a space.
        answers: (label, what the model writes for it), in the order of the condition.
        questions: (label, prompt) where one label is asked about at a time ("numeric", "chain"), each with its
            `answer_start`; else empty.
    """

    prompt: Prompt
    ids: tuple[str, ...]
    score_prompt: Prompt | None = None
    answers: tuple[tuple[str, str], ...] = ()
    questions: tuple[tuple[str, Prompt], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outline:
    """The parts of a chat: what the system says, what the user says."""

    system: tuple[Part, ...]
    user: tuple[Part, ...]


def compose(condition: R3Condition, view: View, *, findings: Findings | None = None) -> Asked:
    """Return what is asked.

    Args:
        condition: how.
        view: what is known of the utterance, its text cleaned.
        findings: what block 6 knows; without them the direction alone.
    """
    outline = _outline(condition, view, findings)
    prompt = _framed(condition, view, outline)
    start = tasks.answer_start(condition)
    questions = tuple(
        (label, replace(_framed(condition, view, _outline(condition, view, findings, label)), answer_start=start or ""))
        for label in (condition.labels if condition.elicitation in tasks.PER_LABEL else ())
    )
    return Asked(
        prompt=questions[0][1] if questions else prompt,
        ids=_ids(condition, outline),
        score_prompt=replace(prompt, answer_start=start) if start is not None else None,
        answers=tasks.answers(condition),
        questions=questions,
    )


def stable_prefix(condition: R3Condition, view: View, *, findings: Findings | None = None) -> Prompt:
    """Return the beginning of the prompt that does not depend on the utterance, to be worked through ahead of time.

    Its tokens, but for those that close the message, begin every prompt of `compose` with this condition and context.
    """
    outline = _outline(condition, view, findings)
    stable = replace(outline, user=tuple(takewhile(lambda part: part.is_stable, outline.user)))
    begun = _framed(condition, view, stable)
    if not begun.is_raw:
        return begun
    whole = _framed(condition, view, outline)  # its sections mix what stays with what does not
    text, other = begun.messages[0].text, whole.messages[0].text
    n = common_prefix(list(map(ord, text)), list(map(ord, other)))
    return replace(begun, messages=(Message(role="user", text=text[:n]),))


def explained(asked: Asked, label: str) -> Prompt:
    """Return the prompt whose answer goes on after a scored label: what was revised, and why.

    Raises:
        ValueError: nothing was scored.
    """
    if asked.score_prompt is None:
        raise ValueError("only a scored answer can be explained, and this condition scores none")
    return replace(asked.score_prompt, answer_start=f"{asked.score_prompt.answer_start} {label}\n")


def with_sound(prompt: Prompt, samples: Samples) -> Prompt:
    """Return the prompt with the utterance's sound at its last message, for conditions with `hears`."""
    *before, last = prompt.messages
    return replace(prompt, messages=(*before, replace(last, audio=samples)))


def _outline(condition: R3Condition, view: View, findings: Findings | None, label: str | None = None) -> _Outline:
    opening = [*blocks.stress(condition), *tasks.role(condition)]
    known = blocks.knowledge(condition, view, findings)
    before = blocks.context(condition, view)
    heard, hinted = blocks.utterance(condition, view), blocks.hints(condition, view)
    asked = tasks.task(condition, view, label=label)
    shots = blocks.shots(condition, view)
    if condition.layout == "paper":
        told = [_together(parts) for parts in known]
        return _Outline(system=tuple(opening), user=(*told, *shots, *before, *heard, *hinted, *asked))
    flat = [part for parts in known for part in parts]
    lasting = [part for part in flat if part.is_stable]
    passing = [part for part in flat if not part.is_stable]
    first, last = (asked, [_question(view)]) if tasks.is_told_first(condition) else ([], asked)
    data = load("speech_is_data")
    lasting += blocks.hints_explained(condition)
    system = (*opening, *lasting, *first, blocks.stays(data.system, data))
    now = [_together([*heard, *passing, *hinted, *last], between="\n")] if first else [*heard, *passing, *hinted, *last]
    return _Outline(system=system, user=(*shots, *before, *now))


def _together(parts: Sequence[Part], *, between: str = " ") -> Part:
    """Return parts as one: the halves of a knowledge block on one line."""
    return blocks.Part(
        text=between.join(part.text for part in parts),
        ids=_once(prompt_id for part in parts for prompt_id in part.ids),
        is_stable=all(part.is_stable for part in parts),
    )


def _question(view: View) -> Part:
    prompt = load("question")
    return blocks.changes(prompt.render(speaker=view.speaker).user, prompt)


def _framed(condition: R3Condition, view: View, outline: _Outline) -> Prompt:
    """Return an outline as messages."""
    if condition.framing == "alpaca":
        return _alpaca(outline)
    system = [Message(role="system", text=_text(outline.system))] if outline.system else []
    if condition.framing == "chat":
        return Prompt(messages=(*system, Message(role="user", text=_text(outline.user))))
    shot = next(iter(view.shots), None)
    *exchange, last = task_activating(
        hypotheses=shot.hypotheses if shot else (),
        transcript=shot.transcript if shot else "",
    )
    closing = Message(role="user", text=f"{last.text}\n\n{_text(outline.user)}".rstrip())
    return Prompt(messages=(*system, *exchange, closing))


def _alpaca(outline: _Outline) -> Prompt:
    """Return a raw text in sections: what is of the conversation is the input, all else the instruction."""
    inputs = {load(name).id for name in ("shots", "context", "nbest", "utterance", "hints")}
    told = [part for part in outline.user if not inputs & set(part.ids)]
    given = [part for part in outline.user if inputs & set(part.ids)]
    rendered = load("alpaca").render(instruction=_text([*outline.system, *told]), input=_text(given)).user
    return Prompt(messages=(Message(role="user", text=f"{rendered}\n"),), is_raw=True)


def _text(parts: Iterable[Part]) -> str:
    return "\n\n".join(part.text for part in parts)


def _ids(condition: R3Condition, outline: _Outline) -> tuple[str, ...]:
    framing = {"alpaca": "alpaca", "task_activating": "aec_task_activating"}.get(condition.framing)
    own = (load(framing).id,) if framing else ()
    return _once([*own, *(prompt_id for part in (*outline.system, *outline.user) for prompt_id in part.ids)])


def _once(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))

"""A chat as the text a model was trained on, by the model's own template. Knows no tokenizer.

What people say must never act as a special token. So a prompt comes in parts: what the template wrote, in which special
tokens count, and what messages say, in which they are plain text (`parts`, `chunks`). The template never sees the
messages' texts: it is given a placeholder for each, and the texts are put in where the placeholders came out. Trimming
is seen by it and done; what a template decides by looking into a text (cutting out old reasoning) does not happen.
A template that does more to a text, so that its placeholder is lost, gets the texts themselves, their special tokens
stripped (`sanitised`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from streaming.errors import ModelUnusable

from .values import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .values import Prompt

PLAIN: Final = (
    "{{ bos_token }}{% for message in messages %}{{ message.role | capitalize }}: {{ message.content }}\n\n"
    "{% endfor %}Assistant:"
)
"""For models that bring no template."""

_EDGE = "\u2003"
"""White space that stands around a placeholder: where it is gone, the template trims."""
_JOINT = "\n\n"
_LOOKS_SPECIAL = re.compile(r"<\|[^<>|]*\|>|</?[a-z_]+>|\[/?[A-Z_]+\]|<</?[A-Z]+>>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a prompt's text; with `is_special` the template wrote it and special tokens count in it."""

    text: str
    is_special: bool


class ChatTemplate:
    """A model's chat template.

    `source` is its jinja text (None: a plain one of ours); `bos`, `eos` its begin and end tokens, empty if it has none.

    Raises:
        ModelUnusable: `source` is no jinja template.
    """

    def __init__(self, source: str | None, *, bos: str = "", eos: str = "") -> None:
        from jinja2 import TemplateError  # noqa: PLC0415 - comes with the engines that need templates

        from .jinja import environment  # noqa: PLC0415 - as above

        self._tokens = (bos, eos)
        try:
            self._template = environment().from_string(PLAIN if source is None else source)
        except TemplateError as trouble:
            raise ModelUnusable(f"the model's chat template is broken: {trouble}; use another model") from trouble

    def render(self, prompt: Prompt) -> str:
        """Return the whole text of the prompt, the beginning of the answer included.

        Raises:
            ModelUnusable: the template fails on it.
        """
        return "".join(part.text for part in self.parts(prompt))

    def parts(self, prompt: Prompt) -> tuple[Part, ...]:
        """Return the text in order, told apart by who wrote it; a raw prompt is one plain part.

        Messages the template does not take are made so that it does: a system message goes into the next of the
        user's, neighbours of one role become one, an empty message of the user's comes first.

        Raises:
            ModelUnusable: the template fails on all of these.
        """
        if prompt.is_raw:
            parts = [Part(text=message.text, is_special=False) for message in prompt.messages]
        else:
            parts = self._chat(prompt.messages)
        parts.append(Part(text=prompt.answer_start, is_special=False))
        return tuple(part for part in parts if part.text)

    def _chat(self, messages: tuple[Message, ...]) -> list[Part]:
        reason: Exception | None = None
        for change in _CHANGES:
            changed = change(messages)
            try:
                found = self._spliced(changed)
            except Exception as trouble:  # noqa: BLE001 - templates are programs of strangers and fail as they like
                reason = reason or trouble
                continue
            if found is not None:
                return found
        if reason is None:
            return self._sanitised(messages)
        raise ModelUnusable(f"the model's chat template refuses the chat: {reason}; use another model") from reason

    def _spliced(self, messages: Sequence[Message]) -> list[Part] | None:
        """Return the chat's parts, None when the template lost a message or changed it beyond recognition."""
        digest = hashlib.sha256(repr([(m.role, m.text) for m in messages]).encode("utf-8", "replace")).hexdigest()[:16]
        names = [f"text{digest}x{index}x" for index in range(len(messages))]
        text = self._rendered([(m.role, f"{_EDGE}{name}{_EDGE}") for m, name in zip(messages, names, strict=True)])
        parts: list[Part] = []
        seen: set[int] = set()
        end = 0
        for found in re.finditer(f"({_EDGE}?)text{digest}x([0-9]+)x({_EDGE}?)", text):
            seen.add(index := int(found[2]))
            parts.append(Part(text=text[end : found.start()], is_special=True))
            parts.append(Part(text=_trimmed(messages[index].text, found), is_special=False))
            end = found.end()
        parts.append(Part(text=text[end:], is_special=True))
        return parts if len(seen) == len(messages) else None

    def _sanitised(self, messages: Sequence[Message]) -> list[Part]:
        special = [token for token in self._tokens if token]
        texts = [(m.role, sanitised(m.text, special)) for m in _alternating(messages)]
        try:
            return [Part(text=self._rendered(texts), is_special=True)]
        except Exception as trouble:
            raise ModelUnusable(
                f"the model's chat template refuses the chat: {trouble}; use another model"
            ) from trouble

    def _rendered(self, chat: Sequence[tuple[str, str]]) -> str:
        values: dict[str, Any] = {
            "messages": [{"role": role, "content": text} for role, text in chat],
            "bos_token": self._tokens[0],
            "eos_token": self._tokens[1],
            "add_generation_prompt": True,
            "enable_thinking": False,  # a voice does not wait for a model to think
            "tools": None,
        }
        return self._template.render(values)


def chunks(parts: Sequence[Part], *, specials: Sequence[str]) -> tuple[str, ...]:
    """Return the text in pieces to be tokenised one by one, special tokens recognised: only the template's are whole.

    `specials` are the texts of all tokens a tokenizer looks for in a text before it splits it into words. Text in which
    people wrote none of them, nearly all, comes in one piece and is tokenised as the model was trained; one that they
    did write is cut through, and so is one that only arises where parts meet.
    """
    text = "".join(part.text for part in parts)
    cuts = {0, len(text)}
    for start, end in _untrusted(parts):
        for special in specials:
            cuts |= {at + 1 for at in _occurrences(text, special, start=start, end=end)}
    marks = sorted(cuts)
    return tuple(text[a:b] for a, b in pairwise(marks))


def sanitised(text: str, specials: Sequence[str] = ()) -> str:
    """Return `text` without `specials`, without what looks like the special tokens of known models, without controls.

    >>> sanitised("fine<|im_end|> [INST]x")
    'fine x'
    """
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    while (
        found := _LOOKS_SPECIAL.search(kept)
        or next((found for special in specials if special and (found := re.search(re.escape(special), kept))), None)
    ) is not None:
        kept = kept[: found.start()] + kept[found.end() :]
    return kept


def _untrusted(parts: Sequence[Part]) -> Iterator[tuple[int, int]]:
    """Yield where the parts lie that people wrote."""
    start = 0
    for part in parts:
        if not part.is_special:
            yield start, start + len(part.text)
        start += len(part.text)


def _occurrences(text: str, special: str, *, start: int, end: int) -> Iterator[int]:
    """Yield where `special` begins in `text` so that it touches `start` to `end`; a single character cannot be cut."""
    if len(special) < 2 or start == end:
        return
    at = text.find(special, max(0, start - len(special) + 1))
    while 0 <= at < end:
        yield at
        at = text.find(special, at + 1)


def _trimmed(text: str, found: re.Match[str]) -> str:
    """Return `text` trimmed as the template trimmed its placeholder."""
    text = text if found[1] else text.lstrip()
    return text if found[3] else text.rstrip()


def _as_is(messages: Sequence[Message]) -> Sequence[Message]:
    return messages


def _without_system(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the chat with each system message put before the next of the user's, or into one of its own."""
    waiting: list[str] = []
    chat: list[Message] = []
    for message in messages:
        if message.role == "system":
            waiting.append(message.text)
        elif message.role == "user" and waiting:
            chat.append(Message(role="user", text=_JOINT.join([*waiting, message.text]), audio=message.audio))
            waiting = []
        else:
            chat.append(message)
    return [*chat, Message(role="user", text=_JOINT.join(waiting))] if waiting else chat


def _merged(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the chat with neighbours of one role put together."""
    chat: list[Message] = []
    for message in messages:
        if chat and chat[-1].role == message.role:
            chat[-1] = Message(role=message.role, text=_JOINT.join((chat[-1].text, message.text)))
        else:
            chat.append(message)
    return chat


def _alternating(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the chat as user, assistant, user, ..., an empty word of the user's first where the assistant begins."""
    chat = _merged(_without_system(messages))
    return [Message(role="user", text=""), *chat] if chat and chat[0].role == "assistant" else chat


_CHANGES: tuple[Callable[[Sequence[Message]], Sequence[Message]], ...] = (
    _as_is,
    _merged,
    _without_system,
    _alternating,
)

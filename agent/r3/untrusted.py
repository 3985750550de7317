"""Text from outside before it goes into a prompt: what could pass for part of the chat itself is taken out. Pure.

What people say is judged, never obeyed. Words that read like an instruction stay, for they are what was said; they
stand in the user's role, in quotation marks. What goes is what a tokenizer or template could take for its own marks,
and what nobody can say: control characters, invisible direction marks, lone surrogates.
"""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
"""Invisible, but part of how Persian, Hindi and others are written."""

_LOOKALIKES = str.maketrans(
    {0xFF1C: "<", 0xFF1E: ">", 0xFF5C: "|", 0xFF3B: "[", 0xFF3D: "]", 0xFF03: "#", 0xFF40: "`", 0x2502: "|"}
)
_MARKS = re.compile(
    r"""
    <\|[^<>]{0,80}\|>                              # <|im_start|>, <|fim middle|>
    | <<\s*/?\s*SYS\s*>>                           # Llama 2
    | <[^<>\s]{0,80}>                              # <s>, </think>, <start_of_turn>, <0x0A>
    | <(?![\s\d])[^<>]{0,80}>                      # <tool call>
    | \[/?(?:inst|sys\w*|system_prompt|(?:available_)?tools?|tool_\w+|img\w*|prefix|middle|suffix|cls|sep
        |[gs]?mask|pad|unk|bos|eos|think|args|call_id|control_\d+|\|\w+\|)\]    # [INST], [/TOOL_CALLS]
    | \#{2,}\s*(?:(?:instruction|input|output|response|system|user|assistant|human|question|answer
        |(?:best|other)-hypothesis)s?\s*:?)?       # ### Response:
    | <\||\|>                                      # halves of marks
    | `{2,} | ~{3,} | "{3,} | '{3,} | -{4,} | ={4,}   # fences
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ROLES = re.compile(r"\b(USER|ASSISTANT|SYSTEM|HUMAN|User|Assistant|System|Human)\s*:")
"""Turns of templates without marks of their own ("USER: ... ASSISTANT:"); the word stays."""
_GAP = " \u2026 "


def cleaned(text: str, *, limit: int = 4000) -> str:
    """Return `text` on one line, without marks of chat templates, fences and control characters.

    Args:
        text: what was recognised or typed.
        limit: longer texts lose their middle: at most this many characters come back.
    """
    plain = _composed(_composed("".join(map(_visible, text))).translate(_LOOKALIKES))
    while (fewer := _ROLES.sub(r"\1", _MARKS.sub(" ", plain))) != plain:  # what is left may be a mark again
        plain = fewer
    return _within(" ".join(plain.split()), limit)


def quoted(text: str) -> str:
    """Return cleaned text without the double quotation marks that would end a quotation early."""
    return re.sub('["\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02]', "'", text)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _visible(char: str) -> str:
    category = unicodedata.category(char)
    if char.isspace() or category == "Cc":
        return " "
    return "" if category in {"Cf", "Cs", "Co", "Cn"} and char not in JOINERS else char


def _within(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    if limit <= len(_GAP):
        return text[: max(0, limit)]
    n_head = (limit - len(_GAP)) // 2
    n_tail = limit - len(_GAP) - n_head
    return text[:n_head].rstrip() + _GAP + text[len(text) - n_tail :].lstrip()

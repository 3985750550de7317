"""What a program has a language model know beside the conversation: instructions, functions, notes, calls, results.

Instructions and functions stand behind the persona in the system message: they hold for long, so the model's cache does
too. The rest stands at its place among the turns, in lines of square brackets, which nobody's speech can have: in the
user's role, for many chat templates take a system message nowhere but first. Pure but for the prompt's files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prompts import load

from ..behaviour import Behaviour
from ..llm.template import sanitised
from ..r3.untrusted import cleaned

if TYPE_CHECKING:
    from ..behaviour import Aside, Tool
    from ..conversation import Conversation, Placed

MAX_NOTE: Final = 16_000
"""Characters of a note, of arguments or of a result that are shown; a longer one loses its middle."""

MAX_DESCRIPTION: Final = 1000
"""Characters of a function's description that are shown."""

_TAG = re.compile(r"<\s*/?\s*application\s*>", re.IGNORECASE)
_BRACKETS = str.maketrans("[]", "()")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """What a program wants and says.

    Attributes:
        behaviour: instructions and tools.
        asides: what is known besides, oldest first.
        first: turns of the session before the first one in view; asides from before leave with them, notes stay.
    """

    behaviour: Behaviour = field(default_factory=Behaviour)
    asides: tuple[Placed, ...] = ()
    first: int = 0

    def before(self, index: int) -> tuple[Aside, ...]:
        """Return what stands right before turn `index` of those in view, from 0."""
        at = self.first + index
        gone = [placed for placed in self.asides if placed.after < at and placed.aside.kind == "note"]
        here = [placed for placed in self.asides if placed.after == at]
        return tuple(placed.aside for placed in ([*gone, *here] if index == 0 else here))

    def last(self, n_turns: int) -> tuple[Aside, ...]:
        """Return what stands behind all turns in view, right before what is answered now."""
        if n_turns == 0:
            return self.before(0)
        return tuple(placed.aside for placed in self.asides if placed.after >= self.first + n_turns)


def program_of(conversation: Conversation, *, n_shown: int) -> Program:
    """Return what the program says in a conversation of which the last `n_shown` turns are in view."""
    return Program(behaviour=conversation.behaviour, asides=conversation.asides, first=conversation.n_turns - n_shown)


def told(behaviour: Behaviour) -> str:
    """Return what the system message goes on with after the persona; empty where the program wants nothing."""
    parts: list[str] = []
    if instructions := _TAG.sub("", sanitised(behaviour.instructions)).strip():
        parts.append(load("reply_program").render(instructions=instructions).system)
    if behaviour.tools and behaviour.tool_choice != "none":
        lines = "\n".join(map(_function, behaviour.tools))
        parts.append(load("reply_tools").render(functions=lines).system)
    return "".join(f"\n\n{part}" for part in parts)


def line_of(aside: Aside) -> str:
    """Return an aside as a line in square brackets; what the "agent" is said to have said is no line but a message."""
    prompt = load("reply_program")
    text = one_line(aside.text)
    match aside.kind:
        case "note" | "agent":
            return prompt.item("note", text=text)
        case "call":
            return prompt.item("call", name=one_line(aside.name), arguments=text)
        case "result":
            return prompt.item("result", name=one_line(aside.name) or "it", text=text)


def going_on() -> str:
    """Return the line that stands where an answer is wanted and nothing was said."""
    return load("reply_program").item("go_on")


def one_line(text: str, *, limit: int = MAX_NOTE) -> str:
    """Return a program's text on one line, without marks of chat templates and square brackets."""
    return cleaned(text, limit=limit).translate(_BRACKETS)


def _function(tool: Tool) -> str:
    description = one_line(tool.description, limit=MAX_DESCRIPTION)
    prompt = load("reply_tools")
    return (
        prompt.item("function", name=tool.name, description=description)
        if description
        else prompt.item("bare", name=tool.name)
    )

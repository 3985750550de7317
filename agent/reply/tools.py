"""Functions of a program: which one a model wants, with what arguments. Pure but for the prompt's files; asks no model.

Which one is scored over a closed list, so nothing a model writes can name another. Arguments are held to the function's
JSON Schema where `agent.llm.json_shape` takes it, else they are checked when they are there.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from prompts import load

from ..llm.json_shape import Object, json_text, parse_shape
from ..llm.template import sanitised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..behaviour import Behaviour, Tool
    from ..llm.values import LabelScores, Message, Prompt

MAX_SCHEMA: Final = 8000
"""Characters of a function's schema that a model is shown."""

_NULL: Final = {"type": "null"}


class ArgumentsInvalid(ValueError):
    """What a model wrote are no arguments of the function."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Options:
    """What a model may do next: one of `tools`, or answer (`may_answer`)."""

    tools: tuple[Tool, ...]
    may_answer: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """What it may write, in the order of `tools`, "answer." first; no label begins another."""
        # Brackets and full stop end a name: "find()" is not the beginning of "find_all()".
        calls = tuple(f" {tool.name}()" for tool in self.tools)
        return (" answer.", *calls) if self.may_answer else calls

    def chosen(self, scores: LabelScores) -> Tool | None:
        """Return the likeliest tool; None for an answer, also where all are alike."""
        logps = [-math.inf if math.isnan(logp) else logp for logp in scores.logps]
        at = logps.index(max(logps))  # the first where none is in sight
        return None if self.may_answer and at == 0 else self.tools[at - self.may_answer]


def options_of(behaviour: Behaviour) -> Options:
    """Return what a model may do next by the program's tools and its choice; no tools: only answer."""
    tools = behaviour.tools
    match behaviour.tool_choice:
        case "none":
            return Options(tools=(), may_answer=True)
        case "auto":
            return Options(tools=tools, may_answer=True)
        case "required":
            return Options(tools=tools, may_answer=not tools)
        case name:
            named = tuple(tool for tool in tools if tool.name == name)
            return Options(tools=named, may_answer=not named)


def which(prompt: Prompt, options: Options) -> Prompt:
    """Return the prompt, one for an answer, as one that asks what comes next."""
    texts = load("reply_tools")
    labels = ", ".join(label.strip() for label in options.labels)
    return replace(_asking(prompt, texts.item("which", labels=labels)), answer_start=texts.item("start"))


def arguments_prompt(prompt: Prompt, tool: Tool) -> Prompt:
    """Return the prompt, one for an answer, as one that asks for the arguments of `tool`."""
    schema = sanitised(json_text(dict(tool.parameters)))[:MAX_SCHEMA]
    return _asking(prompt, load("reply_tools").item("arguments", name=tool.name, schema=schema))


def takes_nothing(tool: Tool) -> bool:
    """Tell whether a function has no parameters, so that there is nothing to ask for."""
    return not tool.parameters.get("properties") and not tool.parameters.get("additionalProperties")


def schema_of(tool: Tool) -> Mapping[str, Any] | None:
    """Return the schema that arguments are held to while they are written; None: they can only be checked.

    A parameter that may be left out may be null instead, for answers to a schema leave out nothing.
    """
    try:
        schema = _with_optional(tool)
        shape = parse_shape(schema)
    except (ValueError, TypeError, AttributeError):  # a schema of a stranger may be anything
        return None
    return schema if isinstance(shape, Object) else None


def arguments_of(text: str, tool: Tool) -> str:
    """Return the arguments in what a model wrote, as JSON text; what else it wrote around them is left out.

    Raises:
        ArgumentsInvalid: there is no JSON object, or a required field is missing.
    """
    start = text.find("{")
    if start < 0:
        raise ArgumentsInvalid(f"no JSON object in {text[:60]!r}")
    try:
        found, _ = json.JSONDecoder(parse_constant=_refused).raw_decode(text, start)
    except (ValueError, RecursionError) as trouble:
        raise ArgumentsInvalid(f"no JSON object in {text[:60]!r}: {trouble}") from trouble
    values = cast("dict[str, object]", found)
    required = _required(tool)
    if missing := [name for name in required if name not in values]:
        raise ArgumentsInvalid(f"{', '.join(missing)} missing in {text[:60]!r}")
    return json_text({name: value for name, value in values.items() if value is not None or name in required})


def _with_optional(tool: Tool) -> dict[str, Any]:
    """Return the schema with all fields required, as engines that hold answers to one want it."""
    fields = cast("Mapping[str, object]", tool.parameters.get("properties", {}))
    required = _required(tool)
    held = {name: field if name in required else {"anyOf": [field, _NULL]} for name, field in fields.items()}
    strict = {"properties": held, "required": [*dict.fromkeys((*held, *required))]}
    return {**tool.parameters, **strict, "additionalProperties": tool.parameters.get("additionalProperties") or False}


def _required(tool: Tool) -> tuple[str, ...]:
    names: object = tool.parameters.get("required")
    return tuple(str(name) for name in cast("list[object]", names)) if isinstance(names, list) else ()


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _asking(prompt: Prompt, question: str) -> Prompt:
    *before, last = prompt.messages
    asked: Message = replace(last, text=f"{last.text}\n{question}")
    return replace(prompt, messages=(*before, asked))

"""What a program may ask of a session while it goes on: how to behave, what to answer, what to know. Pure values.

They stand in the stream (`streaming.controls.Mark`), so that they take effect after the sound before them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .correction import EmotionCorrection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .events import EmotionSource

ToolChoice: TypeAlias = str
"""Whether a tool may or must be called: "auto", "none", "required", or the name of the one that must be."""

TYPED: Final = 1_000_000
"""Utterances that were typed are numbered from here on, so as not to meet those of the segmenter."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool:
    """A function that the program offers; Attune itself calls none. `parameters` is a JSON Schema of an object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that a model asks for: `call` is its id, `arguments` JSON text that fits the tool's parameters."""

    call: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Behaviour:
    """How a session behaves from here on.

    Attributes:
        answers: utterances are answered as they end; else only on a `Respond`.
        only_listens: nobody will ask for answers: what was said is kept as soon as it was read.
        interrupts: speech over a reply stops it; else the reply goes on and the speech is answered after it.
        emotion: what emotion may be read from.
        rolls: it is read while somebody speaks, too.
        speaks: answers are voiced; else only written.
        instructions: what the program wants of the answers, for engines that take instructions.
        tools, tool_choice: functions that a language model may ask for instead of answering.
        max_tokens: length of an answer, None: the engine's own limit.
    """

    answers: bool = True
    only_listens: bool = False
    interrupts: bool = True
    emotion: EmotionSource = "both"
    rolls: bool = True
    speaks: bool = True
    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """The user writes instead of speaking: an utterance of these words, answered on a `Respond`."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """Something a language model is to know from here on that nobody said.

    `kind`: a "note" of the program (system), what the "agent" is said to have said, a "call" of a tool (`text` its
    arguments as JSON) or its "result". `key` names it, to be forgotten by (`Forget`); `call` and `name` are the tool's.
    """

    kind: Literal["note", "agent", "call", "result"]
    text: str
    key: str = ""
    call: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Take an aside, or an utterance with its answer, out of what engines are shown; the turn log keeps it."""

    key: str = ""
    utterance: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Respond:
    """Answer what was said last and not answered yet; with nothing there, go on from what is known.

    Attributes:
        request: name of the request; `ReplyStarted` or `ReplyRefused` carries it.
        behaviour: for this answer, in place of the session's; None: the session's.
        text: answer this instead of the conversation's last utterance.
        asides: known for this answer only.
        is_apart: the answer is not part of the conversation: it knows nothing of it, and is not kept.
    """

    request: str
    behaviour: Behaviour | None = None
    text: str | None = None
    asides: tuple[Aside, ...] = ()
    is_apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """The `Respond` of that name is not wanted any more; it stands before this in the stream."""

    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """Of the answer to an utterance the user heard so many seconds, and not the rest."""

    utterance: int
    played_s: float


SessionCommand: TypeAlias = Behaviour | Write | Aside | Forget | Respond | Withdraw | Truncate | EmotionCorrection
"""What may stand in the stream for a session (`Session.stop_reply` is the one thing that does not wait its turn)."""

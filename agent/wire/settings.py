"""The effective settings of a realtime session, and what they mean for the listener and the agent. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from streaming.controls import TurnDetection

from ..behaviour import Behaviour, Tool
from .detection import Detection
from .expression import wants
from .schema.attune import AttuneOptions, EventGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..behaviour import ToolChoice
    from ..events import EmotionSource

PCM: Final[Mapping[str, Any]] = {"type": "audio/pcm", "rate": 24_000}

MODEL: Final = "attune"

LOGPROBS: Final = "item.input_audio_transcription.logprobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """What the server knows of a session that its client may be told.

    Attributes:
        resume_token: lets the client come back to this session; None where that is not offered.
        notice: what the user is to be told of emotion and recording.
        profile: name of the engines' profile.
        has_tools: a language model here can call functions.
        has_voice: answers can be voiced; else they come as words alone.
        has_history: what is kept may be listed, exported and deleted.
    """

    resume_token: str | None = None
    notice: str = ""
    profile: str = "embedded"
    has_tools: bool = True
    has_voice: bool = True
    has_history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session is set, defaults included.

    Attributes:
        kind: a "transcription" session hears and never answers.
        session, model: names, fixed.
        defaults: the server's own behaviour, where the client says nothing.
        instructions: None until the client gives some.
        is_spoken: answers are sound with a transcript; else text.
        input_format, output_format: `{"type": "audio/pcm", "rate": 24000}`, "audio/pcmu" or "audio/pcma".
        transcription: model and language as the client named them; None: no transcription events.
        detection: None when the client itself says where an utterance ends (`input_audio_buffer.commit`).
        tools, tool_choice, max_output_tokens: as the client gave them.
        include: extra fields asked for.
        attune: what of Attune's own events was asked for.
        shown: what was taken only to be shown again.
    """

    kind: Literal["realtime", "transcription"] = "realtime"
    session: str = ""
    model: str = MODEL
    defaults: Behaviour = field(default_factory=Behaviour, compare=False)
    instructions: str | None = None
    is_spoken: bool = True
    input_format: Mapping[str, Any] = field(default_factory=lambda: dict(PCM))
    output_format: Mapping[str, Any] = field(default_factory=lambda: dict(PCM))
    transcription: Mapping[str, Any] | None = field(default_factory=lambda: {"model": MODEL})
    detection: Detection | None = field(default_factory=Detection)
    voice: str = MODEL
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] = "auto"
    max_output_tokens: int | Literal["inf"] = "inf"
    include: tuple[str, ...] = ()
    attune: AttuneOptions = field(default_factory=AttuneOptions)
    shown: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_manual(self) -> bool:
        """The client says where an utterance ends."""
        return self.detection is None

    @property
    def interrupts(self) -> bool:
        """Speech over a reply stops it."""
        return self.detection is not None and self.detection.interrupt_response

    def turn_detection(self) -> TurnDetection:
        """Return how the listener is to tell utterances apart."""
        return TurnDetection(is_manual=True) if self.detection is None else self.detection.listening()

    def behaviour(self) -> Behaviour:
        """Return how the session is to behave."""
        replies = self.kind == "realtime"
        return Behaviour(
            answers=replies and self.detection is not None and self.detection.create_response,
            only_listens=not replies,
            interrupts=self.interrupts,
            emotion=self.emotion,
            # It costs a good part of a session: nobody's estimates are not made.
            rolls=wants(self.attune, "emotion.rolling"),
            speaks=replies and self.is_spoken,
            instructions=self.defaults.instructions if self.instructions is None else self.instructions,
            tools=tuple(_tool(tool) for tool in self.tools) if self.tools else self.defaults.tools,
            tool_choice=self._tool_choice(),
            max_tokens=None if self.max_output_tokens == "inf" else self.max_output_tokens,
        )

    @property
    def emotion(self) -> EmotionSource:
        """What emotion may be read from: nothing without consent, never more than the server reads."""
        if self.attune.consent is False:
            return "off"
        asked, allowed = self.attune.emotion or self.defaults.emotion, self.defaults.emotion
        if allowed in {"both", asked}:
            return asked
        return allowed if asked == "both" else "off"

    def _tool_choice(self) -> ToolChoice:
        return self.tool_choice if isinstance(self.tool_choice, str) else str(self.tool_choice.get("name", "auto"))

    def as_event(self) -> dict[str, Any]:
        """Return the `session` of `session.created` and `session.updated`."""
        replies = self.kind == "realtime"
        detection = None if self.detection is None else self.detection.shown(replies=replies)
        listening = {
            "format": dict(self.input_format),
            "transcription": None if self.transcription is None else dict(self.transcription),
            "noise_reduction": self.shown.get("noise_reduction"),
            "turn_detection": detection,
        }
        told: dict[str, Any] = {
            "type": self.kind,
            "id": self.session,
            "object": "realtime.session" if replies else "realtime.transcription_session",
            "include": list(self.include) or None,
        }
        if not replies:
            return told | {"audio": {"input": listening}} | self._extension()
        speaking = {"format": dict(self.output_format), "voice": self.voice, "speed": 1.0}
        told |= {
            "model": self.model,
            "output_modalities": ["audio"] if self.is_spoken else ["text"],
            "instructions": self.defaults.instructions if self.instructions is None else self.instructions,
            "tools": [dict(tool) for tool in self.tools],
            "tool_choice": self.tool_choice if isinstance(self.tool_choice, str) else dict(self.tool_choice),
            "max_output_tokens": self.max_output_tokens,
            "tracing": None,
            "truncation": self.shown.get("truncation") or "auto",
            "audio": {"input": listening, "output": speaking},
        }
        return told | self._extension()

    def _extension(self) -> dict[str, Any]:
        """Return the options of the extension, where the client has set any: others are not to see them."""
        options = self.attune.model_dump(mode="json", exclude_unset=True)
        return {"attune": options} if options else {}


def of_query(query: Mapping[str, str], *, session: str, model: str, defaults: Behaviour) -> SessionSettings:
    """Return the settings that a session begins with.

    Args:
        query: of the address: `model`, `intent=transcription`, `attune=all` or a list of groups ("emotion,turns");
            groups that are not known are passed over.
        session: its id.
        model: what it is called where the client names none.
        defaults: how the server lets sessions behave.
    """
    asked = [name.strip() for name in query.get("attune", "").split(",")]
    groups = [name for name in get_args(EventGroup) if name in asked]
    events = "all" if "all" in asked else groups
    return SessionSettings(
        kind="transcription" if query.get("intent") == "transcription" else "realtime",
        session=session,
        model=query.get("model") or model,
        defaults=defaults,
        is_spoken=defaults.speaks,
        attune=AttuneOptions.model_validate({"events": events}) if events else AttuneOptions(),
    )


def _tool(tool: Mapping[str, Any]) -> Tool:
    return Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=tool.get("parameters") or {"type": "object", "properties": {}},
    )

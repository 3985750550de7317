"""How one response is told: its settings, and what `response.created` and `response.done` show of it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .codec import PCM24

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..events import ReplyDone
    from .items import Item
    from .schema.client import ResponseCreate, ResponseSettings
    from .settings import SessionSettings

Status: TypeAlias = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]

MS_PER_TOKEN: Final = 50
"""Of spoken answers: the rule of the API that this protocol comes from, so that figures compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseShape:
    """How a response is told.

    Attributes:
        is_spoken: as sound with its transcript; else as text.
        output_format: of the sound, as a session names it.
        metadata: the client's own pairs, given back.
        is_apart: the conversation does not know of it.
    """

    is_spoken: bool = True
    output_format: Mapping[str, Any] = field(default_factory=lambda: dict(PCM24))
    voice: str = "attune"
    max_output_tokens: int | Literal["inf"] = "inf"
    metadata: Mapping[str, str] | None = None
    is_apart: bool = False

    @classmethod
    def of(cls, settings: SessionSettings, create: ResponseCreate | None = None) -> ResponseShape:
        """Return what a session and, above it, a `response.create` ask for."""
        own = None if create is None else create.response
        of_session = cls(
            is_spoken=settings.is_spoken,
            output_format=settings.output_format,
            voice=settings.voice,
            max_output_tokens=settings.max_output_tokens,
        )
        return of_session if own is None else of_session._above(own)

    def _above(self, own: ResponseSettings) -> ResponseShape:
        output = None if own.audio is None else own.audio.output
        named = None if output is None or output.format is None else output.format.type
        # PCM goes out at 24 kHz only, whatever rate is named.
        told = None if named is None else dict(PCM24) if named == PCM24["type"] else {"type": named}
        return ResponseShape(
            # Sound always has its transcript, so who asks for both gets sound.
            is_spoken=self.is_spoken if own.output_modalities is None else "audio" in own.output_modalities,
            output_format=told or self.output_format,
            voice=self.voice,
            max_output_tokens=own.max_output_tokens or self.max_output_tokens,
            metadata=own.metadata,
            is_apart=own.conversation == "none",
        )

    def resource(self, response_id: str, *, conversation: str) -> dict[str, Any]:
        """Return the response as it begins."""
        return {
            "object": "realtime.response",
            "id": response_id,
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": None if self.is_apart else conversation,
            "output_modalities": ["audio"] if self.is_spoken else ["text"],
            "max_output_tokens": self.max_output_tokens,
            "audio": {"output": {"format": dict(self.output_format), "voice": self.voice}},
            "usage": None,
            "metadata": None if self.metadata is None else dict(self.metadata),
        }


def ended(done: ReplyDone, *, trouble: str = "") -> dict[str, Any]:
    """Return `status` and `status_details` of a response that has ended.

    Args:
        done: how it ended.
        trouble: what failed, where something did.
    """
    status, reason = _ENDS.get(done.ended_by, ("cancelled", None))
    if not done.ended_by and not done.interrupted:
        return {"status": "completed", "status_details": None}
    details: dict[str, Any] = {"type": status}
    if reason is not None:
        details["reason"] = reason
    if status == "failed":
        message = trouble or "the engine that answers failed; the session goes on"
        details["error"] = {"type": "server_error", "code": "engine_failed", "message": message}
    return {"status": status, "status_details": details}


_ENDS: Final[Mapping[str, tuple[Status, str | None]]] = {
    "speech": ("cancelled", "turn_detected"),
    "program": ("cancelled", "client_cancelled"),
    "session": ("cancelled", None),
    "engine": ("failed", None),
    "length": ("incomplete", "max_output_tokens"),
}
"""What each end of a reply is called here."""


def usage(output: Sequence[Item], *, sound_ms: float) -> dict[str, Any]:
    """Return figures for clients that want some: a word is a text token, 50 ms of sound one; input is not counted."""
    n_text = sum(len(_words_of(item).split()) for item in output)
    n_audio = math.ceil(sound_ms / MS_PER_TOKEN)
    return {
        "total_tokens": n_text + n_audio,
        "input_tokens": 0,
        "output_tokens": n_text + n_audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": n_text, "audio_tokens": n_audio},
    }


def _words_of(item: Item) -> str:
    if item["type"] == "function_call":
        return item["arguments"]
    return " ".join(part.get("text") or part.get("transcript") or "" for part in item["content"])

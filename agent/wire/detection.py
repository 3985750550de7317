"""How a client wants turns to be told apart, in its own terms, and what that means for the listener. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from streaming.controls import Eagerness, TurnDetection

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN_SILENCE_MS: Final = 500
"""What clients are shown while silence is judged by the speaker's own pauses: the protocol has no word for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """`turn_detection` of a session, as the client set it.

    Attributes:
        kind: "server_vad" goes by silence; "semantic_vad" also by the words.
        silence_duration_ms: None where the client never said: Attune then goes by the speaker's own pauses.
        eagerness: of "semantic_vad"; "auto" is "medium".
        create_response: an utterance is answered as it ends.
        interrupt_response: speech over a reply stops it.
        idle_timeout_ms: shown, and nothing more: Attune does not speak up by itself.
    """

    kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int | None = None
    eagerness: Literal["auto", "low", "medium", "high"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None

    def listening(self) -> TurnDetection:
        """Return what the listener has to do."""
        pre_roll_s = self.prefix_padding_ms / 1000
        if self.kind == "semantic_vad":
            eagerness: Eagerness = "medium" if self.eagerness == "auto" else self.eagerness
            return TurnDetection(pre_roll_s=pre_roll_s, eagerness=eagerness)
        silence_s = None if self.silence_duration_ms is None else self.silence_duration_ms / 1000
        return TurnDetection(threshold=self.threshold, pre_roll_s=pre_roll_s, silence_s=silence_s)

    def shown(self, *, replies: bool) -> dict[str, Any]:
        """Return it as `session` shows it; what concerns replies only where there are any."""
        told: dict[str, Any] = {"type": self.kind}
        if self.kind == "semantic_vad":
            told["eagerness"] = self.eagerness
        else:
            told["threshold"] = self.threshold
            told["prefix_padding_ms"] = self.prefix_padding_ms
            told["silence_duration_ms"] = self.silence_duration_ms or SHOWN_SILENCE_MS
            told["idle_timeout_ms"] = self.idle_timeout_ms
        if replies:
            told |= {"create_response": self.create_response, "interrupt_response": self.interrupt_response}
        return told


DEFAULTS: Final[Mapping[str, object]] = {
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": None,
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
}


def detected(before: Detection | None, update: Mapping[str, Any] | None) -> Detection | None:
    """Return `before` with what the client says now: absent stays, null goes back to the default.

    Another `type` than before begins from the defaults; no detection at all is None. Values are in range: the models
    of `agent.wire.schema` have seen to that.
    """
    if update is None:
        return None
    kind = update.get("type") or (before.kind if before else "server_vad")
    start = before if before is not None and before.kind == kind else Detection(kind=kind)
    values: dict[str, Any] = {name: getattr(start, name) for name in DEFAULTS}
    for name in DEFAULTS.keys() & update.keys():
        given = update[name]
        values[name] = DEFAULTS[name] if given is None else given
    return Detection(kind=kind, **values)

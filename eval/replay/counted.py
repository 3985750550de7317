"""How many calls of a language model an utterance takes, known before one is made. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agent.elicitation.choices import key_orders
from agent.profiles.engines import ENGINES
from agent.r3.conditions import condition as named
from agent.r3.conditions import ensemble, ensembles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.r3.condition import R3Condition

    from .plan import ReplaySettings

USUAL: Final = "live"
"""How a profile's recogniser asks unless it is told otherwise."""
_GAPS: Final = 2
"""White spaces that are tried before a key of multiple choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """For one utterance with words: to read its emotion, to give the reasons then, and to answer or translate it."""

    reading: int = 0
    reasons: int = 0
    words: int = 0

    @property
    def most(self) -> int:
        """All of them; where a prompt is too long it is asked again, shorter."""
        return self.reading + self.reasons + self.words


def calls_of(settings: ReplaySettings, engines: Mapping[str, Mapping[str, Any]]) -> Calls:
    """Return the calls of a replay; `engines` by port, as in its header."""
    name = _asked(settings, engines)
    reading, reasons = (0, 0) if name is None or settings.emotion in {"off", "voice"} else _of(name)
    reply = engines.get("reply", {}).get("engine")
    writes = settings.translate is not None or (settings.answers and _asks_model("reply", reply))
    return Calls(reading=reading, reasons=reasons, words=int(writes))


def _asked(settings: ReplaySettings, engines: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the condition by which a model is asked about emotion, None where none is."""
    if settings.condition is not None:
        return settings.condition
    emotion = engines.get("emotion", {})
    has_model = engines.get("language_model", {}).get("engine", "none") != "none"
    takes = "condition" in ENGINES["emotion"][emotion["engine"]].takes if "engine" in emotion else False
    return str(emotion["options"].get("condition", USUAL)) if takes and has_model else None


def _of(name: str) -> tuple[int, int]:
    """Return the calls of reading, and of reasons, in the way of that name; all ways of an ensemble are gone."""
    if name in ensembles():
        return sum(_reading(named(member)) for member in ensemble(name)), 0
    condition = named(name)
    return _reading(condition), int(condition.explain and condition.elicitation == "label")


def _reading(condition: R3Condition) -> int:
    match condition.elicitation:
        case "choices":
            return _GAPS * len(key_orders(condition.labels))
        case "numeric" | "chain":
            return len(condition.labels)
        case _:
            return 1


def _asks_model(port: str, engine: str | None) -> bool:
    return engine is not None and engine in ENGINES[port] and ENGINES[port][engine].asks_model

"""`session.update`: what the client gives changes, what it leaves out stays, null and empty clear. Pure.

Model, speed, tracing and reasoning are taken and nothing comes of them, since stock clients send them as a matter of
course; noise reduction and truncation are shown again besides. What ranges values have is checked before this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .detection import detected
from .faults import WireFault
from .schema.attune import AttuneOptions
from .settings import MODEL, PCM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .settings import SessionSettings


def merged(settings: SessionSettings, update: Mapping[str, Any], *, has_spoken: bool = False) -> SessionSettings:
    """Return `settings` with what a client says of its session, as plain values in which the unset is absent.

    Args:
        settings: what holds so far; unchanged.
        update: the `session` of `session.update`.
        has_spoken: sound of a reply has been sent: the voice is fixed.

    Raises:
        WireFault: a value that cannot be; `param` names it.
    """
    changes: dict[str, Any] = {}
    heard, spoken = _below(update, "audio", "input"), _below(update, "audio", "output")
    for table, given in ((_SESSION, update), (_INPUT, heard), (_OUTPUT, spoken)):
        for name in table.keys() & given.keys():
            changes |= table[name](replace(settings, **changes), given[name])
    if has_spoken and changes.get("voice", settings.voice) != settings.voice:
        message = f"the voice is {settings.voice} and the session has spoken, expected no other; begin a new session"
        raise WireFault("cannot_update_voice", message, param="session.audio.output.voice")
    after = replace(settings, **changes)
    _check_tool_choice(after)
    return after


def _below(values: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for name in path:
        values = values.get(name) or {}
    return values


def _instructions(_: SessionSettings, given: str | None) -> dict[str, Any]:
    return {"instructions": given or ""}


def _modalities(settings: SessionSettings, given: list[str] | None) -> dict[str, Any]:
    if not given:
        return {"is_spoken": settings.defaults.speaks}
    if len(given) > 1 and set(given) == {"audio", "text"}:
        # What beta clients and examples ask for: sound with its transcript, which sound always has.
        return {"is_spoken": True}
    return {"is_spoken": given[0] == "audio"}


def _tools(_: SessionSettings, given: list[Mapping[str, Any]] | None) -> dict[str, Any]:
    return {"tools": tuple(given or ())}


def _tool_choice(_: SessionSettings, given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    return {"tool_choice": given or "auto"}


def _check_tool_choice(settings: SessionSettings) -> None:
    choice = settings.tool_choice
    if isinstance(choice, str):
        return
    names = [tool["name"] for tool in settings.tools]
    if choice.get("name") not in names:
        message = f"there is no tool {choice.get('name')}, expected one of {', '.join(names) or 'the tools given'}"
        raise WireFault("invalid_field", message, param="session.tool_choice")


def _max_output_tokens(_: SessionSettings, given: int | str | None) -> dict[str, Any]:
    return {"max_output_tokens": given or "inf"}


def _include(_: SessionSettings, given: list[str] | None) -> dict[str, Any]:
    return {"include": tuple(given or ())}


def _attune(settings: SessionSettings, given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {"attune": AttuneOptions()}
    held = settings.attune.model_dump(exclude_unset=True)
    return {"attune": AttuneOptions.model_validate(held | dict(given))}


def _input_format(_: SessionSettings, given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"input_format": _format(given)}


def _output_format(_: SessionSettings, given: Mapping[str, Any] | None) -> dict[str, Any]:
    chosen = _format(given)
    if chosen.get("rate", PCM["rate"]) != PCM["rate"]:
        message = f"the rate is {chosen['rate']}, expected {PCM['rate']}: sound is sent at no other"
        raise WireFault("invalid_field", message, param="session.audio.output.format.rate")
    return {"output_format": chosen}


def _format(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None or given["type"] == PCM["type"]:
        return {**PCM, "rate": (given or PCM).get("rate") or PCM["rate"]}
    return {"type": given["type"]}


def _transcription(settings: SessionSettings, given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {"transcription": None}
    shown = {"model", "language"}
    before = settings.transcription or {"model": MODEL}
    return {"transcription": {**before, **{name: given[name] for name in shown & given.keys() if given[name]}}}


def _turn_detection(settings: SessionSettings, given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"detection": detected(settings.detection, given)}


def _voice(settings: SessionSettings, given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {}
    name = given if isinstance(given, str) else str(given.get("id", settings.voice))
    return {"voice": name or settings.voice}


def _aside(name: str) -> Callable[[SessionSettings, Any], dict[str, Any]]:
    """Return what keeps a value only to show it again."""

    def keep(settings: SessionSettings, given: object) -> dict[str, Any]:
        return {"shown": {**settings.shown, name: given}}

    return keep


_SESSION: Final[Mapping[str, Callable[[SessionSettings, Any], dict[str, Any]]]] = {
    "instructions": _instructions,
    "output_modalities": _modalities,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "max_output_tokens": _max_output_tokens,
    "include": _include,
    "attune": _attune,
    "truncation": _aside("truncation"),
}
_INPUT: Final[Mapping[str, Callable[[SessionSettings, Any], dict[str, Any]]]] = {
    "format": _input_format,
    "transcription": _transcription,
    "turn_detection": _turn_detection,
    "noise_reduction": _aside("noise_reduction"),
}
_OUTPUT: Final[Mapping[str, Callable[[SessionSettings, Any], dict[str, Any]]]] = {
    "format": _output_format,
    "voice": _voice,
}

"""What clients ask of Attune beyond the protocol, and what they are told of their session. Pure but for its names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..correction import EmotionCorrection
from .dialect import HistoryRequest, Step
from .faults import WireFault, error_event
from .schema.attune import HistoryDelete, HistoryExport, HistoryList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dialect import ServerEvent
    from .ids import Ids
    from .items import Items
    from .schema.attune import EmotionCorrect
    from .settings import SessionInfo, SessionSettings

ANSWERS: Final[Mapping[str, str]] = {
    "list": "attune.history.sessions",
    "export": "attune.history.turns",
    "delete": "attune.history.deleted",
}


def correction(event: EmotionCorrect, items: Items) -> EmotionCorrection:
    """Return what the user says of the feeling in one of their utterances.

    Raises:
        WireFault: there is no such utterance, or no such label.
    """
    utterance = event.utterance if event.item_id is None else items.utterance_of(event.item_id)
    if utterance is None or items.of_utterance(utterance) is None:
        name = "item_id" if event.utterance is None else "utterance"
        named = event.item_id if event.utterance is None else event.utterance
        raise WireFault("item_not_found", f"there is no turn {named!s:.100} of the user", param=name)
    denied = () if event.denied is None else (event.denied,)
    try:
        return EmotionCorrection(utterance=utterance, label=event.label, denied=denied, text=event.text)
    except ValueError as trouble:
        raise WireFault("invalid_field", str(trouble), param="label") from None


def history_step(event: HistoryList | HistoryExport | HistoryDelete, info: SessionInfo) -> Step:
    """Return what asks for what is kept.

    Raises:
        WireFault: it cannot be had here.
    """
    if not info.has_history:
        raise WireFault("not_available", "this server shows nobody what is kept")
    match event:
        case HistoryList():
            request = HistoryRequest(action="list", event_id=event.event_id)
        case HistoryExport():
            request = HistoryRequest(action="export", session=event.session, event_id=event.event_id)
        case HistoryDelete():
            request = HistoryRequest(action="delete", session=event.session, event_id=event.event_id)
    return Step(history=request)


def history_events(request: HistoryRequest, answer: dict[str, Any] | str, ids: Ids) -> list[ServerEvent]:
    """Return what was asked for, or that there is none and why."""
    if isinstance(answer, str):
        return [error_event(ids, WireFault("not_found", answer, event_id=request.event_id))]
    named = {} if request.session is None else {"session": request.session}
    return [{"type": ANSWERS[request.action], "event_id": ids.event(), **named, **answer}]


def info_event(settings: SessionSettings, info: SessionInfo, ids: Ids) -> ServerEvent:
    """Return what a client that asked for it is told of its session."""
    return {
        "type": "attune.session.info",
        "event_id": ids.event(),
        "session": settings.session,
        "resume_token": info.resume_token,
        "notice": info.notice,
        "emotion": settings.emotion,
        "profile": info.profile,
    }

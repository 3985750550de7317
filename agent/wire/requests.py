"""What a client asks of a realtime session, as steps; and the session's settings, which are among what it asks."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from ..behaviour import Withdraw
from .arranging import Arranging
from .asking import respond
from .buffer import InputBuffer
from .dialect import Step
from .expression import wants
from .extension import correction, history_step, info_event
from .faults import WireFault
from .inbound import Append
from .merging import merged
from .schema import attune, client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streaming.controls import Control, TurnDetection

    from ..behaviour import SessionCommand
    from .answering import Answering
    from .ids import Ids
    from .inbound import ClientEvent
    from .items import Items
    from .settings import SessionInfo, SessionSettings


class Requests:
    """Follows the requests of one client."""

    def __init__(
        self, ids: Ids, *, items: Items, answering: Answering, settings: SessionSettings, info: SessionInfo
    ) -> None:
        """Begin a session with these settings; `changes` are to go into the stream before anything else."""
        self.settings = settings
        self._ids = ids
        self._items = items
        self._answering = answering
        self._info = info
        self._buffer = InputBuffer(ids, settings.input_format)
        self._arranging = Arranging(ids, items=items, answering=answering, session=settings.session)
        self._known: dict[str, Any] = asdict(settings.defaults)
        self._listening: TurnDetection | None = None
        self._deeds: Mapping[type, Callable[[Any], Step]] = {
            client.SessionUpdateEvent: self._update,
            client.InputAudioBufferCommit: lambda _: self._buffer.commit(),
            client.InputAudioBufferClear: lambda _: self._buffer.clear(),
            client.OutputAudioBufferClear: lambda _: Step(stops_reply=answering.active is not None),
            client.ItemCreate: self._create,
            client.ItemRetrieve: self._arranging.retrieve,
            client.ItemDelete: self._arranging.delete,
            client.ItemTruncate: self._arranging.truncate,
            client.ResponseCreate: self._respond,
            client.ResponseCancel: self._cancel,
            attune.EmotionCorrect: lambda event: Step(line=(correction(event, items),)),
            attune.HistoryList: lambda event: history_step(event, info),
            attune.HistoryExport: lambda event: history_step(event, info),
            attune.HistoryDelete: lambda event: history_step(event, info),
        }

    def do(self, event: ClientEvent) -> Step:
        """Follow a request.

        Raises:
            WireFault: it cannot be followed; nothing has changed.
        """
        if isinstance(event, Append):
            return self._buffer.append(event, warns=wants(self.settings.attune, "session"))
        return self._deeds[type(event)](event)

    def changes(self) -> tuple[Control | SessionCommand, ...]:
        """Return what the stream is to know of the settings and does not yet."""
        changes: list[Control | SessionCommand] = []
        listening, behaviour = self.settings.turn_detection(), self.settings.behaviour()
        if listening != self._listening:
            self._listening = listening
            changes.append(listening)
        if (known := asdict(behaviour)) != self._known:
            self._known = known
            changes.append(behaviour)
        return tuple(changes)

    def introduction(self) -> tuple[dict[str, Any], ...]:
        """Return what those are told of the session who asked for that."""
        wanted = wants(self.settings.attune, "session")
        return (info_event(self.settings, self._info, self._ids),) if wanted else ()

    def _update(self, event: client.SessionUpdateEvent) -> Step:
        before = self.settings
        kind = self._kind(event.session.type)
        update = event.session.model_dump(exclude_unset=True)
        self.settings = after = replace(merged(before, update, has_spoken=self._answering.has_spoken), kind=kind)
        rest = self._buffer.use(after.input_format) if after.input_format != before.input_format else ()
        told = {"type": "session.updated", "event_id": self._ids.event(), "session": after.as_event()}
        introduction = () if wants(before.attune, "session") else self.introduction()
        return Step(line=(*rest, *self.changes()), events=(told, *introduction))

    def _kind(self, asked: Literal["realtime", "transcription"] | None) -> Literal["realtime", "transcription"]:
        before = self.settings.kind
        if asked is None or asked == before:
            return before
        if self._buffer.has_sound or self._items:
            message = f"the session is of type {before} and has begun, expected the same; begin a new session"
            raise WireFault("invalid_field", message, param="session.type")
        return asked

    def _create(self, event: client.ItemCreate) -> Step:
        if self.settings.kind != "realtime":
            raise WireFault("not_available", "a transcription session takes sound alone, expected no items")
        return self._arranging.create(event)

    def _respond(self, event: client.ResponseCreate) -> Step:
        if self.settings.kind != "realtime":
            message = "a transcription session answers nothing, expected a session of type realtime"
            raise WireFault("not_available", message)
        under_way = self._answering.active or next(iter(self._answering.waiting), None)
        if under_way is not None:
            message = f"the response {under_way} is under way; wait for response.done, or cancel it"
            raise WireFault("conversation_already_has_active_response", message)
        request = self._ids.response()
        asked = respond(
            event.response, request=request, settings=self.settings, items=self._items, new_id=self._ids.item
        )
        self._answering.asked(event, request, self.settings)
        return Step(line=(asked,))

    def _cancel(self, event: client.ResponseCancel) -> Step:
        active = {self._answering.active, *self._answering.waiting} - {None}
        if not active:
            raise WireFault("response_cancel_not_active", "there is no response to cancel")
        if event.response_id is not None and event.response_id not in active:
            message = f"the response {event.response_id:.100} is not under way, expected none or the one that is"
            raise WireFault("response_cancel_not_active", message, param="response_id")
        # One that is asked for and not begun stands in the stream still: what takes it back has to stand behind it.
        withdrawn = tuple(Withdraw(request=request) for request in self._answering.waiting)
        return Step(line=withdrawn, stops_reply=self._answering.active is not None)

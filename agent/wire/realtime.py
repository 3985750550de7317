"""`/v1/realtime`: the OpenAI Realtime protocol with emotion on top, as a pure state machine.

What a client asks for goes into the stream, to take effect after the sound it sent before; what the session says comes
back as events. Knows no socket, task or clock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from streaming.events import AudioDropped, EngineTrouble, SpeechEnded

from ..events import ReplyDelta, ReplyDone, ReplyRefused, ReplyStarted, ToolCalled
from .answering import Answering
from .dialect import Step
from .expression import Expression, wants
from .extension import history_events
from .faults import WireFault, error_event
from .hearing import Hearing
from .holding import Holding
from .ids import Ids
from .inbound import parse
from .items import Items
from .requests import Requests
from .settings import MODEL, SessionInfo, SessionSettings, of_query
from .warning import warnings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.events import Samples

    from ..behaviour import Behaviour
    from ..events import EmotionSource, SessionEvent
    from .dialect import HistoryRequest, ServerEvent
    from .inbound import ClientEvent

BROKEN: Final = "something went wrong here and the message came to nothing; the session goes on"


class RealtimeDialect:
    """One session's protocol (`agent.wire.dialect.Dialect`)."""

    def __init__(
        self,
        *,
        session: str,
        query: Mapping[str, str],
        defaults: Behaviour,
        info: SessionInfo,
        model: str = MODEL,
        fails_loudly: bool = False,
    ) -> None:
        """Begin a session.

        Args:
            session: its id.
            query: of the address that the client connected to (`agent.wire.settings.of_query`).
            defaults: how the session behaves where the client says nothing.
            info: what the client may be told of it.
            model: its name where the client gives none.
            fails_loudly: a mistake of ours is raised, not told as `server_error`: for tests.
        """
        self._ids = Ids(session)
        self._items = Items()
        self._hearing = Hearing(self._ids, self._items)
        self._holding = Holding()
        self._answering = Answering(self._ids, self._items)
        self._expression = Expression(self._ids)
        self._requests = Requests(
            self._ids,
            items=self._items,
            answering=self._answering,
            settings=of_query(query, session=session, model=model, defaults=defaults),
            info=info,
        )
        self._trouble = ""
        self._is_new = True
        self._fails_loudly = fails_loudly

    @property
    def settings(self) -> SessionSettings:
        """The settings in effect."""
        return self._requests.settings

    @property
    def has_consent(self) -> bool | None:
        """What the user says to emotion being read; None: nothing."""
        return self.settings.attune.consent

    @property
    def emotion(self) -> EmotionSource:
        """What emotion may be read from."""
        return self.settings.emotion

    def open(self) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return [self._event("session.created", session=self.settings.as_event()), *self._requests.introduction()]

    def receive(self, message: str | bytes) -> Step:
        """See `agent.wire.dialect.Dialect`."""
        step = self._received(message)
        if self._is_new:
            # How the session begins goes before what was asked for first.
            self._is_new = False
            step = replace(step, line=(*self._requests.changes(), *step.line))
        return step

    def _received(self, message: str | bytes) -> Step:
        event: ClientEvent | None = None
        try:
            event = parse(message)
            return self._requests.do(event)
        except WireFault as fault:
            fault.event_id = fault.event_id or (None if event is None else event.event_id)
            return self._refused(fault)
        except Exception:  # A session boundary: a message that we cannot cope with must not end a conversation.
            if self._fails_loudly:
                raise
            return self._refused(WireFault("server_error", BROKEN, event_id=None if event is None else event.event_id))

    def _refused(self, fault: WireFault) -> Step:
        return Step(events=(error_event(self._ids, fault),), fault=fault.code)

    def tell(self, event: SessionEvent) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        # Before its first words there is nothing to be stopped: who goes on talking is shown at once.
        is_over_reply = self._answering.speaking is not None and self.settings.interrupts
        passed = self._holding.passed(event, is_over_reply=is_over_reply)
        told = [each for one in passed for each in self._told(one)]
        return told + self._released() if isinstance(event, ReplyDone) else told

    def _released(self) -> list[ServerEvent]:
        return [each for one in self._holding.release() for each in self._told(one)]

    def _told(self, event: SessionEvent) -> list[ServerEvent]:
        match event:
            case ReplyStarted() | ReplyRefused() | ReplyDelta() | ToolCalled() | ReplyDone():
                return self._answered(event)
            case EngineTrouble(engine="responder", message=message):
                self._trouble = message
                return []
            case _:
                return self._hearing.tell(event, self.settings) + self._expressed(event) + self._warned(event)

    def _answered(self, event: ReplyStarted | ReplyRefused | ReplyDelta | ToolCalled | ReplyDone) -> list[ServerEvent]:
        match event:
            case ReplyStarted():
                self._trouble = ""
                return self._answering.started(event, self.settings)
            case ReplyRefused():
                return self._answering.refused(event)
            case ReplyDelta():
                return self._answering.delta(event)
            case ToolCalled():
                return self._answering.called(event)
            case ReplyDone():
                return self._answering.done(event, trouble=self._trouble)

    def _expressed(self, event: SessionEvent) -> list[ServerEvent]:
        utterance: int | None = getattr(event, "utterance", None)
        item_id = None if utterance is None else self._items.of_utterance(utterance)
        if item_id is None or not self.settings.attune.events:
            return []
        turn_id = f"{self.settings.session}-{utterance}"
        return self._expression.tell(event, options=self.settings.attune, item_id=item_id, turn_id=turn_id)

    def _warned(self, event: SessionEvent) -> list[ServerEvent]:
        if not isinstance(event, AudioDropped | SpeechEnded) or not wants(self.settings.attune, "session"):
            return []
        utterance: int | None = getattr(event, "utterance", None)
        item_id = None if utterance is None else self._items.of_utterance(utterance)
        return warnings(event, ids=self._ids, item_id=item_id)

    def sound(self, samples: Samples) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return self._answering.sound(samples)

    def moved(self, action: Literal["duck", "resume"]) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        if not wants(self.settings.attune, "floor"):
            return []
        return [self._event("attune.floor", action=action, item_id=self._answering.speaking)]

    def history(self, request: HistoryRequest, answer: dict[str, Any] | str) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return history_events(request, answer, self._ids)

    def fault(self, code: str, message: str, *, event_id: str | None = None) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return [error_event(self._ids, WireFault(code, message, event_id=event_id))]

    def ending(self, *, in_s: float, reason: str) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return self._of_session("attune.session.ending", in_s=in_s, reason=reason)

    def resumed(self, *, n_replayed: int) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return self._of_session("attune.session.resumed", n_replayed=n_replayed)

    def close(self) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return self._released()

    def _of_session(self, kind: str, **values: object) -> list[ServerEvent]:
        return [self._event(kind, **values)] if wants(self.settings.attune, "session") else []

    def _event(self, kind: str, **values: object) -> ServerEvent:
        return {"type": kind, "event_id": self._ids.event(), **values}

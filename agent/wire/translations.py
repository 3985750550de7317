"""`/v1/realtime/translations`: sound in, its translation out, without turns. A pure state machine.

OpenAI's events for it, and Attune's own for those who ask: emotion, prosody, hypotheses. Each utterance is translated
as it ends; what comes is only ever added to, never taken back. Knows no socket, task or clock.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from streaming.events import EngineTrouble, SpeechDropped, SpeechStarted, Transcript

from ..events import ReplyDelta, ReplyDone, ReplyStarted
from .codec import PCM24, Decoder, Encoder
from .dialect import Step
from .expression import Expression, ms, wants
from .extension import correction, history_events, history_step
from .faults import WireFault, error_event
from .ids import Ids
from .inbound import Append, parse
from .items import Items
from .schema.attune import EmotionCorrect, HistoryDelete, HistoryExport, HistoryList
from .schema.translations import TranslationClose, TranslationUpdate
from .settings import MODEL
from .translation_settings import TranslationSettings, of_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.events import Samples

    from ..behaviour import Behaviour
    from ..events import EmotionSource, SessionEvent
    from .dialect import HistoryRequest, ServerEvent
    from .inbound import ClientEvent
    from .settings import SessionInfo

BROKEN: Final = "something went wrong here and the message came to nothing; the session goes on"


class TranslationDialect:
    """One translation session's protocol (`agent.wire.dialect.Dialect`)."""

    def __init__(  # noqa: PLR0913 - by name only; the realtime dialect's, and when the session ends
        self,
        *,
        session: str,
        query: Mapping[str, str],
        defaults: Behaviour,
        info: SessionInfo,
        model: str = MODEL,
        expires_at: int = 0,
        fails_loudly: bool = False,
    ) -> None:
        """Begin a session.

        Args:
            session: its id.
            query: of the address that the client connected to (`agent.wire.translation_settings.of_query`).
            defaults: how the session behaves where the client says nothing.
            info: what the client may be told of it.
            model: its name where the client gives none.
            expires_at: when it ends at the latest, seconds since 1970; the protocol wants some number.
            fails_loudly: a mistake of ours is raised, not told as `server_error`: for tests.
        """
        self._ids = Ids(session)
        self._info = info
        self._settings = of_query(query, session=session, model=model, defaults=defaults, expires_at=expires_at)
        # There are no items here; the events of an utterance name one all the same, as everywhere.
        self._items = Items()
        self._expression = Expression(self._ids)
        self._decoder = Decoder(PCM24)
        self._encoder = Encoder(PCM24)
        self._heard = _Words()
        self._said = _Words()
        self._at_ms = 0
        self._trouble = ""
        self._is_new, self._is_closing = True, False
        self._fails_loudly = fails_loudly

    @property
    def settings(self) -> TranslationSettings:
        """The settings in effect."""
        return self._settings

    @property
    def target(self) -> str:
        """Language code of the translation; empty: none is named yet, and nothing is translated."""
        return self._settings.target or ""

    @property
    def has_consent(self) -> bool | None:
        """What the user says to emotion being read; None: nothing."""
        return self._settings.attune.consent

    @property
    def emotion(self) -> EmotionSource:
        """What emotion may be read from."""
        return self._settings.emotion

    def open(self) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return [self._event("session.created", session=self._settings.as_event()), *self._introduction()]

    def receive(self, message: str | bytes) -> Step:
        """See `agent.wire.dialect.Dialect`."""
        event: ClientEvent | None = None
        try:
            event = parse(message, endpoint="translations")
            step = self._do(event)
        except WireFault as fault:
            fault.event_id = fault.event_id or (None if event is None else event.event_id)
            step = self._refused(fault)
        except Exception:  # A session boundary: a message that we cannot cope with must not end a conversation.
            if self._fails_loudly:
                raise
            step = self._refused(WireFault("server_error", BROKEN, event_id=None if event is None else event.event_id))
        if self._is_new:
            # How the session begins goes before what was asked for first.
            self._is_new = False
            step = replace(step, line=(self._settings.behaviour(), *step.line))
        return step

    def _refused(self, fault: WireFault) -> Step:
        return Step(events=(error_event(self._ids, fault),), fault=fault.code)

    def _do(self, event: ClientEvent) -> Step:
        if self._is_closing:
            raise WireFault("out_of_order", "the session is closing, expected nothing after session.close")
        match event:
            case Append():
                return self._append(event.audio)
            case TranslationUpdate():
                return self._update(event)
            case TranslationClose():
                self._is_closing = True
                rest = self._decoder.flush()
                return Step(line=(rest,) if len(rest) else (), n_sound=len(rest), ends="flush")
            case EmotionCorrect():
                return Step(line=(correction(event, self._items),))
            case HistoryList() | HistoryExport() | HistoryDelete():
                return history_step(event, self._info)
            case _:
                raise WireFault("unknown_event", f"{event.type} is of another endpoint, expected one of this")

    def _append(self, data: bytes) -> Step:
        samples = self._decoder.feed(data)
        faults = [WireFault(doubt.code, doubt.message, param="audio") for doubt in self._decoder.doubts()]
        told = tuple(error_event(self._ids, fault) for fault in faults if fault.code == "suspect_audio")
        return Step(line=(samples,) if len(samples) else (), n_sound=len(samples), events=told)

    def _update(self, event: TranslationUpdate) -> Step:
        before = self._settings
        self._settings = after = before.merged(event.session.model_dump(exclude_unset=True))
        told = [self._event("session.updated", session=after.as_event())]
        if not wants(before.attune, "session"):
            told += self._introduction()
        behaviour = after.behaviour()
        is_other = not self._is_new and asdict(behaviour) != asdict(before.behaviour())
        return Step(line=(behaviour,) if is_other else (), events=tuple(told))

    def tell(self, event: SessionEvent) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        match event:
            case SpeechStarted():
                self._items.name(event.utterance, self._ids.item())
                told: list[ServerEvent] = []
            case SpeechDropped():
                self._items.unname(event.utterance)
                told = []
            case Transcript():
                told = self._input(event)
            case ReplyStarted() | ReplyDelta() | ReplyDone():
                told = self._output(event)
            case EngineTrouble(engine="responder", message=message):
                self._trouble = message
                told = []
            case _:
                told = []
        return told + self._expressed(event)

    def _input(self, event: Transcript) -> list[ServerEvent]:
        """Return the words of the user that are certain now."""
        words = event.text.split()
        new = self._heard.new(words if event.is_final else words[: event.n_stable], is_last=event.is_final)
        if not new or self._settings.transcription is None:
            return []
        self._heard.part()
        delta = self._heard.joined(" ".join(new))
        return [self._event("session.input_transcript.delta", delta=delta, elapsed_ms=ms(event.at_s))]

    def _output(self, event: ReplyStarted | ReplyDelta | ReplyDone) -> list[ServerEvent]:
        match event:
            case ReplyStarted():
                self._at_ms, self._trouble = ms(event.at_s), ""
                self._said.part()
                return []
            case ReplyDelta():
                delta = self._said.joined(event.text)
                return [self._event("session.output_transcript.delta", delta=delta, elapsed_ms=self._at_ms)]
            case ReplyDone():
                rest = self._sounded(self._encoder.flush())
                if event.ended_by != "engine":
                    return rest
                message = self._trouble or "the engine that translates failed; what follows may be translated again"
                return [*rest, *self.fault("engine_failed", message)]

    def _expressed(self, event: SessionEvent) -> list[ServerEvent]:
        utterance: int | None = getattr(event, "utterance", None)
        options = self._settings.attune
        item_id = None if utterance is None else self._items.of_utterance(utterance)
        if item_id is None or not options.events:
            return []
        turn_id = f"{self._settings.session}-{utterance}"
        return self._expression.tell(event, options=options, item_id=item_id, turn_id=turn_id)

    def sound(self, samples: Samples) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        return self._sounded(self._encoder.feed(samples))

    def _sounded(self, data: bytes) -> list[ServerEvent]:
        if not data:
            return []
        delta = b64encode(data).decode("ascii")
        told = {"delta": delta, "format": "pcm16", "sample_rate": PCM24["rate"], "channels": 1}
        return [self._event("session.output_audio.delta", **told, elapsed_ms=self._at_ms)]

    def moved(self, action: Literal["duck", "resume"]) -> list[ServerEvent]:
        """See `agent.wire.dialect.Dialect`."""
        is_wanted = wants(self._settings.attune, "floor")
        return [self._event("attune.floor", action=action, item_id=None)] if is_wanted else []

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
        return [*self._sounded(self._encoder.flush()), self._event("session.closed")]

    def _introduction(self) -> list[ServerEvent]:
        if not wants(self._settings.attune, "session"):
            return []
        info, settings = self._info, self._settings
        told = {"session": settings.session, "resume_token": info.resume_token, "notice": info.notice}
        return [self._event("attune.session.info", **told, emotion=settings.emotion, profile=info.profile)]

    def _of_session(self, kind: str, **values: object) -> list[ServerEvent]:
        return [self._event(kind, **values)] if wants(self._settings.attune, "session") else []

    def _event(self, kind: str, **values: object) -> ServerEvent:
        return {"type": kind, "event_id": self._ids.event(), **values}


class _Words:
    """Text that is only ever added to, with the spaces that part one stretch of it from the next."""

    def __init__(self) -> None:
        self._n_seen = 0
        self._ends_open = False
        self._gap = ""

    def new(self, words: list[str], *, is_last: bool) -> list[str]:
        """Return what is new of an utterance of which these are the words so far; `is_last`: all of them."""
        new = words[self._n_seen :]
        self._n_seen = 0 if is_last else max(self._n_seen, len(words))
        return new

    def part(self) -> None:
        """A new stretch begins: it is parted from what was told before."""
        self._gap = " " if self._ends_open else ""

    def joined(self, text: str) -> str:
        """Return `text` as it goes on from what was told before."""
        gap, self._gap = self._gap, ""
        self._ends_open = not text[-1:].isspace()
        return gap + text

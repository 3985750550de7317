"""What all conversations of a server share: engines, voices, worker processes, the turn log; each has its own session.

The edge between sessions and whoever carries them: knows no socket and no protocol.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from streaming.errors import EngineFailed
from streaming.listener import ListenerSettings
from streaming.pipeline import listen

from .assembly import forget, usual_speech
from .backends.emotion.description import DescriptionReader
from .backends.reply.reflective import ReflectiveResponder
from .behaviour import Behaviour
from .conversation import Conversation
from .interpreting import Interpreter, InterpretersVoice
from .keeping import SessionLog
from .ports import ToolCalling
from .preparation import Engines
from .recording.witness import Nobody
from .safety import helpline, read_helplines
from .session import Session, SessionSettings
from .turnlog import TurnLog

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from streaming.listener import Listener
    from streaming.sources import LiveSource

    from .backends.choose import ProfileEngines
    from .config import Config
    from .events import EmotionSource, SessionEvent
    from .loudspeaker import Sink
    from .ports import LanguageModel, Responder, Speech
    from .recording.witness import Witness

NOTICE = "Attune is a program. It reads what your words and voice express, which may not be what you feel."
RECORDED = "This conversation is recorded: your voice, your words and the answers."


class Listeners(Protocol):
    """Opens a listener for each speaker; what they share is loaded once."""

    def listener(self, settings: ListenerSettings) -> Listener:
        """Return a listener for one speaker, closed by the caller. Returns at once.

        Raises:
            EngineFailed: an engine does not start.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a user agreed to: that emotion is read at all, and from what."""

    given: bool
    source: EmotionSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One conversation that a server holds.

    Attributes:
        session: its id.
        source: what the user says; closing it ends the conversation.
        sink: where the answer sounds.
        tell: takes every event, in order.
        consent: asked when the first turn is kept.
        target: of a translation, asked for each utterance, as a BCP 47 tag; None: the agent answers.
        began: is given the session, to stop its replies.
        keeps: turns go to the turn log.
        witness: stands by, to record it or to have it happen again.
    """

    session: str
    source: LiveSource
    sink: Sink
    tell: Callable[[SessionEvent], Awaitable[None]]
    consent: Callable[[], Consent]
    target: Callable[[], str] | None = None
    began: Callable[[Session], None] = lambda _: None
    keeps: bool = True
    witness: Witness = field(default_factory=Nobody)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Holds conversations over shared engines. Made by `open_host`.

    What has to be waited for is waited for in threads; sound is worked through on the event loop, since handing every
    100 ms of it to a thread would cost more than the work.
    """

    engines: ProfileEngines
    config: Config
    speech: Speech
    listeners: Listeners
    log: TurnLog | None = None
    settings: SessionSettings = field(default_factory=lambda: SessionSettings(lockstep=False))

    @property
    def profile(self) -> str:
        """Name of the engines' profile."""
        return self.engines.profile

    @property
    def behaviour(self) -> Behaviour:
        """How sessions behave where a program says nothing."""
        return Behaviour(emotion=self.config.emotion, speaks=self.has_voice)

    @property
    def has_voice(self) -> bool:
        """Whether answers can be voiced."""
        return self.speech.name != "none"

    @property
    def has_tools(self) -> bool:
        """Whether a language model here can ask for tools."""
        return isinstance(self.engines.responder, ToolCalling)

    def require_translation(self) -> LanguageModel:
        """Return what translates.

        Raises:
            EngineFailed: there is no language model.
        """
        if self.engines.language_model is None:
            raise EngineFailed(
                f"translation needs a language model and profile {self.profile} has none here: attune setup gets one"
            )
        return self.engines.language_model

    async def hold(self, guest: Guest) -> None:
        """Hold one conversation until its source is closed.

        Raises:
            StreamingError, AgentError: an engine does not start, or the conversation cannot go on.
        """
        # Live, a partial transcript comes when it is there; the line does not stand still.
        settings = ListenerSettings(waits_for_partials=False)
        listener = await anyio.to_thread.run_sync(lambda: self.listeners.listener(settings))
        witness = guest.witness
        witness.listener(listener)
        try:
            session = self._session(guest)
            guest.began(session)
            heard = listen(
                witness.source(guest.source),
                listener,
                backlog_s=witness.backlog_s(lambda: guest.source.waiting_s),
                inline=True,
                passes_over=lambda: session.is_idle,
            )
            await witness.attend(session, witness.heard(heard))
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(listener.close)
            if self.engines.language_model is not None:
                forget(self.engines.language_model, guest.session)

    def _session(self, guest: Guest) -> Session:
        engines, config = self.engines, self.config
        responder: Responder = engines.responder
        speech = self.speech
        target = guest.witness.target(guest.target)
        if target is not None:
            responder = Interpreter(self.require_translation(), target=target)
            speech = InterpretersVoice(speech, target=target, may_change=config.voice == "auto")
        log = self.log if guest.keeps else None
        return Session(
            Conversation(session=guest.session, locale=config.locale),
            engines=Engines(
                recognizer=engines.recognizer,
                responder=responder,
                speech=speech,
                log=None if log is None else SessionLog(log, locale=config.locale, consent=guest.consent),
                stand_in=ReflectiveResponder() if guest.target is None else None,
                corrector=DescriptionReader(model=engines.language_model),
            ),
            sink=guest.sink,
            tell=guest.witness.tell(guest.tell),
            settings=replace(self.settings, timing=guest.witness),
        )


@asynccontextmanager
async def open_host(
    engines: ProfileEngines,
    *,
    config: Config,
    listeners: Listeners,
    keeps: bool = True,
    note: Callable[[str], None],
) -> AsyncGenerator[Host]:
    """Give what a server's conversations share; engines and listeners are closed by the caller.

    Raises:
        AgentError: the turn log cannot be opened, or the settings' crisis lines cannot be read.
    """
    speech = await anyio.to_thread.run_sync(usual_speech, engines, config, note)
    place = helpline(config.locale, read_helplines(config.helplines))
    settings = SessionSettings(emotion=config.emotion, lockstep=False, place=place)
    host = Host(engines=engines, config=config, speech=speech, listeners=listeners, settings=settings)
    if not keeps:
        yield host
        return
    async with TurnLog.open(config.database) as log:
        yield replace(host, log=log)

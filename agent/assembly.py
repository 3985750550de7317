"""Puts a conversation together from a user's settings: engines, loudspeaker, log, listener, session."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio

from streaming.backends.embedded import embedded_listener
from streaming.errors import DeviceUnavailable
from streaming.listener import ListenerSettings
from streaming.pipeline import listen
from streaming.sources import LiveSource

from .backends.reply.reflective import ReflectiveResponder
from .backends.tts.choose import choose_speech
from .conversation import Conversation
from .loudspeaker import Loudspeaker, SilentSink
from .preparation import Engines
from .safety import helpline, read_helplines
from .session import Session, SessionSettings
from .turnlog import TurnLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
    from pathlib import Path

    from streaming.backends.choose import Transcribers
    from streaming.listener import Listener
    from streaming.pipeline import Heard
    from streaming.sources import Sound

    from .backends.choose import ProfileEngines
    from .config import Config
    from .events import SessionEvent
    from .loudspeaker import Sink
    from .ports import Speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What one conversation is to be.

    Attributes:
        is_live: the sound comes from a microphone and the answer goes to a loudspeaker; else from files, in lockstep.
        speaks: answers are voiced; else they are only written.
        keeps: turns go to the turn log.
        session: id of the session; None makes a new one.
    """

    is_live: bool
    speaks: bool = True
    keeps: bool = True
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told: `tell` of every event in order, `level` of each block's level in dB, `note` of what to know."""

    tell: Callable[[SessionEvent], Awaitable[None]]
    level: Callable[[float], None]
    note: Callable[[str], None]


async def converse(
    source: AsyncIterable[Sound], *, engines: ProfileEngines, config: Config, talk: Talk, audience: Audience
) -> None:
    """Hold one conversation until `source` ends. The engines stay loaded: others may share them.

    Raises:
        StreamingError, AgentError: the source, or the turn log, cannot be used.
    """
    settings = _settings(config, talk)
    async with AsyncExitStack() as stack:
        listener = await anyio.to_thread.run_sync(lambda: listener_of(engines.transcribers, is_live=talk.is_live))
        stack.callback(listener.close)
        speech = _speech(engines, config, talk)
        if speech.name == "none" and talk.speaks and config.voice != "none" and engines.speech is None:
            audience.note("no voice on PATH, answers are written only: install flite or espeak-ng")
        sink = _sink(talk, speech, audience.note)
        stack.callback(sink.close)
        log = await stack.enter_async_context(TurnLog.open(config.database)) if talk.keeps else None
        # Also where nothing is kept an id of its own: it seeds the choice of words.
        session_id = talk.session or uuid4().hex[:12]
        if engines.language_model is not None:
            # The model lives on with other conversations; what it keeps of this one goes.
            stack.callback(engines.language_model.forget, session_id)
        if log is not None:
            await _begin(log, session_id, config=config, talk=talk)
        session = Session(
            Conversation(session=session_id, locale=config.locale),
            engines=Engines(
                recognizer=engines.recognizer,
                responder=engines.responder,
                speech=speech,
                log=log,
                stand_in=ReflectiveResponder(),
            ),
            sink=sink,
            tell=audience.tell,
            settings=settings,
        )
        # How far a live source is ahead tells the listener to hurry.
        backlog_s = (lambda: source.waiting_s) if isinstance(source, LiveSource) else None
        heard = listen(aiter(source), listener, gate=session.gate, backlog_s=backlog_s)
        await session.run(_watched(heard, audience.level))


async def _begin(log: TurnLog, session_id: str, *, config: Config, talk: Talk) -> None:
    await log.start_session(
        session_id,
        locale=config.locale,
        # Whoever talks has read the notice; who speaks in a recording has not.
        consent=talk.is_live and config.emotion != "off",
        emotion_source=config.emotion,
    )


def _settings(config: Config, talk: Talk) -> SessionSettings:
    return SessionSettings(
        emotion=config.emotion,
        lockstep=not talk.is_live,
        half_duplex=talk.is_live and config.duplex == "half",
        place=helpline(config.locale, read_helplines(config.helplines)),
    )


def listener_of(transcribers: Transcribers | None, *, is_live: bool = False) -> Listener:
    """Return a listener for one speaker, with the embedded engine unless another one is loaded.

    Live, a partial transcript of an engine that takes its time comes when it is there; the line does not stand still.

    Raises:
        EngineFailed: an engine does not start.
    """
    if transcribers is None:
        return embedded_listener()
    return embedded_listener(ListenerSettings(waits_for_partials=not is_live), transcriber=transcribers.open)


def _speech(engines: ProfileEngines, config: Config, talk: Talk) -> Speech:
    """Return who speaks: nobody, the voice that the settings name, or that of the profile."""
    if not talk.speaks:
        return choose_speech("none")
    if config.voice != "auto" or engines.speech is None:
        return choose_speech(config.voice)
    return engines.speech


def session_of_files(paths: Iterable[Path]) -> str:
    """Return the session id of a conversation from files: the same sound is the same session, saved once."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return f"file-{digest.hexdigest()[:12]}"


def _sink(talk: Talk, speech: Speech, note: Callable[[str], None]) -> Sink:
    """Return where the answer sounds; without a loudspeaker a live conversation goes on in writing."""
    if not talk.is_live or speech.name == "none":
        return SilentSink()
    try:
        return Loudspeaker()
    except DeviceUnavailable as trouble:
        note(f"answers are written only: {trouble}")
        return SilentSink()


async def _watched(heard: AsyncIterator[Heard], level: Callable[[float], None]) -> AsyncIterator[Heard]:
    async for block in heard:
        level(block.level_db)
        yield block

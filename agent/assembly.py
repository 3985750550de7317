"""Puts a conversation together from a user's settings: engines, loudspeaker, log, listener, session."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio

from streaming.backends.embedded import embedded_listener
from streaming.errors import DeviceUnavailable, EngineFailed
from streaming.listener import ListenerSettings
from streaming.pipeline import listen
from streaming.sources import LiveSource

from .backends.emotion.description import DescriptionReader
from .backends.reply.reflective import ReflectiveResponder
from .backends.reply.translator import LanguageModelTranslator
from .backends.tts.choose import choose_speech
from .backends.tts.tongues import speech_in
from .conversation import Conversation
from .earlier import earlier_turns
from .loudspeaker import Loudspeaker, SilentSink
from .preparation import Engines
from .recording.witness import Nobody
from .safety import helpline, read_helplines
from .session import Session, SessionSettings
from .translation.languages import language_name
from .turnlog import TurnLog

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
    from pathlib import Path

    from streaming.backends.choose import Transcribers
    from streaming.events import Samples
    from streaming.listener import Listener
    from streaming.pipeline import Heard
    from streaming.sources import Sound

    from .backends.choose import ProfileEngines
    from .config import Config
    from .events import SessionEvent, Turn
    from .loudspeaker import Sink
    from .ports import LanguageModel, Responder, Speech
    from .recording.witness import Witness
    from .translation.condition import TranslationCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What one conversation is to be.

    Attributes:
        is_live: the sound comes from a microphone and the answer goes to a loudspeaker; else from files, in lockstep.
        speaks: answers are voiced; else they are only written.
        keeps: turns go to the turn log.
        session: id of the session; None makes a new one.
        translation: instead of answering, say what the user says in another language; None answers.
        sink: where answers sound; None: as the rest of this says.
    """

    is_live: bool
    speaks: bool = True
    keeps: bool = True
    session: str | None = None
    translation: TranslationCondition | None = None
    sink: Sink | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told: `tell` of every event in order, `level` of each block's level in dB, `note` of what to know."""

    tell: Callable[[SessionEvent], Awaitable[None]]
    level: Callable[[float], None]
    note: Callable[[str], None]


async def converse(
    source: AsyncIterable[Sound],
    *,
    engines: ProfileEngines,
    config: Config,
    talk: Talk,
    audience: Audience,
    witness: Witness | None = None,
) -> None:
    """Hold one conversation until `source` ends. The engines stay loaded: others may share them.

    `witness` stands by, to record it or to have it happen again.

    Raises:
        StreamingError, AgentError: the source, or the turn log, cannot be used; or nothing here can translate.
    """
    witness = witness or Nobody()
    settings = replace(_settings(config, talk), timing=witness)
    responder = _responder(engines, talk, audience.note)
    async with AsyncExitStack() as stack:
        listener = await anyio.to_thread.run_sync(lambda: listener_of(engines.transcribers, is_live=talk.is_live))
        stack.callback(listener.close)
        witness.listener(listener)
        speech = await anyio.to_thread.run_sync(_speech, engines, config, talk, audience.note)
        sink = talk.sink or _sink(talk, speech, audience.note)
        stack.callback(sink.close)
        session_id = _session_id(talk)
        log = await stack.enter_async_context(_log(session_id, config=config, talk=talk)) if talk.keeps else None
        if engines.language_model is not None:
            stack.callback(forget, engines.language_model, session_id)
        session = Session(
            Conversation(session=session_id, locale=config.locale, before=await _before(session_id, config, talk)),
            engines=replace(_engines(engines, talk, speech), responder=responder, log=log),
            sink=sink,
            tell=witness.tell(audience.tell),
            settings=settings,
        )
        heard = _listen(source, listener, gate=session.gate, witness=witness)
        await witness.attend(session, witness.heard(_watched(heard, audience.level)))


def _listen(
    source: AsyncIterable[Sound], listener: Listener, *, gate: Callable[[Samples], Samples], witness: Witness
) -> AsyncIterator[Heard]:
    # How far a live source is ahead tells the listener to hurry.
    backlog_s = (lambda: source.waiting_s) if isinstance(source, LiveSource) else None
    return listen(
        witness.source(aiter(source), gate=gate),
        listener,
        gate=None if witness.gates else gate,
        backlog_s=witness.backlog_s(backlog_s),
    )


def _engines(engines: ProfileEngines, talk: Talk, speech: Speech) -> Engines:
    """Return what a session thinks and speaks with, as the profile has it."""
    return Engines(
        recognizer=engines.recognizer,
        responder=engines.responder,
        speech=speech,
        stand_in=ReflectiveResponder() if talk.translation is None else None,
        corrector=DescriptionReader(model=engines.language_model),
    )


def _session_id(talk: Talk) -> str:
    """Return the session's id, a new one where none is given; translated, the same sound is another session."""
    # Also where nothing is kept there is one: it seeds the choice of words.
    name = talk.session or uuid4().hex[:12]
    return name if talk.translation is None else f"{name}-to-{talk.translation.target}"


async def _before(session_id: str, config: Config, talk: Talk) -> tuple[Turn, ...]:
    """Return what may come to mind of earlier conversations: nothing unless the user, who is here, asked for it."""
    if config.memory != "log" or not (talk.keeps and talk.is_live):
        return ()
    return await anyio.to_thread.run_sync(lambda: earlier_turns(config.database, other_than=session_id))


@asynccontextmanager
async def _log(session_id: str, *, config: Config, talk: Talk) -> AsyncGenerator[TurnLog]:
    async with TurnLog.open(config.database) as log:
        await log.start_session(
            session_id,
            locale=config.locale,
            # Whoever talks has read the notice; who speaks in a recording has not.
            consent=talk.is_live and config.emotion != "off",
            emotion_source=config.emotion,
        )
        yield log


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


def _responder(engines: ProfileEngines, talk: Talk, note: Callable[[str], None]) -> Responder:
    """Return who answers, or translates.

    Raises:
        EngineFailed: a translation is wanted and there is no language model.
    """
    if talk.translation is None:
        return engines.responder
    if engines.language_model is None:
        raise EngineFailed(
            f"translation needs a language model and profile {engines.profile} has none here: attune setup gets one, "
            "or name a profile that has one (--profile)"
        )
    return LanguageModelTranslator(engines.language_model, talk.translation, note=note)


def forget(model: LanguageModel, session_id: str) -> None:
    """Free what the model keeps of a session: it lives on with other conversations."""
    for conversation in (session_id, f"{session_id}/emotion", f"{session_id}/translation"):
        model.forget(conversation)


def _speech(engines: ProfileEngines, config: Config, talk: Talk, note: Callable[[str], None]) -> Speech:
    """Return who speaks: nobody, the voice that the settings name, or that of the profile; in the right language."""
    if not talk.speaks:
        return choose_speech("none")
    usual = usual_speech(engines, config, note)
    if usual.name == "none" or talk.translation is None:
        return usual
    target = talk.translation.target
    speech = speech_in(target, usual=usual, may_change=config.voice == "auto")
    if speech.name == "none":
        note(f"no voice here speaks {language_name(target)}, translations are written only: install espeak-ng")
    return speech


def usual_speech(engines: ProfileEngines, config: Config, note: Callable[[str], None]) -> Speech:
    """Return the voice that the settings name, or that of the profile, or the best on PATH; `note` is told of none."""
    is_named = config.voice != "auto"
    speech = choose_speech(config.voice) if is_named or engines.speech is None else engines.speech
    if speech.name == "none" and not is_named and engines.speech is None:
        note("no voice on PATH, answers are written only: install flite or espeak-ng")
    return speech


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

"""A session over the wire: what the client sends goes into the stream, what the session says goes to the client."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import numpy as np

from streaming.audio import SAMPLE_RATE
from streaming.controls import Clear, Commit, Mark, TurnDetection
from streaming.sources import LiveSource

from ..events import ReplyDone
from ..hosting import NOTICE, RECORDED, Consent, Guest
from ..recording.witness import Nobody
from ..wire.realtime import RealtimeDialect
from ..wire.settings import SessionInfo
from ..wire.translations import TranslationDialect
from .kept import answer_to
from .ports import Received
from .sink import WireSink

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from anyio.abc import TaskGroup

    from streaming.controls import Control
    from streaming.events import Samples

    from ..behaviour import SessionCommand
    from ..events import SessionEvent
    from ..hosting import Host
    from ..recording.recorder import Recordings
    from ..recording.witness import Witness
    from ..session import Session
    from ..wire.dialect import HistoryRequest, ServerEvent, Stop
    from .ports import Opening
    from .sink import Moved

BACKLOG_S = 30.0
"""Sound that may wait for a listener that is behind; more than limits let a client send at once."""


class HostedDialogues:
    """Makes dialogues (`agent.server.ports.Dialogues`) over one host."""

    def __init__(
        self,
        host: Host,
        *,
        has_history: bool = False,
        in_danger: Callable[[], None] = lambda: None,
        recordings: Recordings | None = None,
    ) -> None:
        """Take a host.

        Args:
            host: what all sessions share.
            has_history: every client may list, export and delete what is kept.
            in_danger: called for each answer to somebody who may be in danger; a count, never the words.
            recordings: where each session is recorded, of which its notice tells; None: nowhere.
        """
        self._host = host
        self._recordings = recordings
        self._in_danger = in_danger
        self._has_history = has_history and host.log is not None

    @property
    def is_degraded(self) -> str | None:
        """See `agent.server.ports.Dialogues`."""
        unsaved = 0 if self._host.log is None else self._host.log.n_unsaved
        return f"{unsaved} turns are not on disk" if unsaved > 100 else None

    def open(self, opening: Opening) -> HostedDialogue:
        """Return a new session's dialogue.

        Raises:
            EngineFailed: a translation is asked for and there is no language model.
        """
        host = self._host
        info = SessionInfo(
            resume_token=opening.resume_token,
            notice=NOTICE if self._recordings is None else f"{NOTICE} {RECORDED}",
            profile=host.profile,
            has_tools=host.has_tools,
            has_voice=host.has_voice,
            has_history=self._has_history,
        )
        if opening.endpoint == "translations":
            host.require_translation()
            dialect = _translation(opening, host, info)
        else:
            dialect = _realtime(opening, host, info)
        return HostedDialogue(
            host, dialect, session=opening.session, in_danger=self._in_danger, recordings=self._recordings
        )


def _realtime(opening: Opening, host: Host, info: SessionInfo) -> RealtimeDialect:
    defaults = host.behaviour
    return RealtimeDialect(session=opening.session, query=opening.query, defaults=defaults, info=info)


def _translation(opening: Opening, host: Host, info: SessionInfo) -> TranslationDialect:
    defaults = host.behaviour
    return TranslationDialect(session=opening.session, query=opening.query, defaults=defaults, info=info)


class HostedDialogue:
    """One session (`agent.server.ports.Dialogue`)."""

    def __init__(
        self,
        host: Host,
        dialect: RealtimeDialect | TranslationDialect,
        *,
        session: str,
        in_danger: Callable[[], None] = lambda: None,
        recordings: Recordings | None = None,
    ) -> None:
        self._host = host
        self._in_danger = in_danger
        self._recordings = recordings
        self._dialect = dialect
        self._id = session
        self._source = LiveSource(capacity_s=BACKLOG_S, name="the client")
        self._sink = WireSink(emit=self._sound, moved=self._moved)
        self._session: Session | None = None
        self._is_urgent = False
        self._tasks: TaskGroup | None = None
        self._post: Callable[[Sequence[ServerEvent]], None] | None = None

    async def run(self, post: Callable[[Sequence[ServerEvent]], None]) -> None:
        """See `agent.server.ports.Dialogue`."""
        self._post = post
        self._tell(self._dialect.open())
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                async with self._witness() as witness:
                    await self._host.hold(self._guest(witness))
            finally:
                self._tasks = None
                self._sink.close()
                self._tell(self._dialect.close())
                tasks.cancel_scope.cancel()

    def receive(self, message: str | bytes) -> Received:
        """See `agent.server.ports.Dialogue`."""
        step = self._dialect.receive(message)
        for item in step.line:
            self._put(item)
        self._tell(step.events)
        if step.stops_reply and self._session is not None:
            self._beside(self._session.stop_reply)
        if step.history is not None:
            self._beside(partial(self._recall, step.history))
        if step.ends is not None:
            self.end(step.ends)
        return Received(fault=step.fault, sound_s=step.n_sound / SAMPLE_RATE, ends=step.ends)

    def fault(self, code: str, message: str) -> None:
        """See `agent.server.ports.Dialogue`."""
        self._tell(self._dialect.fault(code, message))

    def ending(self, *, in_s: float, reason: str) -> None:
        """See `agent.server.ports.Dialogue`."""
        self._tell(self._dialect.ending(in_s=in_s, reason=reason))

    def resumed(self, *, n_replayed: int) -> None:
        """See `agent.server.ports.Dialogue`."""
        self._tell(self._dialect.resumed(n_replayed=n_replayed))

    def end(self, how: Stop) -> None:
        """See `agent.server.ports.Dialogue`."""
        if how == "now":
            self._is_urgent = True
            if self._session is not None:
                self._session.leave_now()
                self._beside(self._session.stop_reply)
        self._source.close()

    @asynccontextmanager
    async def _witness(self) -> AsyncGenerator[Witness]:
        """Give who records the session, if anybody does."""
        recordings = self._recordings
        if recordings is None:
            yield Nobody()
            return
        about = {"endpoint": "translations" if isinstance(self._dialect, TranslationDialect) else "realtime"}
        async with recordings.witness(self._id, **about) as witness:
            yield witness

    def _guest(self, witness: Witness) -> Guest:
        dialect = self._dialect
        target = (lambda: dialect.target) if isinstance(dialect, TranslationDialect) else None
        return Guest(
            session=self._id,
            source=self._source,
            sink=self._sink,
            tell=self._heard_of,
            consent=self._consent,
            target=target,
            began=self._began,
            witness=witness,
        )

    def _began(self, session: Session) -> None:
        self._session = session
        if self._is_urgent:
            session.leave_now()

    def _consent(self) -> Consent:
        return Consent(given=self._dialect.has_consent is True, source=self._dialect.emotion)

    async def _heard_of(self, event: SessionEvent) -> None:
        if isinstance(event, ReplyDone) and event.is_crisis:
            self._in_danger()
        self._tell(self._dialect.tell(event))

    def _sound(self, samples: Samples) -> None:
        self._tell(self._dialect.sound(samples))

    def _moved(self, action: Moved) -> None:
        self._tell(self._dialect.moved(action))

    def _put(self, item: Samples | Control | SessionCommand) -> None:
        if isinstance(item, np.ndarray):
            self._source.push(item)
        elif isinstance(item, TurnDetection | Commit | Clear | Mark):
            self._source.push_control(item)
        else:
            self._source.push_control(Mark(value=item))

    def _tell(self, events: Sequence[ServerEvent]) -> None:
        if events and self._post is not None:
            self._post(events)

    def _beside(self, work: Callable[[], object]) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(work)  # pyright: ignore[reportArgumentType] - any coroutine function without arguments

    async def _recall(self, request: HistoryRequest) -> None:
        answer = await anyio.to_thread.run_sync(lambda: answer_to(request, self._host.config.database))
        self._tell(self._dialect.history(request, answer))

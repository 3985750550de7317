"""Carries out what `agent.bargein` decides about the reply that sounds: it gets quieter, louder again, or stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .bargein import BargeIn, Cancel, Duck, Resume

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from streaming.events import ListenerEvent

    from .bargein import BargeInAction, BargeInSettings
    from .loudspeaker import Sink


class Interruptions:
    """What speech over a reply does to it. While it is not heeded it does nothing, and all of it is a turn."""

    def __init__(self, settings: BargeInSettings, *, sink: Sink, stop: Callable[[float], Awaitable[object]]) -> None:
        """Act on `sink`; `stop` ends the reply at a stream time."""
        self._settings = settings
        self._barge_in = BargeIn(settings)
        self._sink = sink
        self._stop = stop
        self._due: list[BargeInAction] = []
        self._are_heeded = True

    def heed(self, *, are_heeded: bool) -> None:
        """Heed speech over replies from here on, or not: what was begun because of it is taken back."""
        if self._are_heeded and not are_heeded:
            if self._barge_in.state == "ducked":
                self._sink.resume()
            self._barge_in = BargeIn(self._settings)
            self._due.clear()
        self._are_heeded = are_heeded

    def is_turn(self, utterance: int) -> bool:
        """Tell whether an utterance is a turn, rather than a sign that somebody listens."""
        return not self._are_heeded or self._barge_in.is_turn(utterance)

    def sounding(self, sentence: str, *, is_first: bool, at_s: float, is_crisis: bool) -> None:
        """The next sentence of a reply sounds from now on."""
        if not self._are_heeded:
            return
        if is_first:
            # Acted on at the next step: this runs inside the answer's own task, which may be what has to be cancelled.
            self._due += self._barge_in.reply_started(at_s=at_s, is_crisis=is_crisis)
        self._barge_in.said(sentence)

    async def catch_up(self) -> None:
        """Do what was still to be done when the last step was over."""
        due, self._due = self._due, []
        await self._act(due)

    async def advance(self, now_s: float) -> None:
        """Let stream time pass."""
        if self._are_heeded:
            await self._act(self._barge_in.advance(now_s))

    async def overhear(self, event: ListenerEvent, *, now_s: float) -> None:
        """Take what the listener says."""
        if self._are_heeded:
            await self._act(self._barge_in.feed(event, now_s=now_s))

    def forget_due(self) -> None:
        """The reply is over: what was still to be done to it must not befall the next one."""
        self._due.clear()

    async def reply_ended(self, *, at_s: float) -> None:
        """The reply has been heard to its end, or was stopped."""
        if self._are_heeded:
            await self._act(self._barge_in.reply_ended(at_s=at_s))

    async def _act(self, actions: Sequence[BargeInAction]) -> None:
        for action in actions:
            match action:
                case Duck():
                    self._sink.duck()
                case Resume():
                    self._sink.resume()
                case Cancel():
                    await self._stop(action.at_s)

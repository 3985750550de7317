"""What is done while the user speaks: rolling estimates, and work ahead of the final one.

In lockstep each step is finished before the next block is heard. Live nothing here holds the stream up: estimates run
in a task, and while one is under way only the newest request waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.events import (
    RollingProsody,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
)

from .newest import Newest
from .speculation import Speculation
from .unfinished import Unfinished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from anyio.abc import TaskGroup

    from streaming.events import ListenerEvent, Utterance

    from .conversation import Conversation
    from .emotion_reader import EmotionReader
    from .events import SessionEvent
    from .speculation import Speculated
    from .timing import Timing


class Meanwhile:
    """Follows an utterance from its first sound to its end."""

    def __init__(
        self,
        reader: EmotionReader,
        *,
        ahead: Iterable[object],
        tell: Callable[[SessionEvent], Awaitable[None]],
        timing: Timing,
    ) -> None:
        """Estimate by `reader` and tell of it; have those of `ahead` that can work ahead."""
        self._reader = reader
        self._tell = tell
        self._unfinished = Unfinished()
        self._speculation = Speculation(ahead)
        self._rolling = Newest[tuple["Utterance", "Conversation"]](
            self._estimate, begins=lambda said: timing.reach("reading", said[0].utterance)
        )
        self.revision = 0
        """How many estimates of the present utterance were begun."""

    def counted(self) -> Speculated:
        """Return what was done ahead since this was last asked."""
        return self._speculation.counted()

    async def feed(self, event: ListenerEvent, conversation: Conversation, *, tasks: TaskGroup | None) -> None:
        """Act on what the listener says; in lockstep, without `tasks`, all is done when this returns."""
        self._unfinished.feed(event)
        match event:
            case SpeechStarted():
                self._rolling.drop()
                self.revision = 0
                await self._speculation.warm(conversation, tasks=tasks)
            case Transcript(is_final=False):
                await self._speculation.warm(conversation, tasks=tasks)
            case RollingProsody() if conversation.behaviour.rolls:
                await self._roll(event.utterance, conversation, tasks)
            case SpeechPaused():
                await self._pause(event, conversation, tasks)
            case SpeechResumed():
                self._speculation.resume()
                await self._speculation.warm(conversation, tasks=tasks)
            case SpeechEnded() | SpeechDropped():
                self._rolling.drop()
                self._speculation.drop()
            case _:
                pass

    async def _roll(self, utterance: int, conversation: Conversation, tasks: TaskGroup | None) -> None:
        snapshot = self._unfinished.snapshot(utterance)
        if snapshot is None:
            return
        if tasks is None:
            await self._estimate((snapshot, conversation))
        else:
            self._rolling.offer((snapshot, conversation), tasks=tasks)

    async def _pause(self, event: SpeechPaused, conversation: Conversation, tasks: TaskGroup | None) -> None:
        snapshot = self._unfinished.snapshot(event.utterance)
        if snapshot is not None:
            await self._speculation.pause(snapshot, conversation, generation=event.generation, tasks=tasks)

    async def _estimate(self, said: tuple[Utterance, Conversation]) -> None:
        """Estimate from what was said so far, while it is being said."""
        snapshot, conversation = said
        if not self._reader.reads_emotion:
            return
        self.revision += 1
        estimate = await self._reader.estimate(snapshot, conversation, revision=self.revision)
        if estimate is not None:
            await self._tell(estimate)

"""What is known of a conversation: the window of turns that engines see, and the log behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answer import turn_of
from .behaviour import Aside
from .keeping import Keeping, Keeps
from .revision import revised, stands, turn_with

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from .answer import Answer
    from .behaviour import Forget
    from .conversation import Conversation
    from .events import EmotionEstimate, SessionEvent, Turn
    from .playback import SpokenReply

_N_TRUNCATABLE = 8
"""Answers whose sound is remembered, so that a program may still say how much of it was heard."""


class Record:
    """Keeps the turns of one session, and revises them; `conversation` is what engines are shown."""

    def __init__(
        self, conversation: Conversation, *, log: Keeps | None, tell: Callable[[SessionEvent], Awaitable[None]]
    ) -> None:
        self.conversation = conversation
        self.keeping = Keeping(log, tell=tell)
        self._spoken: dict[int, SpokenReply] = {}

    def show(self, answer: Answer, *, reply: str = "", interrupted: bool = False) -> None:
        """Put the turn of an answer, as it is by now, into the window; what is read of it later is put in its place."""
        if not answer.is_hidden:
            turn = self.turn_of(answer, reply=reply, interrupted=interrupted)
            self.conversation = self.conversation.with_turn(turn)
        self._spoken[answer.utterance.utterance] = answer.spoken
        while len(self._spoken) > _N_TRUNCATABLE:
            del self._spoken[next(iter(self._spoken))]

    async def log(
        self, answer: Answer, *, reply: str = "", interrupted: bool = False, tasks: TaskGroup | None, waits: bool = True
    ) -> None:
        """Hand the turn of an answer to the log; tell by a task, before returning, or (it must not wait) later."""
        turn = self.turn_of(answer, reply=reply, interrupted=interrupted)
        if tasks is None and not waits:
            await self.keeping.hand_over(turn)
        else:
            await self.keeping.keep(turn, tasks=tasks)

    def note_calls(self, answer: Answer) -> None:
        """Let engines know later what was asked of which tool: the program gives only the result."""
        for call in () if answer.is_apart else answer.calls:
            self.learn(Aside(kind="call", text=call.arguments, call=call.call, name=call.name))

    def turn_of(self, answer: Answer, *, reply: str = "", interrupted: bool = False) -> Turn:
        """Return the turn of an answer as it is so far."""
        return turn_of(answer, session=self.conversation.session, reply=reply, interrupted=interrupted)

    def truncate(self, utterance: int, *, n_played: int) -> None:
        """The user heard only so many samples of an answer, which was kept already: that is what they know of it."""
        turn, spoken = turn_with(self.conversation, utterance), self._spoken.get(utterance)
        if turn is None or spoken is None:
            return
        heard = spoken.heard(n_played).strip()
        if len(heard) < len(turn.reply):
            self.conversation = self.conversation.with_reply(utterance, heard)

    def learn(self, what: Aside | Forget) -> None:
        """Take what a program lets engines know besides, or what they are to forget."""
        if isinstance(what, Aside):
            self.conversation = self.conversation.with_aside(what)
        else:
            self.conversation = self.conversation.without(key=what.key, utterance=what.utterance)

    def revise(self, answer: Answer, estimate: EmotionEstimate) -> bool:
        """Put an estimate where its utterance is by now, the answer or the turn; returns whether it stands there."""
        turn = turn_with(self.conversation, answer.utterance.utterance)
        if turn is not None and not stands(estimate, over=turn.estimate):
            return False
        self.conversation = revised(self.conversation, estimate)
        return answer.revise(estimate)

"""Turns on their way to a slow disk when a session is left."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from agent.events import StorageDegraded, Turn
from agent.keeping import Keeping
from agent.turnlog import Saving

if TYPE_CHECKING:
    from agent.events import SessionEvent

pytestmark = pytest.mark.anyio
TURN = Turn(
    session="s",
    seq=None,
    utterance=1,
    start_s=0.0,
    end_s=1.0,
    text="so",
    nbest=(("so", 1.0),),
    estimate=None,
    prosody_words=(),
    reply="",
    interrupted=False,
    is_crisis=False,
)


class Stuck:
    """A log whose disk never answers."""

    def saving(self, turn: Turn) -> Saving:
        seq: Future[int] = Future()
        seq.set_running_or_notify_cancel()  # as the log's own: who stops waiting does not stop the writing
        return Saving(turn=turn, seq=seq)


async def test_a_disk_that_is_too_slow_is_told_of_even_where_the_session_is_cancelled_and_telling_takes_a_while():
    told: list[SessionEvent] = []

    async def tell(event: SessionEvent) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(event)

    log: Any = Stuck()
    keeping = Keeping(log, tell=tell)
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            await keeping.keep(TURN, tasks=tasks)
        tasks.cancel_scope.cancel()
        await keeping.settle(within_s=0.01)
    assert [type(event) for event in told] == [StorageDegraded, StorageDegraded]

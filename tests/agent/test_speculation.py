"""Work ahead: begun, taken over by newer work, dropped, failing; by engines that wait to be let go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from agent.backends.emotion.scripted import ScriptedRecognizer
from agent.conversation import Conversation
from agent.ports import Explaining, Foresighted
from agent.speculation import Speculated, Speculation
from agent.unfinished import Unfinished
from tests.talking import FarSighted, heard, settled, started

if TYPE_CHECKING:
    from streaming.events import Utterance

pytestmark = pytest.mark.anyio
TALK = Conversation(session="s")


def snapshot(text: str) -> Utterance:
    unfinished = Unfinished()
    for event in [*started(), heard(text)]:
        unfinished.feed(event)
    said = unfinished.snapshot(1)
    assert said is not None
    return said


def held() -> FarSighted:
    engine = FarSighted()
    engine.ahead.hold()
    return engine


def test_who_can_work_ahead_is_told_by_what_it_can_do():
    assert isinstance(FarSighted(), Foresighted)
    assert isinstance(FarSighted(), Explaining)
    assert not isinstance(ScriptedRecognizer(), Foresighted | Explaining)


async def test_in_lockstep_the_work_is_done_when_the_call_returns():
    engine = FarSighted()
    speculation = Speculation([ScriptedRecognizer(), engine])
    await speculation.warm(TALK)
    await speculation.pause(snapshot("i am"), TALK, generation=1)
    assert engine.calls == ["warm", "warm: done", "ahead i am", "ahead i am: done"]
    assert not speculation.is_busy
    assert speculation.counted() == Speculated(n_begun=2, n_done=2)
    assert speculation.counted() == Speculated()


async def test_what_is_warm_is_warmed_again_only_when_the_conversation_went_on():
    engine = FarSighted()
    speculation = Speculation([engine])
    await speculation.warm(TALK)
    await speculation.warm(TALK)
    assert engine.calls.count("warm") == 1
    await speculation.warm(Conversation(session="s", n_left=1))
    assert engine.calls.count("warm") == 2


async def test_a_pause_takes_the_place_of_what_is_under_way_and_warms_as_well():
    engine = held()
    speculation = Speculation([engine])
    async with anyio.create_task_group() as tasks:
        await speculation.warm(TALK, tasks=tasks)
        await settled()
        await speculation.pause(snapshot("i am"), TALK, generation=1, tasks=tasks)
        await settled()
        assert engine.calls == ["warm", "warm: stopped", "ahead i am"]
        engine.ahead.let_go()
        await settled()
        await speculation.warm(TALK, tasks=tasks)
    assert engine.calls[-1] == "ahead i am: done"
    assert speculation.counted() == Speculated(n_begun=2, n_done=1, n_dropped=1)


async def test_a_voice_that_is_back_stops_what_was_begun_at_the_pause_and_nothing_else():
    engine = held()
    speculation = Speculation([engine])
    async with anyio.create_task_group() as tasks:
        await speculation.warm(TALK, tasks=tasks)
        await settled()
        speculation.resume()
        await settled()
        assert engine.calls == ["warm"]
        await speculation.pause(snapshot("i am"), TALK, generation=1, tasks=tasks)
        await settled()
        speculation.resume()
        speculation.resume()
        await settled()
        assert engine.calls[-1] == "ahead i am: stopped"
        await speculation.warm(TALK, tasks=tasks)  # it never got to its end
        engine.ahead.let_go()
    assert engine.calls[-2:] == ["warm", "warm: done"]
    assert speculation.counted() == Speculated(n_begun=3, n_done=1, n_dropped=2)


async def test_of_many_pauses_only_the_last_is_worked_on():
    engine = held()
    speculation = Speculation([engine])
    async with anyio.create_task_group() as tasks:
        for generation in range(1, 6):
            await speculation.pause(snapshot(f"part {generation}"), TALK, generation=generation, tasks=tasks)
        await settled()
        engine.ahead.let_go()
    assert engine.calls == ["ahead part 5", "ahead part 5: done"]
    assert speculation.counted() == Speculated(n_begun=5, n_done=1, n_dropped=4)


async def test_what_is_dropped_is_dropped_once_and_what_comes_after_is_not():
    engine = held()
    speculation = Speculation([engine])
    async with anyio.create_task_group() as tasks:
        speculation.drop()
        await speculation.pause(snapshot("i am"), TALK, generation=1, tasks=tasks)
        await settled()
        speculation.drop()
        speculation.drop()
        assert not speculation.is_busy
        await speculation.pause(snapshot("so sad"), TALK, generation=1, tasks=tasks)
        engine.ahead.let_go()  # in the moment in which the first is being stopped
    assert engine.calls == ["ahead i am", "ahead i am: stopped", "ahead so sad", "ahead so sad: done"]
    assert speculation.counted() == Speculated(n_begun=2, n_done=1, n_dropped=1)


async def test_an_engine_that_fails_is_counted_the_next_is_asked_and_it_is_not_asked_the_same_again():
    broken, sound = FarSighted(), FarSighted()
    broken.fails = {"prepare"}
    speculation = Speculation([broken, sound])
    await speculation.warm(TALK)
    await speculation.warm(TALK)
    assert broken.calls == ["warm"]
    assert sound.calls == ["warm", "warm: done"]
    assert speculation.counted() == Speculated(n_begun=1, n_done=1, n_failed=1)


async def test_where_nobody_can_work_ahead_nothing_is_begun():
    speculation = Speculation([ScriptedRecognizer()])
    async with anyio.create_task_group() as tasks:
        await speculation.warm(TALK, tasks=tasks)
        await speculation.pause(snapshot("i am"), TALK, generation=1, tasks=tasks)
    assert not speculation.is_busy
    assert speculation.counted() == Speculated()


async def test_a_session_that_is_cancelled_takes_the_work_with_it():
    engine = held()
    speculation = Speculation([engine])
    with anyio.CancelScope() as session:
        async with anyio.create_task_group() as tasks:
            await speculation.warm(TALK, tasks=tasks)
            await settled()
            session.cancel()
    assert engine.calls == ["warm", "warm: stopped"]

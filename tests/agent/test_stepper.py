"""Steps are taken by hand: a job waits for a signal of the test, so nothing sleeps and every order is certain."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from agent.backends.llm.stepper import Pause, Stepper, Urgency
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def stepper() -> Iterator[Stepper]:
    made = Stepper("test")
    yield made
    made.close()
    assert not made._thread.is_alive()


def counting(n: int, log: list[str], name: str = "") -> Callable[[], Generator[int, None, int]]:
    def job() -> Generator[int, None, int]:
        try:
            for number in range(n):
                log.append(f"{name}{number}")
                yield number
            return n
        finally:
            log.append(f"{name}end")

    return job


class Gate:
    """A job that stands inside its first step until it is let go, so that others can queue up behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def job(self) -> Generator[None, None, str]:
        self.entered.set()
        assert self.opened.wait(20)
        yield
        return "through"

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 20)


async def queued(*jobs: asyncio.Task[object]) -> None:
    """Let tasks that were just made get as far as they can on the event loop."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(job.done() for job in jobs)


async def test_what_a_job_yields_and_returns_comes_back_in_order(stepper: Stepper):
    log: list[str] = []
    assert [x async for x in stepper.stream(counting(3, log))] == [0, 1, 2]
    assert await stepper.call(counting(2, log)) == 2
    assert log.count("end") == 2


async def test_jobs_run_on_one_thread_that_is_not_the_callers(stepper: Stepper):
    def where() -> Generator[None, None, int]:
        yield
        return threading.get_ident()

    found = await asyncio.gather(*(stepper.call(where) for _ in range(5)))
    assert len(set(found)) == 1
    assert found[0] != threading.get_ident()


async def test_jobs_alike_take_turns_step_by_step(stepper: Stepper):
    gate, log = Gate(), list[str]()
    first = asyncio.create_task(stepper.call(gate.job))
    await gate.reached()
    others = [asyncio.create_task(stepper.call(counting(3, log, name))) for name in "ab"]
    await queued(*others)
    gate.opened.set()
    assert await asyncio.gather(first, *others) == ["through", 3, 3]
    assert log == ["a0", "b0", "a1", "b1", "a2", "b2", "aend", "bend"]


async def test_what_is_done_ahead_waits_for_those_who_wait(stepper: Stepper):
    gate, log = Gate(), list[str]()
    first = asyncio.create_task(stepper.call(gate.job))
    await gate.reached()
    ahead = asyncio.create_task(stepper.call(counting(2, log, "ahead"), urgency=Urgency.AHEAD))
    await queued(ahead)
    answer = asyncio.create_task(stepper.call(counting(2, log, "answer")))
    await queued(answer)
    gate.opened.set()
    await asyncio.gather(first, ahead, answer)
    assert log == ["answer0", "answer1", "answerend", "ahead0", "ahead1", "aheadend"]


async def test_an_answer_gets_in_between_two_steps_of_work_ahead(stepper: Stepper):
    gate, log = Gate(), list[str]()

    def ahead() -> Generator[int | None, None, None]:
        yield from counting(1, log, "ahead")()
        yield from gate.job()
        yield from counting(1, log, "later")()

    slow = asyncio.create_task(stepper.call(ahead, urgency=Urgency.AHEAD))
    await gate.reached()
    answer = asyncio.create_task(stepper.call(counting(1, log, "answer")))
    await queued(answer)
    gate.opened.set()
    await asyncio.gather(slow, answer)
    assert log == ["ahead0", "aheadend", "answer0", "answerend", "later0", "laterend"]


async def test_who_waits_for_others_lets_them_get_on_however_urgent_it_is(stepper: Stepper):
    gate, log = Gate(), list[str]()

    def ahead() -> Generator[None, None, None]:
        yield from gate.job()
        for number in range(3):
            log.append(f"ahead{number}")
            yield

    def urgent() -> Generator[Pause | int, None, str]:
        while "ahead2" not in log:
            log.append("tried")
            yield Pause.WAITING
        yield 1
        return "done"

    slow = asyncio.create_task(stepper.call(ahead, urgency=Urgency.AHEAD))
    await gate.reached()
    answer = asyncio.create_task(stepper.call(urgent))
    await queued(answer)
    gate.opened.set()
    assert await asyncio.gather(slow, answer) == [None, "done"]
    assert log == ["tried", "ahead0", "tried", "ahead1", "tried", "ahead2"]


async def test_waiting_is_not_told_and_can_be_cancelled(stepper: Stepper):
    ended: list[int] = []

    def alone() -> Generator[Pause | int, None, None]:
        try:
            yield Pause.WAITING
            yield 7
            while True:
                yield Pause.WAITING
        finally:
            ended.append(1)

    async with aclosing(stepper.stream(alone)) as stream:
        assert await anext(stream) == 7
    await stepper.call(counting(2, []))
    assert ended == [1]


async def test_a_closed_stream_takes_no_further_step_and_cleans_up(stepper: Stepper):
    gate, log = Gate(), list[str]()

    def job() -> Generator[int, None, None]:
        try:
            yield 0
            gate.entered.set()
            assert gate.opened.wait(20)
            log.append("under way")
            yield 1
            log.append("never")
        finally:
            log.append("cleaned")

    async with aclosing(stepper.stream(job)) as stream:
        assert await anext(stream) == 0
        await gate.reached()
    gate.opened.set()
    await stepper.call(counting(1, []))
    assert log == ["under way", "cleaned"]


async def test_a_cancelled_caller_stops_its_job(stepper: Stepper):
    log: list[str] = []
    gate = Gate()
    first = asyncio.create_task(stepper.call(gate.job))
    await gate.reached()
    task = asyncio.create_task(stepper.call(counting(5, log)))
    await queued(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.opened.set()
    await first
    assert await stepper.call(counting(1, [])) == 1
    assert log == [], "it was cancelled before its first step, so it was never begun"


async def test_a_failure_is_the_callers_and_others_go_on(stepper: Stepper):
    def bad() -> Generator[int, None, None]:
        yield 1
        raise LookupError("mine")

    results = await asyncio.gather(stepper.call(bad), stepper.call(counting(4, [])), return_exceptions=True)
    assert isinstance(results[0], LookupError)
    assert results[1] == 4


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
async def test_a_job_that_ends_itself_does_not_end_the_thread(stepper: Stepper, kind: type[BaseException]):
    def leaving() -> Generator[None, None, None]:
        yield
        raise kind

    with pytest.raises(EngineFailed, match=kind.__name__):
        await stepper.call(leaving)
    assert await stepper.call(counting(1, [])) == 1


async def test_a_job_that_cannot_even_begin_fails_alone(stepper: Stepper):
    def broken() -> Generator[None, None, None]:
        raise LookupError("no generator")

    with pytest.raises(LookupError):
        await stepper.call(broken)
    assert await stepper.call(counting(1, [])) == 1


async def test_trouble_while_cleaning_up_a_closed_stream_does_not_end_the_thread(stepper: Stepper):
    def untidy() -> Generator[int, None, None]:
        try:
            yield from range(100)
        finally:
            raise LookupError("untidy")

    async with aclosing(stepper.stream(untidy)) as stream:
        await anext(stream)
    assert await stepper.call(counting(1, [])) == 1


async def test_closing_fails_those_under_way_and_those_waiting_and_cleans_up():
    stepper, gate, log = Stepper("closing"), Gate(), list[str]()
    under_way = asyncio.create_task(stepper.call(gate.job))
    await gate.reached()
    waiting = asyncio.create_task(stepper.call(counting(3, log)))
    await queued(under_way, waiting)
    closing = asyncio.create_task(asyncio.to_thread(stepper.close))
    while not stepper._is_closed:  # noqa: ASYNC110 - another thread sets it, and tells nobody
        await asyncio.sleep(0)
    gate.opened.set()
    await closing
    for task in (under_way, waiting):
        with pytest.raises(EngineFailed, match="closed"):
            await task
    assert log == []
    stepper.close()
    with pytest.raises(EngineFailed, match="closed"):
        await stepper.call(counting(1, []))
    with pytest.raises(EngineFailed, match="closed"):
        await anext(stepper.stream(counting(1, [])))
    stepper.post(lambda: log.append("never"))
    assert log == []


async def test_a_stream_that_was_never_begun_leaves_nothing(stepper: Stepper):
    log: list[str] = []
    await stepper.stream(counting(3, log)).aclose()
    await stepper.call(counting(1, []))
    assert log == []


async def test_an_errand_is_done_on_the_thread_in_its_turn(stepper: Stepper):
    found: list[int] = []
    stepper.post(lambda: found.append(threading.get_ident()))
    stepper.post(lambda: found.append(1 // 0))
    await stepper.call(counting(1, []))
    assert len(found) == 1
    assert found[0] != threading.get_ident()


def test_a_loop_that_went_away_stops_its_jobs_and_no_others():
    stepper, gate = Stepper("gone"), Gate()
    ended = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    async def leave() -> None:
        stream = stepper.stream(endless)
        await anext(stream)
        kept.append(stream)

    kept: list[object] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.close()
    assert ended.wait(20), "the job saw that nobody listens"
    assert asyncio.run(_through(stepper, gate)) == "through"
    stepper.close()
    kept.clear()
    gc.collect()


async def _through(stepper: Stepper, gate: Gate) -> str:
    gate.opened.set()
    return await stepper.call(gate.job)


async def test_many_callers_that_come_and_go_leave_no_job_behind(stepper: Stepper):
    ended: list[int] = []

    def job(number: int) -> Callable[[], Generator[int, None, None]]:
        def steps() -> Generator[int, None, None]:
            try:
                yield from range(20)
            finally:
                ended.append(number)

        return steps

    async def visit(number: int) -> None:
        async with aclosing(stepper.stream(job(number))) as stream:
            async for step in stream:
                if step == number % 7:
                    return

    await asyncio.gather(*(visit(number) for number in range(100)))
    await stepper.call(counting(1, []))
    assert sorted(ended) == list(range(100))
    assert not any(stepper._jobs)

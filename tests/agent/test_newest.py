"""Slow work asked for often: one at a time, then the newest."""

from __future__ import annotations

import anyio
import pytest

from agent.newest import Newest
from tests.talking import settled

pytestmark = pytest.mark.anyio


class Work:
    """Notes what it begins and ends; each piece waits to be let go."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.done: list[int] = []
        self.go = anyio.Event()

    async def __call__(self, request: int) -> None:
        self.begun.append(request)
        await self.go.wait()
        self.done.append(request)

    async def let_go(self) -> None:
        self.go.set()
        await settled()


async def test_what_is_under_way_ends_and_of_those_that_came_meanwhile_only_the_newest_is_done():
    work = Work()
    newest = Newest(work)
    async with anyio.create_task_group() as tasks:
        for request in (1, 2, 3, 4):
            newest.offer(request, tasks=tasks)
            if request == 1:
                await settled()
        await work.let_go()
        assert work.done == [1, 4]
        newest.offer(5, tasks=tasks)
    assert work.done == [1, 4, 5]


async def test_dropping_stops_what_is_under_way_and_forgets_what_waits():
    work = Work()
    newest = Newest(work)
    async with anyio.create_task_group() as tasks:
        newest.offer(1, tasks=tasks)
        await settled()
        newest.offer(2, tasks=tasks)
        newest.drop()
        newest.drop()
        await work.let_go()
    assert (work.begun, work.done) == ([1], [])


async def test_what_is_dropped_before_its_task_ran_is_never_begun():
    work = Work()
    newest = Newest(work)
    async with anyio.create_task_group() as tasks:
        newest.offer(1, tasks=tasks)
        newest.drop()
        newest.offer(2, tasks=tasks)
        await work.let_go()
    assert work.begun == [2]


async def test_what_is_asked_for_right_after_a_drop_is_done_once():
    work = Work()
    newest = Newest(work)
    async with anyio.create_task_group() as tasks:
        newest.offer(1, tasks=tasks)
        await settled()
        newest.drop()
        newest.offer(2, tasks=tasks)  # the first has not yet noticed that it is stopped
        newest.offer(3, tasks=tasks)
        await work.let_go()
    assert (work.begun, work.done) == ([1, 3], [3])


async def test_work_that_breaks_is_not_hidden_and_does_not_block_what_comes_after():
    async def breaks(request: int) -> None:
        raise ValueError(f"broken {request}")

    newest = Newest(breaks)
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as tasks:
                newest.offer(1, tasks=tasks)
        assert caught.group_contains(ValueError, match="broken 1")

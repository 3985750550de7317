"""What ended sessions leave behind is collected, though the collector comes seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio
import pytest

from agent.server.collector import MOST_ENDED, collect_ended

if TYPE_CHECKING:
    from agent.server.seats import Seats

pytestmark = pytest.mark.anyio


class Counted:
    """Seats of which so many have ended, and so many are held."""

    def __init__(self) -> None:
        self.n_ended = self.n_held = 0

    def __len__(self) -> int:
        return self.n_held


async def test_some_that_ended_are_collected_together_and_the_last_ones_once_nobody_is_there():
    seats, at = Counted(), list[int]()
    # Ended and held at each look.
    looks = [(0, 0), (1, 3), (MOST_ENDED - 1, 3), (MOST_ENDED, 3), (MOST_ENDED + 1, 2), (MOST_ENDED + 3, 0)]
    looks += [(MOST_ENDED + 3, 0), (MOST_ENDED + 3, 1)]
    n_looked = 0

    async def sleep(_: float) -> None:
        nonlocal n_looked
        await anyio.lowlevel.checkpoint()
        if n_looked == len(looks):
            tasks.cancel_scope.cancel()
            await anyio.lowlevel.checkpoint()
        seats.n_ended, seats.n_held = looks[n_looked]
        n_looked += 1

    async with anyio.create_task_group() as tasks:
        await collect_ended(cast("Seats", seats), collect=lambda: at.append(n_looked - 1), sleep=sleep)

    assert at == [3, 5]

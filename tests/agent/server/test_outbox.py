"""What a session has to say, kept until it was seen."""

from __future__ import annotations

import json
import math
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server.outbox import Outbox

pytestmark = pytest.mark.anyio


def event(number: int, text: str = "") -> dict[str, Any]:
    return {"type": "response.output_text.delta", "event_id": f"event_s1_{number:06d}", "delta": text}


def numbers(texts: list[str]) -> list[int]:
    return [int(json.loads(text)["event_id"][-6:]) for text in texts]


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_events_come_out_once_in_order_as_json():
    outbox = Outbox()
    outbox.post([event(1, "hé"), event(2)])
    outbox.post([event(3)])

    texts = await outbox.next()

    assert [json.loads(text) for text in texts] == [event(1, "hé"), event(2), event(3)]
    assert texts[0].startswith('{"type":')
    assert outbox.n_unsent == 0


async def test_whoever_waits_gets_what_comes_and_nothing_after_the_end():
    outbox = Outbox()
    got: list[list[str]] = []

    async def read() -> None:
        while batch := await outbox.next():
            got.append(batch)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        outbox.post([event(1)])
        await anyio.wait_all_tasks_blocked()
        outbox.post([event(2)])
        outbox.close()
        outbox.post([event(3)])

    assert [numbers(batch) for batch in got] == [[1], [2]]
    assert outbox.is_closed


async def test_what_json_does_not_know_never_reaches_a_client():
    outbox = Outbox()
    outbox.post([{**event(1), "p": math.nan, "top": math.inf}])
    outbox.post([{**event(2), "p": math.nan, "text": "a\ud800b\u2028\x00"}])

    first, second = (json.loads(text, parse_constant=pytest.fail) for text in await outbox.next())

    assert (first["p"], first["top"]) == (None, None)
    assert (second["p"], second["text"]) == (None, "a?b\u2028\x00")


async def test_a_reader_that_comes_back_gets_exactly_what_it_has_not_seen():
    outbox = Outbox()
    outbox.post([event(n) for n in range(1, 6)])
    await outbox.next()
    outbox.post([event(6)])

    assert outbox.rewind(3) == 3
    assert numbers(await outbox.next()) == [4, 5, 6]
    assert outbox.rewind(6) == 0
    assert outbox.rewind(0) == 6
    assert numbers(await outbox.next()) == [1, 2, 3, 4, 5, 6]


async def test_a_reader_that_cannot_say_gets_what_was_being_sent():
    outbox = Outbox()
    outbox.post([event(1)])
    await outbox.next()
    outbox.post([event(2)])
    await outbox.next()  # the first has been sent, then
    outbox.post([event(3)])

    outbox.rewind(None)
    assert numbers(await outbox.next()) == [2, 3]


async def test_the_reader_before_gets_nothing_more_even_if_it_was_woken_already():
    outbox = Outbox()
    batches: dict[str, list[list[int]]] = {"old": [], "new": []}

    async def read(name: str) -> None:
        while batch := await outbox.next():
            batches[name].append(numbers(batch))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, "old")
        await anyio.wait_all_tasks_blocked()
        outbox.post([event(1)])  # wakes the old reader, which has not run yet
        outbox.rewind(0)
        tasks.start_soon(read, "new")
        await anyio.wait_all_tasks_blocked()
        outbox.close()

    assert batches == {"old": [], "new": [[1]]}


async def test_what_is_gone_or_never_was_cannot_be_asked_for_and_nothing_changes():
    outbox = Outbox(kept=2)
    outbox.post([event(n) for n in range(1, 5)])
    await outbox.next()
    outbox.post([event(5)])
    await outbox.next()

    for after in (0, 2, 6, 10**15):
        assert not outbox.can_rewind(after)
        with pytest.raises(KeyError):
            outbox.rewind(after)
    assert outbox.n_unsent == 0
    assert outbox.rewind(3) == 2


async def test_nobody_has_seen_what_was_never_sent():
    outbox = Outbox()
    outbox.post([event(1), event(2)])

    assert not outbox.can_rewind(1)
    assert outbox.can_rewind(0)


async def test_a_message_in_hand_is_kept_whatever_its_size():
    outbox = Outbox(kept=1, kept_bytes=10)
    outbox.post([event(1, "x" * 100), event(2)])

    await outbox.next()

    assert outbox.rewind(None) == 2


async def test_what_was_sent_long_ago_is_let_go():
    clock = Clock()
    outbox = Outbox(kept_s=60, clock=clock)
    outbox.post([event(1)])
    await outbox.next()
    clock.now_s = 59
    outbox.post([event(2)])
    await outbox.next()
    assert outbox.can_rewind(0)

    clock.now_s = 61
    outbox.post([event(3)])
    await outbox.next()

    assert [outbox.can_rewind(after) for after in (0, 1)] == [False, True]


async def test_too_much_that_nobody_takes_is_seen_but_a_full_replay_is_not_too_much():
    outbox = Outbox(kept=10)
    outbox.post([event(n) for n in range(1, 11)])
    await outbox.next()
    outbox.rewind(0)
    assert not outbox.is_overfull

    outbox.post([event(n) for n in range(11, 22)])
    assert outbox.is_overfull

    big = Outbox(kept_bytes=1000)
    big.post([event(1, "x" * 2000)])
    assert big.is_overfull


async def test_events_without_a_number_are_counted_on():
    outbox = Outbox()
    outbox.post([event(5), {"type": "a"}, {"type": "b", "event_id": "event_x_²"}, {"event_id": "event_x_" + "9" * 30}])

    assert outbox.last == 8
    await outbox.next()
    assert outbox.rewind(6) == 2


@given(
    moves=st.lists(
        st.one_of(
            st.tuples(st.just("post"), st.integers(1, 3)),
            st.tuples(st.just("take"), st.just(0)),
            st.tuples(st.just("lose"), st.integers(0, 100)),
        ),
        max_size=40,
    )
)
def test_however_often_a_connection_is_lost_the_client_sees_every_event_once_and_in_order(
    moves: list[tuple[str, int]],
):
    async def play() -> None:
        outbox = Outbox()
        posted, seen = 0, list[int]()
        hand: list[int] = []
        for move, n in [*moves, ("take", 0), ("take", 0)]:
            match move:
                case "post":
                    outbox.post([event(posted + i) for i in range(1, n + 1)])
                    posted += n
                case "take":
                    seen += hand
                    hand = numbers(await outbox.next()) if outbox.n_unsent else []
                case _:
                    # Of what was in hand some arrived.
                    seen += hand[: n % (len(hand) + 1)]
                    hand = []
                    outbox.rewind(seen[-1] if seen else 0)
        assert seen + hand + [*range(len(seen + hand) + 1, posted + 1)] == [*range(1, posted + 1)]
        assert outbox.n_unsent == posted - len(seen + hand)

    anyio.run(play)


async def test_nothing_is_kept_of_a_session_that_is_over():
    outbox = Outbox()
    outbox.post([event(1), event(2)])
    await outbox.next()
    outbox.post([event(3)])

    outbox.close()

    assert not outbox._sent
    assert numbers(await outbox.next()) == [3]
    assert not outbox._sent
    assert await outbox.next() == []
    assert not outbox.can_rewind(1)

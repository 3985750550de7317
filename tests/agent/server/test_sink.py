"""The paced sink: never far ahead of real time, what was heard by the clock, fades, several replies, stalls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.loudspeaker import OwnClock
from agent.server.sink import MAX_BLOCK, MIN_BLOCK, TAIL, WireSink
from streaming.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.loudspeaker import Sink
    from streaming.events import Samples

pytestmark = pytest.mark.anyio

LEAD = round(0.3 * SAMPLE_RATE)


def sound(seconds: float, level: float = 1.0) -> Samples:
    return np.full(round(seconds * SAMPLE_RATE), level, np.float32)


@dataclass
class World:
    """A clock that sleeping moves, and all that was sent, with when."""

    now_s: float = 100.0
    sent: list[tuple[float, Samples]] = field(default_factory=list["tuple[float, Samples]"])
    moved: list[str] = field(default_factory=list[str])
    naps: list[float] = field(default_factory=list[float])
    events: dict[int, Callable[[], object]] = field(default_factory=dict[int, "Callable[[], object]"])
    """What happens during the nap of a number."""

    def __post_init__(self) -> None:
        self.sink = WireSink(
            emit=lambda samples: self.sent.append((self.now_s, samples)),
            moved=self.moved.append,
            clock=lambda: self.now_s,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps.append(seconds)
        await anyio.lowlevel.checkpoint()
        self.now_s += seconds
        happening = self.events.pop(len(self.naps), None)
        if happening is not None:
            happening()

    @property
    def n_sent(self) -> int:
        return sum(len(samples) for _, samples in self.sent)

    @property
    def played(self) -> int:
        return self.sink.played(at_s=0.0)

    def all_sent(self) -> Samples:
        return np.concatenate([samples for _, samples in self.sent])


async def test_it_is_a_sink():
    sink: Sink = World().sink
    assert sink.cancel(at_s=0.0) == 0
    assert sink.ended_s(now_s=1.0) is None


async def test_the_lead_goes_out_at_once_and_the_rest_at_the_pace_of_the_sound():
    world = World()
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(2.0))
    at_once = sum(len(samples) for at_s, samples in world.sent if at_s == 100.0)
    assert LEAD - MIN_BLOCK - MAX_BLOCK < at_once <= LEAD - MIN_BLOCK
    assert all(MIN_BLOCK <= len(samples) <= MAX_BLOCK for _, samples in world.sent)
    assert world.n_sent == 2 * SAMPLE_RATE
    assert world.now_s == pytest.approx(100.0 + 2.0 - 0.26, abs=0.001)


@given(
    pieces=st.lists(st.integers(1, 30_000), min_size=1, max_size=12),
    pauses=st.lists(st.floats(0.0, 1.0), min_size=12, max_size=12),
)
async def test_never_more_than_the_lead_is_ahead_however_the_sound_comes(pieces: list[int], pauses: list[float]):
    world = World()
    ahead: list[int] = []
    world.sink = WireSink(
        emit=lambda samples: (world.sent.append((world.now_s, samples)), ahead.append(len(samples)))[0],
        clock=lambda: world.now_s,
        sleep=world.sleep,
    )
    world.sink.begin(at_s=0.0)
    n_given = 0
    for n, pause_s in zip(pieces, pauses, strict=False):
        await world.sink.play(np.arange(n_given, n_given + n, dtype=np.float32))
        n_given += n
        # What is ahead is what was sent and cannot have been heard.
        assert world.n_sent - world.played <= LEAD
        world.now_s += pause_s
    world.sink.finish()
    assert world.n_sent - TAIL - world.played <= LEAD
    assert np.array_equal(world.all_sent()[:-TAIL], np.arange(n_given, dtype=np.float32))
    assert not world.all_sent()[-TAIL:].any()
    assert max(ahead) <= MAX_BLOCK + TAIL


async def test_what_was_heard_is_what_was_sent_as_far_as_there_was_time():
    world = World()
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(0.2))
    assert world.played == 0
    world.now_s += 0.05
    assert world.played == round(0.05 * SAMPLE_RATE)
    world.now_s += 10.0
    assert world.played == round(0.2 * SAMPLE_RATE)
    # The voice took its time: what comes now is heard from now on.
    await world.sink.play(sound(0.2))
    assert world.played == round(0.2 * SAMPLE_RATE)
    world.now_s += 0.1
    assert world.played == round(0.3 * SAMPLE_RATE)


async def test_a_stalled_event_loop_makes_no_burst_beyond_the_lead():
    world = World()
    world.events[2] = lambda: setattr(world, "now_s", world.now_s + 5.0)
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(3.0))
    per_moment: dict[float, int] = {}
    for at_s, samples in world.sent:
        per_moment[at_s] = per_moment.get(at_s, 0) + len(samples)
    assert max(per_moment.values()) <= LEAD
    # The client ran dry during the stall, so the sound lasts as much longer.
    assert world.now_s == pytest.approx(100.0 + 5.0 + 3.0 - 0.26, abs=0.35)


async def test_the_reply_has_ended_once_its_last_sound_was_heard():
    world = World()
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(0.11))
    world.now_s += 1.0
    assert world.sink.ended_s(now_s=3.0) is None
    world.sink.finish()
    # The last 10 ms were too little for a block of their own.
    assert len(world.sent[-1][1]) == round(0.01 * SAMPLE_RATE) + TAIL
    assert world.sink.ended_s(now_s=3.0) is None
    world.now_s += 0.011
    assert world.sink.ended_s(now_s=3.0) == 3.0
    world.sink.finish()
    assert world.n_sent == round(0.11 * SAMPLE_RATE) + TAIL


async def test_what_is_in_store_when_the_reply_is_finished_goes_out_in_blocks():
    world = World()
    world.events[1] = world.sink.finish
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(1.0))
    assert world.n_sent == SAMPLE_RATE + TAIL
    assert max(len(samples) for _, samples in world.sent) <= MAX_BLOCK + TAIL


async def test_drain_waits_until_all_was_heard():
    world = World()
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(1.0))
    world.sink.finish()
    await world.sink.drain()
    assert world.now_s == pytest.approx(101.0)
    assert world.sink.ended_s(now_s=9.0) == 9.0
    await world.sink.drain()
    assert world.now_s == pytest.approx(101.0)


async def test_drain_of_a_silent_sink_returns():
    world = World()
    await world.sink.drain()
    assert world.naps == []


async def test_it_goes_on_by_itself_and_says_when_a_reply_is_over():
    world = World()
    assert isinstance(world.sink, OwnClock)
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(1.0))
    world.sink.finish()
    await world.sink.over()
    assert world.now_s == pytest.approx(101.0, abs=0.05)
    assert world.sink.ended_s(now_s=7.0) == 7.0


async def test_a_reply_is_over_when_it_is_cancelled_even_if_the_next_one_sounds():
    world = World()

    def next_reply() -> None:
        world.sink.cancel(at_s=0.0)
        world.sink.begin(at_s=1.0)

    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(0.2))
    world.events[len(world.naps) + 1] = next_reply
    await world.sink.over()
    assert world.events == {}
    assert world.now_s < 100.3
    world.sink.cancel(at_s=0.0)
    await world.sink.over()


async def test_cancel_sends_a_short_fade_and_nothing_after_it():
    world = World()
    world.events[3] = lambda: heard.append(world.sink.cancel(at_s=0.0))
    heard: list[int] = []
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(5.0))
    fade = world.sent[-1][1]
    assert len(fade) == round(0.02 * SAMPLE_RATE)
    assert np.all(np.diff(fade) <= 0)
    assert fade[-1] == pytest.approx(0.0, abs=1e-6)
    assert heard == [round((world.now_s - 100.0) * SAMPLE_RATE)]
    n_sent = world.n_sent
    await world.sink.play(sound(1.0))
    world.sink.finish()
    world.now_s += 10.0
    assert world.n_sent == n_sent
    assert world.played == world.sink.cancel(at_s=0.0) == heard[0]
    assert world.sink.ended_s(now_s=9.0) is None


async def test_cancel_with_nothing_in_store_sends_nothing():
    world = World()
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(0.2))
    n_sent = world.n_sent
    assert world.sink.cancel(at_s=0.0) == 0
    assert world.n_sent == n_sent


async def test_what_is_not_sent_yet_gets_quieter_and_louder_again():
    world = World()
    world.events[4] = world.sink.duck
    world.events[9] = world.sink.resume
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(2.0))
    levels = world.all_sent()
    low = 10 ** (-18 / 20)
    assert levels[0] == levels[-1] == 1.0
    assert levels.min() == pytest.approx(low, abs=1e-4)
    # It never jumps: 30 ms down, 80 ms up.
    assert np.abs(np.diff(levels)).max() < 1.0 / (0.03 * SAMPLE_RATE) + 1e-6
    assert world.moved == ["duck", "resume"]


async def test_the_client_is_told_once_of_each_move_and_only_while_something_sounds():
    world = World()
    world.sink.duck()
    world.sink.begin(at_s=0.0)
    world.sink.resume()
    world.sink.duck()
    world.sink.duck()
    world.sink.resume()
    world.sink.resume()
    world.sink.cancel(at_s=0.0)
    world.sink.duck()
    assert world.moved == ["duck", "resume"]


async def test_a_ducked_reply_leaves_the_next_one_at_full_level():
    world = World()
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(0.2))
    world.sink.duck()
    world.sink.cancel(at_s=0.0)
    world.sent.clear()
    world.sink.begin(at_s=5.0)
    assert world.played == 0
    await world.sink.play(sound(0.2))
    world.sink.finish()
    await world.sink.drain()
    assert world.all_sent()[:-TAIL].min() == 1.0
    assert world.played == round(0.2 * SAMPLE_RATE)


async def test_a_player_that_waits_does_not_speak_into_the_next_reply():
    world = World()

    def next_reply() -> None:
        world.sink.cancel(at_s=0.0)
        world.sent.clear()
        world.sink.begin(at_s=1.0)

    world.events[2] = next_reply
    world.sink.begin(at_s=0.0)
    await world.sink.play(sound(4.0, level=0.5))
    assert world.sent == []
    await world.sink.play(sound(0.1, level=0.25))
    assert np.unique(world.all_sent()).tolist() == [0.25]


async def test_nothing_is_sent_after_close():
    world = World()
    world.sink.begin(at_s=0.0)
    world.sink.close()
    await world.sink.play(sound(1.0))
    world.sink.finish()
    world.sink.close()
    assert world.sent == []


async def test_it_sleeps_by_anyio_unless_told_otherwise():
    sent: list[Samples] = []
    sink = WireSink(emit=sent.append, lead_s=10.0)
    sink.begin(at_s=0.0)
    sink.duck()
    await sink.play(sound(1.0))
    sink.finish()
    assert sum(len(samples) for samples in sent) == SAMPLE_RATE + TAIL

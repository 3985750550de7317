"""The queue policy: who goes when, whatever the sessions do."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.batching import BatchQueue, Dropped, Lane, Request, SchedulerSettings
from streaming.errors import EngineFailed, Superseded

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSIONS = "abcde"
BUCKETS = "XYZ"
Add: TypeAlias = tuple[str, str, Lane]
Step: TypeAlias = Add | int | None
"""Submit something, withdraw the n-th request that was submitted, or begin a batch."""

adds = st.tuples(st.sampled_from(SESSIONS), st.sampled_from(BUCKETS), st.sampled_from(Lane))
steps = st.lists(st.one_of(adds, adds, st.none(), st.integers(0, 40)), max_size=60)
sizes = st.integers(1, 5)
unhurried = settings(deadline=None)


def queue_of(**changes: float) -> BatchQueue[int]:
    return BatchQueue(SchedulerSettings(**{"max_batch": 4, "window_s": 0.01, **changes}))  # pyright: ignore[reportArgumentType]


@dataclass
class Run:
    """A queue and everything that happened to it; requests are numbered as they come."""

    queue: BatchQueue[int]
    asked: list[Request[int]] = field(default_factory=list[Request[int]])
    batches: list[list[Request[int]]] = field(default_factory=list[list[Request[int]]])
    dropped: list[Dropped[int]] = field(default_factory=list[Dropped[int]])
    withdrawn: list[Request[int]] = field(default_factory=list[Request[int]])
    numbers: Iterator[int] = field(default_factory=count)

    def add(self, session: str, bucket: str = "X", lane: Lane = Lane.FINAL, *, now_s: float = 0.0) -> Request[int]:
        request = Request(item=next(self.numbers), session=session, bucket=bucket, lane=lane, asked_at_s=now_s)
        self.asked.append(request)
        self.dropped += self.queue.add(request)
        return request

    def take(self) -> list[Request[int]]:
        batch = self.queue.take()
        self.queue.ended()
        if batch:
            self.batches.append(batch)
        return batch

    def withdraw(self, number: int) -> None:
        if number < len(self.asked) and self.queue.remove(self.asked[number]):
            self.withdrawn.append(self.asked[number])

    def play(self, script: list[Step]) -> None:
        for step in script:
            match step:
                case None:
                    self.take()
                case int():
                    self.withdraw(step)
                case session, bucket, lane:
                    self.add(session, bucket, lane)

    def finish(self) -> None:
        while self.take():
            pass

    @property
    def gone(self) -> set[int]:
        began = [request for batch in self.batches for request in batch]
        return {r.item for r in began + self.withdrawn + [d.request for d in self.dropped]}

    @property
    def waiting(self) -> list[Request[int]]:
        return [request for request in self.asked if request.item not in self.gone]


@unhurried
@given(steps, sizes, st.integers(1, 12))
def test_nothing_is_lost_and_nothing_is_served_twice(script: list[Step], max_batch: int, max_waiting: int):
    run = Run(queue_of(max_batch=max_batch, max_waiting=max_waiting))
    run.play(script)
    assert len(run.queue) == len(run.waiting) <= max_waiting
    run.finish()
    fates = [r.item for batch in run.batches for r in batch]
    fates += [r.item for r in run.withdrawn] + [d.request.item for d in run.dropped]
    assert sorted(fates) == [r.item for r in run.asked]


@unhurried
@given(steps, sizes)
def test_a_batch_has_one_bucket_keeps_its_size_and_has_finals_first(script: list[Step], max_batch: int):
    run = Run(queue_of(max_batch=max_batch))
    run.play(script)
    run.finish()
    for batch in run.batches:
        assert len({r.bucket for r in batch}) == 1
        assert len(batch) <= max_batch
        assert [r.lane for r in batch] == sorted(r.lane for r in batch)


@unhurried
@given(steps, sizes)
def test_while_a_final_waits_no_batch_is_without_one(script: list[Step], max_batch: int):
    run = Run(queue_of(max_batch=max_batch))
    for step in script:
        finals = [r for r in run.waiting if r.lane is Lane.FINAL]
        run.play([step])
        if step is None and finals:
            assert run.batches[-1][0] in finals


@unhurried
@given(steps, sizes)
def test_a_batch_leaves_nothing_behind_that_it_had_room_for(script: list[Step], max_batch: int):
    run = Run(queue_of(max_batch=max_batch))
    for step in script:
        n_before = len(run.batches)
        run.play([step])
        if len(run.batches) == n_before or len(run.batches[-1]) == max_batch:
            continue
        leaders: dict[object, Request[int]] = {}
        for r in run.waiting:
            leaders.setdefault(r.session, r)
        assert all(r.bucket != run.batches[-1][0].bucket for r in leaders.values())


@unhurried
@given(steps, sizes, st.integers(1, 12))
def test_requests_of_a_session_begin_in_the_order_they_came(script: list[Step], max_batch: int, max_waiting: int):
    run = Run(queue_of(max_batch=max_batch, max_waiting=max_waiting))
    run.play(script)
    run.finish()
    for session in SESSIONS:
        began = [r.item for batch in run.batches for r in batch if r.session == session]
        assert began == sorted(began)


@unhurried
@given(steps, sizes)
def test_a_session_has_one_partial_waiting_and_none_older_than_a_final(script: list[Step], max_batch: int):
    run = Run(queue_of(max_batch=max_batch))
    for step in script:
        run.play([step])
        for session in SESSIONS:
            waiting = [r for r in run.waiting if r.session == session]
            partials = [r for r in waiting if r.lane is Lane.PARTIAL]
            assert len(partials) <= 1
            assert waiting[len(waiting) - len(partials) :] == partials
    assert all(isinstance(d.why, Superseded) for d in run.dropped)
    assert all(d.request.lane is Lane.PARTIAL for d in run.dropped)
    assert not any(d.is_for_room for d in run.dropped)


@unhurried
@given(steps, st.integers(1, 6))
def test_a_final_is_refused_only_when_nothing_but_finals_waits(script: list[Step], max_waiting: int):
    run = Run(queue_of(max_waiting=max_waiting))
    for step in script:
        before, n_dropped = run.waiting, len(run.dropped)
        run.play([step])
        for dropped in run.dropped[n_dropped:]:
            if dropped.request.lane is Lane.FINAL:
                assert [r.lane for r in before] == [Lane.FINAL] * max_waiting
                assert dropped.request is run.asked[-1]
                assert not isinstance(dropped.why, Superseded)
                assert f"{max_waiting} requests" in str(dropped.why)


@unhurried
@given(steps, sizes)
def test_a_final_waits_for_no_more_batches_than_sessions_stood_before_it(script: list[Step], max_batch: int):
    """The bound holds for whoever leads its session's queue; the k-th of a session waits for as many rounds more."""
    run = Run(queue_of(max_batch=max_batch))
    due: dict[int, int] = {}
    for step in [*script, *[None] * 60]:
        before = run.waiting
        run.play([step])
        if isinstance(step, tuple) and step[2] is Lane.FINAL:
            finals = [r for r in before if r.lane is Lane.FINAL]
            n_own = sum(r.session == step[0] for r in finals)
            n_others = len({r.session for r in finals} - {step[0]})
            rounds = n_own * len(SESSIONS) + n_others + 1
            due[run.asked[-1].item] = len(run.batches) + rounds
    for number, batch in enumerate(run.batches, start=1):
        assert all(number <= due[r.item] for r in batch if r.lane is Lane.FINAL)


@unhurried
@given(st.lists(st.one_of(adds, st.none()), max_size=60), sizes)
def test_without_finals_a_partial_waits_for_no_more_batches_than_sessions_stood_before_it(
    script: list[Add | None], max_batch: int
):
    run = Run(queue_of(max_batch=max_batch))
    due: dict[str, int] = {}
    for step in [*script, *[None] * 10]:
        others = {r.session for r in run.waiting}
        if step is None:
            for r in run.take():
                assert len(run.batches) <= due.pop(str(r.session))
        else:
            run.add(step[0], step[1], Lane.PARTIAL)
            due.setdefault(step[0], len(run.batches) + len(others) + 1)  # a newer one keeps the turn
    assert not due


@unhurried
@given(st.lists(st.tuples(adds, st.floats(0, 0.02)), min_size=1, max_size=30), sizes)
def test_an_idle_model_waits_a_window_from_the_first_request_unless_a_batch_is_full(
    script: list[tuple[Add, float]], max_batch: int
):
    run = Run(queue_of(max_batch=max_batch, window_s=0.01))
    now_s, opens_s = 0.0, 0.0
    for (session, bucket, lane), gap_s in script:
        now_s += gap_s
        if run.queue.wait_s(now_s) == 0.0:
            run.take()
            opens_s = 0.0
        was_empty = len(run.queue) == 0
        run.add(session, bucket, lane, now_s=now_s)
        opens_s = now_s + 0.01 if was_empty else opens_s
        is_full = len(deepcopy(run.queue).take()) == max_batch
        assert run.queue.wait_s(now_s) == (0.0 if is_full else max(0.0, opens_s - now_s))


def test_a_full_batch_does_not_wait():
    run = Run(queue_of(max_batch=3))
    for session, lane in (("a", Lane.FINAL), ("b", Lane.PARTIAL)):
        run.add(session, lane=lane)
    run.add("c", "Y")
    assert run.queue.wait_s(0.0) == 0.01
    run.add("a", lane=Lane.PARTIAL)
    assert run.queue.wait_s(0.0) == 0.0
    assert [(r.session, r.lane) for r in run.take()] == [
        ("a", Lane.FINAL),
        ("b", Lane.PARTIAL),
        ("a", Lane.PARTIAL),
    ]


def test_requests_of_many_buckets_do_not_pass_for_a_full_batch():
    run = Run(queue_of(max_batch=2))
    for session, bucket in (("a", "X"), ("a", "Y"), ("b", "Z"), ("c", "Y")):
        run.add(session, bucket)
    assert run.queue.wait_s(0.004) == pytest.approx(0.006)
    assert [r.bucket for r in run.take()] == ["X"]


def test_what_came_while_a_batch_ran_goes_at_once_and_what_comes_after_waits_for_company():
    queue = queue_of()
    run = Run(queue)
    run.add("a", now_s=1.0)
    assert queue.wait_s(1.01) == 0.0
    queue.take()
    run.add("b", now_s=1.2)
    queue.ended()
    assert queue.wait_s(1.2) == 0.0
    assert [r.session for r in run.take()] == ["b"]
    run.add("c", now_s=2.0)
    assert queue.wait_s(2.0) == pytest.approx(0.01)


def test_what_a_batch_leaves_over_goes_at_once():
    run = Run(queue_of(max_batch=2))
    for session in "abc":
        run.add(session)
    assert len(run.take()) == 2
    assert run.queue.wait_s(0.001) == 0.0


def test_nothing_waiting_means_no_wait_and_an_empty_batch():
    run = Run(queue_of())
    assert run.queue.wait_s(0.0) is None
    assert run.queue.take() == []


def test_sessions_take_turns_however_much_one_of_them_asks():
    run = Run(queue_of(max_batch=2))
    for _ in range(6):
        run.add("a")
    run.add("b")
    run.add("c")
    run.finish()
    assert ["".join(str(r.session) for r in batch) for batch in run.batches] == ["ab", "ca", "aa", "aa"]


def test_another_bucket_comes_second_however_much_the_first_has():
    run = Run(queue_of(max_batch=2))
    for _ in range(6):
        run.add("a", "X")
    run.add("b", "Y")
    run.take()
    assert [r.session for r in run.take()] == ["b"]


def test_a_newer_partial_keeps_the_turn_of_the_one_it_replaces():
    run = Run(queue_of(max_batch=1))
    first = run.add("a", lane=Lane.PARTIAL)
    run.add("b", lane=Lane.PARTIAL)
    newer = run.add("a", lane=Lane.PARTIAL)
    assert [d.request for d in run.dropped] == [first]
    assert run.take() == [newer]


def test_a_newer_partial_replaces_its_own_even_when_there_is_no_room():
    run = Run(queue_of(max_waiting=2))
    run.add("a")
    old, newer = (run.add("b", lane=Lane.PARTIAL) for _ in range(2))
    assert [(d.request, d.is_for_room) for d in run.dropped] == [(old, False)]
    assert not run.queue.remove(old)  # withdrawing the old one late leaves the newer alone
    assert newer in run.take()


def test_a_partial_does_not_overtake_a_final_of_its_session():
    run = Run(queue_of(max_batch=2))
    final = run.add("b", "X")
    waiting = [run.add("a", "Y"), run.add("a", "X", Lane.PARTIAL)]
    assert run.queue.wait_s(0.0) == 0.01
    assert run.take() == [final]
    assert [r for _ in range(2) for r in run.take()] == waiting


def test_a_final_supersedes_its_sessions_partial_and_no_other():
    run = Run(queue_of())
    own = run.add("a", lane=Lane.PARTIAL)
    other = run.add("b", lane=Lane.PARTIAL)
    final = run.add("a")
    assert [d.request for d in run.dropped] == [own]
    assert run.take() == [final, other]


def test_a_final_takes_the_room_of_a_partial():
    run = Run(queue_of(max_waiting=2))
    run.add("a", lane=Lane.PARTIAL)
    last = run.add("b", lane=Lane.PARTIAL)
    run.add("c")
    assert [(d.request, d.is_for_room) for d in run.dropped] == [(last, True)]
    assert isinstance(run.dropped[0].why, Superseded)


def test_beyond_the_bound_a_partial_is_superseded_and_a_final_fails_naming_it():
    run = Run(queue_of(max_waiting=1))
    run.add("a")
    run.add("b", lane=Lane.PARTIAL)
    run.add("b")
    partial, final = run.dropped
    assert isinstance(partial.why, Superseded)
    assert type(final.why) is EngineFailed
    assert "1 requests wait for the model already, its bound (max_waiting)" in str(final.why)
    assert partial.is_for_room
    assert final.is_for_room


def test_the_batch_halves_for_lack_of_memory_and_grows_again_slowly():
    queue = queue_of(max_batch=16, recover_after=2)
    queue.shrink(16)
    queue.shrink(8)
    assert queue.max_batch == 4
    sizes_seen: list[int] = []
    for _ in range(6):
        queue.fitted(queue.max_batch)
        sizes_seen.append(queue.max_batch)
    assert sizes_seen == [4, 5, 5, 6, 6, 7]
    queue.fitted(1)  # a small batch proves nothing
    queue.fitted(7)
    assert queue.max_batch == 7
    queue.shrink(7)  # and what fitted before a shortage proves nothing after it
    queue.fitted(3)
    assert queue.max_batch == 3


@unhurried
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9))
def test_the_batch_never_leaves_its_bounds(fits: list[bool], max_batch: int):
    queue = queue_of(max_batch=max_batch, recover_after=1)
    for is_fine in fits:
        before = queue.max_batch
        if is_fine:
            queue.fitted(before)
        else:
            queue.shrink(before)
        assert 1 <= queue.max_batch <= max_batch
        assert queue.max_batch <= before + 1


def test_draining_empties_the_queue():
    run = Run(queue_of())
    asked = [run.add("a"), run.add("b", "Y"), run.add("a"), run.add("b", lane=Lane.PARTIAL)]
    assert {r.item for r in run.queue.drain()} == {r.item for r in asked}
    assert len(run.queue) == 0
    assert run.queue.wait_s(9.0) is None


def test_only_what_waits_can_be_withdrawn_and_only_once():
    run = Run(queue_of(max_batch=1))
    first, second = run.add("a"), run.add("a")
    run.take()
    assert not run.queue.remove(first)
    assert run.queue.remove(second)
    assert not run.queue.remove(second)
    assert run.queue.wait_s(0.0) is None


def test_a_cpu_takes_few_at_a_time_and_a_gpu_many():
    assert SchedulerSettings.on("cpu").max_batch < SchedulerSettings.on("cuda").max_batch
    assert SchedulerSettings.on("cuda") == SchedulerSettings()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_batch": 0}, "max_batch is 0; expected 1 or more"),
        ({"max_waiting": 0}, "max_waiting is 0"),
        ({"recover_after": 0}, "recover_after is 0"),
        ({"n_timed": 0}, "n_timed is 0"),
        ({"window_s": -0.1}, "window_s is -0.1; expected 0 to 1 second"),
        ({"window_s": 3.0}, "window_s is 3.0"),
        ({"window_s": float("nan")}, "window_s is nan"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        queue_of(**changes)

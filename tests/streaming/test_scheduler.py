"""The scheduler's thread: batches, failures, cancelling, closing. Events decide when things happen; nothing sleeps."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, TypeAlias, cast

import pytest

from streaming.errors import ContextOverflow, EngineFailed, OutOfMemory, Superseded
from streaming.scheduler import Lane, Scheduler, SchedulerSettings, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Make: TypeAlias = "Callable[..., Scheduler[str, str]]"
WAIT_S = 30.0


class Gate:
    """A model that shouts; it says when a batch has begun and, while shut, holds it until it is let through."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.begun = threading.Semaphore(0)
        self.pass_on = threading.Semaphore(0)
        self.is_open = False

    def __call__(self, questions: Sequence[str]) -> list[str | EngineFailed]:
        self.batches.append(list(questions))
        self.threads.add(threading.current_thread().name)
        self.begun.release()
        if not self.is_open:
            assert self.pass_on.acquire(timeout=WAIT_S)
        return [question.upper() for question in questions]

    def wait_begun(self) -> None:
        assert self.begun.acquire(timeout=WAIT_S)

    def let_through(self, n: int = 1) -> None:
        self.pass_on.release(n)

    def open(self) -> None:
        self.is_open = True
        self.pass_on.release(100)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def make(gate: Gate) -> Iterator[Make]:
    """Makes schedulers that wait for no company, of `gate` unless told otherwise; none of their threads stays."""
    made: list[Scheduler[str, str]] = []
    before = set(threading.enumerate())

    def build(
        run: Callable[[Sequence[str]], Sequence[str | EngineFailed]] = gate, **changes: float
    ) -> Scheduler[str, str]:
        settings = SchedulerSettings(**{"max_batch": 4, "window_s": 0.0, **changes})  # pyright: ignore[reportArgumentType]
        made.append(Scheduler(run, name="tiny whisper", settings=settings))
        return made[-1]

    yield build
    gate.open()
    for scheduler in made:
        scheduler.close()
    assert set(threading.enumerate()) <= before


def ask(
    scheduler: Scheduler[str, str], question: str, *, session: str = "a", bucket: str = "X", lane: Lane = Lane.FINAL
) -> Ticket[str]:
    return scheduler.submit(question, session=session, bucket=bucket, lane=lane)


def test_one_request_is_answered(make: Make, gate: Gate):
    gate.open()
    ticket = ask(make(), "hello")
    assert ticket.result() == "HELLO"
    assert ticket.done()
    assert gate.threads == {"tiny whisper"}


def test_requests_that_come_while_the_model_works_go_together_with_the_next_call(make: Make, gate: Gate):
    scheduler = make()
    first = ask(scheduler, "first")
    gate.wait_begun()
    others = [ask(scheduler, text, session=text) for text in ("one", "two", "three")]
    gate.let_through(2)
    assert [first.result(), *(ticket.result() for ticket in others)] == ["FIRST", "ONE", "TWO", "THREE"]
    assert gate.batches == [["first"], ["one", "two", "three"]]


class Clock:
    """Time that stands still, and tells how often the scheduler's thread looked at it."""

    def __init__(self) -> None:
        self.looked = threading.Semaphore(0)

    def __call__(self) -> float:
        if threading.current_thread().name == "m":
            self.looked.release()
        return 0.0

    def wait_looked(self, n: int = 1) -> None:
        for _ in range(n):
            assert self.looked.acquire(timeout=WAIT_S)


def test_requests_within_the_window_go_together(gate: Gate):
    gate.open()
    clock = Clock()
    scheduler = Scheduler(gate, name="m", settings=SchedulerSettings(window_s=1.0, max_batch=2), clock=clock)
    clock.wait_looked()
    for before, after in (("one", "two"), ("three", "four")):  # who asks upon an answer has company too
        n_batches = len(gate.batches)
        first = ask(scheduler, before, session="a")
        clock.wait_looked()
        assert len(gate.batches) == n_batches  # it was seen, and it waits
        second = ask(scheduler, after, session="b")
        assert [first.result(), second.result()] == [before.upper(), after.upper()]
        clock.wait_looked(2)  # one to begin, one to find nothing more
    assert gate.batches == [["one", "two"], ["three", "four"]]
    scheduler.close()


def test_a_lone_request_goes_when_the_window_is_over(make: Make, gate: Gate):
    gate.open()
    assert ask(make(window_s=0.01), "alone").result() == "ALONE"


def test_finals_of_all_sessions_go_before_partials_and_buckets_stay_apart(make: Make, gate: Gate):
    scheduler = make()
    ask(scheduler, "first")
    gate.wait_begun()
    asked = [("p", Lane.PARTIAL, "X"), ("y", Lane.FINAL, "Y"), ("x", Lane.FINAL, "X"), ("q", Lane.PARTIAL, "Y")]
    tickets = [ask(scheduler, text, session=text, lane=lane, bucket=bucket) for text, lane, bucket in asked]
    gate.let_through(3)
    assert [ticket.result() for ticket in tickets] == ["P", "Y", "X", "Q"]
    assert gate.batches[1:] == [["y", "q"], ["x", "p"]]


def test_a_partial_is_superseded_by_a_newer_one_and_by_a_final(make: Make, gate: Gate):
    scheduler = make()
    ask(scheduler, "first")
    gate.wait_begun()
    old, newer = (ask(scheduler, text, lane=Lane.PARTIAL) for text in ("old", "newer"))
    assert old.done()
    with pytest.raises(Superseded, match="a newer request of the same session"):
        old.result()
    final = ask(scheduler, "final")
    with pytest.raises(Superseded):
        newer.result()
    assert old.queued_s is None
    gate.let_through(2)
    assert final.result() == "FINAL"
    assert scheduler.stats().superseded == 2


def test_a_partial_under_way_is_not_superseded(make: Make, gate: Gate):
    scheduler = make()
    partial = ask(scheduler, "partial", lane=Lane.PARTIAL)
    gate.wait_begun()
    final = ask(scheduler, "final")
    gate.let_through(2)
    assert (partial.result(), final.result()) == ("PARTIAL", "FINAL")


def test_a_waiting_request_is_withdrawn_by_cancelling(make: Make, gate: Gate):
    scheduler = make()
    first = ask(scheduler, "first")
    gate.wait_begun()
    unwanted, wanted = ask(scheduler, "unwanted", session="b"), ask(scheduler, "wanted", session="c")
    unwanted.cancel()
    unwanted.cancel()
    assert unwanted.done()
    gate.let_through(2)
    assert (first.result(), wanted.result()) == ("FIRST", "WANTED")
    assert gate.batches == [["first"], ["wanted"]]
    assert scheduler.stats().cancelled == 1
    with pytest.raises(EngineFailed, match="was cancelled before the model began with it"):
        unwanted.result()


def test_cancelling_what_runs_or_is_answered_changes_nothing(make: Make, gate: Gate):
    scheduler = make()
    ticket = ask(scheduler, "running")
    gate.wait_begun()
    ticket.cancel()
    gate.let_through()
    assert ticket.result() == "RUNNING"
    ticket.cancel()
    assert ticket.result() == "RUNNING"
    assert scheduler.stats().cancelled == 0


@pytest.mark.parametrize("trouble", [RuntimeError("cublas is unhappy"), SystemExit("panic"), BaseException("panic")])
def test_an_unexpected_failure_costs_its_batch_only(make: Make, trouble: BaseException):
    calls: list[int] = []

    def run(questions: Sequence[str]) -> list[str]:
        calls.append(len(questions))
        if len(calls) == 1:
            raise trouble
        return list(questions)

    scheduler = make(run)
    bad = ask(scheduler, "bad")
    with pytest.raises(
        EngineFailed, match=f"tiny whisper failed on a batch of 1: {type(trouble).__name__}: "
    ) as caught:
        bad.result()
    assert caught.value.__cause__ is trouble
    assert ask(scheduler, "good").result() == "good"
    assert scheduler.stats().failed == 1


def test_a_typed_failure_arrives_as_it_was_raised(make: Make):
    def run(_: Sequence[str]) -> list[str]:
        raise ContextOverflow("too long", n_tokens=9, limit=8)

    with pytest.raises(ContextOverflow, match="too long"):
        ask(make(run), "long").result()


def test_a_failed_row_fails_alone(make: Make, gate: Gate):
    def run(questions: Sequence[str]) -> list[str | EngineFailed]:
        gate(questions)
        return [EngineFailed("row is silent") if question == "bad" else question for question in questions]

    scheduler = make(run)
    ask(scheduler, "first")
    gate.wait_begun()
    good, bad = ask(scheduler, "good", session="b"), ask(scheduler, "bad", session="c")
    gate.open()
    assert good.result() == "good"
    with pytest.raises(EngineFailed, match="row is silent"):
        bad.result()
    stats = scheduler.stats()
    assert (stats.answered, stats.failed) == (2, 1)


@pytest.mark.parametrize("answers", [[], ["one", "two"], None, 7])
def test_a_wrong_number_of_answers_fails_the_batch(make: Make, answers: object):
    def run(_: Sequence[str]) -> Sequence[str]:
        return cast("list[str]", answers)

    scheduler = make(run)
    with pytest.raises(EngineFailed, match=r"gave \d answers to 1 requests; expected one each|failed on a batch"):
        ask(scheduler, "hello").result()


class Small(Gate):
    """A model with room for so many requests, and none for "huge"."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.sizes: list[int] = []

    def __call__(self, questions: Sequence[str]) -> list[str | EngineFailed]:
        answers = super().__call__(questions)
        if len(questions) > self.room or "huge" in questions:
            raise OutOfMemory("tried to allocate 3 GiB")
        self.sizes.append(len(questions))
        return answers


def crowd(scheduler: Scheduler[str, str], gate: Gate, texts: Sequence[str]) -> list[Ticket[str]]:
    """Submit so that all texts wait at once."""
    ask(scheduler, "first")
    gate.wait_begun()
    tickets = [ask(scheduler, text, session=str(i)) for i, text in enumerate(texts)]
    gate.open()
    return tickets


def test_out_of_memory_halves_the_batch_and_loses_nobody(make: Make):
    model = Small(room=2)
    scheduler = make(model, max_batch=8)
    texts = [f"t{i}" for i in range(8)]
    assert [ticket.result() for ticket in crowd(scheduler, model, texts)] == [text.upper() for text in texts]
    assert model.sizes == [1, 2, 2, 2, 2]
    stats = scheduler.stats()
    assert (stats.out_of_memory, stats.max_batch, stats.failed) == (2, 2, 0)


def test_a_request_that_does_not_fit_alone_fails_alone(make: Make):
    model = Small(room=4)
    tickets = crowd(make(model), model, ["one", "huge", "three", "four"])
    assert [tickets[i].result() for i in (0, 2, 3)] == ["ONE", "THREE", "FOUR"]
    with pytest.raises(OutOfMemory, match="tiny whisper has no memory for even one request: tried to allocate 3 GiB"):
        tickets[1].result()


def test_the_batch_grows_back_after_a_shortage(make: Make):
    model = Small(room=1)
    scheduler = make(model, max_batch=2, recover_after=3)
    for ticket in crowd(scheduler, model, ["one", "two"]):
        ticket.result()
    assert scheduler.stats().max_batch == 1
    model.room = 2
    ask(scheduler, "three").result()
    ask(scheduler, "four").result()
    assert scheduler.stats().max_batch == 2


def test_what_did_not_fit_is_let_go_before_the_next_try(make: Make):
    """The traceback of an error holds the frames that allocated; it must not live on while fewer are tried."""

    class Tensor:
        pass

    alive: list[weakref.ref[Tensor]] = []
    left: list[int] = []

    def run(questions: Sequence[str]) -> list[str]:
        left.append(sum(ref() is not None for ref in alive))
        tensor = Tensor()
        alive.append(weakref.ref(tensor))
        if len(left) == 1:
            raise OutOfMemory("no room")
        return list(questions)

    scheduler = make(run)
    with pytest.raises(OutOfMemory):
        ask(scheduler, "one").result()
    assert ask(scheduler, "two").result() == "two"
    assert left == [0, 0]


def test_an_idle_scheduler_holds_no_question_and_no_answer(gate: Gate):
    class Sound(str):
        __slots__ = ("__weakref__",)

    gate.open()
    clock = Clock()
    scheduler = Scheduler(gate, name="m", settings=SchedulerSettings(window_s=0.0), clock=clock)
    sound = Sound("hello")
    ref = weakref.ref(sound)
    clock.wait_looked()
    assert ask(scheduler, sound).result() == "HELLO"
    gate.batches.clear()
    del sound
    clock.wait_looked(2)  # it took the request; it waits again
    gc.collect()
    assert ref() is None
    scheduler.close()


def test_beyond_the_bound_finals_fail_and_partials_are_superseded(make: Make, gate: Gate):
    scheduler = make(max_waiting=1)
    ask(scheduler, "first")
    gate.wait_begun()
    kept = ask(scheduler, "kept", session="b")
    partial, final = ask(scheduler, "p", session="c", lane=Lane.PARTIAL), ask(scheduler, "f", session="d")
    with pytest.raises(Superseded):
        partial.result()
    with pytest.raises(EngineFailed, match=r"its bound \(max_waiting\)"):
        final.result()
    gate.open()
    assert kept.result() == "KEPT"
    assert scheduler.stats().refused == 2


def test_closing_fails_what_waits_at_once_and_lets_the_running_batch_end(make: Make, gate: Gate):
    scheduler = make()
    running = ask(scheduler, "running")
    gate.wait_begun()
    waiting = ask(scheduler, "waiting", session="b")
    closer = threading.Thread(target=scheduler.close)
    closer.start()
    with pytest.raises(EngineFailed, match="was closed before it came to this request"):
        waiting.result()
    assert not running.done()
    gate.let_through()
    closer.join(WAIT_S)
    assert not closer.is_alive()
    assert running.result() == "RUNNING"
    assert gate.batches == [["running"]]
    stats = scheduler.stats()
    assert (stats.answered, stats.failed) == (1, 1)


def test_closing_is_idempotent_from_any_thread_the_models_own_included(make: Make):
    closed: list[str] = []

    def run(questions: Sequence[str]) -> list[str]:
        scheduler.close()
        closed.append(threading.current_thread().name)
        return list(questions)

    scheduler = make(run)
    assert ask(scheduler, "last").result() == "last"
    assert closed == ["tiny whisper"]
    closers = [threading.Thread(target=scheduler.close) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(WAIT_S)
    scheduler.close()
    assert not any(closer.is_alive() for closer in closers)


def test_a_closed_scheduler_takes_nothing(make: Make):
    scheduler = make()
    scheduler.close()
    with pytest.raises(EngineFailed, match="the scheduler of tiny whisper is closed; make a new one"):
        ask(scheduler, "late")


def test_cancelling_after_closing_is_harmless(make: Make, gate: Gate):
    scheduler = make()
    ask(scheduler, "first")
    gate.wait_begun()
    waiting = ask(scheduler, "waiting", session="b")
    gate.open()
    scheduler.close()
    waiting.cancel()
    with pytest.raises(EngineFailed):
        waiting.result()


def test_queueing_is_measured_from_submitting_to_beginning(gate: Gate):
    now = [10.0]
    settings = SchedulerSettings(window_s=0.0, n_timed=1)
    scheduler = Scheduler(gate, name="m", settings=settings, clock=lambda: now[0])
    first = ask(scheduler, "first")
    gate.wait_begun()
    second, third = ask(scheduler, "second", bucket="Y"), ask(scheduler, "third", session="b", bucket="Z")
    now[0] = 13.0
    gate.let_through()
    gate.wait_begun()
    now[0] = 17.0
    gate.open()
    third.result()
    scheduler.close()
    assert (first.queued_s, second.queued_s, third.queued_s) == (0.0, 3.0, 7.0)
    stats = scheduler.stats()
    assert (stats.queue_p50_s, stats.queue_p95_s, stats.queue_max_s) == (7.0, 7.0, 7.0)  # of the last one
    assert (stats.requests, stats.answered, stats.batches, stats.mean_batch, stats.largest_batch) == (3, 3, 3, 1.0, 1)


def test_a_scheduler_that_did_nothing_has_zeros_to_tell(make: Make):
    stats = make().stats()
    assert (stats.requests, stats.batches, stats.mean_batch, stats.queue_p95_s, stats.max_batch) == (0, 0, 0.0, 0.0, 4)


class Talker(threading.Thread):
    """A session that asks for three partials and a final at each turn and notes what it got."""

    def __init__(self, scheduler: Scheduler[str, str], *, number: int, start: threading.Barrier) -> None:
        super().__init__()
        self.scheduler, self.number, self.barrier = scheduler, number, start
        self.wrong: list[str] = []
        self.n_superseded = self.n_failed = 0

    def run(self) -> None:
        self.barrier.wait(WAIT_S)
        for turn in range(40):
            session, text = str(self.number), f"s{self.number}t{turn}"
            partials = [ask(self.scheduler, f"{text}p{i}", session=session, lane=Lane.PARTIAL) for i in range(3)]
            final = ask(self.scheduler, text, session=session, bucket="XY"[turn % 2])
            if turn % 5 == 0:
                partials[-1].cancel()
            for ticket, expected in [(final, text), *((p, f"{text}p{i}") for i, p in enumerate(partials))]:
                self.check(ticket, expected.upper())

    def check(self, ticket: Ticket[str], expected: str) -> None:
        try:
            if ticket.result() != expected:
                self.wrong.append(expected)
        except Superseded:
            self.n_superseded += 1
        except EngineFailed:
            self.n_failed += 1


def test_many_threads_get_their_own_answers_and_the_counts_add_up(make: Make, gate: Gate):
    gate.open()
    scheduler = make(max_batch=8)
    start = threading.Barrier(8)
    talkers = [Talker(scheduler, number=number, start=start) for number in range(8)]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join(WAIT_S)
    assert not any(talker.is_alive() for talker in talkers)
    assert not [text for talker in talkers for text in talker.wrong]
    stats = scheduler.stats()
    assert stats.requests == 8 * 40 * 4
    assert stats.answered + stats.superseded + stats.cancelled == stats.requests
    assert stats.superseded == sum(talker.n_superseded for talker in talkers)
    assert stats.cancelled == sum(talker.n_failed for talker in talkers)
    assert stats.largest_batch <= 8

"""Places on a server: who gets one, who comes back to one, and when it has to be left."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from agent.errors import AgentError
from agent.server.admission import FILES_SPARED, MAX_LATENESS, Admission, Client, LoopLag, Refused
from agent.server.metrics import ServerMetrics
from agent.server.ports import Opening, Received
from agent.server.resume import ResumeRequest
from agent.server.seats import Seats
from agent.server.settings import ServerSettings
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.server.seat import Seat
    from agent.wire.dialect import ServerEvent, Stop

pytestmark = pytest.mark.anyio

ANN = Client(address="10.0.0.1", token="ann")
BOB = Client(address="10.0.0.2", token="bob")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Talk:
    """A dialogue that says what is asked of it, and ends when told (unless `stubborn`)."""

    opening: Opening
    trouble: Exception | None = None
    stubborn: bool = False
    flushes: bool = True
    tells: bool = False
    asked: list[str] = field(default_factory=list[str])
    was_cancelled: bool = False
    n: int = 0
    _over: anyio.Event = field(default_factory=anyio.Event)
    _post: Callable[[Sequence[ServerEvent]], None] | None = None

    async def run(self, post: Callable[[Sequence[ServerEvent]], None]) -> None:
        self._post = post
        self.say("session.created")
        if self.trouble is not None:
            if self.tells:
                self.fault("engine_failed", "in its own words")
            raise self.trouble
        try:
            await self._over.wait()
        except BaseException:
            self.was_cancelled = True
            raise
        self.say("last")

    def say(self, kind: str, **more: object) -> None:
        assert self._post is not None
        self.n += 1
        self._post([{"type": kind, "event_id": f"event_x_{self.n:06d}", **more}])

    def receive(self, message: str | bytes) -> Received:
        self.say("echo", text=str(message))
        return Received()

    def fault(self, code: str, message: str) -> None:
        self.say("error", error={"code": code, "message": message})

    def ending(self, *, in_s: float, reason: str) -> None:
        self.asked.append(f"ending {reason} in {in_s:g}")

    def resumed(self, *, n_replayed: int) -> None:
        self.say("resumed", n=n_replayed)

    def end(self, how: Stop) -> None:
        self.asked.append(how)
        if not self.stubborn and (how == "now" or self.flushes):
            self._over.set()


class Talks:
    """Makes dialogues; `options` are those of the next ones."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.made: list[Talk] = []
        self.refuses: Exception | None = None

    def open(self, opening: Opening) -> Talk:
        if self.refuses is not None:
            raise self.refuses
        self.made.append(Talk(opening=opening, **self.options))
        return self.made[-1]

    @property
    def is_degraded(self) -> str | None:
        return None


@dataclass
class House:
    """Seats with everything around them."""

    talks: Talks
    clock: Clock
    metrics: ServerMetrics
    seats: Seats
    n_opened: int = 0

    async def open(self, client: Client = ANN, *, attached: bool = True) -> tuple[Seat, Talk]:
        self.n_opened += 1
        seat = self.seats.open(Opening(endpoint="realtime", session=f"s{self.n_opened}"), client)
        if attached:
            seat.attach(nobody)
        await anyio.wait_all_tasks_blocked()
        return seat, self.talks.made[-1]

    async def later(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.seats.tick()
        await anyio.wait_all_tasks_blocked()

    def value(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


def house(**settings: int) -> House:
    return house_with(lambda: None, **settings)


def house_with(files_left: Callable[[], int | None], /, **settings: int) -> House:
    talks, clock, metrics = Talks(), Clock(), ServerMetrics()
    seats = Seats(talks, replace(ServerSettings(), **settings), metrics, clock=clock, files_left=files_left)
    return House(talks=talks, clock=clock, metrics=metrics, seats=seats)


def nobody() -> None:
    """A connection that does not care who comes after it."""


def kinds(texts: list[str]) -> list[str]:
    return [json.loads(text)["type"] for text in texts]


async def test_a_session_runs_in_its_own_task_until_its_client_leaves():
    here = house()
    async with here.seats:
        seat, talk = await here.open()
        assert kinds(await seat.outbox.next()) == ["session.created"]
        seat.receive("hello")
        assert kinds(await seat.outbox.next()) == ["echo"]
        assert (len(here.seats), here.value("attune_sessions_open")) == (1, 1)

        seat.detach(nobody, is_final=True)
        assert kinds(await seat.outbox.next()) == ["last"]
        assert await seat.outbox.next() == []

        assert talk.asked == ["now"]
        assert seat.end_reason == "done"
        assert (len(here.seats), here.value("attune_sessions_open")) == (0, 0)


async def test_a_lost_client_comes_back_to_what_it_has_not_seen():
    here = house()
    async with here.seats:
        seat, talk = await here.open()
        await seat.outbox.next()
        talk.say("seen")
        talk.say("lost on the way")
        await seat.outbox.next()
        seat.detach(nobody)
        talk.say("said while nobody was there")
        await here.later(59)

        again = here.seats.resume(ResumeRequest(token=seat.resume_token, after=2), ANN)
        again.attach(nobody)

        assert again is seat
        texts = await seat.outbox.next()
        assert kinds(texts) == ["lost on the way", "said while nobody was there", "resumed"]
        assert json.loads(texts[-1])["n"] == 2
        assert here.value("attune_resumed_total") == 1
        await here.later(500)
        assert talk.asked == []


async def test_nobody_comes_back_after_the_time_and_the_place_is_free():
    here = house()
    async with here.seats:
        seat, talk = await here.open()
        seat.detach(nobody)
        await here.later(60)

        assert (talk.asked, seat.end_reason, len(here.seats)) == (["now"], "lost", 0)
        with pytest.raises(Refused):
            here.seats.resume(ResumeRequest(token=seat.resume_token), ANN)


async def test_a_session_that_cannot_be_resumed_is_not_kept():
    here = house(resume_s=0)
    async with here.seats:
        seat, _ = await here.open()
        seat.detach(nobody)
        await anyio.wait_all_tasks_blocked()

        assert len(here.seats) == 0


async def test_a_session_whose_client_never_got_through_ends_as_a_lost_one():
    here = house()
    async with here.seats:
        await here.open(attached=False)
        await here.later(60)

        assert len(here.seats) == 0


async def test_every_wrong_way_back_is_answered_alike_and_changes_nothing():
    here = house()
    async with here.seats:
        seat, talk = await here.open()
        ended, _ = await here.open()
        ended.detach(nobody, is_final=True)
        await seat.outbox.next()
        ways = [
            (ResumeRequest(token=""), ANN),
            (ResumeRequest(token="x" * 43), ANN),
            (ResumeRequest(token=seat.resume_token[:-1]), ANN),
            (ResumeRequest(token=seat.resume_token), BOB),
            (ResumeRequest(token=seat.resume_token, after=99), ANN),
            (ResumeRequest(token=ended.resume_token), ANN),
        ]
        told: set[tuple[str, str, float | None, int]] = set()
        for request, client in ways:
            assert here.seats.find(request, client) is None
            with pytest.raises(Refused) as refused:
                here.seats.resume(request, client)
            told.add((refused.value.code, str(refused.value), refused.value.retry_after_s, refused.value.http_status))

        assert told == {("not_found", "there is no such session to resume: begin a new one", None, 404)}
        assert talk.n == 1
        assert here.seats.find(ResumeRequest(token=seat.resume_token, after=1), ANN) is seat


async def test_a_second_connection_takes_the_session_and_the_first_one_leaving_changes_nothing():
    here = house()
    taken: list[str] = []

    def first() -> None:
        taken.append("first")

    async with here.seats:
        seat, talk = await here.open(attached=False)
        seat.attach(first)
        await seat.outbox.next()

        here.seats.resume(ResumeRequest(token=seat.resume_token, after=1), ANN).attach(nobody)
        assert taken == ["first"]

        seat.detach(first, is_final=True)
        seat.detach(first)
        await here.later(100)
        assert seat.is_attached
        assert (talk.asked, len(here.seats)) == ([], 1)


async def test_an_idle_client_is_warned_a_minute_ahead_each_time_and_then_let_go():
    here = house(idle_s=90)
    async with here.seats:
        seat, talk = await here.open()
        await here.later(29)
        assert talk.asked == []
        await here.later(0.6)
        await here.later(30)
        assert talk.asked == ["ending idle in 60.4"]

        seat.receive("I am here")
        await here.later(29.9)
        assert len(talk.asked) == 2
        await here.later(60.1)

        assert talk.asked[1:] == ["ending idle in 60.1", "flush"]
        assert (seat.end_reason, len(here.seats)) == ("idle", 0)


async def test_a_long_session_is_warned_once_a_minute_ahead_and_then_ended():
    here = house(idle_s=50, max_session_s=200)
    async with here.seats:
        seat, talk = await here.open()
        for _ in range(20):
            seat.receive("on and on")
            await here.later(10)

        assert talk.asked == ["ending too_long in 60", "flush"]
        assert seat.end_reason == "too_long"


async def test_limits_below_the_warning_are_warned_of_halfway():
    here = house(idle_s=10)
    async with here.seats:
        _, talk = await here.open()
        await here.later(4.9)
        assert talk.asked == []
        await here.later(0.1)
        assert talk.asked == ["ending idle in 5"]


async def test_whoever_is_slow_to_end_is_told_again_and_then_cancelled():
    here = house(idle_s=10, drain_s=8)
    here.talks.options = {"stubborn": True}
    async with here.seats:
        seat, talk = await here.open()
        await here.later(10)
        await here.later(8)
        await here.later(2.9)
        assert (talk.asked, talk.was_cancelled) == (["flush", "now"], False)
        await here.later(0.1)

        assert (talk.was_cancelled, seat.end_reason, len(here.seats)) == (True, "idle", 0)
        assert seat.outbox.is_closed


async def test_a_session_that_nobody_hears_and_that_says_too_much_ends():
    here = house()
    async with here.seats:
        seat, talk = await here.open()
        seat.detach(nobody)
        for _ in range(20):
            talk.say("much", text="x" * 2**20)
        await here.later(1)

        assert (seat.end_reason, len(here.seats)) == ("lost", 0)


@pytest.mark.parametrize(
    ("trouble", "code", "message"),
    [
        (EngineFailed("the ears are gone: restart"), "engine_failed", "the ears are gone: restart"),
        (ExceptionGroup("tasks", [ValueError("x"), AgentError("no voice")]), "engine_failed", "no voice"),
        (
            KeyError("what the user said"),
            "server_error",
            "the session failed and has ended: connect again for a new one",
        ),
    ],
)
async def test_one_session_that_fails_is_told_why_and_harms_no_other(
    trouble: Exception, code: str, message: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    here = house()
    async with here.seats:
        other, _ = await here.open()
        here.talks.options = {"trouble": trouble}
        seat, _ = await here.open()

        events = [json.loads(text) for text in await seat.outbox.next()]
        assert [event["error"] for event in events[1:]] == [{"code": code, "message": message}]
        assert await seat.outbox.next() == []
        assert seat.end_reason == "failed"
        assert not other.outbox.is_closed
        assert len(here.seats) == 1
    assert f"session {seat.session} failed" in caplog.text
    assert "what the user said" not in caplog.text


async def test_a_dialogue_that_says_itself_why_it_fails_is_not_interrupted():
    here = house()
    here.talks.options = {"trouble": EngineFailed("the ears are gone"), "tells": True}
    async with here.seats:
        seat, _ = await here.open()
        events = [json.loads(text) for text in await seat.outbox.next()]

    assert [event["error"]["message"] for event in events[1:]] == ["in its own words"]


async def test_what_cannot_be_opened_takes_no_place():
    here = house(max_sessions=1)
    async with here.seats:
        here.talks.refuses = EngineFailed("translation needs a language model")
        with pytest.raises(EngineFailed):
            await here.open()
        here.talks.refuses = None

        await here.open()


@pytest.mark.parametrize(
    ("settings", "client", "code", "status"),
    [
        ({"max_sessions": 2}, Client(address="10.9.9.9"), "session_limit", 503),
        ({"max_sessions_per_address": 2}, Client(address=ANN.address), "address_limit", 429),
        ({"max_sessions_per_token": 2}, Client(address="10.9.9.9", token=ANN.token), "token_limit", 429),
    ],
)
async def test_one_too_many_is_refused_with_the_time_to_ask_again(
    settings: dict[str, int], client: Client, code: str, status: int
):
    here = house(**settings)
    async with here.seats:
        seat, _ = await here.open()
        await here.open()
        for ask in (lambda: here.seats.check(client), lambda: here.seats.open(a_session(), client)):
            with pytest.raises(Refused) as refused:
                ask()
            assert (refused.value.code, refused.value.http_status) == (code, status)
            assert refused.value.retry_after_s == 15
        assert len(here.talks.made) == 2

        seat.detach(nobody, is_final=True)
        await anyio.wait_all_tasks_blocked()
        here.seats.check(client)


async def test_the_longest_lost_session_gives_its_place_to_a_client_that_is_there():
    here = house(max_sessions=2)
    async with here.seats:
        first, _ = await here.open()
        second, _ = await here.open()
        assert here.seats.refusal is not None
        second.detach(nobody)
        await here.later(1)
        first.detach(nobody)
        assert here.seats.refusal is None

        here.seats.check(BOB)
        assert len(here.seats) == 2
        third, _ = await here.open(BOB)
        assert (second.end_reason, first.end_reason) == ("displaced", None)
        await here.open(BOB)

        with pytest.raises(Refused):
            await here.open(BOB)
        assert first.end_reason == "displaced"
        third.detach(nobody, is_final=True)
        await anyio.wait_all_tasks_blocked()
        await here.open(ANN)


async def test_limits_of_one_client_displace_only_its_own_lost_sessions():
    here = house(max_sessions_per_token=1)
    async with here.seats:
        theirs, _ = await here.open(BOB)
        theirs.detach(nobody)
        await here.open(ANN)

        with pytest.raises(Refused, match="of this token"):
            await here.open(ANN)
        assert theirs.end_reason is None


def a_session() -> Opening:
    return Opening(endpoint="realtime", session="s")


async def test_few_files_left_shed_new_sessions_and_keep_the_old():
    left = [FILES_SPARED]
    here = house_with(lambda: left[0])
    async with here.seats:
        seat, _ = await here.open()
        left[0] -= 1
        with pytest.raises(Refused, match="open files") as refused:
            here.seats.check(BOB)

        assert refused.value.http_status == 503
        assert seat.end_reason is None


def test_a_loop_that_is_late_most_of_the_time_sheds_new_sessions_until_it_has_caught_up():
    clock = Clock()
    lag = LoopLag(clock=clock)
    admission = Admission(ServerSettings(), lateness=lambda: lag.lateness)

    def run(*, lag_s: float, for_s: float) -> None:
        for _ in range(round(for_s / (0.05 + lag_s))):
            clock.now_s += 0.05 + lag_s
            lag.add(lag_s)

    run(lag_s=0.001, for_s=20)
    assert lag.lateness < 0.03
    run(lag_s=1.5, for_s=3.1)  # a model is loaded
    assert admission.refusal(BOB) is None

    run(lag_s=0.25, for_s=10)
    assert lag.lateness > MAX_LATENESS
    refused = admission.refusal(BOB)
    assert refused is not None
    assert (refused.code, refused.http_status, refused.retry_after_s) == ("overloaded", 503, 5)

    run(lag_s=0.002, for_s=6)
    assert admission.refusal(BOB) is None


async def test_a_drain_tells_everybody_and_waits_for_what_was_said():
    here = house()
    async with here.seats:
        seats = [await here.open() for _ in range(3)]
        lost, lost_talk = await here.open()
        lost.detach(nobody)

        await here.seats.drain(within_s=5)

        assert all(talk.asked == ["ending draining in 5", "flush"] for _, talk in seats)
        assert lost_talk.asked == ["ending draining in 5", "now"]
        assert all(seat.end_reason == "draining" for seat, _ in seats)
        assert len(here.seats) == 0
        assert here.seats.is_draining
        with pytest.raises(Refused, match="shutting down") as refused:
            here.seats.check(BOB)
        assert refused.value.code == "draining"
        await here.seats.drain(within_s=5)  # nobody is left


async def test_a_drain_ends_in_time_with_talkers_and_the_deaf():
    here = house()
    async with here.seats:
        here.talks.options = {"flushes": False}
        talker, talker_talk = await here.open()
        here.talks.options = {"stubborn": True}
        deaf, deaf_talk = await here.open()

        await here.seats.drain(within_s=0.05)
        await anyio.wait_all_tasks_blocked()

        assert talker_talk.asked[1:] == ["flush", "now"]
        assert (talker_talk.was_cancelled, deaf_talk.was_cancelled) == (False, True)
        assert (talker.end_reason, deaf.end_reason, len(here.seats)) == ("draining", "draining", 0)


async def test_leaving_ends_every_session():
    here = house()
    async with here.seats:
        seat, talk = await here.open()

    assert talk.was_cancelled
    assert seat.outbox.is_closed
    assert here.value("attune_sessions_open") == 0
    assert here.value("attune_loop_lag_seconds_count") is not None


async def test_what_goes_wrong_around_the_seats_comes_out_as_it_is():
    here = house()

    async def listen() -> None:
        async with here.seats:
            await here.open()
            raise OSError("port in use")

    with pytest.raises(OSError, match="port"):
        await listen()

    assert here.talks.made[0].was_cancelled


async def test_tokens_are_long_and_nobodys_twice():
    here = house()
    async with here.seats:
        tokens = {(await here.open())[0].resume_token for _ in range(20)}

    assert len(tokens) == 20
    assert all(len(token) >= 43 for token in tokens)
    assert all(talk.opening.resume_token in tokens for talk in here.talks.made)

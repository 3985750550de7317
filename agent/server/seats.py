"""All sessions of one process: who gets a place, who comes back to one, and when each has to end.

Each dialogue runs in a task of its own, so that it outlives its connection. One timer looks at all of them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import anyio

from .admission import Admission, LoopLag, Refused, files_left
from .resume import Secrets, new_token
from .seat import TICK_S, Seat, SeatLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from .admission import Client
    from .metrics import ServerMetrics
    from .ports import Dialogues, Opening
    from .resume import ResumeRequest
    from .settings import ServerSettings


class Seats:
    """The places of one process. Use: `async with Seats(…) as seats`; leaving it ends all sessions at once."""

    def __init__(
        self,
        dialogues: Dialogues,
        settings: ServerSettings,
        metrics: ServerMetrics,
        *,
        worker: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        files_left: Callable[[], int | None] = files_left,
    ) -> None:
        """Begin with nobody.

        Args:
            dialogues: makes the conversations.
            settings: how many sessions, and how long each.
            metrics: counts sessions begun, open and resumed, and the lag of the loop.
            worker: number of this process among several on one port; its resume tokens carry it.
            clock: monotonic seconds.
            files_left: how many more files may be opened, None where that is not known.
        """
        self._dialogues = dialogues
        self._metrics = metrics
        self._worker = worker
        self._clock = clock
        self._lag = LoopLag(clock=clock)
        self._admission = Admission(settings, lateness=lambda: self._lag.lateness, files_left=files_left)
        self._drain_s = settings.drain_s
        self._limits = SeatLimits(
            idle_s=settings.idle_s,
            max_session_s=settings.max_session_s,
            warn_s=settings.warn_s,
            resume_s=settings.resume_s,
            flush_s=settings.drain_s,
        )
        self._seats: list[Seat] = []
        self._by_token: Secrets[Seat] = Secrets()
        self._displaced: set[Seat] = set()
        self._nobody: anyio.Event | None = None
        self._n_ended = 0
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._watch)
        self._tasks.start_soon(self._lag.watch, self._metrics.loop_lag_s.observe)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        if isinstance(trouble, Exception):
            # What went wrong around us is no fault of a task: it goes on as it is, in no group.
            await self._tasks.__aexit__(None, None, None)
            return None
        return await self._tasks.__aexit__(kind, trouble, trace)

    def __len__(self) -> int:
        return len(self._seats)

    @property
    def n_ended(self) -> int:
        """How many sessions have ended so far."""
        return self._n_ended

    @property
    def is_draining(self) -> bool:
        """No new session is given: the server stops."""
        return self._admission.is_draining

    @property
    def refusal(self) -> Refused | None:
        """Why nobody would get a session now; None: somebody would (for `/ready`)."""
        refused = self._admission.general_refusal()
        if refused is not None and refused.code == "session_limit" and self._lost():
            return None
        return refused

    def check(self, client: Client) -> None:
        """Tell, before the handshake is answered, whether a client would get a session; keeps no place for it.

        Raises:
            Refused: it would not.
        """
        refused = self._admission.refusal(client)
        if refused is not None and self._displaceable(client, refused) is None:
            raise refused

    def open(self, opening: Opening, client: Client) -> Seat:
        """Begin a session; a lost one gives its place up for it where there is no other.

        Args:
            opening: what the client wants; the seat's resume token is put into it.
            client: whom the session counts for.

        Raises:
            Refused: there is no place.
            AgentError, StreamingError: the client asks for what is not here.
        """
        while (refused := self._admission.refusal(client)) is not None:
            lost = self._displaceable(client, refused)
            if lost is None:
                raise refused
            self._displace(lost)
        token = opening.resume_token or new_token(worker=self._worker)
        dialogue = self._dialogues.open(replace(opening, resume_token=token))
        self._admission.enter(client)
        seat = Seat(
            dialogue,
            session=opening.session,
            resume_token=token,
            client=client,
            limits=self._limits,
            clock=self._clock,
        )
        self._seats.append(seat)
        self._by_token.put(token, seat)
        self._metrics.sessions.labels(opening.endpoint).inc()
        self._metrics.sessions_open.inc()
        self._tasks.start_soon(self._hold, seat)
        return seat

    def resume(self, request: ResumeRequest, client: Client) -> Seat:
        """Give a client its session back, with what it has not seen unsent again; then `attach` to it.

        A connection that still has the session gets nothing more from here on.

        Raises:
            Refused: `not_found`, for every reason alike: a wrong token, another's, a session that has ended, events
                that are gone.
        """
        seat = self.find(request, client)
        if seat is None:
            raise not_found()
        try:
            n_again = seat.outbox.rewind(request.after)
        except KeyError:
            raise not_found() from None
        seat.dialogue.resumed(n_replayed=n_again)
        self._metrics.resumed.inc()
        return seat

    def find(self, request: ResumeRequest, client: Client) -> Seat | None:
        """Return the session that a client may resume, None for every reason there is not to; changes nothing."""
        seat = self._by_token.get(request.token)
        if seat is None or seat.is_over or seat.client.token != client.token:
            return None
        return seat if seat.outbox.can_rewind(request.after) else None

    async def drain(self, *, within_s: float | None = None) -> None:
        """Give no new sessions; end those there are, each after what was said in it, all within so many seconds."""
        self._admission.is_draining = True
        left_s = self._drain_s if within_s is None else within_s
        for seat in self._seats:
            seat.dialogue.ending(in_s=left_s, reason="draining")
            seat.end("draining", how="flush" if seat.is_attached else "now")
        await self._gone(left_s * 0.6)
        for seat in self._seats:
            seat.end("draining", how="now")
        await self._gone(left_s * 0.4)
        for seat in self._seats:
            seat.cancel()

    async def _gone(self, within_s: float) -> None:
        self._nobody = anyio.Event()
        if self._seats:
            with anyio.move_on_after(within_s):
                await self._nobody.wait()

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Look at every session: warn and end those whose time is over."""
        now_s = self._clock()
        for seat in tuple(self._seats):
            seat.check(now_s)

    async def _hold(self, seat: Seat) -> None:
        try:
            await seat.hold()
        finally:
            self._seats.remove(seat)
            self._n_ended += 1
            self._by_token.drop(seat.resume_token)
            if not self._seats and self._nobody is not None:
                self._nobody.set()
            self._metrics.sessions_open.dec()
            if seat in self._displaced:
                self._displaced.discard(seat)
            else:
                self._admission.leave(seat.client)

    def _lost(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.is_lost]

    def _displaceable(self, client: Client, refused: Refused) -> Seat | None:
        """Return the session, longest lost of those without a connection, whose end would make room for a client."""
        match refused.code:
            case "session_limit":
                lost: Iterable[Seat] = self._lost()
            case "address_limit":
                lost = (seat for seat in self._lost() if seat.client.address == client.address)
            case "token_limit":
                lost = (seat for seat in self._lost() if seat.client.token == client.token)
            case _:
                return None
        return min(lost, key=lambda seat: seat.lost_s, default=None)

    def _displace(self, seat: Seat) -> None:
        self._displaced.add(seat)
        self._admission.leave(seat.client)
        seat.end("displaced", how="now")


def not_found() -> Refused:
    """Return the one answer to everybody who asks for a session that is not theirs, or not there."""
    return Refused("not_found", "there is no such session to resume: begin a new one")

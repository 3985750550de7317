"""Several transcribers side by side as one: their final lists are merged, partials are those of the first."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from ..audio import SAMPLE_RATE
from ..ensemble import EnsembleSettings, SystemNbest, merge
from ..errors import EngineFailed, Superseded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..events import Samples, Transcript
    from ..ports import Pending, Transcriber

_NAME = "ensemble"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long members are waited for.

    Attributes:
        deadline_s: wall-clock seconds from the moment a final is collected; a member that needs longer is left out, and
            sits out the utterances that begin before it is done. None waits for all: only then is what the ensemble
            says a function of the sound alone.
    """

    deadline_s: float | None = None

    def __post_init__(self) -> None:
        """Check the value."""
        if self.deadline_s is not None and self.deadline_s <= 0:
            raise ValueError(f"deadline_s is {self.deadline_s}, expected above 0, or None")


@dataclass(frozen=True, slots=True)
class Member:
    """A transcriber and how much its readings count, above 0."""

    transcriber: Transcriber
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the weight."""
        if not self.weight > 0:
            raise ValueError(f"weight of {self.transcriber.name} is {self.weight}, expected above 0")


@dataclass(slots=True, eq=False)
class _Seat:
    """A member, and what keeps it from this utterance: it failed, or is still busy with one before."""

    member: Member
    trouble: EngineFailed | None = None
    busy: Future[Transcript] | None = field(default=None)

    def do(self, step: Callable[[Transcriber], None]) -> None:
        """Have the member do something, unless it sits out; from a failure on it does."""
        if self.trouble is None:
            try:
                step(self.member.transcriber)
            except EngineFailed as trouble:
                self.trouble = trouble


class EnsembleTranscriber:
    """One speaker's recognisers. One caller at a time; a single member is passed through unchanged.

    All members hear all sound. The first alone gives partials: an ensemble is as quick as that one while somebody
    speaks, as slow as the slowest at the end. A member that fails is left out until the next utterance.
    """

    def __init__(
        self, members: Sequence[Member], settings: EnsembleSettings | None = None, *, waiting: Waiting | None = None
    ) -> None:
        """Take over `members`: `close` closes them. Their order is the one of `EnsembleSettings.order` "given"."""
        if not members:
            raise ValueError("members is empty, expected at least one")
        self._seats = [_Seat(member) for member in members]
        self._settings = settings or EnsembleSettings()
        self._waiting = waiting or Waiting()
        self._at_s = 0.0
        self._n_samples = 0

    @property
    def name(self) -> str:
        """Short name of the engine; that of the member if there is one only."""
        return self._first.name if len(self._seats) == 1 else _NAME

    @property
    def partial_lag_s(self) -> float:
        """Audio time between asking for a partial and collecting it: the first member's."""
        return self._first.partial_lag_s

    def start(self, utterance: int, at_s: float) -> None:
        """Begin an utterance with all members that are not busy."""
        self._at_s, self._n_samples = at_s, 0
        for seat in self._seats:
            if seat.busy is not None and not seat.busy.done():
                seat.trouble = EngineFailed(f"{seat.member.transcriber.name} is still busy with an earlier utterance")
                continue
            seat.busy = seat.trouble = None
            seat.do(lambda transcriber: transcriber.start(utterance, at_s))

    def accept(self, samples: Samples) -> None:
        """Take the next sound of the utterance. Returns at once."""
        self._n_samples += len(samples)
        for seat in self._seats:
            seat.do(lambda transcriber: transcriber.accept(samples))

    def partial(self) -> Pending[Transcript]:
        """Ask the first member for a transcript so far; `Superseded` when it sits this utterance out."""
        first = self._seats[0]
        if first.trouble is not None:
            return _Refused(Superseded(f"no partials: {first.trouble}"))
        try:
            return first.member.transcriber.partial()
        except EngineFailed as trouble:
            return _Refused(trouble)

    def finish(self) -> Pending[Transcript]:
        """Ask all members for their final n-best, and merge what they say."""
        asked: list[tuple[_Seat, Pending[Transcript]]] = []
        for seat in self._seats:
            seat.do(lambda transcriber, seat=seat: asked.append((seat, transcriber.finish())))
        if len(self._seats) == len(asked) == 1:
            return asked[0][1]
        span = (self._at_s, self._at_s + self._n_samples / SAMPLE_RATE)
        return PendingMerge(self._seats, asked, span=span, settings=self._settings, waiting=self._waiting)

    def close(self) -> None:
        """Close all members. Idempotent."""
        for seat in self._seats:
            seat.member.transcriber.close()

    @property
    def _first(self) -> Transcriber:
        return self._seats[0].member.transcriber


class PendingMerge:
    """A merged transcript under way."""

    def __init__(
        self,
        seats: Sequence[_Seat],
        asked: Sequence[tuple[_Seat, Pending[Transcript]]],
        *,
        span: tuple[float, float],
        settings: EnsembleSettings,
        waiting: Waiting,
    ) -> None:
        self._seats = seats
        self._asked = asked
        self._span = span
        self._settings = settings
        self._deadline_s = waiting.deadline_s
        self._transcript: Transcript | None = None

    def result(self) -> Transcript:
        """Wait for the members and return their merged transcript.

        Raises:
            EngineFailed: none of them answered.
        """
        if self._transcript is None:
            self._transcript = self._merged()
        return self._transcript

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Idempotent."""
        for seat, pending in self._asked:
            if seat.busy is None:  # while a thread waits for it, it must not be cancelled
                pending.cancel()

    def _merged(self) -> Transcript:
        answers: list[tuple[Member, Transcript]] = []
        for seat, collect in self._collectors():
            try:
                answers.append((seat.member, collect()))
            except EngineFailed as trouble:
                seat.trouble = trouble
        if not answers:
            told = "; ".join(f"{seat.member.transcriber.name}: {seat.trouble}" for seat in self._seats)
            raise EngineFailed(f"no recogniser of the ensemble answered ({told})")
        systems = [SystemNbest(nbest=transcript.nbest, weight=member.weight) for member, transcript in answers]
        nbest = merge(systems, span=self._span, settings=self._settings)
        languages = [transcript.language for _, transcript in answers if transcript.language is not None]
        return replace(
            answers[0][1],
            nbest=nbest,
            n_stable=len(nbest[0].words) if nbest else 0,
            language=languages[0] if languages else None,
        )

    def _collectors(self) -> list[tuple[_Seat, Callable[[], Transcript]]]:
        """Return for each member a way to collect its answer; with a deadline, on a thread of its own each."""
        if self._deadline_s is None:
            return [(seat, pending.result) for seat, pending in self._asked]
        give_up_at = monotonic() + self._deadline_s
        for seat, pending in self._asked:
            seat.busy = _in_background(pending)
        return [(seat, lambda seat=seat: _in_time(seat, give_up_at)) for seat, _ in self._asked]


@dataclass(frozen=True, slots=True)
class _Refused:
    """An answer that there is not."""

    why: EngineFailed

    def result(self) -> Transcript:
        raise self.why

    def cancel(self) -> None:
        """Nothing is under way: nothing to do."""


def _in_background(pending: Pending[Transcript]) -> Future[Transcript]:
    """Return the answer as a future; the thread ends with the answer, or with the process."""
    answer: Future[Transcript] = Future()

    def wait() -> None:
        try:
            answer.set_result(pending.result())
        except BaseException as trouble:  # noqa: BLE001 - whatever it is, it is raised where the answer is collected
            answer.set_exception(trouble)

    Thread(target=wait, name="ensemble-member", daemon=True).start()
    return answer


def _in_time(seat: _Seat, give_up_at: float) -> Transcript:
    assert seat.busy is not None
    with suppress(TooLate):
        return seat.busy.result(max(0.0, give_up_at - monotonic()))
    raise EngineFailed(f"{seat.member.transcriber.name} did not answer in time")

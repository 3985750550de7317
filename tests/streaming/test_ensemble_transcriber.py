"""Several transcribers as one: who is asked, who is waited for, who is left out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.backends.ensemble import EnsembleTranscriber, Member, Waiting
from streaming.backends.scripted import Answer, ScriptedTranscriber, ScriptedUtterance
from streaming.ensemble import EnsembleSettings
from streaming.errors import EngineFailed, Superseded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Transcript
    from streaming.ports import Pending, Transcriber

SECOND = np.zeros(16_000, np.float32)


class Scripted(ScriptedTranscriber):
    """A script that counts what happens to it, fails where told, and answers a final only when it may."""

    def __init__(
        self, script: Sequence[ScriptedUtterance | str], *, name: str = "scripted", fails_at: str = ""
    ) -> None:
        super().__init__(script)
        self.fails_at = fails_at
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.calls: list[str] = []
        self._own_name = name

    @property
    def name(self) -> str:
        return self._own_name

    def note(self, what: str) -> None:
        self.calls.append(what)
        if self.fails_at == what:
            raise EngineFailed(f"broke at {what}")

    def start(self, utterance: int, at_s: float) -> None:
        self.note("start")
        super().start(utterance, at_s)

    def partial(self) -> Answer:
        self.note("partial")
        return super().partial()

    def finish(self) -> Answer:
        self.note("finish")
        return Gated(super().finish(), self)  # pyright: ignore[reportReturnType] - an answer in all that is used

    def close(self) -> None:
        self.note("close")


class Gated:
    """An answer that comes when its member lets it."""

    def __init__(self, answer: Answer, member: Scripted) -> None:
        self._answer, self._member = answer, member

    def result(self) -> Transcript:
        self._member.note("result")
        self._member.may_answer.wait(30)
        self._member.note("answer")
        return self._answer.transcript

    def cancel(self) -> None:
        self._member.note("cancel")


def asked(transcriber: Transcriber, *, utterance: int = 1) -> Pending[Transcript]:
    transcriber.start(utterance, 2.0)
    for _ in range(3):
        transcriber.accept(SECOND)
    return transcriber.finish()


def said(transcriber: Transcriber, *, utterance: int = 1) -> Transcript:
    return asked(transcriber, utterance=utterance).result()


def test_finals_of_all_members_are_merged():
    script = ScriptedUtterance(nbest=(("i am sad", -1.0), ("i am mad", -2.0)))
    members = [
        Member(Scripted([script]), 2.0),
        Member(Scripted(["i am mad"]), 1.0),
        Member(Scripted(["we are sad"]), 1.0),
    ]
    final = said(EnsembleTranscriber(members), utterance=7)
    assert (final.utterance, final.is_final, final.at_s) == (7, True, 5.0)
    assert {h.text for h in final.nbest} == {"i am sad", "i am mad", "we are sad"}
    assert sum(h.posterior for h in final.nbest) == pytest.approx(1.0)
    assert final.n_stable == len(final.nbest[0].words) == 3


def test_all_are_asked_before_any_is_waited_for():
    order: list[str] = []

    class Noted(Scripted):
        def note(self, what: str) -> None:
            order.append(what)

    said(EnsembleTranscriber([Member(Noted(["a"])), Member(Noted(["b"]))]))
    assert order == ["start", "start", "finish", "finish", "result", "answer", "result", "answer"]


def test_a_single_member_is_passed_through_unchanged():
    script = [ScriptedUtterance(nbest=tuple((f"take {i} of it", -float(i)) for i in range(9)))]
    alone, ensemble = ScriptedTranscriber(script), EnsembleTranscriber([Member(ScriptedTranscriber(script), 0.3)])
    assert said(ensemble) == said(alone)
    assert ensemble.partial().result() == alone.partial().result()
    assert (ensemble.name, ensemble.partial_lag_s) == (alone.name, alone.partial_lag_s)


def test_partials_are_those_of_the_first():
    ensemble = EnsembleTranscriber([Member(Scripted(["one two"])), Member(second := Scripted(["three four"]))])
    asked(ensemble)
    assert ensemble.partial().result().text == "one two"
    assert "partial" not in second.calls
    assert ensemble.name == "ensemble"


@pytest.mark.parametrize("fails_at", ["start", "finish", "answer"])
def test_a_member_that_fails_is_left_out_until_the_next_utterance(fails_at: str):
    broken = Scripted(["sad"], fails_at=fails_at)
    ensemble = EnsembleTranscriber([Member(broken, 5.0), Member(Scripted(["glad"]))])
    assert [h.text for h in said(ensemble).nbest] == ["glad"]
    broken.fails_at = ""
    assert {h.text for h in said(ensemble, utterance=2).nbest} == {"sad", "glad"}


def test_only_when_all_fail_the_ensemble_fails():
    members = [Member(Scripted(["a"], name=name, fails_at=at)) for name, at in (("x", "finish"), ("y", "answer"))]
    ensemble = EnsembleTranscriber(members)
    with pytest.raises(EngineFailed, match=r"no recogniser .* answered \(x: broke at finish; y: broke at answer\)"):
        said(ensemble)


def test_without_the_first_there_are_no_partials():
    ensemble = EnsembleTranscriber([Member(first := Scripted(["a"], fails_at="start")), Member(Scripted(["b"]))])
    asked(ensemble)
    with pytest.raises(Superseded, match="broke at start"):
        ensemble.partial().result()
    first.fails_at = "partial"
    asked(ensemble)
    refused = ensemble.partial()
    with pytest.raises(EngineFailed, match="broke at partial"):
        refused.result()
    refused.cancel()


def test_a_member_that_is_late_is_left_out_and_comes_back_when_it_is_done():
    slow = Scripted(["slow words"])
    ensemble = EnsembleTranscriber([Member(slow), Member(Scripted(["quick words"]))], waiting=Waiting(deadline_s=0.05))
    slow.may_answer.clear()
    pending = asked(ensemble)
    assert [h.text for h in pending.result().nbest] == ["quick words"]
    pending.cancel()
    assert "cancel" not in slow.calls  # a thread still waits for it
    assert [h.text for h in said(ensemble, utterance=2).nbest] == ["quick words"]
    assert slow.calls.count("start") == 1  # one caller at a time: it sits the second utterance out
    slow.may_answer.set()
    for thread in threading.enumerate():
        if thread.name == "ensemble-member":
            thread.join(30)
    assert {h.text for h in said(ensemble, utterance=3).nbest} == {"quick words", "slow words"}


def test_when_all_are_late_the_ensemble_fails():
    slow = [Scripted(["a"]), Scripted(["b"])]
    ensemble = EnsembleTranscriber([Member(member) for member in slow], waiting=Waiting(deadline_s=0.02))
    for member in slow:
        member.may_answer.clear()
    with pytest.raises(EngineFailed, match="did not answer in time"):
        said(ensemble)
    for member in slow:
        member.may_answer.set()


def test_an_answer_can_be_cancelled_and_asked_for_again():
    members = [Scripted(["a b"]), Scripted(["c d"])]
    ensemble = EnsembleTranscriber([Member(member) for member in members])
    pending = asked(ensemble)
    pending.cancel()
    assert [member.calls.count("cancel") for member in members] == [1, 1]
    assert ensemble.finish().result().nbest


def test_a_result_is_the_same_when_asked_for_again():
    pending = asked(EnsembleTranscriber([Member(one := Scripted(["a b"])), Member(Scripted(["c d"]))]))
    assert pending.result() is pending.result()
    assert one.calls.count("result") == 1


def test_closing_closes_all():
    members = [Scripted(["a"]), Scripted(["b"])]
    EnsembleTranscriber([Member(member) for member in members]).close()
    assert [member.calls for member in members] == [["close"], ["close"]]


def test_the_papers_ten_systems_in_their_order():
    members = [Member(Scripted([f"reading {word}"], name=word)) for word in "abcdefghij"]
    paper = EnsembleSettings(order="given", max_per_system=1)
    assert [h.text for h in said(EnsembleTranscriber(members, paper)).nbest] == [
        f"reading {word}" for word in "abcdefghij"
    ]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="members is empty"):
        EnsembleTranscriber([])
    with pytest.raises(ValueError, match="weight of scripted is 0"):
        Member(Scripted(["a"]), 0)
    with pytest.raises(ValueError, match="deadline_s is 0"):
        Waiting(deadline_s=0)

"""An utterance as far as it was said."""

from __future__ import annotations

from agent.unfinished import Unfinished
from streaming.events import Prosody, RollingProsody
from tests.talking import heard, paused, started


def test_a_snapshot_holds_the_last_partial_and_the_last_prosody():
    unfinished = Unfinished()
    prosody = Prosody(words=("fast",))
    for event in [*started(at_s=0.5), heard("i", at_s=0.7), heard("i am", at_s=0.9)]:
        unfinished.feed(event)
    unfinished.feed(RollingProsody(utterance=1, at_s=1.0, prosody=prosody))
    snapshot = unfinished.snapshot(1)
    assert snapshot is not None
    assert (snapshot.transcript.text, snapshot.prosody, snapshot.is_final) == ("i am", prosody, False)
    assert (snapshot.start_s, snapshot.end_s, snapshot.decided_s, len(snapshot.samples)) == (0.5, 1.0, 1.0, 0)
    unfinished.feed(paused(at_s=1.4)[0])
    later = unfinished.snapshot(1)
    assert later is not None
    assert later.end_s == 1.4


def test_without_words_there_is_no_snapshot_and_words_of_another_utterance_are_none():
    unfinished = Unfinished()
    assert unfinished.snapshot(1) is None
    for event in [*started(), heard("i am")]:
        unfinished.feed(event)
    assert unfinished.snapshot(2) is None
    unfinished.feed(heard("i am sad", is_final=True))
    before = unfinished.snapshot(1)
    assert before is not None
    assert before.transcript.text == "i am"
    unfinished.feed(started(2)[0])
    assert unfinished.snapshot(1) is None

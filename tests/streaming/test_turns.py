"""Utterances by voice and by hand in one stream, told apart by controls among the sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.backends.scripted_activity import ScriptedActivity
from streaming.controls import Clear, Commit, Mark, TurnDetection
from streaming.events import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from streaming.segmenter import Segmenter, SegmenterSettings
from streaming.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streaming.controls import Control
    from streaming.events import SegmentEvent

SECOND = 16_000
MANUAL = TurnDetection(is_manual=True)
VOICE = TurnDetection()
Placed: TypeAlias = "tuple[float, Control]"


def counting(seconds: float) -> np.ndarray:
    """Sound whose every sample is different within 2 s: what is lost, doubled or moved shows."""
    return (np.arange(round(seconds * SECOND)) % 32_000 / 32_000).astype(np.float32)


def turned(
    spans: Sequence[tuple[float, float]],
    controls: Sequence[Placed] = (),
    *,
    seconds: float = 5.0,
    cuts: Sequence[int] = (),
    openness: Callable[[], float] = lambda: 0.0,
    delay: int = 7,
) -> list[SegmentEvent]:
    turns = Turns(Segmenter(ScriptedActivity(spans, delay_frames=delay)), openness=openness)
    sound = counting(seconds)
    placed = sorted(((round(at_s * SECOND), control) for at_s, control in controls), key=lambda pair: pair[0])
    events: list[SegmentEvent] = []
    done = 0
    for at, control in [*placed, (sound.size, None)]:
        for cut in [*sorted(cut for cut in cuts if done < cut < at), at]:
            events += turns.feed(sound[done:cut])
            done = cut
        if control is not None:
            events += turns.control(control)
    return events + turns.flush()


def story(events: Sequence[SegmentEvent]) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = []
    for event in events:
        match event:
            case SpeechStarted():
                told.append(("started", event.utterance, event.at_s))
            case SpeechPaused():
                told.append(("paused", event.utterance, event.at_s))
            case SpeechResumed():
                told.append(("resumed", event.utterance, event.at_s))
            case SpeechEnded():
                told.append(("ended", event.utterance, event.start_s, event.end_s, event.decided_s, event.reason))
            case SpeechDropped():
                told.append(("dropped", event.utterance, event.at_s))
            case SpeechAudio():
                pass
    return told


def span_of(events: Sequence[SegmentEvent], utterance: int) -> tuple[float, float]:
    """Where the sound of an utterance begins and ends; it must be the stream's own, without gaps."""
    blocks = [e for e in events if isinstance(e, SpeechAudio) and e.utterance == utterance]
    at = round(blocks[0].at_s * SECOND)
    assert [round(block.at_s * SECOND) for block in blocks] == list(range(at, at + 320 * len(blocks), 320))
    sound = np.concatenate([block.samples for block in blocks])
    whole = counting(70.0)
    assert np.array_equal(sound, whole[at : at + sound.size])
    return blocks[0].at_s, blocks[0].at_s + sound.size / SECOND


def flat(event: SegmentEvent) -> tuple[object, ...]:
    if isinstance(event, SpeechAudio):
        return ("audio", event.utterance, event.at_s, event.samples.tobytes())
    return ("event", event)


CONTROLS = (
    Commit(),
    Clear(),
    Mark(value=1),
    MANUAL,
    VOICE,
    TurnDetection(silence_s=0.2),
    TurnDetection(pre_roll_s=0.0),
)


@settings(max_examples=80, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 5 * SECOND), max_size=10),
    edges=st.lists(st.integers(0, 500), min_size=2, max_size=8, unique=True).map(sorted),
    controls=st.lists(
        st.tuples(st.integers(0, 5 * SECOND).map(lambda n: n / SECOND), st.sampled_from(CONTROLS)), max_size=6
    ),
)
def test_events_do_not_depend_on_the_cutting(cuts: list[int], edges: list[int], controls: list[Placed]):
    spans = [(a / 100, b / 100) for a, b in zip(edges[0::2], edges[1::2], strict=False)]
    whole = turned(spans, controls, seconds=5.003)
    assert [flat(e) for e in turned(spans, controls, seconds=5.003, cuts=cuts)] == [flat(e) for e in whole]
    n_open, is_open, told_s = 0, False, 0.0
    for event in whole:
        match event:
            case SpeechStarted():
                assert (event.utterance, is_open) == (n_open + 1, False)
                n_open, is_open = n_open + 1, True
            case SpeechEnded() | SpeechDropped():
                assert (event.utterance, is_open) == (n_open, True)
                is_open = False
            case SpeechAudio():
                assert (event.utterance, is_open) == (n_open, True)
                assert event.at_s >= told_s - 1e-9, "no sound belongs to two utterances"
                told_s = event.at_s + 0.02
            case _:
                assert (event.utterance, is_open) == (n_open, True)


def test_without_controls_it_is_the_segmenter():
    spans = [(0.5, 1.5), (1.8, 2.5), (3.6, 4.2)]
    alone = Segmenter(ScriptedActivity(spans, delay_frames=7))
    sound = counting(5.003)
    expected = [*alone.feed(sound), *alone.flush()]
    assert [flat(e) for e in turned(spans, seconds=5.003)] == [flat(e) for e in expected]


@pytest.mark.parametrize("at_s", [0.0, 0.3, 3.0])
def test_a_commit_while_nobody_speaks_does_nothing(at_s: float):
    assert story(turned([(1.0, 2.0)], [(at_s, Commit())])) == story(turned([(1.0, 2.0)]))


def test_a_commit_ends_what_is_being_said_and_what_follows_is_another_utterance():
    events = turned([(1.0, 3.0)], [(2.0, Commit())])
    assert story(events)[:3] == [
        ("started", 1, 1.0),
        ("ended", 1, 1.0, 2.0, 2.0, "commit"),
        ("started", 2, 2.0),
    ]
    assert span_of(events, 1) == pytest.approx((0.6, 2.0))
    assert span_of(events, 2)[0] == pytest.approx(2.0)


def test_a_commit_in_a_pause_ends_the_utterance_where_the_voice_ended():
    told = story(turned([(1.0, 2.0)], [(2.3, Commit())]))
    assert told == [("started", 1, 1.0), ("paused", 1, 2.0), ("ended", 1, 1.0, 2.0, 2.3, "commit")]


def test_the_end_of_a_word_after_a_commit_is_no_utterance():
    told = story(turned([(1.0, 2.08)], [(2.0, Commit())]))
    assert told == [("started", 1, 1.0), ("ended", 1, 1.0, 2.0, 2.0, "commit")]


def test_a_control_is_done_at_the_last_whole_block():
    told = story(turned([(1.0, 3.0)], [(2.0 + 319 / SECOND, Commit())]))
    assert told[1] == ("ended", 1, 1.0, 2.0, 2.0, "commit")


def test_clear_makes_what_is_being_said_void():
    events = turned([(1.0, 3.0)], [(2.0, Clear())])
    told = story(events)
    assert told[:3] == [("started", 1, 1.0), ("dropped", 1, 2.0), ("started", 2, 2.0)]
    assert told[-1][:4] == ("ended", 2, 2.0, 3.0)
    assert span_of(events, 2)[0] == pytest.approx(2.0), "no pre-roll of what was cleared"


def test_clear_while_nobody_speaks_takes_the_pre_roll_away():
    events = turned([(1.0, 2.0)], [(0.9, Clear())])
    assert story(events)[0] == ("started", 1, 1.0)
    assert span_of(events, 1)[0] == pytest.approx(0.9)


def test_by_hand_all_sound_up_to_the_commit_is_one_utterance():
    events = turned([], [(0.0, MANUAL), (1.5, Commit()), (1.5, Commit()), (4.0, Commit())], seconds=4.5)
    assert story(events) == [
        ("started", 1, 0.0),
        ("ended", 1, 0.0, 1.5, 1.5, "commit"),
        ("started", 2, 1.5),
        ("ended", 2, 1.5, 4.0, 4.0, "commit"),
        ("started", 3, 4.0),
        ("ended", 3, 4.0, 4.5, 4.5, "flush"),
    ]
    assert [span_of(events, n) for n in (1, 2, 3)] == [(0.0, 1.5), (1.5, 4.0), (4.0, 4.5)]


def test_by_hand_nobody_asks_the_voice_activity():
    class Deaf(ScriptedActivity):
        def feed(self, samples: np.ndarray) -> list[float]:
            assert not samples.size
            return super().feed(samples)

    turns = Turns(Segmenter(Deaf([])), openness=lambda: 0.0)
    assert turns.control(MANUAL) == []
    started, *_ = turns.feed(counting(1.0))
    assert started == SpeechStarted(utterance=1, at_s=0.0)


def test_by_hand_clear_forgets_and_the_rest_of_a_block_alone_is_no_utterance():
    events = turned([], [(0.0, MANUAL), (1.0, Clear()), (1.0, Clear()), (2.01, Commit())], seconds=2.01)
    assert story(events) == [
        ("started", 1, 0.0),
        ("dropped", 1, 1.0),
        ("started", 2, 1.0),
        ("ended", 2, 1.0, 2.0, 2.0, "commit"),
    ]


def test_by_hand_a_minute_that_nobody_commits_is_cut():
    events = turned([], [(0.0, MANUAL)], seconds=61.0)
    assert story(events) == [
        ("started", 1, 0.0),
        ("ended", 1, 0.0, 60.0, 60.0, "limit"),
        ("started", 2, 60.0),
        ("ended", 2, 60.0, 61.0, 61.0, "flush"),
    ]


def test_by_hand_the_last_block_is_filled_up():
    events = turned([], [(0.0, MANUAL)], seconds=0.25 + 10 / SECOND)
    audio = [event for event in events if isinstance(event, SpeechAudio)]
    assert len(audio) == 13
    assert story(events)[-1] == ("ended", 1, 0.0, 0.250625, 0.250625, "flush")


def test_what_is_said_goes_on_when_it_is_cut_by_hand_from_now_on():
    events = turned([(1.0, 2.0)], [(1.5, MANUAL), (3.0, Commit())], seconds=3.0)
    assert story(events) == [("started", 1, 1.0), ("ended", 1, 1.0, 3.0, 3.0, "commit")]
    assert span_of(events, 1) == pytest.approx((0.6, 3.0))


def test_in_a_pause_it_is_taken_up_again():
    told = story(turned([(1.0, 2.0)], [(2.3, MANUAL), (3.0, Commit())], seconds=3.0))
    assert told == [
        ("started", 1, 1.0),
        ("paused", 1, 2.0),
        ("resumed", 1, 2.3),
        ("ended", 1, 1.0, 3.0, 3.0, "commit"),
    ]


def test_what_was_begun_by_hand_ends_by_voice_when_that_is_wanted():
    # The script of the voice activity starts anew with the change: nobody speaks.
    told = story(turned([], [(0.0, MANUAL), (2.0, VOICE)], seconds=4.0))
    assert told == [("started", 1, 0.0), ("paused", 1, 2.0), ("ended", 1, 0.0, 2.0, 2.5, "endpoint")]


def test_times_and_numbers_go_on_when_voice_is_listened_for_again():
    events = turned([(0.5, 1.0)], [(0.0, MANUAL), (2.0, Commit()), (2.0, VOICE)], seconds=4.0)
    assert story(events)[2:] == [
        ("started", 2, 2.5),
        ("paused", 2, 3.0),
        ("ended", 2, 2.5, 3.0, 3.5, "endpoint"),
    ]
    assert span_of(events, 2)[0] == pytest.approx(2.1)


@pytest.mark.parametrize(("silence_s", "decided_s"), [(0.1, 2.12), (0.2, 2.2), (0.5, 2.5), (2.0, 4.0)])
def test_a_fixed_silence_ends_the_utterance_and_the_pause_comes_before(silence_s: float, decided_s: float):
    told = story(turned([(1.0, 2.0)], [(0.0, TurnDetection(silence_s=silence_s))], delay=0))
    assert told[1] == ("paused", 1, 2.0)
    assert told[2] == ("ended", 1, 1.0, 2.0, pytest.approx(decided_s, abs=0.021), "endpoint")
    events = turned([(1.0, 2.0)], [(0.0, TurnDetection(silence_s=silence_s))], delay=0)
    pause = next(i for i, e in enumerate(events) if isinstance(e, SpeechPaused))
    if silence_s > 0.12:  # the gap that a voice may have within a word
        assert any(isinstance(e, SpeechAudio) for e in events[pause:]), "work on the words starts a block ahead"


def test_the_threshold_decides_what_is_voice():
    class Unsure(ScriptedActivity):
        def feed(self, samples: np.ndarray) -> list[float]:
            return [0.6 * p for p in super().feed(samples)]

    def n_heard(*controls: Control) -> int:
        turns = Turns(Segmenter(Unsure([(0.5, 1.5)])), openness=lambda: 0.0)
        for control in controls:
            turns.control(control)
        return sum(isinstance(e, SpeechStarted) for e in turns.feed(counting(2.0)))

    assert n_heard() == n_heard(VOICE) == n_heard(TurnDetection(threshold=0.6)) == 1
    assert n_heard(TurnDetection(threshold=0.7)) == 0
    assert n_heard(TurnDetection(threshold=0.7), VOICE) == 1


def test_the_pre_roll_is_as_long_as_asked_for():
    for pre_roll_s in (0.0, 0.2, 1.0):
        events = turned([(1.5, 2.5)], [(0.0, TurnDetection(pre_roll_s=pre_roll_s))])
        assert span_of(events, 1)[0] == pytest.approx(1.5 - pre_roll_s)


@pytest.mark.parametrize(
    ("detection", "openness", "wait_s"),
    [
        (TurnDetection(), 1.0, 0.5),
        (TurnDetection(eagerness="high"), 0.0, 0.5),
        (TurnDetection(eagerness="high"), 0.5, 1.25),
        (TurnDetection(eagerness="high"), 1.0, 2.0),
        (TurnDetection(eagerness="medium"), 1.0, 4.0),
        (TurnDetection(eagerness="low"), 1.0, 8.0),
        (TurnDetection(eagerness="low", silence_s=0.6), 1.0, 0.6),
    ],
)
def test_words_that_cannot_be_an_end_are_waited_for(detection: TurnDetection, openness: float, wait_s: float):
    asked: list[float] = []

    def answer() -> float:
        asked.append(openness)
        return openness

    told = story(turned([(1.0, 2.0)], [(0.0, detection)], seconds=12.0, openness=answer))
    assert told[-1] == ("ended", 1, 1.0, 2.0, pytest.approx(2.0 + wait_s, abs=0.021), "endpoint")
    assert len(asked) == (detection.eagerness is not None and detection.silence_s is None)


def test_after_each_pause_the_words_are_judged_anew():
    answers = iter([1.0, 0.0])
    told = story(
        turned(
            [(1.0, 2.0), (3.0, 4.0)],
            [(0.0, TurnDetection(eagerness="medium"))],
            seconds=6.0,
            openness=lambda: next(answers),
        )
    )
    assert [event[0] for event in told] == ["started", "paused", "resumed", "paused", "ended"]
    assert told[-1][4] == pytest.approx(4.7), "the speaker's own pauses are learnt as ever"


def test_a_pause_as_long_as_the_shortest_wait_still_asks_for_the_words_later():
    blocks: list[int] = []
    segmenter = Segmenter(ScriptedActivity([(1.0, 2.0)]), settings=SegmenterSettings(pause_s=0.4))
    turns = Turns(segmenter, openness=lambda: float(blocks.append(0) is None))
    turns.control(TurnDetection(eagerness="high"))
    for event in turns.feed(counting(6.0)):
        if isinstance(event, SpeechPaused):
            assert not blocks, "the pause is told before its words are asked for"
        elif isinstance(event, SpeechEnded):
            assert event.decided_s == pytest.approx(4.0)
    assert len(blocks) == 1


def test_a_stream_that_was_flushed_begins_anew_by_hand_too():
    turns = Turns(Segmenter(ScriptedActivity([])), openness=lambda: 0.0)
    turns.control(MANUAL)
    first = [*turns.feed(counting(1.0)), *turns.flush()]
    second = [*turns.feed(counting(1.0)), *turns.flush()]
    assert story(first) == [("started", 1, 0.0), ("ended", 1, 0.0, 1.0, 1.0, "flush")]
    assert story(second) == [("started", 2, 0.0), ("ended", 2, 0.0, 1.0, 1.0, "flush")]

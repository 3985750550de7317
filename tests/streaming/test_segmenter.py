from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.backends.scripted_activity import ScriptedActivity
from streaming.backends.voice_activity import FusedActivity
from streaming.events import SpeechAudio, SpeechDropped, SpeechEnded, SpeechPaused, SpeechResumed, SpeechStarted
from streaming.segmenter import Segmenter, SegmenterSettings

if TYPE_CHECKING:
    from streaming.events import SegmentEvent

SECOND = 16_000
Spans = list[tuple[float, float]]


def counting(seconds: float) -> np.ndarray:
    """Sound whose every sample is different within 2 s: what is lost, doubled or moved shows."""
    return (np.arange(round(seconds * SECOND)) % 32_000 / 32_000).astype(np.float32)


def segmented(spans: Spans, *, seconds: float, chunk: int = 1_600, limit_s: float = 30.0) -> list[SegmentEvent]:
    segmenter = Segmenter(ScriptedActivity(spans, delay_frames=7), settings=SegmenterSettings(limit_s=limit_s))
    sound = counting(seconds)
    events = [event for i in range(0, sound.size, chunk) for event in segmenter.feed(sound[i : i + chunk])]
    return events + segmenter.flush()


def story(events: list[SegmentEvent]) -> list[tuple[object, ...]]:
    """Events without sound, as short tuples."""
    told: list[tuple[object, ...]] = []
    for event in events:
        match event:
            case SpeechStarted():
                told.append(("started", event.utterance, event.at_s))
            case SpeechPaused():
                told.append(("paused", event.utterance, event.at_s, event.generation))
            case SpeechResumed():
                told.append(("resumed", event.utterance, event.at_s))
            case SpeechEnded():
                told.append(("ended", event.utterance, event.start_s, event.end_s, event.reason))
            case SpeechDropped():
                told.append(("dropped", event.utterance, event.at_s))
            case SpeechAudio():
                pass
    return told


def sound_of(events: list[SegmentEvent], utterance: int) -> tuple[float, np.ndarray]:
    blocks = [e for e in events if isinstance(e, SpeechAudio) and e.utterance == utterance]
    assert all(block.samples.shape == (320,) for block in blocks)
    starts = [round(block.at_s * SECOND) for block in blocks]
    assert starts == list(range(starts[0], starts[0] + 320 * len(blocks), 320))
    return blocks[0].at_s, np.concatenate([block.samples for block in blocks])


def flat(event: SegmentEvent) -> tuple[object, ...]:
    if isinstance(event, SpeechAudio):
        return ("audio", event.utterance, event.at_s, event.samples.tobytes())
    return ("event", event)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([], [], id="silence"),
        pytest.param([(1.0, 1.05), (1.5, 1.55), (2.0, 2.05)], [], id="clicks"),
        pytest.param(
            [(1.0, 2.0)],
            [("started", 1, 1.0), ("paused", 1, 2.0, 1), ("ended", 1, 1.0, 2.0, "endpoint")],
            id="one utterance",
        ),
        pytest.param([(1.0, 1.3), (1.41, 2.0)], None, id="a gap of 110 ms is no pause"),
        pytest.param(
            [(1.0, 2.0), (2.35, 3.0)],
            [
                ("started", 1, 1.0),
                ("paused", 1, 2.0, 1),
                ("resumed", 1, 2.35),
                ("paused", 1, 3.0, 2),
                ("ended", 1, 1.0, 3.0, "endpoint"),
            ],
            id="a pause within",
        ),
        pytest.param(
            [(1.0, 2.0), (3.0, 3.5)],
            [
                ("started", 1, 1.0),
                ("paused", 1, 2.0, 1),
                ("ended", 1, 1.0, 2.0, "endpoint"),
                ("started", 2, 3.0),
                ("paused", 2, 3.5, 1),
                ("ended", 2, 3.0, 3.5, "endpoint"),
            ],
            id="two utterances",
        ),
        pytest.param(
            [(1.0, 2.0), (2.3, 2.35)],
            [("started", 1, 1.0), ("paused", 1, 2.0, 1), ("ended", 1, 1.0, 2.0, "endpoint")],
            id="a click does not prolong",
        ),
        pytest.param([(4.5, 9.0)], [("started", 1, 4.5), ("ended", 1, 4.5, 5.0, "flush")], id="the stream ends"),
        pytest.param([(0.0, 0.5)], [("started", 1, 0.0), ("paused", 1, 0.5, 1), ("ended", 1, 0.0, 0.5, "endpoint")]),
    ],
)
def test_events_tell_where_the_voice_was(spans: Spans, expected: list[tuple[object, ...]] | None):
    if expected is None:
        expected = [("started", 1, 1.0), ("paused", 1, 2.0, 1), ("ended", 1, 1.0, 2.0, "endpoint")]
    assert story(segmented(spans, seconds=5.0)) == expected


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 5 * SECOND), max_size=10),
    edges=st.lists(st.integers(0, 500), min_size=2, max_size=10, unique=True).map(sorted),
    limit_s=st.sampled_from([1.0, 2.0, 30.0]),
)
def test_events_do_not_depend_on_the_cutting(cuts: list[int], edges: list[int], limit_s: float):
    spans = [(a / 100, b / 100) for a, b in zip(edges[0::2], edges[1::2], strict=False)]
    sound = counting(5.003)
    expected = [flat(e) for e in segmented(spans, seconds=5.003, chunk=sound.size, limit_s=limit_s)]
    segmenter = Segmenter(ScriptedActivity(spans, delay_frames=7), settings=SegmenterSettings(limit_s=limit_s))
    marks = [0, *sorted(min(cut, sound.size) for cut in cuts), sound.size]
    events = [e for a, b in pairwise(marks) for e in segmenter.feed(sound[a:b])]
    assert [flat(e) for e in events + segmenter.flush()] == expected


@settings(max_examples=60, deadline=None)
@given(
    edges=st.lists(st.integers(0, 500), min_size=2, max_size=12, unique=True).map(sorted),
    limit_s=st.sampled_from([1.0, 1.5, 30.0]),
    delay=st.integers(0, 12),
)
def test_whatever_is_said_the_story_is_well_formed(edges: list[int], limit_s: float, delay: int):
    spans = [(a / 100, b / 100) for a, b in zip(edges[0::2], edges[1::2], strict=False)]
    segmenter = Segmenter(ScriptedActivity(spans, delay_frames=delay), settings=SegmenterSettings(limit_s=limit_s))
    events = [*segmenter.feed(counting(5.0)), *segmenter.flush()]
    n_open, told_up_to_s, generation = 0, 0.0, 0
    for event in events:
        assert not isinstance(event, SpeechDropped)
        match event:
            case SpeechStarted():
                assert event.utterance == n_open + 1
                n_open, generation = event.utterance, 0
            case SpeechAudio():
                assert event.utterance == n_open
                assert event.at_s >= told_up_to_s - 1e-9
                told_up_to_s = event.at_s + 0.02
            case SpeechPaused():
                generation += 1
                assert (event.utterance, event.generation) == (n_open, generation)
            case SpeechResumed():
                assert event.utterance == n_open
            case SpeechEnded():
                assert event.utterance == n_open
                assert event.start_s <= event.end_s <= event.decided_s
                assert event.decided_s - event.start_s <= limit_s + 0.02 + 0.1
    kinds = [kind for kind, *_ in story(events) if kind in {"started", "ended"}]
    assert kinds == ["started", "ended"] * n_open
    for number in range(1, n_open + 1):
        sound_of(events, number)


def test_the_sound_of_an_utterance_has_its_pre_roll_and_no_gap():
    events = segmented([(1.0, 2.0), (2.3, 2.6)], seconds=5.0)
    ended = next(e for e in events if isinstance(e, SpeechEnded))
    at_s, sound = sound_of(events, 1)
    assert at_s == pytest.approx(0.6)
    begin = round(at_s * SECOND)
    assert np.array_equal(sound, counting(5.0)[begin : begin + sound.size])
    assert at_s + sound.size / SECOND == pytest.approx(ended.decided_s)


def test_the_start_comes_before_its_sound_and_the_pause_soon_after_the_voice():
    events = segmented([(1.0, 2.0)], seconds=5.0)
    assert isinstance(events[0], SpeechStarted)
    pause = next(i for i, e in enumerate(events) if isinstance(e, SpeechPaused))
    newest = [e for e in events[:pause] if isinstance(e, SpeechAudio)][-1]
    assert newest.at_s + 0.02 == pytest.approx(2.2)


def test_pre_roll_stops_at_the_beginning_of_the_stream_and_at_the_utterance_before():
    events = segmented([(0.1, 1.0), (1.6, 2.5)], seconds=5.0)
    first_at_s, first = sound_of(events, 1)
    second_at_s, _ = sound_of(events, 2)
    assert first_at_s == 0.0
    assert second_at_s == pytest.approx(first.size / SECOND)


def test_endless_speech_is_cut_at_the_cap_and_no_sample_is_lost():
    events = segmented([(0.5, 100.0)], seconds=10.0, limit_s=3.0)
    assert story(events) == [
        ("started", 1, 0.5),
        ("ended", 1, 0.5, 3.5, "limit"),
        ("started", 2, 3.5),
        ("ended", 2, 3.5, 6.5, "limit"),
        ("started", 3, 6.5),
        ("ended", 3, 6.5, 9.5, "limit"),
        ("started", 4, 9.5),
        ("ended", 4, 9.5, 10.0, "flush"),
    ]
    parts = [sound_of(events, number)[1] for number in (1, 2, 3, 4)]
    assert np.array_equal(np.concatenate(parts), counting(10.0)[round(0.1 * SECOND) :])


def test_near_the_cap_a_short_pause_is_enough_to_cut():
    spans = [(0.5, 8.0), (8.3, 12.0)]
    assert story(segmented(spans, seconds=13.0, limit_s=10.0)) == [
        ("started", 1, 0.5),
        ("paused", 1, 8.0, 1),
        ("ended", 1, 0.5, 8.0, "limit"),
        ("started", 2, 8.3),
        ("paused", 2, 12.0, 1),
        ("ended", 2, 8.3, 12.0, "endpoint"),
    ]


def test_after_a_cut_in_a_pause_the_sound_goes_on_where_it_was_cut():
    events = segmented([(0.5, 8.0), (8.9, 12.0)], seconds=13.0, limit_s=10.0)
    first_at_s, first = sound_of(events, 1)
    second_at_s, _ = sound_of(events, 2)
    assert second_at_s == pytest.approx(first_at_s + first.size / SECOND)


def test_voice_that_ends_at_the_cap_begins_no_new_utterance():
    events = segmented([(0.5, 3.5)], seconds=6.0, limit_s=3.0)
    assert [kind for kind, *_ in story(events)] == ["started", "ended"]


def test_half_an_hour_of_speech_is_cut_into_pieces_of_the_cap():
    segmenter = Segmenter(ScriptedActivity([(0.0, 1800.0)]))
    minute = np.zeros(60 * SECOND, dtype=np.float32)
    ended: list[SpeechEnded] = []
    n_audio = 0
    for _ in range(30):
        for event in segmenter.feed(minute):
            n_audio += isinstance(event, SpeechAudio)
            if isinstance(event, SpeechEnded):
                ended.append(event)
    ended += [event for event in segmenter.flush() if isinstance(event, SpeechEnded)]
    assert len(ended) == 60
    assert {round(event.end_s - event.start_s, 6) for event in ended} == {30.0}
    assert n_audio == 1800 * 50


def wait_after(pause_s: float) -> float:
    spans: Spans = []
    at_s = 0.5
    for _ in range(20):
        spans.append((at_s, at_s + 0.5))
        at_s += 0.5 + pause_s
    segmenter = Segmenter(ScriptedActivity(spans, delay_frames=7))
    segmenter.feed(np.zeros(round((at_s + 1) * SECOND), dtype=np.float32))
    return segmenter.wait_s


def test_the_endpoint_learns_the_speakers_pauses():
    waits = [wait_after(pause_s) for pause_s in (0.22, 0.4, 0.6)]
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(0.42, abs=0.01)
    assert waits[2] == pytest.approx(0.7, abs=0.05)


def test_a_slow_speaker_is_no_longer_cut_off():
    spans = [(0.5 + i * 1.1, 1.0 + i * 1.1) for i in range(12)]
    ends = [event[3] for event in story(segmented(spans, seconds=16.0)) if event[0] == "ended"]
    assert 1 < len(ends) < 6  # cut off at first, then no more
    assert ends[-1] == pytest.approx(13.1)


def test_a_flushed_segmenter_hears_the_next_stream_from_its_first_sample():
    segmenter = Segmenter(ScriptedActivity([(0.2, 0.8)], delay_frames=7))
    first = [*segmenter.feed(counting(1.0)), *segmenter.flush()]
    second = [*segmenter.feed(counting(1.0)), *segmenter.flush()]
    assert story(first) == [("started", 1, 0.2), ("paused", 1, 0.8, 1), ("ended", 1, 0.2, 0.8, "flush")]
    assert story(second)[0] == ("started", 2, 0.2)
    assert np.array_equal(sound_of(first, 1)[1], sound_of(second, 2)[1])


@pytest.mark.parametrize("n", [0, 1, 16, 159, 319, 321])
def test_tiny_streams_are_no_trouble(n: int):
    for activity in (ScriptedActivity([(0.0, 1.0)]), FusedActivity()):
        segmenter = Segmenter(activity)
        assert segmenter.feed(np.zeros(n, dtype=np.float32)) == []
        assert segmenter.flush() == []


def test_the_last_block_is_filled_with_silence():
    segmenter = Segmenter(ScriptedActivity([(0.0, 1.0)]))
    events = [*segmenter.feed(np.ones(5_000, dtype=np.float32)), *segmenter.flush()]
    _, sound = sound_of(events, 1)
    assert sound.size == 5_120
    assert sound[:5_000].tolist() == [1.0] * 5_000
    assert not sound[5_000:].any()
    assert story(events)[-1] == ("ended", 1, 0.0, 0.3125, "flush")


def test_memory_stays_bounded_while_nobody_speaks():
    segmenter = Segmenter(ScriptedActivity([]))
    for _ in range(100):
        segmenter.feed(np.zeros(SECOND, dtype=np.float32))
    assert sum(block.size for block in segmenter._memory) <= 2 * SECOND


@pytest.mark.parametrize("wrong", [{"pre_roll_s": 2.0}, {"pause_s": 0.5}, {"pause_s": 0.0}, {"limit_s": 0.1}])
def test_settings_that_could_not_work_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="must"):
        SegmenterSettings(**wrong)  # pyright: ignore[reportArgumentType]

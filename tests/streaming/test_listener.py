"""The listener put together from real trackers, with recogniser, voice activity and analyst by script."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.acoustics import AcousticsTracker
from streaming.audio import SAMPLE_RATE
from streaming.backends.scripted import Answer, ScriptedTranscriber, ScriptedUtterance
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.controls import Clear, Commit, Mark, TurnDetection
from streaming.errors import EngineFailed, Superseded
from streaming.events import (
    EngineTrouble,
    RollingProsody,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
    Utterance,
)
from streaming.listener import Listener, ListenerSettings, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streaming.controls import Control
    from streaming.events import ListenerEvent, Samples

T = TypeVar("T")

TWO = ((0.5, 1.6), (3.0, 4.0))
WITH_PAUSE = ((0.5, 1.3), (1.65, 2.5))


def tone(duration_s: float, *, hz: float = 150.0) -> Samples:
    """A buzz with harmonics, loud enough to be voiced."""
    t = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    sound = sum(np.sin(2 * np.pi * hz * n * t) / n for n in range(1, 8))
    return np.asarray(0.2 * sound * (1 + 0.3 * np.sin(2 * np.pi * 4 * t)), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    pitch_mean_hz: float | None = 151.0
    jitter: float | None = 0.01
    shimmer: float | None = 0.05
    hnr_db: float | None = 15.0


class Measured:
    """An analysis under way; says whether it was called off."""

    def __init__(self, samples: Samples, *, fails: bool) -> None:
        self.samples = samples
        self.is_cancelled = False
        self._fails = fails

    def result(self) -> Quality:
        if self._fails:
            raise EngineFailed("the analyst died")
        return Quality()

    def cancel(self) -> None:
        self.is_cancelled = True


class ScriptedAnalyst:
    def __init__(self, *, failing: frozenset[int] = frozenset()) -> None:
        self.asked: list[Measured] = []
        self.n_closed = 0
        self._failing = failing

    def analyse(self, samples: Samples) -> Measured:
        self.asked.append(Measured(samples, fails=len(self.asked) + 1 in self._failing))
        return self.asked[-1]

    def close(self) -> None:
        self.n_closed += 1


class Failed:
    """An answer that never comes."""

    def result(self) -> Transcript:
        raise EngineFailed("the recogniser died")

    def cancel(self) -> None:
        pass


class CountingTranscriber(ScriptedTranscriber):
    """Counts the partials that are asked for."""

    n_asked = 0

    def partial(self) -> Answer:
        self.n_asked += 1
        return super().partial()


class FailingTranscriber(ScriptedTranscriber):
    """Fails at what is named ("partial", "final") of the first utterance."""

    def __init__(self, script: Sequence[str], *, fails: str) -> None:
        super().__init__(script)
        self._fails = fails

    def partial(self) -> Answer:
        return self._or_fail(super().partial(), what="partial")

    def finish(self) -> Answer:
        return self._or_fail(super().finish(), what="final")

    def _or_fail(self, answer: Answer, *, what: str) -> Answer:
        is_due = self._fails == what and answer.transcript.utterance == 1
        return Failed() if is_due else answer  # pyright: ignore[reportReturnType] - an answer in everything used


@dataclass(slots=True, kw_only=True)
class Slow:
    """An answer that is there after it was looked for so many times; `None` superseded by then."""

    answer: Answer
    looks: int
    is_superseded: bool = False
    n_waited_for: int = 0

    def done(self) -> bool:
        self.looks -= 1
        return self.looks < 0

    def result(self) -> Transcript:
        self.n_waited_for += self.looks >= 0
        if self.is_superseded:
            raise Superseded("a newer one took its place")
        return self.answer.result()

    def cancel(self) -> None:
        pass


class SlowTranscriber(ScriptedTranscriber):
    """Its partials take their time."""

    def __init__(self, script: Sequence[str], *, looks: int, is_superseded: bool = False) -> None:
        super().__init__(script)
        self._looks = looks
        self._is_superseded = is_superseded
        self.partials: list[Slow] = []

    def partial(self) -> Answer:
        slow = Slow(answer=super().partial(), looks=self._looks, is_superseded=self._is_superseded)
        self.partials.append(slow)
        return slow  # pyright: ignore[reportReturnType] - an answer in everything used


@dataclass(slots=True, kw_only=True)
class Line:
    """A listener and what it is made of."""

    listener: Listener
    analyst: ScriptedAnalyst
    prosody: ProsodyTracker


def line(
    spans: Sequence[tuple[float, float]] = TWO,
    *,
    transcriber: ScriptedTranscriber | None = None,
    script: Sequence[ScriptedUtterance | str] = ("one two three four", "five six seven"),
    analyst: ScriptedAnalyst | None = None,
    settings: ListenerSettings | None = None,
) -> Line:
    analyst = analyst or ScriptedAnalyst()
    prosody = ProsodyTracker()
    stages = Stages(
        segmenter=Segmenter(ScriptedActivity(spans, delay_frames=3)),
        transcriber=transcriber or ScriptedTranscriber(script),
        prosody=prosody,
        acoustics=AcousticsTracker(),
        analyst=analyst,
    )
    return Line(listener=Listener(stages, settings), analyst=analyst, prosody=prosody)


def hear(listener: Listener, sound: Samples, *, cuts: Sequence[int] = ()) -> list[ListenerEvent]:
    events = [event for part in np.split(sound, list(cuts)) for event in listener.feed(part)]
    return events + listener.flush()


def of(kind: type[T], events: Sequence[object]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def plain(value: object) -> object:
    """A value with everything in it made comparable, arrays as bytes."""
    if isinstance(value, np.ndarray):
        array = cast("NDArray[np.generic]", value)
        return array.dtype.str, array.shape, array.tobytes()
    if is_dataclass(value):
        return type(value).__name__, tuple((f.name, plain(getattr(value, f.name))) for f in fields(value))
    if isinstance(value, tuple):
        return tuple(plain(item) for item in cast("tuple[object, ...]", value))
    return value


SOUND = tone(5.0)


def test_an_utterance_goes_from_its_start_to_the_utterance_in_order():
    names = [type(event).__name__ for event in hear(line().listener, SOUND)]
    first = names[: names.index("Utterance") + 1]
    assert first[0] == "SpeechStarted"
    assert first[-4:] == ["SpeechPaused", "SpeechEnded", "Transcript", "Utterance"]
    assert set(first[1:-4]) == {"RollingProsody", "Transcript"}
    assert names.count("SpeechStarted") == names.count("SpeechEnded") == names.count("Utterance") == 2


def test_partials_rise_by_revision_and_stable_words_never_change():
    transcripts = [t for t in of(Transcript, hear(line().listener, SOUND)) if t.utterance == 1]
    assert [t.revision for t in transcripts] == list(range(1, len(transcripts) + 1))
    *partials, final = transcripts
    assert len(partials) >= 3
    assert final.is_final
    promised: list[str] = []
    for partial in partials:
        words = partial.text.split()
        assert words[: len(promised)] == promised
        promised = words[: partial.n_stable]
    assert promised


def test_the_final_is_authoritative_and_is_what_the_utterance_holds():
    script = [ScriptedUtterance(nbest=(("i am sad", -1.0), ("i am mad", -2.0)))]
    events = hear(line(((0.5, 1.6),), script=script).listener, SOUND)
    (final,) = [t for t in of(Transcript, events) if t.is_final]
    (utterance,) = of(Utterance, events)
    assert utterance.transcript is final
    assert [h.text for h in final.nbest] == ["i am sad", "i am mad"]
    assert utterance.cross_wer == pytest.approx(1 / 3)


def test_the_utterance_holds_its_own_sound_from_pre_roll_to_the_end_of_the_voice():
    (utterance,) = of(Utterance, hear(line(((1.0, 2.0),)).listener, SOUND))
    assert (utterance.start_s, utterance.end_s) == (1.0, 2.0)
    np.testing.assert_array_equal(utterance.samples, SOUND[round(0.6 * SAMPLE_RATE) : 2 * SAMPLE_RATE])


def test_a_pause_that_ends_revokes_the_work_on_the_final():
    heard = line(WITH_PAUSE, script=("one two three four five six",))
    events = hear(heard.listener, SOUND)
    kinds = [type(e) for e in events if isinstance(e, SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded)]
    assert kinds == [SpeechStarted, SpeechPaused, SpeechResumed, SpeechPaused, SpeechEnded]
    assert [m.is_cancelled for m in heard.analyst.asked] == [True, False]
    assert [p.generation for p in of(SpeechPaused, events)] == [1, 2]
    assert len([t for t in of(Transcript, events) if t.is_final]) == 1
    (utterance,) = of(Utterance, events)
    assert (utterance.start_s, utterance.end_s) == (0.5, 2.5)
    assert utterance.prosody.jitter == Quality().jitter


def test_of_what_fell_due_in_a_pause_only_the_newest_is_made_up_for():
    events = hear(line(((0.5, 1.3), (1.72, 3.2)), script=("one two three four five six seven",)).listener, SOUND)
    resumed = next(i for i, e in enumerate(events) if isinstance(e, SpeechResumed))
    rolled = [e.at_s for e in of(RollingProsody, events[resumed:])]
    assert rolled
    assert np.diff(rolled)[1:].min() >= 0.26 - 1e-9
    asked = [t.at_s for t in of(Transcript, events[resumed:]) if not t.is_final]
    assert np.diff(asked)[1:].min() >= 0.2 - 1e-9


def test_the_analyst_measures_what_was_heard_up_to_the_pause():
    heard = line(((0.5, 1.6),))
    hear(heard.listener, SOUND)
    (measured,) = heard.analyst.asked
    start = round(0.1 * SAMPLE_RATE)
    np.testing.assert_array_equal(measured.samples, SOUND[start : start + measured.samples.size])
    assert measured.samples.size >= round(1.5 * SAMPLE_RATE)


def test_rolling_prosody_comes_while_the_voice_lasts():
    rolled = [e for e in of(RollingProsody, hear(line().listener, SOUND)) if e.utterance == 1]
    assert len(rolled) >= 4
    assert all(0.1 <= e.at_s <= 1.9 for e in rolled)
    assert rolled[-1].prosody.pitch_mean_hz == pytest.approx(150, rel=0.05)
    assert rolled[-1].prosody.acoustics is not None


def test_noise_gives_speech_events_but_no_utterance_and_teaches_nothing():
    noise = line(script=("", "five six seven"))
    events = hear(noise.listener, SOUND)
    (utterance,) = of(Utterance, events)
    assert utterance.utterance == 2
    assert len(of(SpeechEnded, events)) == 2
    alone = line(TWO[1:], script=("five six seven",))
    (unspoilt,) = of(Utterance, hear(alone.listener, SOUND))
    assert utterance.prosody.acoustics is not None
    assert utterance.prosody.acoustics.n_speaker == 0
    assert utterance.prosody.pitch_rel_st == unspoilt.prosody.pitch_rel_st
    assert utterance.prosody.energy_rel_db == unspoilt.prosody.energy_rel_db


def test_an_utterance_with_words_teaches_the_baselines():
    _, second = of(Utterance, hear(line().listener, SOUND))
    assert second.prosody.acoustics is not None
    assert second.prosody.acoustics.n_speaker == 1
    assert second.prosody.energy_rel_db is not None


def test_a_final_that_fails_is_told_and_the_next_utterance_works():
    events = hear(line(transcriber=FailingTranscriber(["a b", "c d"], fails="final")).listener, SOUND)
    (trouble,) = of(EngineTrouble, events)
    assert (trouble.utterance, trouble.engine, trouble.message) == (1, "scripted", "the recogniser died")
    (utterance,) = of(Utterance, events)
    assert (utterance.utterance, utterance.transcript.text) == (2, "c d")
    assert utterance.prosody.acoustics is not None
    assert utterance.prosody.acoustics.n_speaker == 0


def test_a_partial_that_fails_is_told_and_the_final_comes_all_the_same():
    events = hear(line(transcriber=FailingTranscriber(["a b", "c d"], fails="partial")).listener, SOUND)
    assert {t.utterance for t in of(EngineTrouble, events)} == {1}
    assert [u.transcript.text for u in of(Utterance, events)] == ["a b", "c d"]


def test_an_analyst_that_fails_leaves_its_values_unknown():
    events = hear(line(analyst=ScriptedAnalyst(failing=frozenset({1}))).listener, SOUND)
    (trouble,) = of(EngineTrouble, events)
    assert trouble.engine == "voice analyst"
    first, second = of(Utterance, events)
    assert first.prosody.jitter is None
    assert first.prosody.pitch_mean_hz is not None
    assert second.prosody.jitter == Quality().jitter


def test_in_a_hurry_partials_are_skipped_and_counted_and_finals_stay():
    counting = CountingTranscriber(["one two three four", "five six seven"])
    hurried, calm = line().listener, line(transcriber=counting).listener
    events = hurried.feed(SOUND, hurried=True) + hurried.flush()
    usual = hear(calm, SOUND)
    assert not [t for t in of(Transcript, events) if not t.is_final]
    assert hurried.n_partials_skipped == counting.n_asked > 0
    assert calm.n_partials_skipped == 0
    finals = [[h.nbest for h in of(Transcript, told) if h.is_final] for told in (events, usual)]
    assert finals[0] == finals[1]
    assert [plain(u.prosody) for u in of(Utterance, events)] == [plain(u.prosody) for u in of(Utterance, usual)]


def test_flush_ends_what_is_open():
    listener = line(((0.5, 9.0),)).listener
    events = listener.feed(SOUND[: 2 * SAMPLE_RATE])
    assert not of(SpeechEnded, events)
    rest = listener.flush()
    (ended,) = of(SpeechEnded, rest)
    assert (ended.reason, ended.end_s) == ("flush", 2.0)
    assert len(of(Utterance, rest)) == 1
    assert listener.flush() == []


@pytest.mark.parametrize("wrong", [{"partial_every_s": 0.0}, {"prosody_every_s": -1.0}])
def test_intervals_of_nothing_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="at least"):
        ListenerSettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_close_may_be_called_twice():
    heard = line()
    heard.listener.close()
    heard.listener.close()
    assert heard.analyst.n_closed >= 1


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, SOUND.size), max_size=12).map(sorted))
def test_any_cutting_of_the_sound_gives_the_same_events(cuts: list[int]):
    assert [plain(e) for e in hear(line(WITH_PAUSE).listener, SOUND, cuts=cuts)] == WHOLE


@pytest.mark.parametrize("chunk", [80, 160, 320, 2192, SOUND.size])
def test_chunks_of_any_size_give_the_same_events(chunk: int):
    cuts = range(chunk, SOUND.size, chunk)
    assert [plain(e) for e in hear(line(WITH_PAUSE).listener, SOUND, cuts=cuts)] == WHOLE


CONTROLS = (Commit(), Clear(), TurnDetection(is_manual=True), TurnDetection(), TurnDetection(eagerness="medium"))


def hear_with(
    listener: Listener, placed: Sequence[tuple[int, Control]], *, cuts: Sequence[int] = ()
) -> list[ListenerEvent]:
    """Hear SOUND with controls at samples of it, cut anywhere."""
    events: list[ListenerEvent] = []
    done = 0
    for at, control in [*sorted(placed, key=lambda pair: pair[0]), (SOUND.size, Mark(value=None))]:
        for cut in [*(cut for cut in cuts if done < cut < at), at]:
            events += listener.feed(SOUND[done:cut])
            done = cut
        events += listener.control(control)
    return events + listener.flush()


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(0, SOUND.size), max_size=8).map(sorted),
    placed=st.lists(st.tuples(st.integers(0, SOUND.size), st.sampled_from(CONTROLS)), max_size=4),
)
def test_any_cutting_of_the_sound_around_controls_gives_the_same_events(
    cuts: list[int], placed: list[tuple[int, Control]]
):
    whole = [plain(e) for e in hear_with(line(WITH_PAUSE).listener, placed)]
    assert [plain(e) for e in hear_with(line(WITH_PAUSE).listener, placed, cuts=cuts)] == whole


def test_by_hand_the_committed_sound_is_an_utterance_with_its_words():
    manual = [(0, TurnDetection(is_manual=True)), (2 * SAMPLE_RATE, Commit())]
    events = hear_with(line(()).listener, manual)
    first, second = of(Utterance, events)
    assert (first.start_s, first.end_s, first.samples.size) == (0.0, 2.0, 2 * SAMPLE_RATE)
    assert (first.transcript.text, second.transcript.text) == ("one two three four", "five six seven")
    assert [event.reason for event in of(SpeechEnded, events)] == ["commit", "flush"]
    assert not of(SpeechPaused, events)
    assert first.prosody.jitter == Quality().jitter
    assert [t.is_final for t in of(Transcript, events) if t.utterance == 1].count(False) > 2


def test_committed_sound_without_words_ends_with_an_empty_final():
    manual = [(0, TurnDetection(is_manual=True)), (SAMPLE_RATE, Commit())]
    told = [e for e in hear_with(line((), script=("", "hello")).listener, manual) if not isinstance(e, RollingProsody)]
    started, ended, final = told[:3]
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    assert isinstance(final, Transcript)
    assert (final.is_final, final.nbest) == (True, ())


def test_clear_calls_off_all_that_is_under_way_and_says_nothing_more_of_it():
    heard = line(((0.5, 1.6),))
    listener = heard.listener
    before = listener.feed(SOUND[: 2 * SAMPLE_RATE - 3_200])
    assert len(of(SpeechPaused, before)) == 1
    assert listener.control(Clear()) == [SpeechDropped(utterance=1, at_s=1.8)]
    assert all(each.is_cancelled for each in heard.analyst.asked)
    assert listener.feed(SOUND[2 * SAMPLE_RATE :]) + listener.flush() == []


def test_after_a_clear_the_baselines_have_learnt_nothing():
    listener = line(TWO).listener
    events = hear_with(listener, [(round(1.58 * SAMPLE_RATE), Clear())])
    (utterance,) = of(Utterance, events)
    assert utterance.prosody.acoustics is not None
    assert utterance.prosody.acoustics.n_speaker == 0


def test_eagerness_waits_for_the_rest_of_an_unfinished_sentence():
    def decided(script: str, *controls: Control) -> float:
        events = hear_with(line(((0.5, 1.6),), script=(script,)).listener, [(0, control) for control in controls])
        (ended,) = of(SpeechEnded, events)
        (utterance,) = of(Utterance, events)
        assert utterance.transcript.text == script
        return round(ended.decided_s - ended.end_s, 2)

    usual = decided("it was good")
    assert decided("it was good and") == usual
    assert decided("it was good", TurnDetection(eagerness="high")) == usual
    assert decided("it was good and", TurnDetection(eagerness="high")) == pytest.approx(2.0, abs=0.02)


def test_a_sentence_that_goes_on_after_a_long_pause_is_one_utterance():
    script = ScriptedUtterance.plain("it was good and")
    spans = ((0.5, 1.3), (2.6, 3.4))
    listener = line(spans, script=(script,)).listener
    events = hear_with(listener, [(0, TurnDetection(eagerness="medium"))])
    (utterance,) = of(Utterance, events)
    assert utterance.end_s == pytest.approx(3.4)
    assert len(of(SpeechResumed, events)) == 1
    assert len(of(Utterance, hear(line(spans, script=(script,)).listener, SOUND))) == 2


def test_a_final_that_fails_is_told_once_though_it_was_asked_for_its_words():
    transcriber = FailingTranscriber(["a and", "c d"], fails="final")
    events = hear_with(line(transcriber=transcriber).listener, [(0, TurnDetection(eagerness="low"))])
    (trouble,) = of(EngineTrouble, events)
    assert trouble.utterance == 1
    assert [u.utterance for u in of(Utterance, events)] == [2]


def test_a_mark_is_nothing_to_the_listener():
    assert line().listener.control(Mark(value="x")) == []


def test_the_listener_says_when_it_may_have_to_wait():
    class Unhurried(ScriptedTranscriber):
        def finish(self) -> Answer:
            answer = super().finish()
            return Slow(answer=answer, looks=2)  # pyright: ignore[reportReturnType] - an answer in everything used

    listener = line(((0.5, 1.6),), transcriber=Unhurried(["a b"])).listener
    assert not listener.may_wait
    waits: list[bool] = []
    for block in np.split(SOUND, SOUND.size // 320):
        listener.feed(block)
        waits.append(listener.may_wait)
    # Measured all at once and, at the pause, called to wait for the analyst, which cannot say whether it is done.
    assert waits.index(True) * 0.02 == pytest.approx(1.8, abs=0.11)
    assert not waits[-1]


@pytest.mark.parametrize("waits", [True, False])
def test_a_partial_that_is_not_there_is_something_to_wait_for_only_in_replay(*, waits: bool):
    class Lagging(SlowTranscriber):
        @property
        def partial_lag_s(self) -> float:
            return 0.1

    slow = Lagging(("one two",), looks=1000)
    listener = line(transcriber=slow, settings=ListenerSettings(waits_for_partials=waits)).listener
    listener.feed(SOUND[: round(0.6 * SAMPLE_RATE)])
    assert not listener.may_wait
    waited: list[bool] = []
    for block in np.split(SOUND[: round(0.4 * SAMPLE_RATE)], 20):
        listener.feed(block)
        waited.append(listener.may_wait)
    assert slow.partials
    assert any(waited) == waits


def test_very_long_speech_may_be_cut_and_waited_for_at_any_block():
    listener = line(((0.0, 60.0),), analyst=ScriptedAnalyst()).listener
    seconds = [bool(listener.feed(SOUND[:SAMPLE_RATE])) and listener.may_wait for _ in range(22)]
    assert seconds.index(True) == 19


WHOLE = [plain(event) for event in hear(line(WITH_PAUSE).listener, SOUND)]


@pytest.mark.parametrize("looks", [0, 7, 14])
def test_live_a_partial_that_is_not_there_yet_is_looked_for_again_and_never_waited_for(looks: int):
    script = ("one two three four", "five six seven")
    slow = SlowTranscriber(script, looks=looks)
    live = line(transcriber=slow, settings=ListenerSettings(waits_for_partials=False)).listener
    replayed = line(script=script).listener
    events, usual = hear(live, SOUND), hear(replayed, SOUND)
    assert not any(partial.n_waited_for for partial in slow.partials)
    n_usual = sum(not transcript.is_final for transcript in of(Transcript, usual))
    n_live = sum(not transcript.is_final for transcript in of(Transcript, events))
    assert 0 < n_live <= n_usual
    assert (live.n_partials_skipped > 0) == (looks >= 10)  # 20 ms apart: longer than until the next is due
    assert [u.transcript.text for u in of(Utterance, events)] == [u.transcript.text for u in of(Utterance, usual)]


def test_in_replay_the_same_partial_is_waited_for():
    script = ("one two three four", "five six seven")
    slow = SlowTranscriber(script, looks=14)
    patient, usual = line(transcriber=slow).listener, line(script=script).listener
    assert plain(tuple(hear(patient, SOUND))) == plain(tuple(hear(usual, SOUND)))
    assert all(partial.n_waited_for for partial in slow.partials)


def test_a_partial_that_was_superseded_is_counted_as_skipped_and_is_no_trouble():
    slow = SlowTranscriber(("one two three four", "five six seven"), looks=0, is_superseded=True)
    listener = line(transcriber=slow).listener
    events = hear(listener, SOUND)
    assert not of(EngineTrouble, events)
    assert listener.n_partials_skipped == len(slow.partials)
    assert [transcript.is_final for transcript in of(Transcript, events)] == [True, True]

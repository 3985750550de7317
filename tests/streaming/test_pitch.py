# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Pitch tracking: known sounds, independence of cutting, agreement with Praat."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import parselmouth
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.files import read_audio
from streaming.pitch import HOP, PitchSettings, PitchTrack, PitchTracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.events import Samples

RATE = 16_000
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def track(sound: Samples, settings: PitchSettings | None = None) -> PitchTrack:
    tracker = PitchTracker(settings)
    return PitchTrack.joined([tracker.feed(sound), tracker.flush()])


def tone(hz: float, seconds: float = 0.6, amplitude: float = 0.3) -> Samples:
    at = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * at)).astype(np.float32)


def vowel(hz: float, seconds: float = 0.6) -> Samples:
    """An impulse train through three resonances, as in an open "a"."""
    sound = np.zeros(int(seconds * RATE))
    sound[np.round(np.arange(0, len(sound) - 1, RATE / hz)).astype(int)] = 1.0
    for formant, width in ((700, 130), (1220, 70), (2600, 160)):
        r = np.exp(-np.pi * width / RATE)
        b, c = 2 * r * np.cos(2 * np.pi * formant / RATE), -r * r
        one = two = 0.0
        for i, x in enumerate(sound.tolist()):
            one, two = x + b * one + c * two, one
            sound[i] = one
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def noise(seconds: float, amplitude: float, seed: int = 1) -> Samples:
    rng = np.random.default_rng(seed)
    return (amplitude * rng.standard_normal(int(seconds * RATE))).astype(np.float32)


def agreement(sound: Samples) -> tuple[int, int, int, int]:
    """Gross errors, frames voiced in both, frames called alike, frames; against Praat on the same grid."""
    sound = sound[: (len(sound) - HOP + 1) // HOP * HOP + HOP - 1]
    pitch = parselmouth.Sound(sound.astype(np.float64), RATE).to_pitch_ac(
        time_step=0.01, pitch_floor=75.0, pitch_ceiling=500.0
    )
    praat = pitch.selected_array["frequency"]
    ours = track(sound)
    first = round((pitch.xs()[0] - ours.at_s[0]) * 100)
    f0 = ours.f0_hz[first : first + len(praat)]
    both = (f0 > 0) & (praat > 0)
    gross = np.abs(f0[both] / praat[both] - 1) > 0.2
    return int(gross.sum()), int(both.sum()), int(((f0 > 0) == (praat > 0)).sum()), len(praat)


def assert_agrees(sounds: list[Samples], *, least_voiced: int):
    gross, both, alike, n = np.sum([agreement(sound) for sound in sounds], axis=0)
    assert both >= least_voiced
    assert gross <= 0.03 * both
    assert alike >= 0.95 * n


@pytest.mark.parametrize("hz", [80.0, 110.0, 155.5, 220.0, 333.0, 480.0])
def test_tone_has_its_pitch(hz: float):
    f0 = track(tone(hz)).f0_hz[4:-4]
    assert np.all(np.abs(f0 / hz - 1) < 0.005)


@pytest.mark.parametrize("hz", [85.0, 130.0, 210.0, 310.0, 420.0])
def test_vowel_has_the_pitch_of_its_pulses(hz: float):
    frames = track(vowel(hz))
    f0 = frames.f0_hz[4:-4]
    assert np.all(np.abs(f0 / hz - 1) < 0.01)
    assert frames.strength[4:-4].min() > 0.8


def test_glide_is_followed():
    at = np.arange(RATE) / RATE
    hz = 100 * 2**at
    sound = (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE)).astype(np.float32)
    frames = track(sound)
    middle = slice(4, -4)
    assert np.all(np.abs(frames.f0_hz[middle] / (100 * 2 ** frames.at_s[middle]) - 1) < 0.01)


def test_pitch_outside_the_range_is_not_called_by_its_name():
    assert not np.any(np.isclose(track(tone(700)).f0_hz, 700, rtol=0.1))


@pytest.mark.parametrize("sound", [np.zeros(RATE, np.float32), noise(1.0, 0.1), noise(1.0, 0.001), tone(150) * 1e-6])
def test_silence_and_noise_are_unvoiced(sound: Samples):
    assert np.mean(track(sound).voiced) < 0.05


def test_constant_offset_changes_no_voicing():
    sound = np.concatenate((vowel(120), np.zeros(RATE // 2, np.float32)))
    assert np.array_equal(track(sound).voiced, track(sound + np.float32(0.2)).voiced)


def test_voice_after_silence_begins_where_it_begins():
    sound = np.concatenate((noise(0.5, 0.0005), vowel(120), noise(0.5, 0.0005)))
    at = track(sound).at_s[track(sound).voiced]
    assert abs(at[0] - 0.5) < 0.03
    assert abs(at[-1] - 1.1) < 0.03


def test_levels_are_in_db_of_full_scale():
    sine = track(tone(200, amplitude=0.5)).energy_db[4:-4]
    assert np.allclose(sine, 20 * np.log10(0.5) - 3.01, atol=0.1)
    assert np.allclose(track(np.zeros(RATE, np.float32)).energy_db, -100)


@pytest.mark.parametrize(("n", "frames"), [(0, 0), (1, 1), (160, 1), (161, 2), (15_999, 100), (16_000, 100)])
def test_every_ten_milliseconds_give_one_frame(n: int, frames: int):
    got = track(np.zeros(n, np.float32))
    assert len(got) == frames
    assert np.allclose(got.at_s, 0.005 + 0.01 * np.arange(frames))


SPEECHLIKE = np.concatenate((noise(0.2, 0.001), vowel(130, 0.5), noise(0.15, 0.02), vowel(200, 0.4), noise(0.3, 0.001)))
WHOLE = track(SPEECHLIKE)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SPEECHLIKE)), max_size=20))
def test_frames_do_not_depend_on_the_cutting(cuts: list[int]):
    tracker = PitchTracker()
    tracks = [tracker.feed(piece) for piece in np.split(SPEECHLIKE, sorted(cuts))]
    got = PitchTrack.joined([*tracks, tracker.flush()])
    for field in dataclasses.fields(PitchTrack):
        assert np.array_equal(getattr(got, field.name), getattr(WHOLE, field.name))


def test_no_frame_waits_longer_than_the_look_ahead():
    tracker, n_out = PitchTracker(), 0
    for fed in range(HOP, len(SPEECHLIKE) + 1, HOP):
        n_out += len(tracker.feed(SPEECHLIKE[fed - HOP : fed]))
        assert n_out * HOP >= fed - tracker.settings.look_ahead - HOP


def test_tail_is_what_flush_would_give_and_changes_nothing():
    tracker = PitchTracker()
    before = tracker.feed(SPEECHLIKE[:9000])
    tail = tracker.tail()
    assert len(before) + len(tail) == 57
    after = PitchTrack.joined([before, tracker.feed(SPEECHLIKE[9000:]), tracker.flush()])
    assert np.array_equal(after.f0_hz, WHOLE.f0_hz)


def test_flush_starts_anew():
    tracker = PitchTracker()
    tracker.feed(vowel(300))
    tracker.flush()
    again = PitchTrack.joined([tracker.feed(SPEECHLIKE), tracker.flush()])
    assert np.array_equal(again.f0_hz, WHOLE.f0_hz)
    assert again.at_s[0] == WHOLE.at_s[0]


def test_what_the_caller_does_to_its_buffer_later_is_not_heard():
    tracker, buffer = PitchTracker(), SPEECHLIKE[:1000].copy()
    tracker.feed(buffer)
    buffer[:] = 1.0
    tracker.feed(SPEECHLIKE[1000:])
    assert len(tracker.tail()) > 0
    assert not np.any(tracker.tail().energy_db > -1)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: PitchSettings(floor_hz=50.0),
        lambda: PitchSettings(ceiling_hz=70.0),
        lambda: PitchSettings(n_candidates=0),
        lambda: PitchSettings(delay_frames=-1),
    ],
)
def test_settings_that_cannot_work_are_refused(bad: Callable[[], PitchSettings]):
    with pytest.raises(ValueError, match="must"):
        bad()


def test_spoken_sentences_agree_with_praat(spoken: Callable[..., Path]):
    texts = ("i am so happy that you came to see me", "never touch that rusty old fence again")
    sounds = [read_audio(spoken(text, voice=voice)) for voice in ("slt", "rms") for text in texts]
    assert_agrees(sounds, least_voiced=400)


@pytest.mark.data
@pytest.mark.parametrize(("folder", "every"), [("speech", 1), ("emodb", 20)])
def test_recorded_speech_agrees_with_praat(folder: str, every: int):
    paths = sorted((DATA / folder).glob("*.flac"))[::every]
    if not paths:
        pytest.skip(f"no recordings under ../shared/data/{folder}")
    assert_agrees([read_audio(path) for path in paths], least_voiced=1000)

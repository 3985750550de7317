from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.backends.whisper_features import FULL_FRAMES, MelFrames, padded

if TYPE_CHECKING:
    from streaming.events import Samples

FILTERS = FeatureExtractor().mel_filters
RATE = 16_000


def sound(n_samples: int, *, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    tone = 0.3 * np.sin(np.arange(n_samples) * 0.05) * np.linspace(0.1, 1.0, n_samples)
    return (tone + rng.normal(0, 0.01, n_samples)).astype(np.float32)


def fed(samples: Samples, cuts: list[int] | None = None) -> MelFrames:
    mel = MelFrames(FILTERS)
    for piece in np.split(samples, sorted(cuts or [])):
        mel.feed(piece)
    return mel


@pytest.mark.parametrize("n_samples", [1, 160, 200, 201, 399, 1_840, 8_000, 23_456, 96_000])
def test_features_are_those_of_the_sound_padded_with_silence(n_samples: int):
    samples = sound(n_samples)
    whole = np.concatenate([samples, np.zeros(30 * RATE - n_samples, np.float32)])
    expected = FeatureExtractor()(whole, padding=0)[:, :FULL_FRAMES]
    found = padded(fed(samples).read(), FULL_FRAMES)
    assert found.shape == (80, FULL_FRAMES)
    np.testing.assert_allclose(found, expected, atol=2e-4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 20_000), max_size=12))
def test_not_a_bit_depends_on_how_the_sound_was_cut(cuts: list[int]):
    samples = sound(20_000)
    np.testing.assert_array_equal(fed(samples, cuts).read(), fed(samples).read())


def test_reading_in_between_changes_nothing():
    samples, mel = sound(16_000), MelFrames(FILTERS)
    for start in range(0, samples.size, 320):
        mel.feed(samples[start : start + 320])
        mel.read()
    np.testing.assert_array_equal(mel.read(), fed(samples).read())


def test_settled_frames_never_change():
    samples = sound(3 * RATE)
    early, late = fed(samples[: 2 * RATE]), fed(samples)
    assert 190 <= early.n_settled <= 200
    np.testing.assert_array_equal(early.settled(10, 150), late.settled(10, 150))


def test_a_window_begins_where_it_is_asked_to():
    mel = fed(sound(2 * RATE))
    assert mel.read(150).shape[1] == mel.read().shape[1] - 150


def test_nothing_heard_is_silence():
    features = padded(MelFrames(FILTERS).read(), 100)
    assert features.shape == (80, 100)
    np.testing.assert_allclose(features, -1.5, atol=1e-6)


def test_what_is_too_long_is_cut():
    assert padded(fed(sound(2 * RATE)).read(), 100).shape == (80, 100)

"""One recording as one utterance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.acoustics import FEATURE_NAMES
from streaming.audio import FRAME, SAMPLE_RATE, silence
from streaming.backends.scripted import ScriptedTranscriber
from streaming.errors import EngineFailed
from streaming.recording import prosody_of, transcript_of

if TYPE_CHECKING:
    from streaming.events import Samples
    from streaming.ports import VoiceQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    pitch_mean_hz: float | None = 200.0
    jitter: float | None = 0.01
    shimmer: float | None = 0.05
    hnr_db: float | None = 15.0

    def result(self) -> VoiceQuality:
        return self

    def cancel(self) -> None:
        pass


class Analyst:
    def __init__(self) -> None:
        self.heard: list[Samples] = []

    def analyse(self, samples: Samples) -> Quality:
        self.heard.append(samples)
        return Quality()

    def close(self) -> None:
        pass


class Recorder(ScriptedTranscriber):
    def __init__(self) -> None:
        super().__init__(["one two three"])
        self.blocks: list[Samples] = []

    def accept(self, samples: Samples) -> None:
        self.blocks.append(samples)
        super().accept(samples)


def voice(duration_s: float) -> Samples:
    t = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(0.2 * sum(np.sin(2 * np.pi * 120 * n * t) / n for n in range(1, 8)), np.float32)


def test_prosody_is_measured_over_the_whole_recording_with_the_analysts_part():
    analyst = Analyst()
    sound = voice(1.5)
    prosody = prosody_of(sound, analyst=analyst)
    assert analyst.heard[0] is sound
    assert (prosody.pitch_mean_hz, prosody.jitter, prosody.hnr_db) == (200.0, 0.01, 15.0)
    assert prosody.voiced_s == pytest.approx(1.5, abs=0.1)
    assert prosody.acoustics is not None
    assert prosody.acoustics.features.shape == (len(FEATURE_NAMES),)
    assert prosody.acoustics.n_speaker == 0


def test_each_recording_is_a_new_speakers():
    analyst = Analyst()
    prosody_of(voice(2.0) * 0.1, analyst=analyst)
    assert prosody_of(voice(1.5), analyst=analyst).energy_rel_db is None


def test_silence_has_no_prosody():
    prosody = prosody_of(silence(SAMPLE_RATE), analyst=Analyst())
    assert prosody.pitch_mean_hz is None
    assert prosody.energy_db is None
    assert prosody.acoustics is None


def test_the_transcript_is_of_every_sample_fed_in_20_ms_blocks():
    transcriber = Recorder()
    sound = voice(1.01)
    transcript = transcript_of(sound, transcriber=transcriber)
    assert transcript.is_final
    assert transcript.text == "one two three"
    assert {block.size for block in transcriber.blocks[:-1]} == {FRAME}
    np.testing.assert_array_equal(np.concatenate(transcriber.blocks), sound)


def test_a_recording_of_whole_blocks_has_no_empty_last_one():
    transcriber = Recorder()
    transcript_of(voice(1.0), transcriber=transcriber)
    assert [block.size for block in transcriber.blocks] == [FRAME] * 50


def test_an_engine_that_died_is_the_callers_to_know():
    class Dead(Analyst):
        def analyse(self, samples: Samples) -> Quality:
            raise EngineFailed("the analyst died")

    with pytest.raises(EngineFailed, match="died"):
        prosody_of(voice(1.0), analyst=Dead())

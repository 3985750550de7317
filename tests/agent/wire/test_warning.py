"""What ought to be known of the sound: told to those who asked, and to nobody as an error."""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

import numpy as np
import pytest

from agent.wire.doubt import doubts_of
from streaming.events import AudioDropped, SpeechEnded, SpeechStarted
from tests.agent.wire.talks import Talk

ASKS = [("all", True), ("session", True), ("emotion,turns", False), ("", False)]


def clipped(*, silent: float = 0.0) -> bytes:
    """A second of a voice that is mostly at full scale, the rest of it silence."""
    t = np.arange(24_000) / 24_000
    sound = np.clip(20 * np.sin(2 * np.pi * 120 * t), -1, 1) * (t >= silent)
    return (32_767 * sound).astype("<i2").tobytes()


@pytest.mark.parametrize(("events", "is_told"), ASKS)
def test_lost_sound_and_a_cut_are_told_where_they_are(events: str, is_told: bool):
    talk = Talk(query={"attune": events})
    cut = SpeechEnded(utterance=1, start_s=1.0, end_s=31.0, decided_s=31.0, reason="limit")
    talk.hears(AudioDropped(at_s=0.5, seconds=0.25, total_s=0.25), SpeechStarted(utterance=1, at_s=1.0), cut)
    told = talk.said("attune.warning")
    assert [(each["code"], each["at_ms"]) for each in told] == (
        [("audio_dropped", 500), ("utterance_cut", 31_000)] if is_told else []
    )
    assert not talk.said("error")
    if is_told:
        assert told[1]["item_id"] == talk.said("input_audio_buffer.committed")[0]["item_id"]
        assert "0.25 s" in told[0]["message"]
        assert "30 s" in told[1]["message"]


@pytest.mark.parametrize("reason", ["endpoint", "commit", "flush"])
def test_an_utterance_that_ends_by_itself_is_no_cut(reason: Literal["endpoint", "commit", "flush"]):
    talk = Talk(query={"attune": "all"})
    talk.hears(
        SpeechStarted(utterance=1, at_s=1.0),
        SpeechEnded(utterance=1, start_s=1.0, end_s=2.0, decided_s=2.5, reason=reason),
    )
    assert not talk.said("attune.warning")


@pytest.mark.parametrize(("events", "is_told"), ASKS)
def test_clipping_is_told_once_and_heard(events: str, is_told: bool):
    talk = Talk(query={"attune": events})
    for _ in range(3):
        step = talk.asks("input_audio_buffer.append", audio=b64encode(clipped()).decode())
        assert step.n_sound > 0
        assert step.fault is None
    assert [each["code"] for each in talk.said("attune.warning")] == ["clipping"] * is_told
    assert not talk.said("error")


def test_pauses_are_no_headroom():
    """Half a second of silence before the voice hides no clipping, and quiet sound has none."""
    loud = (np.frombuffer(clipped(silent=0.7), "<i2") / 32_768).astype(np.float32)
    assert [doubt.code for doubt in doubts_of(loud)] == ["clipping"]
    assert doubts_of((0.5 * loud).astype(np.float32)) == []
    assert doubts_of(np.zeros(24_000, np.float32)) == []

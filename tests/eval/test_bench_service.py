"""The load on the service: frames that a server takes, starts that are not in step, figures that hide no loss."""

from __future__ import annotations

import base64
import json
from itertools import pairwise

import numpy as np
import pytest
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from eval.bench.service.load import Load, Schedule
from eval.bench.service.measure import ServiceBench, Step, steps_of, table
from eval.bench.service.speaker import appends_of, text_frame
from eval.errors import MeasureFailed


def load(*, n: int = 10, latency_ms: tuple[float, ...] = (1.0, 2.0), n_missed: int = 0, late_ms: float = 0.1) -> Load:
    return Load(n=n, latency_ms=latency_ms, late_ms=(late_ms,), n_missed=n_missed, n_lost=0, n_refused=0)


def read_by_a_server(frame: bytes) -> str:
    protocol = ServerProtocol(state=OPEN, max_size=None)
    protocol.receive_data(frame)
    (event,) = protocol.events_received()
    return bytes(event.data).decode()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


@pytest.mark.parametrize("size", [5, 200, 70_000])
def test_a_frame_made_by_hand_is_one(size: int):
    assert read_by_a_server(text_frame("x" * size)) == "x" * size


def test_a_second_of_sound_is_ten_appends_of_a_hundred_milliseconds():
    frames = appends_of(np.zeros(16_000, np.float32))
    said = [json.loads(read_by_a_server(frame)) for frame in frames]
    assert [message["type"] for message in said] == ["input_audio_buffer.append"] * len(frames)
    assert sum(len(base64.b64decode(message["audio"])) for message in said) == pytest.approx(48_000, abs=200)
    assert len(base64.b64decode(said[0]["audio"])) == 4_800


@pytest.mark.parametrize("n", [1, 10, 200, 300])
def test_speakers_do_not_start_in_step(n: int):
    schedule = Schedule(frames=[b""], seconds=1.0, spread_s=12.0)
    phases = sorted(schedule.start_of(index, n) % 0.1 for index in range(n))
    assert all(after - before > 0.1 / n / 4 for before, after in pairwise(phases))
    assert max(schedule.start_of(index, n) for index in range(n)) < 12.1


def test_an_event_that_never_came_is_no_small_latency():
    assert load(n_missed=1).percentile(100) == float("inf")
    assert load().percentile(100) == 2.0


def test_only_a_step_that_kept_the_budget_and_was_not_late_itself_counts_for_the_knee():
    steps = [
        Step(load=load(n=100), core_share=0.3, rss_mb=100.0),
        Step(load=load(n=200, late_ms=9.0), core_share=0.3, rss_mb=100.0),
        Step(load=load(n=300, n_missed=1), core_share=0.3, rss_mb=100.0),
        Step(load=load(n=400, latency_ms=(50.0,)), core_share=0.3, rss_mb=100.0),
    ]
    result = ServiceBench(kind="scripted", steps=tuple(steps), signature="s")
    assert result.knee == 100
    told = table(result)
    assert "knee: 100 sessions" in told
    assert "void: the load was late" in told
    assert told.count("over budget") == 2


@pytest.mark.parametrize("written", ["", "ten", "10,,20", "0", "-5"])
def test_numbers_of_sessions_that_make_no_sense_are_refused(written: str):
    with pytest.raises(MeasureFailed, match="expected numbers"):
        steps_of(written)
    assert steps_of("50, 100") == [50, 100]

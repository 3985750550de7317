"""How much one client may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server.closing import Close
from agent.server.limits import CLOSE_OF, Allowance, Bucket, Ended, Warned
from agent.server.ports import Received
from agent.server.settings import ServerSettings
from agent.wire.faults import FAULTS

SETTINGS = ServerSettings(audio_burst_s=2.0, audio_excess_s=27.0)


def fed(pieces: list[tuple[float, Received]]) -> list[Warned | Ended]:
    """Return what is said of messages that come at the times given."""
    allowance = Allowance(SETTINGS, now_s=0.0)
    said = [allowance.take(received, now_s=at_s) for at_s, received in pieces]
    return [verdict for verdict in said if verdict is not None]


def sound(seconds: float, *, every_s: float, for_s: float) -> list[tuple[float, Received]]:
    return [(k * every_s, Received(sound_s=seconds)) for k in range(round(for_s / every_s))]


@pytest.mark.parametrize("piece_s", [0.0027, 0.01, 0.02, 0.1, 1.0])
def test_sound_as_it_is_spoken_is_never_too_fast(piece_s: float):
    assert fed(sound(piece_s, every_s=piece_s, for_s=60)) == []


@given(st.lists(st.floats(0.0, 1.9), min_size=1, max_size=40))
def test_sound_held_up_on_the_way_is_not_too_fast(gaps_s: list[float]):
    # However it bunches up, no more came than was spoken, and less than two seconds were held up.
    at_s, pieces = 0.0, list[tuple[float, Received]]()
    for gap_s in gaps_s:
        at_s += gap_s
        if gap_s:
            pieces.append((at_s, Received(sound_s=gap_s)))
    assert fed(pieces) == []


def test_a_recorded_utterance_may_come_at_once_with_a_warning():
    said = fed([(k * 0.001, Received(sound_s=0.1)) for k in range(100)])
    assert [verdict.code for verdict in said] == ["audio_too_fast"]


def test_ten_times_as_fast_is_warned_once_and_then_closed():
    said = fed(sound(0.1, every_s=0.01, for_s=10))
    first = next(index for index, verdict in enumerate(said) if isinstance(verdict, Ended))
    assert first == 1
    assert said[0].code == "audio_too_fast"
    assert said[1].code == Close.TOO_FAST


def test_who_slows_down_is_warned_again_another_time():
    slow = [(5 + k * 0.1, Received(sound_s=0.02)) for k in range(100)]
    burst = [(20.0, Received(sound_s=3.0))]
    said = fed([(0.0, Received(sound_s=3.0)), *slow, *burst])
    assert [verdict.code for verdict in said] == ["audio_too_fast", "audio_too_fast"]


def test_messages_without_sound_are_warned_of_and_then_closed():
    said = fed([(0.0, Received())] * 81)
    assert [verdict.code for verdict in said] == ["too_many_messages", Close.TOO_FAST]


def test_ten_messages_a_second_are_not_too_many():
    assert fed([(k * 0.1, Received()) for k in range(1000)]) == []


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (["invalid_json"], Close.POLICY),
        (["binary_not_expected"], Close.UNSUPPORTED_DATA),
        (["unknown_event", "invalid_field"], Close.SCHEMA),
        (["suspect_audio", "non_finite_audio"], Close.BAD_AUDIO),
        (["suspect_audio", "unknown_event"], Close.POLICY),
    ],
)
def test_ten_faults_in_a_row_are_the_end(faults: list[str], code: Close):
    ten = [(float(k), Received(fault=fault)) for k, fault in enumerate(faults * 10)][:10]
    assert fed(ten[:9]) == []
    assert [verdict.code for verdict in fed(ten)] == [code]


def test_faults_with_sense_between_them_are_not():
    one = [Received(fault="unknown_event")] * 9 + [Received()]
    assert fed([(float(k), received) for k, received in enumerate(one * 5)]) == []


def test_what_is_only_too_late_may_be_said_again_and_again():
    assert fed([(float(k), Received(fault="response_cancel_not_active")) for k in range(100)]) == []


def test_every_fault_that_counts_is_one_that_is_told():
    assert set(CLOSE_OF) <= set(FAULTS)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=50))
def test_a_bucket_never_gives_more_than_burst_and_rate_allow(moves: list[tuple[float, float]]):
    bucket, now_s, taken = Bucket(rate=1.25, burst=2.0, now_s=0.0), 0.0, 0.0
    for wait_s, amount in moves:
        now_s += wait_s
        if bucket.take(amount, now_s=now_s) > 0:
            return
        taken += amount
        assert taken <= 2.0 + 1.25 * now_s + 1e-6

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Voice quality by Praat in a worker process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.backends import praat
from streaming.backends.praat import PraatAnalyst, PraatQuality, PraatSettings, praat_workers
from streaming.backends.worker import write_block
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streaming.backends.worker import WorkerPool
    from streaming.events import Samples

RATE = 16_000


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    pool = praat_workers()
    yield pool
    pool.close()


@pytest.fixture
def analyst(workers: WorkerPool) -> Iterator[PraatAnalyst]:
    analyst = PraatAnalyst(workers)
    yield analyst
    analyst.close()


def pulses(hz: float, seconds: float, *, jitter: float = 0.0, shimmer: float = 0.0) -> Samples:
    """A train of smooth pulses; periods and heights alternate so that their local perturbations are as asked."""
    at = np.arange(int(seconds * RATE)) / RATE
    # An octave down lies under Praat's floor where alternation matters, so it is no second pitch.
    sign = np.where(np.arange(int(seconds * hz) + 2) % 2, 0.5, -0.5)
    moments = np.cumsum((1 + jitter * sign) / hz)
    sound = np.zeros(len(at))
    for moment, height in zip(moments, 1 + shimmer * sign, strict=True):
        near = slice(max(0, int((moment - 0.004) * RATE)), int((moment + 0.004) * RATE))
        sound[near] += height * np.exp(-(((at[near] - moment) / 0.0006) ** 2))
    return (0.4 * (sound - sound.mean())).astype(np.float32)


def test_a_regular_voice_has_its_pitch_and_hardly_any_perturbation(analyst: PraatAnalyst):
    quality = analyst.analyse(pulses(150, 1.0)).result()
    assert quality.pitch_mean_hz == pytest.approx(150, rel=0.005)
    assert quality.jitter is not None
    assert quality.jitter < 0.003
    assert quality.shimmer is not None
    assert quality.shimmer < 0.02
    assert quality.hnr_db is not None
    assert quality.hnr_db > 20


@pytest.mark.parametrize("jitter", [0.01, 0.03])
def test_alternating_periods_are_that_much_jitter(analyst: PraatAnalyst, jitter: float):
    assert analyst.analyse(pulses(140, 1.0, jitter=jitter)).result().jitter == pytest.approx(jitter, rel=0.25)


@pytest.mark.parametrize("shimmer", [0.06, 0.15])
def test_alternating_heights_are_that_much_shimmer(analyst: PraatAnalyst, shimmer: float):
    assert analyst.analyse(pulses(140, 1.0, shimmer=shimmer)).result().shimmer == pytest.approx(shimmer, rel=0.25)


def test_noise_lowers_hnr(analyst: PraatAnalyst):
    clean = pulses(150, 1.0)
    hiss = np.random.default_rng(1).normal(0, 0.02, len(clean)).astype(np.float32)
    clear, hoarse = analyst.analyse(clean), analyst.analyse(clean + hiss)
    clear_db, hoarse_db = clear.result().hnr_db, hoarse.result().hnr_db
    assert clear_db is not None
    assert hoarse_db is not None
    assert clear_db > hoarse_db + 5


@pytest.mark.parametrize("n", [0, 1, 500, RATE])
def test_silence_and_scraps_carry_nothing(analyst: PraatAnalyst, n: int):
    assert analyst.analyse(np.zeros(n, np.float32)).result() == PraatQuality()


def test_little_voice_carries_a_pitch_but_no_quality(analyst: PraatAnalyst):
    quality = analyst.analyse(pulses(150, 0.35)).result()
    assert quality.pitch_mean_hz is not None
    assert quality.jitter is quality.shimmer is quality.hnr_db is None


def test_of_a_long_utterance_only_the_last_part_is_measured(workers: WorkerPool):
    analyst = PraatAnalyst(workers, settings=PraatSettings(longest_s=1.0))
    last = pulses(150, 1.0, jitter=0.02)
    long = analyst.analyse(np.concatenate((pulses(220, 9.0), last))).result()
    short = analyst.analyse(last).result()
    assert long.jitter == short.jitter
    assert long.pitch_mean_hz is None
    assert short.pitch_mean_hz is not None


def test_a_killed_worker_comes_back_with_the_answer():
    analyst = PraatAnalyst()
    try:
        voice = pulses(150, 1.0)
        expected = analyst.analyse(voice).result()
        assert analyst.pids
        for pid in analyst.pids:
            os.kill(pid, signal.SIGKILL)
        assert analyst.analyse(voice).result() == expected
    finally:
        analyst.close()
        analyst.close()
    with pytest.raises(EngineFailed, match="closed"):
        analyst.analyse(voice)


def test_closing_an_analyst_leaves_shared_workers_running(workers: WorkerPool):
    PraatAnalyst(workers).close()
    assert PraatAnalyst(workers).analyse(np.zeros(0, np.float32)).result() == PraatQuality()


def test_cancelled_analyses_are_forgotten(analyst: PraatAnalyst):
    unwanted = analyst.analyse(pulses(150, 1.0))
    unwanted.cancel()
    assert analyst.analyse(np.zeros(0, np.float32)).result() == PraatQuality()


def test_a_worker_ends_when_its_input_closes():
    command = [sys.executable, "-m", "streaming.backends.praat_worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        write_block(process.stdin, b"")
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def _nowhere(_name: str) -> None:
    return None


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(praat.importlib.util, "find_spec", _nowhere)
    with pytest.raises(EngineFailed, match="praat-parselmouth is not installed"):
        PraatAnalyst()


def test_spans_too_short_are_refused():
    with pytest.raises(ValueError, match="longest_s"):
        PraatSettings(longest_s=0.1)

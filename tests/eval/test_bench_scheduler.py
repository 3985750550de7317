"""The scheduler's bench: what it counts as equal work, that both arms do it, what it prints."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

import eval.commands
from eval.bench import scheduler
from eval.bench.scheduler import Load, measure, table
from eval.bench.sharing import Batched, OneAtATime, Turn, finals_in_a_row, talking
from eval.errors import CorpusUnreadable
from eval.signature import parse_signature
from streaming.audio import SAMPLE_RATE
from streaming.backends.whisper_values import Answer, Decoded, DecodeOptions, Question
from streaming.batching import SchedulerSettings
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eval.bench.sharing import Sharing
    from streaming.events import Samples

SMALL = Load(n_sessions=3, max_batch=4, n_rounds=2, n_turns=1, n_partials=2, every_s=0.01, pad_s=2.0)


def question(number: int, *, n_beams: int = 1) -> Question:
    return Question(features=np.full((2, 3), number, np.float32), options=DecodeOptions(n_frames=100, n_beams=n_beams))


class Echo:
    """A model whose reading of a question is its number."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        self.sizes.append(len(questions))
        return [
            Answer(
                language="en",
                shares=(),
                p_no_speech=0.0,
                hypotheses=(Decoded(tokens=(int(each.features[0, 0]),), logp=-1.0, text="x"),),
                words=(),
            )
            for each in questions
        ]


ARMS: dict[str, Callable[[Echo], Sharing]] = {
    "one": OneAtATime,
    "batched": lambda run: Batched(run, settings=SchedulerSettings(max_batch=4)),
}


@pytest.mark.parametrize("which", ARMS)
def test_each_session_gets_its_own_answers_in_a_row(which: str):
    run = Echo()
    arm = ARMS[which](run)
    told = finals_in_a_row(arm, [question(i) for i in range(5)], n=3)
    arm.close()
    assert [answer.hypotheses[0].tokens[0] for answer in told.answers] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [
        4
    ] * 3
    assert told.n == sum(run.sizes) == 15
    assert told.wall_s > 0
    assert (max(run.sizes) == 1) == (which == "one")


@pytest.mark.parametrize("which", ARMS)
def test_every_turn_is_told_and_no_thread_stays(which: str):
    before = set(threading.enumerate())
    arm = ARMS[which](Echo())
    turn = Turn(partials=(question(1), question(2)), final=question(3, n_beams=2), every_s=0.005)
    talked = talking(arm, [turn] * 4, n=2)
    arm.close()
    assert len(talked) == 8
    assert all(each.n_partials == 2 >= each.n_answered and each.final_wait_s > 0 for each in talked)
    assert set(threading.enumerate()) <= before


def hum(hz: float) -> Samples:
    return np.sin(np.arange(SAMPLE_RATE // 2) * 2 * np.pi * hz / SAMPLE_RATE).astype(np.float32) * 0.3


@pytest.fixture
def recordings(tmp_path: Path, write_wav: Callable[[Path, Samples], Path]) -> Path:
    for name, hz in (("a", 150.0), ("b", 330.0)):
        write_wav(tmp_path / f"{name}.wav", hum(hz))
    return tmp_path


def test_a_small_whisper_is_shared_and_both_arms_read_the_same(recordings: Path):
    result = measure(recordings, size="micro", device="cpu", load=SMALL)
    lock, ordered, batched = result.arms
    assert batched.agreement(lock) == ordered.agreement(lock) == 1.0
    assert len(lock.best) == 3 * 2
    assert all(lock.best)
    assert [(call.kind, call.n) for call in result.calls] == [(kind, n) for kind in scheduler.KINDS for n in (1, 4)]
    assert all(call.ms > 0 for call in result.calls)
    assert [len(arm.rounds) for arm in result.arms] == [2, 2, 2]
    assert lock.stats is None
    assert ordered.stats is not None
    assert batched.stats is not None
    assert (ordered.stats.requests, ordered.stats.largest_batch) == (3 * 3, 1)
    assert batched.stats.requests == 3 * 3
    assert batched.stats.largest_batch <= 4
    signature = parse_signature(result.signature)
    assert (signature.get("model"), signature.get("device"), signature.get("sessions")) == ("random-micro", "cpu", "3")
    shown = table(result)
    assert "| finals per second |" in shown
    assert "| scheduler, up to 4 |" in shown
    assert "(budget on a GPU: 4x)" in shown
    assert result.signature in shown


def test_what_cannot_be_measured_is_told(tmp_path: Path, recordings: Path):
    with pytest.raises(CorpusUnreadable, match="holds no recordings"):
        measure(tmp_path / "empty")
    with pytest.raises(EngineFailed, match="no Whisper model at"):
        measure(recordings, model=tmp_path / "none", device="cpu")


def test_the_command_measures_what_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    given: list[object] = []

    def note(data: Path | None, **options: object) -> str:
        given.extend([data, options])
        return "figures"

    def shown(result: str) -> str:
        return f"table of {result}"

    monkeypatch.setattr(scheduler, "measure", note)
    monkeypatch.setattr(scheduler, "table", shown)
    options = ["--sessions", "5", "--batch", "8", "--pad", "6", "--threads", "2"]
    words = ["bench", "scheduler", "--model", str(tmp_path), "--device", "cuda", *options]
    monkeypatch.setattr(sys, "argv", ["attune-eval", *words])
    with pytest.raises(SystemExit) as left:
        eval.commands.run()
    assert not left.value.code
    assert capsys.readouterr().out == "table of figures\n"
    load = Load(n_sessions=5, max_batch=8, pad_s=6.0, n_threads=2)
    assert given == [None, {"model": tmp_path, "size": "tiny", "device": "cuda", "load": load}]

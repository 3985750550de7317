"""The `attune-eval` command: help, errors in one line, which command measures what."""

from __future__ import annotations

import importlib.util
import sys
import time
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import agent.assembly
import eval.bench.line
import eval.commands
import eval.commands_bench
from eval import cli
from eval.errors import CorpusUnreadable
from eval.signature import parse_signature
from streaming.audio import SAMPLE_RATE, silence
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter
from streaming.sources import Pace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.events import Samples

    Evaluate = Callable[..., CompletedProcess[str]]


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Runs an `attune-eval` command in this process."""

    def run(*args: str | Path) -> CompletedProcess[str]:
        words = [str(arg) for arg in args]
        monkeypatch.setattr(sys, "argv", ["attune-eval", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        out, err = capsys.readouterr()
        return CompletedProcess(words, code, out, err)

    return run


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((), ("fit", "bench", "signature")),
        (("fit",), ("emotion",)),
        (("fit", "emotion"), ("--goemotions", "--emodb", "--meld", "--out", "Same data, same bytes")),
        (("bench",), ("line", "prosody", "hearing", "vad", "transcribe", "scheduler")),
        (("bench", "line"), ("--data", "flite")),
        (("bench", "prosody"), ("--data", "Praat")),
        (("bench", "vad"), ("--data", "hand labels")),
        (("bench", "transcribe"), ("--data", ".txt")),
    ],
)
def test_help_says_what_a_command_does_and_takes(evaluate: Evaluate, command: tuple[str, ...], said: tuple[str, ...]):
    ran = evaluate(*command, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    for words in said:
        assert words in ran.stdout


@pytest.mark.parametrize("what", ["line", "prosody", "hearing", "vad", "transcribe"])
def test_a_bench_prints_the_table_of_what_it_measured(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
):
    module = getattr(eval.commands_bench, what)

    def measure(data: Path) -> str:
        return f"measures of {data.name}"

    def table(result: str) -> str:
        return f"{what} table of {result}"

    monkeypatch.setattr(module, "measure", measure)
    monkeypatch.setattr(module, "table", table)
    ran = evaluate("bench", what, "--data", tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{what} table of measures of {tmp_path.name}\n", "")


def test_fit_trains_into_the_folder_that_is_named(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    class Report:
        def table(self) -> str:
            return "the figures"

    given: list[object] = []

    def fit(
        goemotions: Path, emodb: Path, out: Path, *, meld_dir: Path | None, progress: Callable[[str], None]
    ) -> Report:
        given.extend([goemotions, emodb, out, meld_dir])
        progress("training")
        return Report()

    monkeypatch.setattr(eval.commands, "fit_emotion", fit)
    folders = [tmp_path / name for name in ("g", "e", "o")]
    ran = evaluate("fit", "emotion", "--goemotions", folders[0], "--emodb", folders[1], "--out", folders[2])
    assert (ran.stdout, ran.stderr) == ("the figures\n", "training\n")
    assert given == [*folders, None]


@pytest.mark.parametrize(
    "args",
    [
        ("bench", "vad", "--data", "nowhere"),
        ("bench", "transcribe", "--data", "nowhere"),
        ("bench", "prosody", "--data", "nowhere"),
        ("bench", "hearing", "--data", "nowhere"),
        ("bench", "line", "--data", "nowhere"),
        ("fit", "emotion", "--goemotions", "nowhere", "--emodb", "nowhere", "--out", "o"),
    ],
    ids=" ".join,
)
def test_a_corpus_that_is_not_there_is_one_line_with_code_3(evaluate: Evaluate, tmp_path: Path, args: tuple[str, ...]):
    ran = evaluate(*(tmp_path / arg if arg in {"nowhere", "o"} else arg for arg in args))
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.startswith("attune-eval: ")
    assert ran.stderr.count("\n") == 1
    assert "nowhere" in ran.stderr


def test_without_its_extra_the_command_says_what_to_install(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch):
    found = importlib.util.find_spec

    def find_spec(name: str) -> object:
        return None if name == "jiwer" else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    ran = evaluate("--help")
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr == "attune-eval: jiwer not installed: pip install -e '.[eval]'\n"


@pytest.fixture
def recordings(tmp_path: Path, write_wav: Callable[[Path, Samples], Path]) -> Path:
    write_wav(tmp_path / "a.wav", silence(2 * SAMPLE_RATE))
    return tmp_path


def test_the_bench_of_the_line_measures_one_row_per_utterance(recordings: Path, monkeypatch: pytest.MonkeyPatch):
    """On a clock that is moved by the pace alone, and with a line by script."""
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    def listener() -> Listener:
        transcriber = ScriptedTranscriber(["i am so happy"])
        stages = Stages(
            segmenter=Segmenter(ScriptedActivity([(0.5, 1.5)])), transcriber=transcriber, prosody=ProsodyTracker()
        )
        return Listener(stages)

    monkeypatch.setattr(eval.bench.line, "Pace", lambda clock: Pace(clock=lambda: now[0], sleep=sleep))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    clock = SimpleNamespace(perf_counter=lambda: now[0], process_time=time.process_time)
    monkeypatch.setattr(eval.bench.line, "time", clock)
    monkeypatch.setattr(agent.assembly, "embedded_listener", listener)
    result = eval.bench.line.measure(recordings)
    assert result.seconds == pytest.approx(2.0 + eval.bench.line.GAP_S)
    assert len(result.emotion_ms) == len(result.endpoint_ms) == 1
    assert 400 <= result.endpoint_ms[0] <= 700
    assert result.emotion_ms[0] == pytest.approx(0.0, abs=25)
    signature = parse_signature(result.signature)
    assert (signature.get("n"), signature.get("pace")) == ("1", "live")
    shown = eval.bench.line.table(result)
    assert "| endpoint wait after the voice |" in shown
    assert result.signature in shown


def test_a_run_in_which_nothing_was_heard_still_prints():
    nothing = eval.bench.line.LineBench(
        emotion_ms=(),
        final_wait_ms=(),
        endpoint_ms=(),
        first_words_ms=(),
        first_sound_ms=(),
        core_share=0.1,
        seconds=1.0,
        signature="data:x",
    )
    assert "| endpoint to emotion event | none |" in eval.bench.line.table(nothing)


def test_a_folder_without_recordings_is_told(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match="holds no recordings"):
        eval.bench.line.measure(tmp_path)

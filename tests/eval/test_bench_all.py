"""All benches together: one form for what they measure, each in a process of its own, the section of the README."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from eval import commands_bench
from eval.bench import alone, every, replay, transcribe
from eval.bench.alone import run_alone, run_here
from eval.bench.every import BENCHES, Bench, Effort
from eval.bench.line import SENTENCES
from eval.bench.machine import described
from eval.bench.measure import BenchReport, Measure, at_least, at_most, markdown, over
from eval.bench.models import Subject
from eval.bench.section import BEGIN, END, MarkersMissing, check_place, section, write_section
from eval.bench.service.load import Load
from eval.bench.service.measure import ServiceBench, Step
from eval.signature import parse_signature
from streaming.audio import SAMPLE_RATE, silence
from tests.eval import benches

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.events import Samples

MADE: dict[str, Callable[[], Any]] = {
    "line": benches.line,
    "prosody": benches.prosody,
    "hearing": benches.hearing,
    "vad": benches.vad,
    "transcribe": benches.transcribe,
    "emotion": benches.emotion,
    "labels": benches.labels,
    "cache": benches.cache,
    "scheduler": benches.scheduler,
    "service": benches.service,
    "service, real": lambda: benches.service(kind="real", most=200),
    "replay": benches.replay,
}
MODULES = {"replay": replay}
"""Those that are imported only when they are run."""


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, Any]]]:
    """Has each bench measure at once what `MADE` holds; gives what each was asked for."""
    asked: dict[str, list[dict[str, Any]]] = {}
    for name in MADE.keys() - {"service, real"}:

        def measure(*args: object, _name: str = name, **options: object) -> object:
            kind = "service, real" if args == ("real",) else _name
            asked.setdefault(kind, []).append({"args": args, **options})
            return MADE[kind]()

        monkeypatch.setattr(MODULES.get(name) or getattr(every, name), "measure", measure)
    return asked


def bench(name: str) -> Bench:
    return next(each for each in BENCHES if each.name == name)


def data_in(folder: Path) -> Path:
    for name in ("speech", "vad"):
        (folder / name).mkdir()
    return folder


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("line", [(None, False), (None, True), (None, None)]),
        ("prosody", [(100.0, True), (None, True), (None, True), (None, False)]),
        ("hearing", [(1.5, None)]),
        ("vad", [(None, None), (None, None)]),
        ("transcribe", [(None, None), (None, None)]),
        ("emotion", [(None, True), (None, False), (None, False)]),
        ("labels", [(5.0, False), (12.5, True)]),
        ("cache", [(None, True), (8.0, None)]),
        ("scheduler", [(5.0, None)]),
        ("service", [(None, False), (None, None)]),
        ("service, real", [(None, True), (None, None)]),
        ("replay", [(6.0, None), (1.9, True), (1.5, False), (200.0, None)]),
    ],
)
def test_each_bench_says_its_ratios_and_whether_budgets_are_kept(
    tmp_path: Path, name: str, expected: list[tuple[float | None, bool | None]]
):
    report = run_here(bench(name), Effort(data=data_in(tmp_path)))
    assert (report.problem, bool(report.signature)) == ("", True)
    assert report.text.count("|") > 4
    assert [measure.is_kept for measure in report.measures] == [kept for _, kept in expected]
    for measure, (ratio, _) in zip(report.measures, expected, strict=True):
        assert measure.ratio == (None if ratio is None else pytest.approx(ratio))
    assert markdown([report]).count(f"\n| {name} [1] |") == len(expected)


def test_every_bench_is_known_here():
    assert [each.name for each in BENCHES] == list(MADE)


@pytest.mark.parametrize("name", ["line", "hearing", "labels", "cache", "emotion", "scheduler", "service", "replay"])
def test_in_a_hurry_less_is_measured(measured: dict[str, list[dict[str, Any]]], name: str):
    for is_quick in (False, True):
        assert not run_here(bench(name), Effort(is_quick=is_quick)).problem
    whole, quick = measured[name]
    assert whole != quick


def test_folders_of_the_data_go_to_the_benches_that_take_them(
    tmp_path: Path, measured: dict[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
):
    effort = Effort(data=data_in(tmp_path))
    for each in BENCHES:
        run_here(each, effort)
    given = {name: calls[0]["args"] for name, calls in measured.items()}
    assert given["vad"] == (tmp_path / "vad",)
    assert given["prosody"] == given["transcribe"] == (tmp_path / "speech",)
    assert bench("vad").command(effort) == f"attune-eval bench vad --data {tmp_path.name}/vad"
    assert bench("prosody").command(Effort()) == "attune-eval bench prosody"
    monkeypatch.chdir(tmp_path)
    assert bench("vad").command(Effort(data=Path())) == "attune-eval bench vad --data vad"
    assert bench("service, real").command(effort) == "attune-eval bench service --kind real"


@pytest.mark.usefixtures("measured")
def test_what_was_not_asked_or_not_tried_is_no_figure():
    left_out = run_here(bench("vad"), Effort())
    assert (left_out.is_left_out, left_out.has_failed) == (True, False)
    assert "vad/" in left_out.problem
    unasked = every.summary.of_replay(benches.replay(asks=False))[-1]
    assert (unasked.ours, unasked.note) == (None, "torch is not installed")
    late = Load(n=9, latency_ms=(1.0,), late_ms=(99.0,), n_missed=0, n_lost=0, n_refused=0)
    void = ServiceBench(kind="real", steps=(Step(load=late, core_share=0.1, rss_mb=1.0),), signature="x")
    assert [measure.ours for measure in every.summary.of_service(void)] == [None]
    *kept, last = benches.service().steps
    overrun = ServiceBench(
        kind="scripted", steps=(*kept, replace(last, load=replace(last.load, late_ms=(99.0,)))), signature="x"
    )
    held = every.summary.of_service(overrun)[0]
    assert (held.ours, held.budget, held.note) == (250, None, "up to 250 tried")
    few = every.summary.of_service(benches.service(most=270))[0]
    assert (few.ours, few.budget, few.note) == (250, None, "up to 270 tried")
    assert every.summary.of_scheduler(benches.scheduler(device="cuda"))[0].is_kept is True


def test_a_budget_may_be_of_the_value_or_of_the_ratio():
    assert Measure(name="x", ours=5.0, budget=at_most(5.0)).is_kept is True
    assert Measure(name="x", ours=5.1, budget=at_most(5.0)).is_kept is False
    assert Measure(name="x", ours=5.0, ratio=2.0, budget=at_least(3.0, of="ratio")).is_kept is False
    assert Measure(name="x", ours=None, budget=at_least(0.0)).is_kept is False
    assert Measure(name="x", ours=5.0).is_kept is None
    assert (over(4.0, 2.0), over(4.0, 0.0), over(None, 2.0)) == (2.0, None, None)


def test_the_table_has_one_shape_and_numbers_how_each_bench_was_run():
    measure = Measure(
        name="a|b", ours=1.0, other=30.0, unit="ms", beside="Praat", ratio=30.0, budget=at_least(10, of="ratio")
    )
    report = BenchReport(name="one", command="run one", measures=(measure,), signature="a:b|version:1", seconds=2.4)
    failed = BenchReport(name="two", command="run two", problem="no flite")
    out = BenchReport(name="three", command="run three", problem="no clips", is_left_out=True)
    lines = markdown([report, failed, out]).splitlines()
    assert {line.count("|") for line in lines[:5]} == {8}
    assert lines[2] == "| one [1] | a/b | 1.0 ms | 30.0 ms Praat | 30x | ≥ 10x | kept |"
    assert lines[3].startswith("| two | failed: no flite |")
    assert lines[4].startswith("| three | left out: no clips |")
    assert lines[6:] == ["[1] `run one` (2 s): `a:b|version:1`"]
    assert (failed.has_failed, out.has_failed) == (True, False)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("fails", "nothing at None"), ("errs", "KeyError: 'auto'")],
)
def test_what_goes_wrong_in_a_bench_is_its_problem(capsys: pytest.CaptureFixture[str], name: str, problem: str):
    report = run_here(Bench(name=name, run=getattr(benches, name)), Effort())
    assert (report.problem, report.has_failed) == (problem, True)
    # What users are told in one line has no traceback, a bug of ours has one.
    assert ("Traceback" in capsys.readouterr().err) is (name == "errs")


def test_a_bench_works_in_a_process_of_its_own():
    report = run_alone(Bench(name="works", run=benches.works), Effort(is_quick=True))
    assert (report.problem, report.text) == ("", "quick: True")
    assert report.measures == (Measure(name="speed", ours=2.0, unit="ms"),)
    assert report.signature != f"pid:{os.getpid()}"


def test_a_bench_that_dies_is_told_with_its_exit_code():
    report = run_alone(Bench(name="dies", run=benches.dies), Effort())
    assert (report.problem, report.has_failed) == ("it died (exit code 8)", True)


def test_a_bench_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alone, "LEAVE_S", 5.0)
    report = run_alone(Bench(name="hangs", run=benches.hangs), Effort(), limit_s=0.2)
    assert report.problem == "it was not done after 0.2 s"


def test_the_section_goes_between_its_markers_and_nothing_else_changes(tmp_path: Path):
    place = tmp_path / "README.md"
    place.write_text(f"# Ours\n\n{BEGIN}\nold\n{END}\n\nrest\n", "utf-8")
    check_place(place)
    write_section(place, "new\n")
    assert place.read_text("utf-8") == f"# Ours\n\n{BEGIN}\nnew\n{END}\n\nrest\n"
    write_section(place, "newer")
    assert place.read_text("utf-8") == f"# Ours\n\n{BEGIN}\nnewer\n{END}\n\nrest\n"
    assert list(tmp_path.iterdir()) == [place]


def test_a_file_that_is_not_there_is_made(tmp_path: Path):
    check_place(tmp_path / "figures.md")
    write_section(tmp_path / "figures.md", "table")
    assert (tmp_path / "figures.md").read_text("utf-8") == f"{BEGIN}\ntable\n{END}\n"


@pytest.mark.parametrize(
    "content", [b"no markers", f"{END} {BEGIN}".encode(), f"{BEGIN}{END}{BEGIN}{END}".encode(), b"\xff"]
)
def test_a_file_without_a_place_is_left_alone(tmp_path: Path, content: bytes):
    place = tmp_path / "README.md"
    place.write_bytes(content)
    with pytest.raises(MarkersMissing):
        write_section(place, "new")
    assert place.read_bytes() == content


def test_the_section_says_on_what_and_how_hastily_it_was_measured():
    reports = [BenchReport(name="one", command="run one", seconds=seconds) for seconds in (30.0, 600.0)]
    assert "on 2 processors, 10 minutes. " in section(reports, machine="2 processors", is_quick=False)
    assert "30 s, quick" in section(reports[:1], machine="2 processors", is_quick=True)


def test_the_machine_is_described_for_people(tmp_path: Path):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Fast One\nprocessor\t: 1\nmodel name\t: Fast Two\n"
    )
    assert f"{os.cpu_count()} processors (Fast One)" in described(tmp_path / "cpuinfo")
    assert "processors (" in described(tmp_path / "none")


def evaluate(*words: str | Path) -> Result:
    app = typer.Typer()
    commands_bench.register(app)
    return CliRunner().invoke(app, ["bench", *map(str, words)])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the command run three benches by script, in this process."""
    three = [Bench(name=name, run=getattr(benches, name)) for name in ("works", "fails", "errs")]
    monkeypatch.setattr(every, "BENCHES", tuple(three))
    monkeypatch.setattr(commands_bench, "run_alone", run_here)


@pytest.mark.usefixtures("here")
def test_one_that_fails_does_not_end_the_others_and_shows_in_the_exit_code():
    ran = evaluate("all", "--only", "fails", "--only", "works")
    assert ran.exit_code == 4
    assert ran.stdout.index("## works\n\nquick: False") < ran.stdout.index("## fails\n\nnothing at None")
    assert "| works [1] | speed | 2.0 ms |" in ran.stdout
    assert "| fails | failed: nothing at None |" in ran.stdout
    assert "attune-eval: 2 of 2: fails" in ran.stderr
    assert evaluate("all", "--only", "works").exit_code == 0


@pytest.mark.usefixtures("here")
def test_for_a_readme_there_is_the_table_alone(tmp_path: Path):
    ran = evaluate("all", "--only", "works", "--md", "--quick")
    assert ran.stdout.startswith("`attune-eval bench all --md --quick --only works` on ")
    assert "##" not in ran.stdout
    written = evaluate("all", "--only", "works", "--into", tmp_path / "figures.md")
    assert (written.exit_code, written.stdout) == (0, "")
    (tmp_path / "my data").mkdir()
    told = evaluate("all", "--only", "works", "--md", "--device", "cpu", "--data", tmp_path / "my data").stdout
    assert told.startswith("`attune-eval bench all --md --data 'my data' --device cpu --only works` on ")
    assert "| works [1] |" in (tmp_path / "figures.md").read_text("utf-8")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "nosuch"), "there is no bench nosuch"),
        (("--data", "nowhere"), "nowhere is no folder"),
        (("--device", "gpu"), "'gpu'"),
        (("--into", "README.md"), "has no one place"),
        (("--into", "missing/README.md"), "No such file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_run(tmp_path: Path, words: tuple[str, str], said: str):
    (tmp_path / "README.md").write_text("no markers")
    option, value = words
    ran = evaluate("all", option, value if option in {"--only", "--device"} else tmp_path / value)
    assert ran.exit_code != 0
    assert said in " ".join((ran.stderr + str(ran.exception)).split())
    assert "1 of" not in ran.stderr


def test_the_bench_of_replay_measures_what_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given: list[Any] = []

    def measure(data: Path | None, **options: object) -> object:
        given.extend([data, options])
        return benches.replay()

    monkeypatch.setattr(replay, "measure", measure)
    ran = evaluate("replay", "--workers", "3", "--dialogues", "9", "--model", tmp_path, "--device", "cpu")
    assert ran.exit_code == 0
    assert "| hear | 2 |" in ran.stdout
    data, options = given
    assert (data, options["workers"], options["n_dialogues"]) == (None, 3, 9)
    assert options["subject"] == Subject(engine="transformers", path=tmp_path, device="cpu")


def test_without_recordings_sentences_of_ours_are_read(monkeypatch: pytest.MonkeyPatch):
    def quiet(sentences: Any) -> list[Samples]:
        return [silence(SAMPLE_RATE) for _ in sentences]

    monkeypatch.setattr(transcribe, "voiced", quiet)
    result = transcribe.measure()
    assert result.n_recordings == len(SENTENCES)
    assert result.n_words == sum(len(text.split()) for text in SENTENCES)
    assert (result.n_utterances, result.wer_ours) == (0, 1.0)
    assert (parse_signature(result.signature).get("data") or "").startswith("flite-slt-rms#")

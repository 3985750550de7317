"""Reports of ledgers: groups, intervals, what is undefined; comparisons; files that cannot be scored."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
import typer

import eval.commands_score
from agent.cli.boundary import run_command
from eval.errors import EvalError
from eval.score.backends.comet_model import PYTHON
from eval.score.compare import compare
from eval.score.errors import LedgerInvalid, ScoreImpossible
from eval.score.ledger import Ledger, read_ledgers
from eval.score.measure import ScoreSettings
from eval.score.report import score
from eval.score.table import comparison_json, comparison_table, score_json, score_table
from eval.signature import parse_signature
from eval.statistics import Resampling
from tests.eval.score.ledgers import LABELS, estimate, made, row, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eval.replay.row import Row
    from eval.score.report import Figure

    Run = Callable[..., tuple[int, str, str]]

QUICK = ScoreSettings(resampling=Resampling(draws=50))


def of(*rows: Row) -> Ledger:
    return Ledger(rows=rows)


def figures(ledger: Ledger, how: ScoreSettings = QUICK, by: Sequence[str] = ()) -> dict[tuple[str, str], Figure]:
    return {(each.group, each.name): each for each in score(ledger, how, by=by).figures}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    eval.commands_score.register(app)

    def call(*args: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["attune-eval", *map(str, args)])
        code = 0
        try:
            run_command(app, program="attune-eval", input_errors=(EvalError,))
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_every_figure_has_a_signature_that_parses_and_says_what_was_drawn():
    for each in score(of(*made()), QUICK, by=("emotion", "wer", "context")).figures:
        signature = parse_signature(str(each.signature))
        assert signature.get("metric")
        assert signature.get("n") == str(each.n)
        assert (signature.get("rows") is None) == (each.group == "all")
        kind, _, n_blocks = (signature.get("blocks") or "").partition(":")
        assert kind == "speaker"
        assert int(n_blocks) <= 6


def test_a_value_lies_in_its_interval_and_what_is_undefined_says_why():
    found = figures(of(*made()))
    for each in found.values():
        if each.value is None:
            assert each.reason
            assert each.low is None
        else:
            assert each.low is not None
            assert each.high is not None
    wa = found["all", "WA"]
    assert wa.low is not None
    assert wa.high is not None
    assert wa.low < (wa.value or 0) < wa.high
    assert found["all", "CCC dominance"].reason == "no estimate tells dominance"
    assert found["all", "revised WER"].reason == "no row was revised"
    assert found["all", "COMET"].value is None


def test_groups_hold_what_they_are_named_after():
    rows = made()
    found = figures(of(*rows), by=("emotion", "split"))
    for label in LABELS:
        whole, part = found["all", f"recall {label}"], found[f"emotion={label}", "WA"]
        assert part.value == pytest.approx(whole.value)
        assert found[f"emotion={label}", "UA"].value is None
        assert "no utterance is" in found[f"emotion={label}", "UA"].reason
    assert found["split=dev", "WA"].n + found["split=test", "WA"].n == len(rows)


def test_rows_that_are_not_scored_are_counted():
    rows = [
        *made(12),
        row("context", emotion="sad", text="x", is_to_be_scored=False, estimates=[estimate("angry")]),
        row("other", label="frustrated", estimates=[estimate("angry")]),
        row("torn", status="unreadable", emotion="sad", text="gone"),
    ]
    report = score(of(*rows), QUICK)
    assert report.counts["rows"] == 15
    assert report.counts["context only"] == 1
    assert report.counts["status unreadable"] == 1
    assert report.counts["left out, frustrated is none of the labels"] == 1
    found = {each.name: each for each in report.figures}
    assert found["WA"].n == 13
    assert found["WER"].n == 13
    assert sum(map(sum, report.confusion)) == 13


@pytest.mark.parametrize(
    "rows",
    [
        [row("silent", status="no_speech")],
        [row("one", emotion="sad", text="", estimates=[{"n_rolling": 3}])],
        [row("one", emotion="sad", text="a", heard=["a"], votes={}, estimates=[estimate("sad")])],
        [row(str(at), emotion="sad", estimates=[estimate("angry")]) for at in range(3)],
    ],
    ids=["nothing", "nothing-said", "one-item", "one-class-all-wrong"],
)
def test_poor_ledgers_have_reports_without_nan(rows: list[Row]):
    report = score(of(*rows), QUICK)
    told = json.loads(score_json(report), parse_constant=pytest.fail)
    assert all((each["value"] is not None) or each["reason"] for each in told["figures"])
    assert score_table(report)


@pytest.mark.parametrize("odd", [None, [], "sad", 3, {"sad": None}, {"sad": -1}, {"sad": "x"}])
def test_odd_values_in_a_row_are_as_if_they_were_not_told(odd: object):
    told = row("a", emotion="sad", text=odd, votes=odd, arousal=odd, estimates=[{"top": odd, "distribution": odd}])
    report = score(of(told, row("b", label=[odd]), *made(6)), QUICK, by=("emotion",))
    found = {each.name: each for each in report.figures if each.group == "all"}
    assert found["WA"].n == 7
    assert found["BC"].n == 6
    assert report.counts["without a distribution"] == 1


def test_one_block_has_no_interval():
    rows = [row(str(at), speaker="s", text="a b", heard=["a"]) for at in range(4)]
    found = figures(of(*rows), ScoreSettings(blocks="speaker"))["all", "WER"]
    assert (found.value, found.low, found.high) == (0.5, None, None)
    assert found.reason == "no interval: all rows are of one speaker"


def test_blocks_nobody_tells_are_refused():
    with pytest.raises(ScoreImpossible, match="no row tells its speaker"):
        score(of(row("a", text="x")), ScoreSettings(blocks="speaker"))


def test_unknown_groups_and_figures_are_refused():
    with pytest.raises(ScoreImpossible, match="cannot be grouped by 'moon'"):
        score(of(*made(8)), QUICK, by=("moon",))
    with pytest.raises(ScoreImpossible, match="no figure UAR"):
        score(of(*made(8)), ScoreSettings(figures=("UAR",)))


def test_estimates_over_several_label_sets_are_refused():
    with pytest.raises(ScoreImpossible, match="several label sets"):
        score(of(row("a", estimates=[estimate("sad")]), row("b", estimates=[estimate("x", labels=("x", "y"))])), QUICK)


def test_the_same_rows_give_the_same_bytes():
    one, other = (score_json(score(of(*made()), QUICK, by=("speaker",))) for _ in range(2))
    assert one == other


def test_a_run_does_not_differ_from_itself():
    for each in compare(of(*made()), of(*made()), QUICK, trials=20).differences:
        assert each.difference.value in {0.0, None}
        assert each.p in {1.0, None}


def test_a_better_run_is_found_better_and_all_tests_are_adjusted_for():
    worse, better = made(120, share_right=0.2), made(120, share_right=0.95, run="r2")
    how = ScoreSettings(
        blocks="item", figures=("UA", "WER", "KL(t|p)", "no label said"), resampling=Resampling(draws=50)
    )
    found = compare(of(*worse), of(*better[::-1]), how, trials=400)
    by_name = {each.name: each for each in found.differences}
    assert by_name["UA"].difference.excludes(0)
    assert (by_name["UA"].difference.value or 0) > 0 > (by_name["WER"].difference.value or 0)
    assert by_name["UA"].p == pytest.approx(1 / 401)
    assert by_name["UA"].p_holm == pytest.approx(3 / 401)
    assert by_name["UA"].signature.get("holm") == "3"
    assert by_name["no label said"].p is None
    shown = comparison_table(found, level=0.95)
    assert "| UA % | higher |" in shown
    assert " * |" in shown
    told = json.loads(comparison_json(found, level=0.95), parse_constant=pytest.fail)
    assert told["figures"][0]["is_significant"]


def test_what_only_one_run_has_is_counted_and_other_truths_are_refused():
    found = compare(of(*made(20)), of(*made(24)[2:]), QUICK, trials=5)
    assert (found.n_items, found.n_only_a, found.n_only_b) == (18, 2, 4)
    with pytest.raises(ScoreImpossible, match="different truths of item 'a'"):
        compare(of(row("a", text="x")), of(row("a", text="y")), QUICK)
    with pytest.raises(ScoreImpossible, match="no item in common"):
        compare(of(row("a")), of(row("b")), QUICK)


def test_ledgers_are_read_from_files_and_folders_with_their_times(tmp_path: Path):
    write(tmp_path / "rows.jsonl", made(4))
    (tmp_path / "times.jsonl").write_text('{"item": "i000", "heard_ms": 4.0}\n', "utf-8")
    more = write(tmp_path / "more.jsonl", [row("x", text="a\u2028b")])
    more.write_bytes(b"\xef\xbb\xbf" + more.read_bytes().replace(b"\n", b"\r\n"))
    ledger = read_ledgers([tmp_path, more])
    assert [each.item for each in ledger.rows] == ["i000", "i001", "i002", "i003", "x"]
    assert ledger.times == ({"item": "i000", "heard_ms": 4.0},)


GOOD = '{"item": "a", "corpus": "c", "run": "r", "status": "ok"'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no rows"),
        ("\n", "holds no rows"),
        (GOOD + "}\n" + GOOD, ":2: no JSON"),
        ("[1]", ":1: expected an object, got list"),
        ('{"item": "a"}', ":1: no row, it lacks corpus, run, status"),
        (GOOD + ', "order": "x"}', "order has the wrong type, got str"),
        (GOOD + ', "nbest": [1]}', "nbest must hold objects only"),
        (GOOD + ', "audio_s": NaN}', "NaN is no number"),
        (GOOD.replace("ok", "fine") + "}", "status must be one of"),
        (GOOD + "}\n" + GOOD + "}", "'a' of c stands twice"),
    ],
)
def test_a_broken_ledger_is_told_in_one_line(tmp_path: Path, content: str, said: str, run: Run):
    file = tmp_path / "rows.jsonl"
    file.write_text(content, "utf-8")
    with pytest.raises(LedgerInvalid):
        read_ledgers([file])
    code, out, err = run("score", file)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert said in err


def test_missing_ledgers_are_told(tmp_path: Path, run: Run):
    code, _, err = run("score", tmp_path)
    assert code == 3
    assert "rows.jsonl: cannot be read" in err


def test_commands_print_tables_and_json(tmp_path: Path, run: Run):
    a = write(tmp_path / "a.jsonl", made(24))
    b = write(tmp_path / "b.jsonl", made(24, share_right=1.0, run="r2"))
    code, out, _ = run("score", a, "--by", "split", "--draws", "20", "--labels", "big-four")
    assert code == 0
    assert "| all | UA % |" in out
    assert "| split=dev | WER % |" in out
    assert "`metric:UA, WA, " in out
    code, out, _ = run("score", a, "--json", "--draws", "20", "--figures", "UA,WA", "--map", "sad=angry")
    assert [each["figure"] for each in json.loads(out)["figures"]] == ["UA", "WA"]
    code, out, _ = run("compare", a, b, "--draws", "20", "--trials", "20", "--figures", "UA")
    assert code == 0
    assert "24 items in both" in out


@pytest.mark.parametrize("command", ["score", "compare"])
def test_intervals_can_be_corrected_and_then_the_signature_says_so(tmp_path: Path, run: Run, command: str):
    ledgers = [
        write(tmp_path / f"{name}.jsonl", made(24, share_right=share)) for name, share in (("a", 0.6), ("b", 1.0))
    ]
    words = (command, *ledgers[: 1 + (command == "compare")], "--draws", "200", "--figures", "WA", "--json")
    _, plain, _ = run(*words)
    _, corrected, _ = run(*words, "--interval", "bca")
    (one,), (other,) = (json.loads(out)["figures"] for out in (plain, corrected))
    assert "|ci:bca|" in other["signature"]
    assert "|ci:" not in one["signature"]
    assert other["low"] is not None
    assert (one["low"], one["high"]) != (other["low"], other["high"])


def test_a_comet_model_is_named(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PYTHON, sys.executable)
    _, out, _ = run("score", write(tmp_path / "a.jsonl", made(4)), "--draws", "20", "--comet", str(tmp_path / "none"))
    (undefined,) = (line for line in out.splitlines() if "COMET" in line)
    assert undefined.startswith("- all, undefined: COMET (")


@pytest.mark.parametrize(
    "wrong", [("--map", "sad"), ("--labels", "sad"), ("--level", "2"), ("--draws", "0"), ("--interval", "wide")]
)
def test_options_that_make_no_sense_are_usage_errors(tmp_path: Path, wrong: tuple[str, str], run: Run):
    code, _, err = run("score", write(tmp_path / "a.jsonl", made(4)), *wrong)
    assert code == 2
    assert wrong[0].strip("-") in err

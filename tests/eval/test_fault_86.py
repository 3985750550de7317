"""What a reviewer could feed a run with, item by item: each is told of, counted by a rule, and never skipped.

Every item of the list has a test here, or the first test fails. All go through the commands, as a user would.
"""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Final

import pytest

from eval import cli
from eval.replay.ledger import RunFolder
from eval.replay.plan import ReplaySettings
from eval.replay.run import plan_of
from streaming.audio import SAMPLE_RATE
from tests.eval.commanded import Bench, flac, one_line, said
from tests.eval.replay.test_kills import killed_at, run_of
from tests.eval.replay.toy import toy_corpus
from tests.eval.score.ledgers import LABELS, row, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.events import Samples

    Test = Callable[["Bench"], None]

ITEMS: Final = (
    "missing file",
    "directory as file",
    "empty corpus",
    "0-byte WAV",
    "truncated WAV",
    "renamed WAV",
    "unreadable one among many",
    "duplicate ids",
    "missing labels",
    "unknown label",
    "reference empty",
    "hypothesis empty",
    "one class only",
    "all wrong",
    "one item",
    "Unicode NFC/NFD",
    "CRLF+BOM",
    "kill -9 then resume",
    "two runs into one output",
    "output not writable",
    "--workers 0",
    "offline without the COMET model",
    "undefined is null with its reason",
)
TESTS: dict[str, Test] = {}


@pytest.fixture
def bench(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    write_wav: Callable[[Path, Samples], Path],
) -> Bench:
    def run(*words: str | Path) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["attune-eval", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        out, err = capsys.readouterr()
        return CompletedProcess(words, code, out, err)

    return Bench(root=tmp_path, evaluate=run, write_wav=write_wav)


def of(item: str) -> Callable[[Test], Test]:
    def keep(test: Test) -> Test:
        TESTS[item] = test
        return test

    return keep


def test_every_item_of_the_list_has_its_test() -> None:
    assert list(TESTS) == list(ITEMS)


@pytest.mark.parametrize("item", ITEMS)
def test_it_is_told_counted_and_never_skipped(bench: Bench, item: str) -> None:
    TESTS[item](bench)


@of("missing file")
def missing_file(bench: Bench) -> None:
    nowhere = bench.root / "nowhere.jsonl"
    one_line(bench.evaluate("replay", "manifest", nowhere, "--out", bench.root / "out"), 3, "nowhere.jsonl")
    one_line(bench.evaluate("score", nowhere), 3, "nowhere.jsonl")
    one_line(bench.evaluate("corpora", "check", "manifest", nowhere), 3, "nowhere.jsonl")
    assert not (bench.root / "out").exists()

    run = bench.replayed(
        bench.corpus({"id": "here", "text": "hello"}, {"id": "gone", "audio": "gone.wav", "text": "x"})
    )

    assert run["statuses"] == {"ok": 1, "unreadable": 1}
    assert run["rows"]["gone"]["problem"] == "gone.wav does not exist"
    assert {problem["where"] for problem in run["problems"]} == {"gone"}


@of("directory as file")
def directory_as_file(bench: Bench) -> None:
    (bench.root / "folder.wav").mkdir()
    one_line(bench.evaluate("replay", "manifest", bench.root, "--out", bench.root / "out"), 3, "expected one")
    one_line(bench.evaluate("score", bench.root), 3, "rows.jsonl")

    run = bench.replayed(bench.corpus({"id": "a", "audio": "folder.wav", "text": "x"}, {"id": "b", "text": "y"}))

    assert run["statuses"] == {"ok": 1, "unreadable": 1}
    assert "is a directory" in run["rows"]["a"]["problem"]
    assert [problem["where"] for problem in run["problems"]] == ["a"]


@of("empty corpus")
def empty_corpus(bench: Bench) -> None:
    for name, content in (("none.jsonl", b""), ("blank.jsonl", b"\n\n"), ("header.csv", b"id,text\n")):
        path = bench.root / name
        path.write_bytes(content)
        one_line(bench.evaluate("replay", "manifest", path, "--out", bench.root / "out"), 3, "not one item")
        one_line(bench.evaluate("corpora", "check", "manifest", path), 3, "not one item")
    (bench.root / "rows.jsonl").write_bytes(b"")
    one_line(bench.evaluate("score", bench.root), 3, "holds no rows")


@of("0-byte WAV")
def empty_wav(bench: Bench) -> None:
    (bench.root / "empty.wav").write_bytes(b"")
    run = bench.replayed(bench.corpus({"id": "a", "audio": "empty.wav", "text": "one two"}), code=3)

    assert run["statuses"] == {"unreadable": 1}
    assert run["rows"]["a"]["problem"] == "empty.wav is empty (0 bytes)"
    assert [problem["why"] for problem in run["problems"]] == ["empty.wav is empty (0 bytes)"]
    wer = bench.scored(None, "--figures", "WER")["figures"]["WER"]
    assert (wer["value"], wer["n"]) == (1.0, 1)  # both words count as deleted


@of("truncated WAV")
def truncated_wav(bench: Bench) -> None:
    whole = bench.tone("whole.wav")
    (bench.root / "cut.wav").write_bytes(whole.read_bytes()[:20_000])
    (bench.root / "header.wav").write_bytes(whole.read_bytes()[:44])
    run = bench.replayed(
        bench.corpus(*({"id": name, "audio": f"{name}.wav", "text": "hello"} for name in ("whole", "cut", "header")))
    )

    rows = run["rows"]
    assert {name: rows[name]["status"] for name in rows} == {"whole": "ok", "cut": "ok", "header": "unreadable"}
    assert "truncated" in rows["cut"]["problem"]  # what is there of it is heard
    assert rows["cut"]["audio_s"] == pytest.approx((20_000 - 44) / 2 / SAMPLE_RATE, abs=0.02)
    assert "not one sample" in rows["header"]["problem"]
    assert [problem["where"] for problem in run["problems"]] == ["cut", "header"]


@of("renamed WAV")
def renamed_wav(bench: Bench) -> None:
    bench.tone("a.wav").rename(bench.root / "a.mp3")
    flac(bench.root / "b.wav")
    (bench.root / "c.wav").write_text("this is a letter to you")
    path = bench.corpus(*({"id": name[0], "audio": name, "text": "hi"} for name in ("a.mp3", "b.wav", "c.wav")))
    run = bench.replayed(path)

    assert {name: each["status"] for name, each in run["rows"].items()} == {"a": "ok", "b": "ok", "c": "unreadable"}
    assert run["rows"]["b"]["problem"] is None
    assert run["rows"]["a"]["audio_s"] == run["rows"]["b"]["audio_s"] == 1.0
    assert [problem["where"] for problem in run["problems"]] == ["c"]
    checked = json.loads(bench.evaluate("corpora", "check", "manifest", path, "--json", "--audio").stdout)
    assert checked["notes"] == [{"where": "b.wav", "why": "named .wav, FLAC within: heard all the same"}]


@of("unreadable one among many")
def one_among_many(bench: Bench) -> None:
    (bench.root / "bad.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVE but no more of it")
    lines = [{"id": f"i{at}", "text": f"hello {at}"} for at in range(300)]
    lines[123] = {"id": "bad", "audio": "bad.wav", "text": "hello"}
    run = bench.replayed(bench.corpus(*lines))

    assert run["n_items"] == 300
    assert run["statuses"] == {"ok": 299, "unreadable": 1}
    assert list(run["rows"])[123] == "bad"
    assert run["rows"]["bad"]["problem"]
    assert bench.scored(None, "--figures", "WER")["counts"]["status unreadable"] == 1


@of("duplicate ids")
def duplicate_ids(bench: Bench) -> None:
    run = bench.replayed(bench.corpus({"id": "a", "text": "first"}, {"id": "a", "text": "second"}))
    assert [each["truth"]["text"] for each in run["rows"].values()] == ["first"]
    assert run["problems"] == [{"where": "a", "why": "this id stands twice: the first is kept"}]
    twice = write(bench.root / "twice.jsonl", [row("a", text="x", heard=["x"])] * 2)
    one_line(bench.evaluate("score", twice), 3, "'a' of made stands twice")


@of("missing labels")
def missing_labels(bench: Bench) -> None:
    run = bench.replayed(
        bench.corpus({"id": "a", "text": "so happy", "emotion": "happy"}, {"id": "b", "text": "so happy"})
    )
    assert "emotion" not in run["rows"]["b"]["truth"]
    assert run["statuses"] == {"ok": 2}
    report = bench.scored()
    assert report["figures"]["WA"]["n"] == 1
    assert report["counts"]["without a label"] == 1


@of("unknown label")
def unknown_label(bench: Bench) -> None:
    run = bench.replayed(
        bench.corpus(
            {"id": "a", "text": "so happy", "emotion": "happy"}, {"id": "b", "text": "eh", "emotion": "blergh"}
        )
    )
    assert [problem["where"] for problem in run["problems"]] == ["b"]
    assert "unknown label 'blergh'" in run["problems"][0]["why"]
    assert run["rows"]["b"]["truth"]["label"] == "blergh"
    report = bench.scored()
    assert report["figures"]["WA"]["n"] == 1
    assert report["counts"]["left out, blergh is none of the labels"] == 1


@of("reference empty")
def reference_empty(bench: Bench) -> None:
    rows = [row("a", text="", heard=["one two"]), row("b", text="one two three four", heard=["one two three four"])]
    wer = bench.scored(write(bench.root / "rows.jsonl", rows), "--figures", "WER")["figures"]["WER"]
    assert (wer["value"], wer["n"]) == (0.5, 2)  # two words put in, of four
    assert "empty_ref:ins" in wer["signature"]
    wer = bench.scored(write(bench.root / "a.jsonl", rows[:1]), "--figures", "WER")["figures"]["WER"]
    assert wer["value"] is None
    assert wer["reason"] == "no words to be heard"


@of("hypothesis empty")
def hypothesis_empty(bench: Bench) -> None:
    lines = [{"id": name, "text": "one two", "hypotheses": [said]} for name, said in (("a", "one two"), ("b", " "))]
    run = bench.replayed(bench.corpus(*lines), "--hypotheses", "corpus")
    assert run["rows"]["b"]["status"] != "ok"
    assert run["n_items"] == 2
    wer = bench.scored(None, "--figures", "WER")["figures"]["WER"]
    assert (wer["value"], wer["n"]) == (0.5, 2)  # both words of the second count as deleted
    assert "nothing_heard:del" in wer["signature"]


@of("one class only")
def one_class_only(bench: Bench) -> None:
    figures = bench.scored(write(bench.root / "rows.jsonl", said(*[("sad", "sad")] * 6)))["figures"]
    assert figures["WA"]["value"] == figures["recall sad"]["value"] == 1.0
    assert figures["recall happy"]["value"] is None
    assert figures["recall happy"]["reason"] == "no utterance is happy"
    assert figures["UA"]["value"] is None  # the mean is over the whole set, or it is none
    assert "no utterance is angry" in figures["UA"]["reason"]
    assert figures["macro F1"]["value"] == 1 / len(LABELS)  # a class that is never said and never true has an F1 of 0


@of("all wrong")
def all_wrong(bench: Bench) -> None:
    pairs = [(label, LABELS[(at + 1) % len(LABELS)]) for at, label in enumerate(LABELS)] * 3
    report = bench.scored(write(bench.root / "rows.jsonl", said(*pairs)))
    figures = report["figures"]
    for name in ("UA", "WA", "macro F1", "weighted F1"):
        assert figures[name]["value"] == 0.0, name
        assert (figures[name]["low"], figures[name]["high"]) == (0.0, 0.0), name
    assert sum(map(sum, report["confusion"])) == len(pairs)


@of("one item")
def one_item(bench: Bench) -> None:
    run = bench.replayed(bench.corpus({"id": "only", "text": "I am so happy", "emotion": "happy"}))
    assert run["n_items"] == 1
    accuracy = bench.scored()["figures"]["WA"]
    assert (accuracy["n"], accuracy["value"]) == (1, 1.0)
    assert (accuracy["low"], accuracy["high"]) == (None, None)
    assert accuracy["reason"] == "no interval: all rows are of one item"


@of("Unicode NFC/NFD")
def composed_or_not(bench: Bench) -> None:
    outs: list[bytes] = []
    for form in ("NFC", "NFD"):
        spoken = unicodedata.normalize(form, "café déjà vu")
        path = bench.corpus(
            {"id": "a", "text": spoken, "hypotheses": [unicodedata.normalize("NFC", spoken)]}, name=f"{form}.jsonl"
        )
        path.write_text(path.read_text("utf-8").encode().decode("unicode_escape"), "utf-8")
        out = bench.root / form
        assert bench.evaluate("replay", "manifest", path, "--hypotheses", "corpus", "--out", out).returncode == 0
        outs.append((out / "rows.jsonl").read_bytes())
        assert bench.scored(out, "--figures", "WER")["figures"]["WER"]["value"] == 0.0
    assert outs[0] == outs[1]
    recording = bench.tone(unicodedata.normalize("NFD", "é.wav"))
    run = bench.replayed(bench.corpus({"id": "a", "text": "hi", "audio": unicodedata.normalize("NFC", recording.name)}))
    assert run["statuses"] == {"ok": 1}


@of("CRLF+BOM")
def windows_files(bench: Bench) -> None:
    for name, content in (
        ("a.csv", "id,text,emotion\na,so happy,happy\nb,so sad,sad\n"),
        ("a.jsonl", '{"id":"a","text":"so happy","emotion":"happy"}\n{"id":"b","text":"so sad","emotion":"sad"}\n'),
    ):
        plain, odd = bench.root / f"plain-{name}", bench.root / f"odd-{name}"
        plain.write_bytes(content.encode())
        odd.write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
        made: list[bytes] = []
        for path in (plain, odd):
            out = bench.root / f"out-{path.name}"
            assert bench.evaluate("replay", "manifest", path, "--hypotheses", "text", "--out", out).returncode == 0
            made.append((out / "rows.jsonl").read_bytes())
        assert made[0] == made[1]
    ledger = bench.root / "rows.jsonl"
    ledger.write_bytes(b"\xef\xbb\xbf" + made[0].replace(b"\n", b"\r\n"))
    assert bench.scored(ledger)["counts"]["status ok"] == 2


@of("kill -9 then resume")
def killed_then_resumed(bench: Bench) -> None:
    import multiprocessing  # noqa: PLC0415 - of this test alone; fifty kills are in test_kills

    corpus, settings = toy_corpus(n_dialogues=6), ReplaySettings(emotion="text", hypotheses="text")
    process = multiprocessing.get_context("fork").Process(
        target=killed_at, args=(15, corpus, bench.root / "killed"), kwargs={"settings": settings}
    )
    process.start()
    process.join(30)
    assert process.exitcode == -9
    n_left = plan_of(corpus, settings, out=bench.root / "killed").n_missing
    assert 0 < n_left < len(corpus.items)

    for name in ("killed", "whole"):
        run_of(corpus, bench.root / name, settings=settings)
    for name in ("rows.jsonl", "run.json", "summary.json"):
        assert (bench.root / "killed" / name).read_bytes() == (bench.root / "whole" / name).read_bytes()


@of("two runs into one output")
def two_runs(bench: Bench) -> None:
    path = bench.corpus({"id": "a", "text": "hello"})
    run = bench.replayed(path)
    command = ("replay", "manifest", path, "--out", bench.root / "out")
    one_line(bench.evaluate(*command, "--emotion", "off"), 3, "holds another run (settings differs)")
    header = json.loads((bench.root / "out" / "run.json").read_text("utf-8"))
    with RunFolder(bench.root / "out").taken(header):
        ran = bench.evaluate(*command, "--hypotheses", "text")
        one_line(ran, 3, "is being written by another run")
    assert (bench.root / "out" / "rows.jsonl").read_text("utf-8").count("\n") == run["n_items"]


@of("output not writable")
def output_not_writable(bench: Bench) -> None:
    path = bench.corpus({"id": "a", "text": "hello"})
    (bench.root / "file").write_text("no folder")
    # A process of its own: leaving after an error of the disk closes standard output for good.
    command = (sys.executable, "-m", "eval", "replay", "manifest", path, "--out", bench.root / "file")
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    one_line(ran, 4, f"not a directory: {bench.root / 'file'}")


@of("--workers 0")
def no_workers(bench: Bench) -> None:
    path = bench.corpus({"id": "a", "text": "hello"})
    ran = bench.evaluate("replay", "manifest", path, "--out", bench.root / "out", "--workers", "0")
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "--workers" in ran.stderr
    assert not (bench.root / "out").exists()


@of("offline without the COMET model")
def without_comet(bench: Bench) -> None:
    rows = [row("a", text="good day", translation="bonjour", target="fr", answer="bonjour")]
    figures = bench.scored(write(bench.root / "rows.jsonl", rows), "--comet", str(bench.root / "no model"))["figures"]
    assert figures["COMET"]["value"] is None
    assert figures["COMET"]["reason"]
    assert figures["chrF2"]["value"] == 1.0 or figures["chrF2"]["value"] == 100.0


@of("undefined is null with its reason")
def undefined(bench: Bench) -> None:
    rows = [row("a"), row("b", status="failed", problem="it is broken"), row("c", status="no_speech")]
    for each in (rows, said(("sad", "sad"))):
        figures = bench.scored(write(bench.root / "rows.jsonl", each), "--labels", ",".join(LABELS))["figures"]
        assert len(figures) > 20
        for name, figure in figures.items():
            missing = figure["value"] is None or figure["low"] is None
            assert missing == bool(figure["reason"]), name

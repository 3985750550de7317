"""Ray as the engine of a replay: the bytes of one process, nothing left behind, and refused where rows would differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eval.corpora.choose import reader
from eval.replay.backends.ray_engine import Worker
from eval.replay.ledger import RunFolder
from eval.replay.plan import ReplaySettings
from eval.replay.run import plan_of, replay
from streaming.errors import EngineFailed, EngineMissing
from tests.eval.replay.toy import toy_corpus, voice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eval.replay.run import Plan
    from streaming.events import Samples

WRITTEN = ("rows.jsonl", "run.json", "summary.json")
BY_TEXT = ReplaySettings(hypotheses="text")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: Ray makes sockets in it, whose names may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="r") as folder:
        yield Path(folder)


def manifest(folder: Path, write_wav: Callable[[Path, Samples], Path]) -> Path:
    write_wav(folder / "tone.wav", voice())
    lines: list[dict[str, Any]] = [
        {"id": f"d{dialogue}_{order}", "dialogue": f"d{dialogue}", "order": order, "speaker": "AB"[order % 2]}
        | {"text": text}
        for dialogue in range(3)
        for order, text in enumerate(("I am so happy", "half a pair \ud800", "fine"))
    ]
    lines += [{"id": "heard", "audio": "tone.wav", "text": "hello"}, {"id": "gone", "audio": "none.wav"}]
    path = folder / "manifest.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return path


def ended(mark: str) -> bool:
    """Tell whether the processes that have `mark` in their environment end within ten seconds."""
    for _ in range(100):
        if not alive(mark):
            return True
        time.sleep(0.1)
    return False


def alive(mark: str) -> list[str]:
    """Return the processes that have `mark` in their environment; the dead that nobody has buried are not asked."""
    found: list[str] = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue
    return found


def test_ray_writes_the_bytes_of_one_process_and_leaves_nothing_behind(
    tmp_path: Path, short: Path, write_wav: Callable[[Path, Samples], Path]
):
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    path = manifest(tmp_path, write_wav)
    ours = {"TMPDIR": str(short), "HOME": str(short), "ATTUNE_MARK": str(short)}
    # Warnings are errors here, in workers of Ray they are Ray's own.
    without = {"RAY_ADDRESS", "PYTHONWARNINGS"}
    environment = {name: value for name, value in os.environ.items() if name not in without} | ours
    command = (sys.executable, "-m", "eval", "replay", "manifest", path, "--hypotheses", "text")

    ran = subprocess.run(
        (*command, "--out", tmp_path / "ray", "--engine", "ray", "--workers", "1"),
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines() == [
        f"8 rows in {tmp_path / 'ray'}: 7 ok, 1 unreadable; 4 problems of the corpus, see summary.json"
    ]
    assert not [*short.glob("attune-ray-*"), *short.glob(".ray")]
    assert ended(str(short))
    one = plan_of(reader("manifest").read(path), BY_TEXT, out=tmp_path / "one")
    replay(one, note=print)
    replay(replace(one, job=replace(one.job, out=tmp_path / "two")), workers=2, note=print)
    told = [[(tmp_path / by / name).read_bytes() for name in WRITTEN] for by in ("ray", "one", "two")]
    assert told[0] == told[1] == told[2]


def planned(out: Path) -> Plan:
    return plan_of(toy_corpus(n_dialogues=1, n_alone=1), BY_TEXT, out=out)


def given(plan: Plan, at: int = 0) -> dict[str, Any]:
    return {"at": [at], "piece": [plan.pieces[at]]}


def test_a_worker_gives_the_part_that_one_process_writes(tmp_path: Path):
    plan = planned(tmp_path)
    replay(plan, note=print)

    came = Worker(plan.job)(given(plan, 1))

    assert (came["at"], came["code"], came["message"]) == ([1], [0], [""])
    assert came["rows"] == [(tmp_path / "parts" / f"{plan.pieces[1].key}.jsonl").read_bytes()]


def test_a_worker_that_sees_other_recordings_refuses(tmp_path: Path, write_wav: Callable[[Path, Samples], Path]):
    heard = write_wav(tmp_path / "tone.wav", voice())
    corpus = toy_corpus(n_dialogues=0, n_alone=1)
    plan = plan_of(replace(corpus, items=(replace(corpus.items[0], audio=heard),)), BY_TEXT, out=tmp_path / "out")
    heard.unlink()

    came = Worker(plan.job)(given(plan))

    assert came["code"] == [4]
    assert "must see the corpus at the same place" in came["message"][0]
    assert came["rows"] == [b""]


def test_a_worker_with_other_code_or_weights_refuses(tmp_path: Path):
    plan = planned(tmp_path)
    other = replace(plan.job, settings=replace(BY_TEXT, emotion="text"))
    assert "would give other rows" in Worker(other)(given(plan))["message"][0]


def test_a_worker_without_the_profile_says_so_as_usage(tmp_path: Path):
    plan = planned(tmp_path)
    came = Worker(replace(plan.job, settings=replace(BY_TEXT, profile="nobody")))(given(plan))
    assert came["code"] == [2]
    assert "'nobody'" in came["message"][0]


def test_without_ray_it_is_said_in_one_line_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    plan = planned(tmp_path)
    with pytest.raises(EngineMissing, match=r"ray cannot be used .*; install it with: pip install .*\[ray\]"):
        replay(plan, spread="ray", note=print)
    assert "RAY_AUTH_TOKEN" not in os.environ
    replay(plan, note=print)
    assert RunFolder(tmp_path).has_run(plan.job.run)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_a_cluster_that_does_not_answer_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(EngineFailed, match=f"no cluster of Ray answers at {address}"):
        replay(planned(tmp_path), spread="ray", note=print)

"""Killed fifty times, anywhere: the same bytes as a run that nobody interrupted, and never less than there was."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import agent.backends.choose
from agent.backends.llm.scripted import ScriptedModel
from eval.corpora.choose import reader
from eval.replay.plan import ALONE_AT_ONCE, ReplaySettings
from eval.replay.run import plan_of, replay
from tests.eval.replay.toy import toy_corpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.corpora.item import Corpus

WRITTEN = ("rows.jsonl", "run.json", "summary.json")
N_KILLS = 50
FEWEST_STEPS = 8
"""Syncs and renames of a run that has nothing left to replay: the header, then times, summary and rows."""
PROFILE = """
[profiles.asking]
language_model = { engine = "openai", url = "http://127.0.0.1:1/v1", model = "by-script" }
"""
BY_TEXT = ReplaySettings(emotion="text", hypotheses="text")
ASKED = ReplaySettings(hypotheses="corpus", profile="asking", condition="live")


@pytest.fixture
def _asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(PROFILE, "utf-8")

    def load(*_: object) -> ScriptedModel:
        return ScriptedModel(["because"], scores=[{" sad": -0.1}], others=-99.0)

    monkeypatch.setattr(agent.backends.choose, "_language_model", load)


def run_of(corpus: Corpus, out: Path, *, settings: ReplaySettings) -> None:
    replay(plan_of(corpus, settings, out=out), note=print)


def written(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in WRITTEN]


def killed_at(step: int, corpus: Corpus, out: Path, *, settings: ReplaySettings) -> None:
    """Replay, and be killed at the given sync or rename."""
    left = iter(range(step, -1, -1))

    def or_die(call: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any) -> Any:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args)

        return do

    os.fsync = or_die(os.fsync)
    Path.replace = or_die(Path.replace)
    run_of(corpus, out, settings=settings)


@pytest.mark.usefixtures("_asked")
@pytest.mark.parametrize("settings", [BY_TEXT, ASKED], ids=["by text", "a model is asked"])
def test_fifty_kills_anywhere_leave_the_bytes_of_an_uninterrupted_run(tmp_path: Path, settings: ReplaySettings) -> None:
    corpus = toy_corpus(n_dialogues=12, n_alone=4 * ALONE_AT_ONCE + 3)
    run_of(corpus, tmp_path / "whole", settings=settings)
    places = random.Random(6)
    forked = multiprocessing.get_context("fork")

    n_parts: list[int] = []
    for _ in range(N_KILLS):
        place = places.randrange(FEWEST_STEPS)
        process = forked.Process(
            target=killed_at, args=(place, corpus, tmp_path / "killed"), kwargs={"settings": settings}
        )
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        n_parts.append(len(list((tmp_path / "killed" / "parts").glob("[!.]*.jsonl"))))
    run_of(corpus, tmp_path / "killed", settings=settings)

    assert n_parts == sorted(n_parts)
    assert n_parts[0] < n_parts[N_KILLS // 2]
    assert written(tmp_path / "killed") == written(tmp_path / "whole")


def test_the_command_and_its_two_workers_killed_at_work_give_the_same_bytes_in_the_end(tmp_path: Path) -> None:
    corpus = toy_corpus(n_dialogues=60, n_alone=0)
    path = tmp_path / "corpus.jsonl"
    lines = [
        {"id": item.id, "dialogue": item.dialogue, "order": item.order, "speaker": item.speaker, "text": item.text}
        for item in corpus.items
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    command = (sys.executable, "-m", "eval", "replay", "manifest", str(path), "--hypotheses", "text", "--out")
    parts = tmp_path / "killed" / "parts"

    process = subprocess.Popen(
        (*command, str(tmp_path / "killed"), "--workers", "2"), stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and len(list(parts.glob("[!.]*.jsonl"))) < 2:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL, "it was done before it could be killed"
    read = reader("manifest").read(path)
    run_of(read, tmp_path / "killed", settings=ReplaySettings(hypotheses="text"))
    run_of(read, tmp_path / "whole", settings=ReplaySettings(hypotheses="text"))

    assert written(tmp_path / "killed") == written(tmp_path / "whole")

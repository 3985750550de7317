"""The bench of replay: what it counts as a rate, that its arms are real replays of the same rows, what it prints."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import agent.backends.choose
from agent.backends.llm.scripted import ScriptedModel
from eval.bench import replay
from eval.bench.dialogues import N_TURNS, spoken, written
from eval.bench.models import Subject
from eval.bench.replay import measure, steady_rate
from eval.bench.replayed import efficiency, table
from eval.errors import CorpusUnreadable, MeasureFailed
from eval.signature import parse_signature
from streaming.errors import EngineFailed
from tests.eval import benches
from tests.eval.replay.toy import voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.events import Samples


@pytest.fixture
def recordings(tmp_path: Path, write_wav: Callable[[Path, Samples], Path]) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name, hz in (("a", 120.0), ("b", 210.0)):
        write_wav(folder / f"{name}.wav", voice(0.5, hz=hz))
    return folder


def test_the_rate_is_taken_while_all_have_work():
    done = [(10.0, 2), (16.0, 2), (17.0, 2), (18.0, 2), (19.0, 2), (30.0, 2)]
    # One worker: the second half, to its last piece.
    assert steady_rate(done, n_workers=1) == pytest.approx(6 / 13)
    # Two: until one of them finds no more.
    assert steady_rate(done, n_workers=2) == pytest.approx(4 / 2)
    # Four: not before each may have done one.
    assert steady_rate([(float(n), 3) for n in range(8)], n_workers=4) == pytest.approx(3.0)


@pytest.mark.parametrize("n_pieces", [0, 1, 2, 3])
def test_too_few_pieces_tell_no_rate(n_pieces: int):
    with pytest.raises(MeasureFailed, match="too few for 2 workers"):
        steady_rate([(float(n), 2) for n in range(n_pieces)], n_workers=2)


def test_what_tells_nothing_is_refused_before_any_is_replayed(recordings: Path, in_one_process: list[int]):
    with pytest.raises(MeasureFailed, match="7 dialogues are too few for 4 workers, expected 8 or more"):
        measure(recordings, workers=4, n_dialogues=7)
    with pytest.raises(MeasureFailed, match=r"the model .*nowhere does not exist"):
        measure(recordings, n_dialogues=4, subject=Subject(engine="transformers", path=recordings / "nowhere"))
    assert not in_one_process


def test_linear_is_one():
    result = benches.replay()
    assert efficiency(result.heard) == pytest.approx(0.95)
    assert result.heard[0].times_real == pytest.approx(6.0)
    assert result.heard[0].start_s == pytest.approx(1.0)
    assert replace(result.heard[0], wall_s=0.5).start_s == 0


def test_the_table_shows_every_arm_and_what_was_not_asked():
    shown = table(benches.replay())
    assert "| hear | 2 | 20 | 3.80 | 11.4x | 5.7 of 11.0 s |" in shown
    assert "0.95 hearing, 0.75 with words given (budget ≥ 0.9)" in shown
    assert "200.0 times as fast as asking (small)" in shown
    assert "no sound" in shown
    assert "no language model was asked: torch is not installed" in table(benches.replay(asks=False))


def test_dialogues_are_made_of_the_recordings_in_turn(recordings: Path, tmp_path: Path):
    said = spoken(recordings, tmp_path)
    corpus = said.corpus(3)
    assert len(corpus.items) == 3 * N_TURNS
    assert [item.speaker for item in corpus.items] == ["A", "B"] * 3
    assert said.audio_s(corpus) == pytest.approx(3 * N_TURNS * 0.5)
    assert said.name.startswith("recordings#")
    texts = [item.text for item in written(4).items]
    assert len(set(texts)) == len(texts) == 4 * N_TURNS


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedModel]:
    """Puts a model by script where the profile's would be; gives those that were loaded."""
    loaded: list[ScriptedModel] = []

    def load(*_: object) -> ScriptedModel:
        loaded.append(ScriptedModel(["because"], scores=[{" sad": -0.1}], others=-99.0))
        return loaded[-1]

    monkeypatch.setattr(agent.backends.choose, "_language_model", load)
    return loaded


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has all replays done by this process, whatever number of workers is asked for; gives the numbers."""
    asked: list[int] = []
    replayed = replay.replay_all

    def alone(plan: Any, *, workers: int, **others: Any) -> dict[str, Any]:
        asked.append(workers)
        return replayed(plan, workers=1, **others)

    monkeypatch.setattr(replay, "replay_all", alone)
    return asked


def test_every_arm_is_a_replay_of_the_same_rows(
    recordings: Path, tmp_path: Path, models: list[ScriptedModel], in_one_process: list[int]
):
    (tmp_path / "model").mkdir()
    notes: list[str] = []
    subject = Subject(engine="transformers", path=tmp_path / "model", device="cpu")
    before = dict(os.environ)

    result = measure(recordings, n_dialogues=4, subject=subject, note=notes.append)

    assert in_one_process == [1, 2, 1, 2, 1, 1]
    assert [arm.n_items for arm in result.heard] == [4 * N_TURNS] * 2
    assert [arm.n_items for arm in result.given] == [4 * replay.LIGHT * N_TURNS] * 2
    assert result.heard[0].rows_sha256 == result.heard[1].rows_sha256 != result.given[0].rows_sha256
    assert result.asked is not None
    assert result.found is not None
    assert result.asked.rows_sha256 == result.found.rows_sha256
    # The second time everything was on the shelf.
    first, second = ([call.call for call in model.asked] for model in models)
    assert "score" in first
    assert set(second) <= {"count_tokens", "forget", "close"}
    signature = parse_signature(result.signature)
    assert (signature.get("workers"), signature.get("n"), signature.get("model")) == ("2", "8", "model")
    assert len([note for note in notes if note.startswith("replay: ")]) == 6
    assert dict(os.environ) == before


def stand_in(*, rows: Callable[[int], str]) -> Callable[..., dict[str, Any]]:
    """Return what replays nothing and tells, by the number of workers, which rows it wrote."""

    def replayed(plan: Any, *, workers: int, progress: Callable[[int], None], note: object) -> dict[str, Any]:
        assert callable(note)
        for piece in plan.missing:
            progress(len(piece.items))
        return {"rows_sha256": rows(workers)}

    return replayed


def test_without_a_language_model_the_rest_is_measured(recordings: Path, monkeypatch: pytest.MonkeyPatch):
    def missing(*_: object) -> Path:
        raise EngineFailed("torch is not installed")

    monkeypatch.setattr(replay, "replay_all", stand_in(rows=lambda _: "same"))
    monkeypatch.setattr(replay, "random_weights", missing)
    result = measure(recordings, n_dialogues=4)
    assert (result.asked, result.found, result.times_found) == (None, None, None)
    assert result.why_not_asked == "torch is not installed"
    assert parse_signature(result.signature).get("model") is None


def test_arms_that_write_other_rows_are_no_figure(recordings: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replay, "replay_all", stand_in(rows=str))
    with pytest.raises(MeasureFailed, match="did not write the rows"):
        measure(recordings, n_dialogues=4)


def test_a_folder_without_recordings_is_named(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match="holds no recordings"):
        measure(tmp_path)

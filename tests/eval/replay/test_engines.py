"""Runs that ask a language model: by which profile, what is kept of it, and what makes another run of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import agent.backends.choose
from agent.backends.llm.scripted import ScriptedModel
from agent.errors import ConfigInvalid
from agent.profiles import Choice
from eval.replay.engines import provenance_here
from eval.replay.plan import ReplaySettings, run_of
from eval.replay.provenance import identity_of
from eval.replay.run import plan_of, replay
from streaming.errors import EngineFailed
from tests.eval.replay.toy import toy_corpus

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[profiles.asking]
language_model = { engine = "openai", url = "http://127.0.0.1:1/v1", model = "by-script" }

[profiles.fusing]
extends = "asking"
emotion = "fused"
"""
ASKED = ReplaySettings(hypotheses="corpus", profile="asking", condition="live")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ScriptedModel]:
    """Puts models by script behind the profiles; gives those that were loaded."""
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(SETTINGS, "utf-8")
    loaded: list[ScriptedModel] = []

    def load(*_: object) -> ScriptedModel:
        loaded.append(ScriptedModel(["because"], scores=[{" sad": -0.1}], others=-99.0))
        return loaded[-1]

    monkeypatch.setattr(agent.backends.choose, "_language_model", load)
    return loaded


def rows_in(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "rows.jsonl").read_text("utf-8").splitlines()]


def test_a_condition_asks_the_model_of_the_profile_and_keeps_what_it_said(tmp_path: Path, models: list[ScriptedModel]):
    corpus = toy_corpus(n_dialogues=1, n_alone=0)
    replay(plan_of(corpus, ASKED, out=tmp_path / "out"), note=print)

    rows = rows_in(tmp_path / "out")
    assert [row["estimates"][-1]["top"] for row in rows] == ["sad"] * 3
    assert [call["call"] for call in rows[0]["model"]] == ["score", "stream"]
    assert rows[0]["model"][1]["text"] == "because"
    assert len(models) == 1


FUSED = ReplaySettings(hypotheses="text", profile="fusing")


@pytest.mark.parametrize("settings", [ASKED, FUSED], ids=["condition", "own recogniser"])
@pytest.mark.parametrize(("keeps", "asks_again"), [(True, False), (False, True)])
def test_lost_parts_are_made_from_calls_that_were_kept(
    tmp_path: Path, models: list[ScriptedModel], settings: ReplaySettings, *, keeps: bool, asks_again: bool
):
    corpus, out = toy_corpus(n_dialogues=2, n_alone=0), tmp_path / "out"
    replay(plan_of(corpus, settings, out=out, keeps_calls=keeps), note=print)
    before = (out / "rows.jsonl").read_bytes()
    for part in (out / "parts").iterdir():
        part.unlink()

    replay(plan_of(corpus, settings, out=out, keeps_calls=keeps), note=print)

    assert (out / "rows.jsonl").read_bytes() == before
    assert bool([asked for asked in models[-1].asked if asked.call in {"score", "stream"}]) is asks_again


def test_what_a_profile_s_own_recogniser_is_told_stands_in_the_rows(tmp_path: Path, models: list[ScriptedModel]):
    corpus = toy_corpus(n_dialogues=1, n_alone=0)
    replay(plan_of(corpus, FUSED, out=tmp_path / "out"), note=print)
    rows = rows_in(tmp_path / "out")
    assert models[0].asked
    assert all(row["status"] == "ok" for row in rows)
    assert [call["call"] for call in rows[0]["model"]] == ["score", "stream"]
    assert rows[0]["model"][1]["text"] == "because"
    assert "model_only" in rows[0]["estimates"][-1]


def test_a_condition_without_a_language_model_is_refused(tmp_path: Path):
    plan = plan_of(toy_corpus(), replace(ASKED, profile="embedded"), out=tmp_path)
    with pytest.raises(EngineFailed, match="profile embedded has none here"):
        replay(plan, note=print)


def test_an_adapter_is_never_passed_over(tmp_path: Path):
    nowhere = ReplaySettings(adapter=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigInvalid, match="language model of profile embedded is none"):
        plan_of(toy_corpus(), nowhere, out=tmp_path)


@pytest.mark.usefixtures("models")
def test_whatever_changes_rows_makes_another_run():
    ways = [
        ASKED,
        replace(ASKED, condition="r3"),
        replace(ASKED, condition=None),
        replace(ASKED, condition=None, profile="fusing"),
        replace(ASKED, emotion="text"),
        replace(ASKED, hypotheses="asr"),
        replace(ASKED, readings=("one",)),
        replace(ASKED, n_best=1),
        replace(ASKED, context=1),
        replace(ASKED, answers=True),
        replace(ASKED, translate="fr"),
        replace(ASKED, translate="fr", translate_as="base-1"),
        ReplaySettings(),
    ]
    runs = [run_of(provenance_here(way)) for way in ways]
    assert len(set(runs)) == len(ways)
    assert runs == [run_of(provenance_here(way)) for way in ways]


def test_a_model_at_a_path_is_known_by_what_it_holds_not_by_where_it_lies(tmp_path: Path):
    def identity(folder: str, weights: bytes) -> dict[str, Any]:
        path = tmp_path / folder / "model.gguf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(weights)
        return identity_of(Choice(engine="llama-cpp", model=str(path)))

    here = identity("here", b"weights")
    assert identity("there", b"weights") == here
    assert identity("there", b"others") != here

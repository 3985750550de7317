"""`attune emotion` for one text, by a profile, and with a language model asked in one of the papers' ways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import agent.backends.choose
from agent.backends.llm.scripted import ScriptedModel
from agent.r3.conditions import ensemble
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from subprocess import CompletedProcess

    Attune = Callable[..., CompletedProcess[str]]

SETTINGS = """
[profiles.asking]
language_model = { engine = "openai", url = "http://127.0.0.1:1/v1", model = "by-script" }

[profiles.fusing]
extends = "asking"
emotion = "fused"
"""
HAPPY, SAD = b'{"id": 1, "text": "i am so happy"}', b'{"id": "two", "text": "i miss him so much"}'


def printed(ran: CompletedProcess[str]) -> str:
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


class Models(list[ScriptedModel]):
    """The models that were loaded; the next one scores labels by `scores`."""

    scores: Sequence[Mapping[str, float] | Exception] = ({" sad": -0.4, " happy": -6.0},)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """Puts models by script behind the profiles `asking` and `fusing`."""
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(SETTINGS, "utf-8")
    loaded = Models()

    def load(*_: object) -> ScriptedModel:
        loaded.append(ScriptedModel(["Emotion: sad"], scores=loaded.scores))
        return loaded[-1]

    monkeypatch.setattr(agent.backends.choose, "_language_model", load)
    return loaded


# One text


def test_one_text_is_a_label_a_table_the_evidence_and_who_said_so(attune: Attune):
    lines = printed(attune("emotion", "i am so happy")).splitlines()
    assert lines[0].startswith("happy 0.")
    assert [line.split()[0] for line in lines[2:6]] == ["angry", "happy", "neutral", "sad"]
    assert lines[3].count("█") == 8
    assert "because of “happy”" in lines[6]
    assert lines[-1] == "by embedded@1"


def test_a_text_without_words_is_unclear(attune: Attune):
    assert printed(attune("emotion", "")).startswith("unclear 0.25\n")


def test_an_explanation_without_a_language_model_says_so(attune: Attune):
    assert "no language model was asked" in printed(attune("emotion", "i am so happy", "--explain"))


def test_one_text_is_what_a_row_of_it_is(attune: Attune):
    (row,) = map(json.loads, printed(attune("emotion", "--jsonl", "-", stdin=SAD)).splitlines())
    assert printed(attune("emotion", "i miss him so much")).startswith(f"sad {row['confidence']:.2f}\n")


def test_a_text_can_not_steer_the_terminal(attune: Attune):
    assert not set(printed(attune("emotion", "happy \x1b[2J \u202e [red]happy[/]"))) & {"\x1b", "\u202e"}


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("hello", "--emotion", "off"), 2, "expected one of text, voice, both"),
        (("hello", "--profile", "nobody"), 2, "profile is 'nobody'"),
        (("hello", "--condition", "live"), 4, "attune setup gets one"),
        (("hello", "--condition", "live", "--profile", "embedded"), 4, "profile embedded has none"),
    ],
)
def test_what_cannot_be_estimated_is_one_line(attune: Attune, args: tuple[str, ...], code: int, told: str):
    ran = attune("emotion", *args)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (code, "", 1)
    assert told in ran.stderr


@pytest.mark.parametrize("args", [(), ("hello", "--jsonl", "-")])
def test_either_a_text_or_rows_are_wanted(attune: Attune, args: tuple[str, ...]):
    ran = attune("emotion", *args)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "give one text, or many rows with --jsonl" in " ".join(ran.stderr.split())


# A language model


def test_a_condition_asks_the_language_model_exactly_what_is_rendered(attune: Attune, models: Models):
    text = printed(attune("emotion", "i am so happy", "--profile", "asking", "--condition", "live"))
    assert text.startswith("sad 0.")
    (asked,) = [call for call in models[-1].asked if call.call == "score"]
    rendered = printed(attune("prompts", "render", "--condition", "live", "--text", "i am so happy", "--json"))
    chat = json.loads(rendered)
    assert [message["content"] for message in chat["messages"]] == [message.text for message in asked.prompt.messages]
    assert asked.prompt.answer_start == chat["answer_start"] == "Emotion:"


def test_the_explanation_holds_the_prompt_its_cost_and_what_the_model_said(attune: Attune, models: Models):
    args = ("--profile", "asking", "--condition", "live", "--explain")
    text = printed(attune("emotion", "i am so happy", *args))
    rendered = printed(attune("prompts", "render", "--condition", "live", "--text", "i am so happy"))
    for line in rendered.splitlines():
        assert f"  {line}\n" in text
    assert "· score · " in text
    assert "0% cached" in text
    assert "language model" in text


def test_rows_are_estimated_by_a_condition_and_the_cache_goes_on_holding(attune: Attune, models: Models):
    models.scores = [{" happy": -0.1}, {" sad": -0.1}]
    args = ("emotion", "--jsonl", "-", "--profile", "asking", "--condition", "live")
    rows = [json.loads(line) for line in printed(attune(*args, stdin=HAPPY + b"\n" + SAD)).splitlines()]
    assert [(row["id"], row["top"]) for row in rows] == [(1, "happy"), ("two", "sad")]
    assert all("scripted" in row["method"] for row in rows)
    assert rows[0]["cached_share"] == 0
    assert rows[1]["cached_share"] > 0.5
    assert len(models[-1].asked) == 2


def test_rows_are_explained_on_standard_error(attune: Attune, models: Models):
    args = ("emotion", "--jsonl", "-", "--profile", "asking", "--condition", "live")
    plain, explained = (attune(*args, *more, stdin=HAPPY) for more in ((), ("--explain",)))
    assert plain.stdout == explained.stdout
    assert plain.stderr == ""
    assert "Emotion:" in explained.stderr


def test_without_a_condition_the_engine_of_the_profile_estimates(attune: Attune, models: Models):
    text = printed(attune("emotion", "i am so happy", "--profile", "fusing", "--explain"))
    assert models[-1].asked
    head = next(line for line in text.splitlines() if line.strip().startswith("words"))
    assert head.split() == ["words", "language", "model", "together"]


def test_a_condition_that_is_not_there_is_one_line_that_names_them(attune: Attune, models: Models):
    ran = attune("emotion", "hello", "--profile", "asking", "--condition", "guess")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert "expected one of live" in ran.stderr


def test_an_ensemble_of_conditions_votes(attune: Attune, models: Models):
    text = printed(
        attune("emotion", "i am so happy", "--profile", "asking", "--condition", "majority-voting", "--explain")
    )
    assert text.startswith("sad ")
    assert len(models[-1].asked) == len(ensemble("majority-voting"))
    assert f"prompt {len(models[-1].asked)} of {len(models[-1].asked)}" in text


def test_a_row_that_cannot_be_read_keeps_its_place_under_a_condition(attune: Attune, models: Models):
    args = ("emotion", "--jsonl", "-", "--profile", "asking", "--condition", "live")
    ran = attune(*args, stdin=HAPPY + b"\n{\n" + SAD)
    assert ran.returncode == 3
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ["error" in row for row in rows] == [False, True, False]


def test_a_model_that_fails_is_unclear_with_the_reason(attune: Attune, models: Models):
    models.scores = [EngineFailed("the weights are torn")]
    text = printed(attune("emotion", "i am so happy", "--profile", "asking", "--condition", "live"))
    assert text.startswith("unclear")
    assert "the weights are torn" in text

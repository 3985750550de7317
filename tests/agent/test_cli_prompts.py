"""`attune prompts`: all that models are asked can be listed, shown and rendered, word for word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.fusion.evidence import hints_of
from agent.given import conversation_of, given, utterance_of
from agent.r3.compose import compose
from agent.r3.conditions import condition, ensemble, ensembles
from agent.r3.conditions import names as condition_names
from agent.r3.context import view_of
from prompts import load, names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Attune = Callable[..., CompletedProcess[str]]


def printed(ran: CompletedProcess[str]) -> str:
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_all_prompts_are_listed_with_versions_purpose_source_and_what_is_reconstructed(attune: Attune):
    text = printed(attune("prompts", "list"))
    heads = [line for line in text.splitlines() if not line.startswith("  ")]
    assert [line.split()[0] for line in heads] == list(names())
    reply = next(line for line in heads if line.startswith("reply "))
    assert "v1" in reply.split()
    assert load("reply").meta["purpose"] in reply
    tails = [line for line in text.splitlines() if line.startswith("  ")]
    for name, tail in zip(names(), tails, strict=True):
        assert tail.startswith(f"  {load(name).meta['source']}")
        assert ("reconstructed" in tail.removeprefix(f"  {load(name).meta['source']}")) == bool(
            load(name).meta.get("reconstructed")
        )


@pytest.mark.parametrize("name", names())
def test_a_prompt_is_shown_as_its_files_hold_it(attune: Attune, name: str):
    text = printed(attune("prompts", "show", name))
    prompt = load(name)
    assert text.startswith(f"{prompt.id}\n")
    for part in (prompt.system, prompt.user, *prompt.items.values(), prompt.meta["purpose"]):
        assert part in text


@pytest.mark.parametrize("version", ["reply@1", "reply@v1"])
def test_an_older_version_is_shown_by_its_number(attune: Attune, version: str):
    assert printed(attune("prompts", "show", version)).startswith("reply@1#")


def test_a_prompt_is_rendered_with_its_values_once(attune: Attune):
    text = printed(attune("prompts", "render", "reply@1", "expressed=sad 0.7, a=b", "text=i have $text"))
    prompt = load("reply", 1)
    assert text == f'[system]\n{prompt.system}\n\n[user]\n[sad 0.7, a=b]\n"i have $text"\n'
    messages = json.loads(printed(attune("prompts", "render", "reply@1", "expressed=a", "text=b", "--json")))
    assert [message["role"] for message in messages] == ["system", "user"]


def test_an_item_is_rendered_by_its_name(attune: Attune):
    assert load("stimuli_positive").items["EP02"] in printed(
        attune("prompts", "render", "stimuli_positive", "--item", "EP02")
    )


@pytest.mark.parametrize("name", condition_names())
def test_every_condition_is_rendered_exactly_as_it_is_asked(attune: Attune, name: str):
    args = ("prompts", "render", "--condition", name, "--text", "i am fine", "--before", "how are you", "--json")
    chats = [json.loads(line) for line in printed(attune(*args)).splitlines()]
    utterance = utterance_of(given("i am fine"))
    hints = hints_of(EmbeddedRecognizer().estimate(utterance)) if condition(name).hints else None
    asked = compose(condition(name), view_of(utterance, conversation_of(["how are you"]), condition(name), hints=hints))
    prompts = [prompt for _, prompt in asked.questions] or [asked.score_prompt or asked.prompt]
    assert [chat["answer_start"] for chat in chats] == [prompt.answer_start for prompt in prompts]
    assert [[message["content"] for message in chat["messages"]] for chat in chats] == [
        [message.text for message in prompt.messages] for prompt in prompts
    ]


@pytest.mark.parametrize("name", ensembles())
def test_an_ensemble_is_rendered_member_by_member(attune: Attune, name: str):
    args = ("prompts", "render", "--text", "i am fine", "--json", "--condition")
    members = [printed(attune(*args, member)) for member in ensemble(name)]
    assert printed(attune(*args, name)) == "".join(members)


def test_a_chat_is_written_under_its_roles_to_the_beginning_of_the_answer(attune: Attune):
    text = printed(attune("prompts", "render", "--condition", "live", "--text", "i am fine"))
    lines = text.splitlines()
    assert lines[0] == "[system]"
    assert "[user]" in lines
    assert lines[-2:] == ["[the answer begins]", "Emotion:"]
    assert '"i am fine"' in text


def test_hypotheses_come_from_a_file_and_the_text_is_the_best_of_them(attune: Attune, tmp_path: Path):
    path = tmp_path / "nbest.txt"
    path.write_text("\ufeffi am find\ni am fine\n", "utf-8")
    text = printed(attune("prompts", "render", "--condition", "r3", "--text", "i am fine", "--nbest", path))
    assert text.index("1. i am fine") < text.index("2. i am find")
    assert "3. " not in text
    final = json.dumps({"nbest": [{"text": "who is there", "posterior": 0.9}, {"text": "who is here"}]})
    path.write_text(final, "utf-8")
    assert "2. who is here" in printed(attune("prompts", "render", "--condition", "r3", "--nbest", path))


def test_a_gender_is_shown_only_when_it_is_given(attune: Attune):
    args = ("prompts", "render", "--condition", "gender", "--text", "hello")
    assert "female" not in printed(attune(*args))
    assert "female" in printed(attune(*args, "--gender", "female"))


def test_all_conditions_are_listed_with_the_cells_they_stand_for(attune: Attune):
    text = printed(attune("prompts", "conditions"))
    heads = [line.split()[0] for line in text.splitlines() if not line.startswith("  ")]
    assert heads == [*condition_names(), *ensembles()]
    assert "Table" in text


def test_what_was_said_can_not_steer_the_terminal(attune: Attune):
    text = printed(attune("prompts", "render", "reply@1", "expressed=a", "text=\x1b[2J\u202e"))
    assert not set(text) & {"\x1b", "\u202e"}


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("show", "nobody"), 2, "there is no prompt 'nobody'"),
        (("show", "reply@99"), 2, "there is no version 99"),
        (("show", "reply@x"), 2, "expected a number as in reply@1"),
        (("render",), 2, "nothing to render"),
        (("render", "reply", "--condition", "live"), 2, "nothing to render"),
        (("render", "reply@1", "text=a"), 2, "needs a value for expressed"),
        (("render", "reply@1", "text=a", "expressed=b", "other=c"), 2, "has no place for other"),
        (("render", "reply", "text"), 2, "expected key=value"),
        (("render", "stimuli_positive"), 2, "name one with --item, of EP01"),
        (("render", "stimuli_positive", "--item", "EP99"), 2, "has no item 'EP99'"),
        (("render", "--condition", "guess", "--text", "a"), 2, "there is no condition 'guess', expected one of live"),
        (("render", "--condition", "live"), 2, "nothing was said"),
        (("render", "--condition", "live", "--text", " "), 2, "nothing was said"),
        (("render", "--condition", "live", "--nbest", "missing.txt"), 3, "cannot read missing.txt: No such file"),
        (("render", "--condition", "live", "--nbest", "bad.txt"), 3, "bad.txt: expected a hypothesis a line"),
        (("render", "--condition", "live", "--nbest", "bytes.txt"), 3, "cannot read bytes.txt"),
    ],
)
def test_what_cannot_be_rendered_is_one_line(
    attune: Attune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, told: str
):
    (tmp_path / "bad.txt").write_text("{}", "utf-8")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    monkeypatch.chdir(tmp_path)
    ran = attune("prompts", *args)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (code, "", 1)
    assert told in ran.stderr

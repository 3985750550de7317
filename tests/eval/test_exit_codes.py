"""How every `attune-eval` command ends: 2 for usage, 3 for data, 4 for an engine or the disk; never in a traceback.

The commands are found, not listed: one that is new is asked, too.
"""

from __future__ import annotations

import sys
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any, Final

import pytest
import typer
from typer.main import get_command

import eval.commands
from eval import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Evaluate = Callable[..., CompletedProcess[str]]

NO_CODE: Final = 1
WORDS: Final = {"corpus": "manifest", "name": "manifest", "table": "all"}
"""What stands where a command takes no place; elsewhere a place that is not there."""
WITHOUT_DATA: Final = {
    ("corpora", "list"),
    ("paper", "discrepancies"),
    # All benches, one after the other, whatever one of them lacks.
    ("bench", "all"),
}
"""Commands that nothing can be missing for; benches that make their own are known by taking no data."""


USAGE_FIRST: Final = {("fit", "adapter")}
"""Commands that need a profile of one's own, and look at it before the data."""


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    def run(*words: str | Path) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["attune-eval", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else NO_CODE
        out, err = capsys.readouterr()
        return CompletedProcess(words, code, out, err)

    return run


def commands(command: Any = None, *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words and the command of everything that can be asked for."""
    command = command or get_command(eval.commands.app)
    inner: dict[str, Any] = getattr(command, "commands", {})
    if not inner:
        yield before, command
    for name, each in inner.items():
        yield from commands(each, *before, name)


COMMANDS: Final = dict(commands())
ALL: Final = pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)


def given(command: Any, place: Path) -> list[str]:
    """Return words for all that a command needs, and for the data it may take; nothing of it is there."""
    words: list[str] = []
    for each in command.params:
        value = WORDS.get(each.name, str(place / each.name))
        if each.param_type_name == "argument":
            words += [value] * bool(each.required)
        elif each.required or each.name in {"data", "table"}:
            words += [each.opts[0], value]
    return words


def test_the_commands_are_found():
    assert {("replay",), ("score",), ("compare",), ("corpora", "check"), ("fit", "emotion"), ("voice",)} <= set(
        COMMANDS
    )


@ALL
def test_an_option_that_there_is_not_is_usage(evaluate: Evaluate, words: tuple[str, ...]):
    ran = evaluate(*words, "--no-such-option")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--no-such-option" in ran.stderr


@ALL
def test_help_is_no_error(evaluate: Evaluate, words: tuple[str, ...]):
    ran = evaluate(*words, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


@ALL
def test_data_that_are_not_there_are_one_line_and_3(
    evaluate: Evaluate, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    data = given(COMMANDS[words], tmp_path / "nowhere")
    if not data or words in WITHOUT_DATA:
        assert words in WITHOUT_DATA or words[0] == "bench", "a command that takes no data: name it in WITHOUT_DATA"
        return
    monkeypatch.chdir(tmp_path)
    ran = evaluate(*words, *data)
    assert list(tmp_path.iterdir()) == []
    if words in USAGE_FIRST:
        assert ran.returncode == 2, ran.stderr
        return
    assert ran.returncode == 3, (ran.stderr, data)
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert ran.stderr.startswith("attune-eval: ")


def test_the_program_without_a_word_is_its_help():
    assert isinstance(eval.commands.app, typer.Typer)
    assert get_command(eval.commands.app).no_args_is_help

"""Where errors stop: codes, one line, groups, readers that went away."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from agent.cli.boundary import InputInvalid, exit_code, root_cause, run_command
from agent.errors import AgentError, ConfigInvalid, SpeechFailed, TurnLogFailed
from streaming.errors import AudioUnreadable, DeviceUnavailable, EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable

CODES = [
    (ConfigInvalid("no such voice"), 2),
    (AudioUnreadable("x.wav is empty"), 3),
    (InputInvalid("cannot read rows"), 3),
    (DeviceUnavailable("no microphone"), 4),
    (EngineFailed("the recogniser died"), 4),
    (SpeechFailed("flite died"), 4),
    (TurnLogFailed("the disk is full"), 4),
    (OSError(28, "No space left on device"), 4),
    (KeyboardInterrupt(), 130),
    (BrokenPipeError(), 0),
    (ZeroDivisionError("a bug"), None),
]


@pytest.mark.parametrize(("trouble", "code"), CODES, ids=lambda value: type(value).__name__)
def test_each_error_has_its_code(trouble: BaseException, code: int | None):
    assert exit_code(trouble) == code


def raising(trouble: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise trouble

    return command


def test_an_error_is_one_line_and_its_code(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        run_command(raising(AudioUnreadable("x.wav is\n  not sound")), program="attune")
    assert left.value.code == 3
    assert capsys.readouterr() == ("", "attune: x.wav is not sound\n")


def test_a_file_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        run_command(raising(AudioUnreadable("\x1b[2J.wav does not exist")), program="attune")
    assert capsys.readouterr().err == "attune: \\x1b[2J.wav does not exist\n"


def test_being_interrupted_needs_no_words(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        run_command(raising(KeyboardInterrupt()), program="attune")
    assert left.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_of_a_group_the_first_of_ours_is_told(capsys: pytest.CaptureFixture[str]):
    inner = ExceptionGroup("inner", [ValueError("odd"), TurnLogFailed("the turn log is locked")])
    with pytest.raises(SystemExit) as left:
        run_command(raising(ExceptionGroup("outer", [RuntimeError("noise"), inner])), program="attune")
    assert left.value.code == 4
    assert capsys.readouterr().err == "attune: the turn log is locked\n"


def test_a_group_without_one_of_ours_gives_its_first():
    first = ValueError("odd")
    assert root_cause(ExceptionGroup("g", [ExceptionGroup("i", [first]), KeyError("k")])) is first


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError("a bug")), program="attune")
    with pytest.raises(ExceptionGroup):
        run_command(raising(ExceptionGroup("g", [ZeroDivisionError("a bug")])), program="attune")


def test_another_packages_errors_of_input_are_told_likewise(capsys: pytest.CaptureFixture[str]):
    class CorpusMissing(Exception):
        pass

    with pytest.raises(SystemExit) as left:
        run_command(raising(CorpusMissing("no corpus")), program="attune-eval", input_errors=(CorpusMissing,))
    assert left.value.code == 3
    assert capsys.readouterr().err == "attune-eval: no corpus\n"


def test_a_code_of_the_command_is_left_alone():
    with pytest.raises(SystemExit) as left:
        run_command(raising(SystemExit(3)), program="attune")
    assert left.value.code == 3


def test_our_tree_is_all_told():
    assert exit_code(AgentError("something")) == 4


GROUPED = "raise ExceptionGroup('g', [error])"
BY_RICH = """
        try:
            try:
                raise error
            except OSError:
                sys.exit(1)
        except SystemExit as left:
            raise BaseExceptionGroup('g', [left])
"""
BY_TYPER = """
        try:
            raise error
        except OSError:
            sys.exit(1)
"""
PIPED = """
import os, sys
from agent.cli.boundary import run_command
def command():
    try:
        for _ in range(10_000):
            print("a line that fills the pipe")
        sys.stdout.flush()
    except BrokenPipeError as error:
        {then}
run_command(command, program="attune")
"""


@pytest.mark.parametrize(
    "then", ["raise", GROUPED, BY_TYPER, BY_RICH], ids=["bare", "in a group", "by typer", "by rich"]
)
def test_a_reader_that_has_gone_is_no_error(then: str):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as pipe:
        command = [sys.executable, "-c", PIPED.format(then=then)]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_disk_that_is_full_is_one_line():
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device, not a path of ours
        pytest.skip("no /dev/full here")
    code = "import sys; from agent.cli.boundary import run_command\n"
    code += "def command():\n    print('x' * 100_000)\n    sys.stdout.flush()\n"
    code += "run_command(command, program='attune')"
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - as above
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (4, b"attune: no space left on device\n")


def test_what_the_terminal_cannot_write_is_spelled_out():
    code = "from agent.cli.boundary import run_command; run_command(lambda: print('\\u2588 \\ud800'), program='attune')"
    environ = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environ, timeout=60, check=False)
    assert done.stdout.strip() == b"\\u2588 \\ud800"
    assert done.returncode == 0

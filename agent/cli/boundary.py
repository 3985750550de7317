"""Where errors stop: one line on stderr and an exit code, never a traceback.

Codes: 2 usage or configuration, 3 input data, 4 an engine, a device or the disk, 130 interrupted. A reader of our
output that has gone (`| head`) is no error: 0.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn, cast

from streaming.errors import AudioUnreadable, StreamingError

from ..errors import AgentError, ConfigInvalid
from ..history import visible

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE, INPUT, ENGINE, INTERRUPTED = 2, 3, 4, 130


class InputInvalid(AgentError):
    """A file given to a command does not hold what the command needs."""


def root_cause(trouble: BaseException) -> BaseException:
    """Return what really went wrong inside a group of errors: the first of ours, else the first."""
    if isinstance(trouble, SystemExit) and isinstance(trouble.__context__, BrokenPipeError):
        # So rich and typer leave when the reader has gone.
        return trouble.__context__
    if not isinstance(trouble, BaseExceptionGroup):
        return trouble
    group = cast("BaseExceptionGroup[BaseException]", trouble)
    causes = [root_cause(inner) for inner in group.exceptions]
    ours = [cause for cause in causes if isinstance(cause, StreamingError | AgentError)]
    return (ours or causes)[0]


def exit_code(trouble: BaseException) -> int | None:
    """Return the code for an error that users are told in one line, None for one that is a bug of ours."""
    match trouble:
        case ConfigInvalid():
            return USAGE
        case AudioUnreadable() | InputInvalid():
            return INPUT
        case BrokenPipeError():
            return 0
        case StreamingError() | AgentError() | OSError():
            return ENGINE
        case KeyboardInterrupt():
            return INTERRUPTED
        case _:
            return None


def run_command(command: Callable[[], object], *, program: str, input_errors: tuple[type[Exception], ...] = ()) -> None:
    """Run `command`; leave the process with the right code and at most one line on stderr.

    Args:
        command: the program.
        program: its name, for that line.
        input_errors: errors of another package that tell of input data.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal cannot write (another encoding, half a surrogate pair) is spelled out.
            stream.reconfigure(errors="backslashreplace")
    try:
        command()
    except SystemExit as left:
        cause = root_cause(left)
        if cause is left:
            raise
        _leave(cause, 0, program=program)
    except (Exception, BaseExceptionGroup, KeyboardInterrupt) as trouble:
        cause = root_cause(trouble)
        code = INPUT if isinstance(cause, input_errors) else exit_code(cause)
        if code is None:
            raise
        _leave(cause, code, program=program)


def _leave(cause: BaseException, code: int, *, program: str) -> NoReturn:
    if isinstance(cause, OSError):
        # Output that could not be written (nobody reads, the disk is full) must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code not in {0, INTERRUPTED}:
        print(f"{program}: {_one_line(cause)}", file=sys.stderr)
    sys.exit(code)


def _one_line(cause: BaseException) -> str:
    if not isinstance(cause, OSError) or not cause.strerror:
        return visible(" ".join(str(cause).split()))
    about = "" if cause.filename is None else f": {cause.filename}"
    return visible(f"{cause.strerror[:1].lower()}{cause.strerror[1:]}{about}")

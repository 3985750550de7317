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

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE, INPUT, ENGINE, INTERRUPTED = 2, 3, 4, 130


class InputInvalid(AgentError):
    """A file given to a command does not hold what the command needs."""


def root_cause(trouble: BaseException) -> BaseException:
    """Return what really went wrong inside a group of errors: the first of ours, else the first."""
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


def run_command(
    command: Callable[[], object], *, program: str, input_errors: tuple[type[Exception], ...] = ()
) -> None:
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
        # Typer leaves with 1 when the reader has gone.
        if isinstance(left.__context__, BrokenPipeError):
            _leave(left.__context__, 0, program=program)
        raise
    except (Exception, BaseExceptionGroup, KeyboardInterrupt) as trouble:
        cause = root_cause(trouble)
        code = INPUT if isinstance(cause, input_errors) else exit_code(cause)
        if code is None:
            raise
        _leave(cause, code, program=program)


def _leave(cause: BaseException, code: int, *, program: str) -> NoReturn:
    if isinstance(cause, BrokenPipeError):
        # Nobody reads: what is still to be written must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif code != INTERRUPTED:
        print(f"{program}: {' '.join(str(cause).split())}", file=sys.stderr)
    sys.exit(code)

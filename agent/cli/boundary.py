"""Where errors stop: one line on stderr and an exit code, never a traceback.

Codes: 2 usage or configuration, 3 input data, 4 an engine, a device or the disk, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

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
        case StreamingError() | AgentError():
            return ENGINE
        case KeyboardInterrupt():
            return INTERRUPTED
        case _:
            return None


def run_command(command: Callable[[], object], *, program: str) -> None:
    """Run `command`; leave the process with the right code and at most one line on stderr."""
    try:
        command()
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): that is no error, and there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (StreamingError, AgentError, BaseExceptionGroup, KeyboardInterrupt) as trouble:
        cause = root_cause(trouble)
        code = exit_code(cause)
        if code is None:
            raise
        if code != INTERRUPTED:
            print(f"{program}: {' '.join(str(cause).split())}", file=sys.stderr)
        sys.exit(code)

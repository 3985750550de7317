"""Starts modules of this project as programs of their own, for engines that need a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = str(Path(__file__).resolve().parents[2])


def start_program(
    module: str, *arguments: str, stdin: int, stdout: int, stderr: int | None = None, fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start `module`, wherever the project lies; neither Ctrl-C nor a file in the working directory gets at it.

    Args:
        module: full name of a module that can be run.
        arguments: its command line.
        stdin: as `subprocess` has it, like the other two streams.
        stdout: its output.
        stderr: its complaints; None sends them where ours go.
        fds: descriptors it keeps, under the same numbers.

    Raises:
        EngineFailed: the system cannot start another process.
    """
    paths = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=fds,
            # The processes share the work among them; numpy's threads would only be in each other's way.
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
    except OSError as error:
        raise EngineFailed(f"cannot start {module}: {error}; close other programs and try again") from error

"""Holds a recorded conversation and is killed in the middle of it. Run by test_recorded.py as a program.

Usage: recording_kills.py FOLDER N: SIGKILL comes once N pieces of 100 ms were said, without a warning to anybody.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio

from tests.agent.server.hosted import client_of, scripted_host
from tests.eval.replay.held import SPEECH, recordings_in


async def main(folder: Path, n: int) -> None:
    async with scripted_host(speech=SPEECH) as host, client_of(host, recordings=recordings_in(folder)) as client:
        for _ in range(n):
            client.says(0.1)
            await anyio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))

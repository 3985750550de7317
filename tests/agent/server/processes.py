"""Server processes of their own, for tests of signals and workers."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Generator

    from websockets.asyncio.client import ClientConnection

ROOT = Path(__file__).resolve().parents[3]


class Process:
    """A server process: its port, and what it said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline().split()[1])
        self.url = f"ws://127.0.0.1:{self.port}/v1/realtime"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def left(self, *, within_s: float) -> int:
        """Wait for its end and return its exit code."""
        await came_true(lambda: self.process.poll() is not None, within_s=within_s)
        return self.process.wait()


@contextmanager
def started(*words: str | Path) -> Generator[Process]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.agent.server.server_program", *map(str, words)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Process(process)
    finally:
        process.kill()
        _, said = process.communicate()
    assert "Traceback" not in said


async def said_until_closed(client: ClientConnection) -> tuple[list[dict[str, str]], int | None]:
    events: list[dict[str, str]] = []
    with anyio.fail_after(20), suppress(ConnectionClosed):
        while True:
            events.append(json.loads(await client.recv()))
    return events, client.close_code


async def came_true(condition: Callable[[], bool], *, within_s: float = 5) -> None:
    """Wait for something that another process does."""
    with anyio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await anyio.sleep(0.005)

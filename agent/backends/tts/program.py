"""Running a speech program: text in through stdin, bytes out as they come, killed at once when nobody listens."""

from __future__ import annotations

import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from ...errors import SpeechFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from anyio.abc import Process

STOP_WAIT_S = 2.0
"""How long a killed program may take to be gone."""

_LONGEST_COMPLAINT = 300


@asynccontextmanager
async def running(command: Sequence[str], text: str, *, install: str) -> AsyncGenerator[Process, None]:
    """Run `command` without a shell, with `text` on its stdin; leaving kills it and collects it.

    Raises:
        SpeechFailed: there is no such program; the message says to `install` what.
    """
    try:
        process = await anyio.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as trouble:
        raise SpeechFailed(f"cannot run {command[0]} ({trouble.strerror}); install {install}") from trouble
    try:
        await _tell(process, text)
        yield process
    finally:
        with anyio.move_on_after(STOP_WAIT_S, shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()


async def _tell(process: Process, text: str) -> None:
    assert process.stdin is not None
    try:
        await process.stdin.send(f"{text}\n".encode())
        await process.stdin.aclose()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        return  # it died before it read: its exit status tells why


async def finished(process: Process, name: str) -> None:
    """Wait for the end of a program that has closed its output.

    Raises:
        SpeechFailed: it ended with an error.
    """
    assert process.stderr is not None
    complaint = b"".join([block async for block in process.stderr])
    if status := await process.wait():
        said = complaint.decode("utf-8", "replace").strip()[:_LONGEST_COMPLAINT] or "it gave no reason"
        raise SpeechFailed(f"{name} failed with status {status}: {said}")

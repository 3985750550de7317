"""Kills servers under sessions at random moments and counts what that did. Run by test_server_kill.py as a program.

Usage: server_kills.py FOLDER N_KILLS SEED; prints one JSON object. Everything is imported once: each round forks a
server (real sessions, engines by script) that is killed with SIGKILL while clients talk to it, in whatever phase they
are: shaking hands, speaking, being answered, being kept. Every third round begins with no file.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

import agent.server.admission
from agent.server.dialogue import HostedDialogues
from agent.server.running import run_server
from agent.server.settings import ServerSettings
from agent.turnlog import TurnLog
from tests.agent.server.hosted import scripted_host
from tests.agent.server.service import FREE, hum

N_SESSIONS = 5
SOUND = hum(1.0)
APPENDED = [
    json.dumps({"type": "input_audio_buffer.append", "audio": "A" * (len(SOUND) // 10 // 3 * 4)}) for _ in range(10)
]


@dataclass
class Tally:
    n_kills: int = 0
    n_told: int = 0
    n_kept: int = 0
    phases: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])


async def serve(database: Path, pipe: int) -> None:
    agent.server.admission.MAX_LATENESS = float("inf")  # type: ignore[misc] - clients come all at once here

    def announce(server: Any) -> None:
        os.write(pipe, f"{server.port}\n".encode())

    async with scripted_host(database) as host:
        settings = replace(ServerSettings(port=0, **FREE), resume_s=60)
        await run_server(settings, HostedDialogues(host), announce=announce)


def fork_server(database: Path, pipe: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        anyio.run(serve, database, pipe)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent shall count it; a fork cannot raise
        os.write(pipe, f"!{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


async def speak(client: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        for _ in range(10):
            for message in APPENDED:
                await client.send(message)
            await anyio.sleep(0.02)


async def talk(url: str, told: list[tuple[str, int, int]], phase: dict[int, str], number: int) -> None:
    """Speak, second by second, and note what is acknowledged, until the server is gone."""
    phase[number] = "handshake"
    try:
        client = await connect(f"{url}?attune=turns", proxy=None, compression=None)
    except (InvalidHandshake, OSError, EOFError):
        return
    async with client, anyio.create_task_group() as tasks:
        tasks.start_soon(speak, client)
        phase[number] = "silence"
        with suppress(ConnectionClosed):
            async for text in client:
                event = json.loads(text)
                if event["type"] == "attune.turn.saved":
                    told.append((event["session"], event["seq"], event["utterance"]))
                phase[number] = PHASES.get(event["type"], phase[number])
        tasks.cancel_scope.cancel()


PHASES = {
    "input_audio_buffer.speech_started": "speech",
    "response.created": "answer",
    "response.done": "keeping",
    "attune.turn.saved": "kept",
}


async def one_round(port: int, child: int, *, wait_s: float | None, tally: Tally) -> list[tuple[str, int, int]]:
    """Kill the server after `wait_s`; None: once a turn was acknowledged."""
    told: list[tuple[str, int, int]] = []
    phase: dict[int, str] = {}
    async with anyio.create_task_group() as tasks:
        for number in range(N_SESSIONS):
            tasks.start_soon(talk, f"ws://127.0.0.1:{port}/v1/realtime", told, phase, number)
        with anyio.fail_after(60):
            while wait_s is None and not told:  # noqa: ASYNC110 - it is filled by tasks that know nothing of this
                await anyio.sleep(0.01)
        await anyio.sleep(wait_s or 0.0)
        os.kill(child, signal.SIGKILL)
        tally.phases.update(phase.values())
    return told


def check(path: Path, told: set[tuple[str, int, int]], *, tally: Tally) -> None:
    """Open the file as the next start would, and compare it with everything that was ever acknowledged in it."""

    async def reopen() -> None:
        async with TurnLog.open(path):
            pass

    anyio.run(reopen)
    with closing(sqlite3.connect(path)) as db:
        whole = [row[0] for row in db.execute("PRAGMA integrity_check")]
        rows = db.execute("SELECT session, seq, utterance, text, reply FROM turns").fetchall()
    kept = {(session, seq, utterance) for session, seq, utterance, _, _ in rows}
    tally.n_kept = max(tally.n_kept, len(rows))
    if whole != ["ok"]:
        tally.faults.append(f"integrity: {whole}")
    if lost := told - kept:
        tally.faults.append(f"lost: {sorted(lost)[:3]}")
    if len({(session, utterance) for session, _, utterance in kept}) != len(rows):
        tally.faults.append("doubled")
    if any(not text for *_, text, _ in rows):
        tally.faults.append("half a turn")
    seqs: dict[str, list[int]] = {}
    for session, seq, _ in kept:
        seqs.setdefault(session, []).append(seq)
    if any(sorted(each) != list(range(1, len(each) + 1)) for each in seqs.values()):
        tally.faults.append("gap")


def main(folder: Path, n_kills: int, seed: int) -> Tally:
    dice = random.Random(seed)
    tally = Tally()
    shared: set[tuple[str, int, int]] = set()
    pace = 1.0
    for number in range(1, n_kills + 1):
        is_new = number % 3 == 0
        path = folder / (f"new{number}.db" if is_new else "shared.db")
        known = set[tuple[str, int, int]]() if is_new else shared
        reader, writer = os.pipe()
        child = fork_server(path, writer)
        os.close(writer)
        said = b""
        while not said.endswith(b"\n") and (piece := os.read(reader, 4096)):
            said += piece
        os.close(reader)
        if not said.strip().isdigit():
            tally.faults.append(said.decode())
            os.waitpid(child, 0)
            continue
        wait_s = None if number == 1 else dice.uniform(0.0, 0.4) * pace
        began_s = time.monotonic()
        told = anyio.run(partial(one_round, int(said), child, wait_s=wait_s, tally=tally))
        if number == 1:
            # A machine with much else to do is given as much more time to get anywhere.
            pace = max(1.0, (time.monotonic() - began_s) / 0.15)
        os.waitpid(child, 0)
        known.update(told)
        tally.n_kills += 1
        tally.n_told += len(told)
        check(path, known, tally=tally)
    return tally


if __name__ == "__main__":
    done = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(vars(done)) + "\n")

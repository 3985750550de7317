"""Kills writers of the turn log at random moments and counts what that did. Run by test_turnlog_kill.py as a program.

Usage: turnlog_kills.py FOLDER N_KILLS SEED; prints one JSON object. It is a process of its own so that it can fork
cheaply: one thread, everything imported once.

Each round forks a child that opens the log, starts sessions and saves turns, and writes a line to a pipe for every
acknowledgement; the parent kills the child's whole process group after a random part of the time that an undisturbed
child needs, or right after its first acknowledgement. A third of the rounds starts with no file (kills before the
tables exist), a third moves the write-ahead log into the file after nearly every commit (kills in a checkpoint), and
every fourth child has a child that writes beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from agent.events import Turn
from agent.turnlog import TurnLog, TurnLogConfig

Acknowledged = tuple[str, int, int]
"""Session, seq, utterance."""


@dataclass
class Tally:
    n_kills: int = 0
    n_acknowledged: int = 0
    n_kept: int = 0
    n_without_tables: int = 0
    n_after_an_answer: int = 0
    faults: list[str] = field(default_factory=list[str])


def turn(session: str, utterance: int) -> Turn:
    return Turn(
        session=session,
        seq=None,
        utterance=utterance,
        start_s=1.0,
        end_s=2.0,
        text=f"turn {utterance} of {session} " * 20,
        nbest=(("hello", 0.9), ("yellow", 0.1)),
        estimate=None,
        prosody_words=("fast",),
        reply="I see",
        interrupted=False,
    )


async def save_until_killed(path: Path, *, pipe: int, first: int, checkpoint_pages: int) -> None:
    async with TurnLog.open(path, config=TurnLogConfig(checkpoint_pages=checkpoint_pages)) as log:
        for session in ("shared", f"own {first}"):
            await log.start_session(session)

        async def save(session: str, utterance: int) -> None:
            saved = await log.save(turn(session, utterance))
            os.write(pipe, f"{saved.session}\t{saved.seq}\t{saved.utterance}\n".encode())

        for n in range(first, first + 200, 4):  # batches: several turns wait for one commit, one of them twice
            shared = [save("shared", n + k) for k in (0, 1, 2, 2)]
            await asyncio.gather(*shared, save(f"own {first}", n))


def fork_writer(path: Path, *, pipe: int, first: int, checkpoint_pages: int) -> int:
    """Start a child in a process group of its own; it never returns."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        if first % 4000 == 0 and os.fork() == 0:
            first += 500
        asyncio.run(save_until_killed(path, pipe=pipe, first=first, checkpoint_pages=checkpoint_pages))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent shall count it; a forked child cannot raise
        os.write(pipe, f"!{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


def lines_for(pipe: int, seconds: float) -> bytes:
    """Read acknowledgements for so long, or until the first when `seconds` is infinite."""
    heard = b""
    end = time.monotonic() + seconds
    while not heard.endswith(b"\n") or seconds != float("inf"):
        left = end - time.monotonic()
        if left <= 0:
            break
        ready, _, _ = select.select([pipe], [], [], min(left, 10.0))
        if not ready:
            break
        heard += os.read(pipe, 65536)
    return heard


def kill(child: int, *, pipe: int) -> bytes:
    """Kill the child and its children, and return what they had still written."""
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    rest = b""
    while piece := os.read(pipe, 65536):  # ends when the last writer is gone
        rest += piece
    return rest


def one_round(path: Path, *, number: int, wait_s: float, checkpoint_pages: int) -> tuple[list[str], float]:
    reader, writer = os.pipe()
    begun = time.monotonic()
    child = fork_writer(path, pipe=writer, first=number * 1000, checkpoint_pages=checkpoint_pages)
    os.close(writer)
    with suppress(PermissionError):
        os.setpgid(child, child)  # whoever is first; the parent must not kill a group that is not there yet
    heard = lines_for(reader, wait_s)
    took = time.monotonic() - begun
    heard += kill(child, pipe=reader)
    os.close(reader)
    return heard.decode().split("\n")[:-1], took


def acknowledgements(lines: list[str], *, tally: Tally) -> set[Acknowledged]:
    """Take the children's lines apart; a line that tells of an error is a fault."""
    tally.faults.extend(line for line in lines if line.startswith("!"))
    parts = [line.split("\t") for line in lines if not line.startswith("!")]
    return {(session, int(seq), int(utterance)) for session, seq, utterance in parts}


def check(path: Path, acknowledged: set[Acknowledged], *, tally: Tally) -> None:
    """Open the file as the next start would, and compare it with everything that was ever acknowledged in it."""
    asyncio.run(reopen(path))
    with closing(sqlite3.connect(path)) as db:
        whole = [row[0] for row in db.execute("PRAGMA integrity_check")]
        kept: list[Acknowledged] = db.execute("SELECT session, seq, utterance FROM turns").fetchall()
    if whole != ["ok"]:
        tally.faults.append(f"integrity: {whole}")
    if lost := acknowledged - set(kept):
        tally.faults.append(f"lost: {sorted(lost)[:3]}")
    if any(n > 1 for n in Counter((session, utterance) for session, _, utterance in kept).values()):
        tally.faults.append("doubled")
    per_session: dict[str, list[int]] = {}
    for session, seq, _ in kept:
        per_session.setdefault(session, []).append(seq)
    if any(sorted(seqs) != list(range(1, len(seqs) + 1)) for seqs in per_session.values()):
        tally.faults.append("gap")
    tally.n_kept = max(tally.n_kept, len(kept))


async def reopen(path: Path) -> None:
    async with TurnLog.open(path):
        pass


def has_tables(path: Path) -> bool:
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as db:
        return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def wait_of(dice: random.Random, *, number: int, first_s: float, is_new: bool) -> float:
    """Return how long to let the child live: a random time, but every fifth child until its first answer.

    Times alone depend on the load: a machine that grows busier after the first measurement would kill them all early.
    """
    drawn = dice.uniform(0.0, 1.2 if is_new else 1.6) * first_s
    return float("inf") if number % 5 == 0 else drawn


def main(folder: Path, n_kills: int, seed: int) -> Tally:
    dice = random.Random(seed)
    tally = Tally()
    undisturbed = [
        one_round(folder / f"try{n}.db", number=1, wait_s=float("inf"), checkpoint_pages=1000)[1] for n in range(3)
    ]
    first_s = sorted(undisturbed)[1]
    shared: set[Acknowledged] = set()
    for number in range(1, n_kills + 1):
        is_new = number % 3 == 0
        path = folder / (f"new{number}.db" if is_new else "shared.db")
        known: set[Acknowledged] = set() if is_new else shared
        lines, _ = one_round(
            path,
            number=number,
            wait_s=wait_of(dice, number=number, first_s=first_s, is_new=is_new),
            checkpoint_pages=2 if number % 3 == 1 else 1000,
        )
        heard = acknowledgements(lines, tally=tally)
        known.update(heard)
        tally.n_kills += 1
        tally.n_acknowledged += len(heard)
        tally.n_without_tables += not has_tables(path)
        tally.n_after_an_answer += bool(heard)
        check(path, known, tally=tally)
    return tally


if __name__ == "__main__":
    print(json.dumps(asdict(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))))

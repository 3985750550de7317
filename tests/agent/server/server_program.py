"""A server process of its own, for tests of signals and workers.

`serve KEPT [stubborn] [files=N]`, `workers N KEPT …`, `hosted DATABASE` (real sessions on engines by script).

Its dialogues keep what is said: a turn is acknowledged (`attune.turn.saved`) once it is in the file KEPT. Prints its
port, and which process serves which session.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from agent.server.ports import Received
from agent.server.running import run_server
from agent.server.settings import ServerSettings
from agent.server.workers import Place, WorkersSettings, supervise
from tests.agent.server.edge import ObedientDialogue

if TYPE_CHECKING:
    from agent.server.app import Server
    from agent.server.ports import Opening
    from agent.wire.dialect import Stop

SETTINGS = ServerSettings(
    port=0, page=False, drain_s=3, close_s=0.5, send_s=1, max_sessions=200, max_message_bytes=1 << 20, control_burst=100
)


class KeepingDialogue(ObedientDialogue):
    """Acknowledges what is said to it, the last when it ends; a stubborn one does not end by being asked."""

    def __init__(self, opening: Opening, *, kept: Path, stubborn: bool) -> None:
        super().__init__(opening)
        self._kept, self._stubborn = kept, stubborn
        self._open_turns: list[str] = []

    def receive(self, message: str | bytes) -> Received:
        event = json.loads(message)
        if event["type"] == "say":
            self._open_turns.append(event["text"])
            return Received()
        if event["type"] == "whose":
            self.tell("mine", pid=os.getpid())
            return Received()
        return super().receive(message)

    def end(self, how: Stop) -> None:
        if self._stubborn and how == "flush":
            return
        for text in self._open_turns:
            with self._kept.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
                os.fsync(file.fileno())
            self.tell("attune.turn.saved", text=text)
        self._open_turns.clear()
        super().end(how)


class KeepingDialogues:
    is_degraded: str | None = None

    def __init__(self, kept: Path, *, stubborn: bool) -> None:
        self._kept, self._stubborn = kept, stubborn

    def open(self, opening: Opening) -> KeepingDialogue:
        return KeepingDialogue(opening, kept=self._kept, stubborn=self._stubborn)


def say(line: str) -> None:
    # In one piece: others write to the same pipe.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def announce(server: Server) -> None:
    say(f"port {server.port} pid {os.getpid()}")


async def hosted(database: Path) -> None:
    from agent.server.dialogue import HostedDialogues  # noqa: PLC0415 - the others start sooner without
    from tests.agent.server.hosted import scripted_host  # noqa: PLC0415 - as above

    async with scripted_host(database) as host:
        await run_server(replace(SETTINGS, drain_s=8), HostedDialogues(host), announce=announce)


def main(words: list[str]) -> int:
    place = Place.of_this_process()
    if words[0] == "workers" and place is None:
        command = [sys.executable, "-m", "tests.agent.server.server_program", *words]
        settings = WorkersSettings(n=int(words[1]), host="127.0.0.1", port=0)
        return anyio.run(lambda: supervise(command, settings, note=say))
    if words[0] == "hosted":
        anyio.run(hosted, Path(words[1]))
        return 0
    rest = words[2:] if words[0] == "workers" else words[1:]
    for word in rest:
        if word.startswith("files="):
            n_files = int(word.removeprefix("files="))
            resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, n_files))
    dialogues = KeepingDialogues(Path(rest[0]), stubborn="stubborn" in rest)
    anyio.run(lambda: run_server(SETTINGS, dialogues, announce=announce, place=place))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Several processes on one port, and the one that looks after them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from agent.errors import ConfigInvalid
from agent.server.draining import Stopping
from agent.server.workers import MISUSED, SHARES_PORTS, STARTED_BADLY, Place, Supervisor, WorkersSettings, reserved
from tests.agent.server.edge import echo
from tests.agent.server.processes import Process, came_true, said_until_closed, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not SHARES_PORTS, reason="processes share a port on Linux only"),
]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    return stat.rpartition(")")[2].split()[0] != "Z"


async def gone(*pids: int, within_s: float = 5) -> None:
    await came_true(lambda: not any(is_there(pid) for pid in pids), within_s=within_s)


async def worker_of(client: ClientConnection) -> int:
    await client.send(json.dumps({"type": "whose"}))
    while (event := json.loads(await client.recv()))["type"] != "mine":
        pass
    return event["pid"]


async def lines_of(server: Process) -> AsyncIterator[str]:
    assert server.process.stdout is not None
    while line := await anyio.to_thread.run_sync(server.process.stdout.readline, abandon_on_cancel=True):
        yield line.rstrip()


async def until(server: Process, pattern: str, *, within_s: float = 20) -> re.Match[str]:
    with anyio.fail_after(within_s):
        async for line in lines_of(server):
            if (found := re.search(pattern, line)) is not None:
                return found
    raise AssertionError(pattern)


async def sessions(server: Process, stack: AsyncExitStack, *, n_workers: int) -> dict[int, list[ClientConnection]]:
    """Open sessions until each worker has one."""
    found: dict[int, list[ClientConnection]] = {}
    for _ in range(60):
        client = await stack.enter_async_context(connect(server.url, proxy=None))
        found.setdefault(await worker_of(client), []).append(client)
        if len(found) == n_workers:
            return found
    raise AssertionError(found)


async def test_a_killed_worker_is_replaced_while_the_others_go_on_and_all_leave_when_asked(tmp_path: Path):
    kept = tmp_path / "kept"
    with started("workers", "2", kept) as server:
        await until(server, "^port")  # the other worker's
        async with AsyncExitStack() as stack:
            by_pid = await sessions(server, stack, n_workers=2)
            killed, stays = by_pid
            os.kill(killed, signal.SIGKILL)
            await until(server, r"worker \d died \(SIGKILL\): starting another")
            replaced = int((await until(server, r"^port \d+ pid (\d+)"))[1])

            await echo(by_pid[stays][0])
            async with AsyncExitStack() as later:
                assert set(await sessions(server, later, n_workers=2)) == {stays, replaced}
            assert os.getsid(stays) == stays  # Ctrl-C in a terminal reaches the supervisor alone

            await by_pid[stays][0].send(json.dumps({"type": "say", "text": "the last turn"}))
            server.signal(signal.SIGTERM)
            events, code = await said_until_closed(by_pid[stays][0])
        assert (events[-1]["type"], code) == ("bye", 1001)
        assert await server.left(within_s=10) == 0
        assert kept.read_text("utf-8") == "the last turn\n"
        await gone(stays, replaced)


async def test_whichever_worker_is_asked_tells_what_all_have_counted(tmp_path: Path):
    with started("workers", "2", tmp_path / "kept") as server:
        await until(server, "^port")
        url = f"http://127.0.0.1:{server.port}/metrics"
        async with AsyncExitStack() as stack, httpx.AsyncClient(trust_env=False) as http:
            by_pid = await sessions(server, stack, n_workers=2)
            n_sessions = sum(map(len, by_pid.values()))
            for _ in range(4):  # each may be another worker's answer
                told = (await http.get(url)).text
                assert f'attune_sessions_total{{endpoint="realtime"}} {n_sessions}.0' in told
                for pid, clients in by_pid.items():
                    assert f'attune_sessions_open{{pid="{pid}"}} {len(clients)}.0' in told

            killed = next(iter(by_pid))
            os.kill(killed, signal.SIGKILL)
            await until(server, r"^port \d+ pid (\d+)")
            told = (await http.get(url)).text
            assert f'attune_sessions_total{{endpoint="realtime"}} {n_sessions}.0' in told
            assert f'pid="{killed}"' not in told


async def test_a_client_comes_back_to_its_session_whichever_worker_it_meets(tmp_path: Path):
    with started("workers", "2", tmp_path / "kept") as server:
        await until(server, "^port")
        client = await connect(server.url, proxy=None)
        created = json.loads(await client.recv())
        pid = await worker_of(client)
        headers = {"Attune-Resume": created["resume_token"], "Attune-Last-Event": "1"}
        for _ in range(12):  # about half of them at the other worker
            client.transport.abort()
            client = await connect(server.url, additional_headers=headers, proxy=None)
            assert await worker_of(client) == pid
            await echo(client)
        taker = await connect(server.url, additional_headers=headers, proxy=None)
        assert (await said_until_closed(client))[1] == 4030
        await taker.send(json.dumps({"type": "received", "values": {"ends": "now"}}))
        assert (await said_until_closed(taker))[1] == 1000
        codes: set[int] = set()
        for _ in range(8):  # the session is over: 404 of its own worker, 4044 by way of the other
            try:
                later = await connect(server.url, additional_headers=headers, proxy=None)
            except InvalidStatus as refused:
                codes.add(refused.response.status_code)
            else:
                codes.add((await said_until_closed(later))[1] or 0)
        assert codes <= {404, 4044}


async def test_workers_whose_supervisor_is_killed_drain_by_themselves(tmp_path: Path):
    with started("workers", "1", tmp_path / "kept") as server:
        async with connect(server.url, proxy=None) as client:
            pid = await worker_of(client)
            server.signal(signal.SIGKILL)
            events, code = await said_until_closed(client)
        assert ([event["type"] for event in events], code) == (["attune.session.ending", "bye"], 1001)
        await gone(pid)


async def test_a_second_signal_ends_stubborn_workers_at_once(tmp_path: Path):
    with started("workers", "1", tmp_path / "kept", "stubborn") as server:
        async with connect(server.url, proxy=None) as client:
            pid = await worker_of(client)
            server.signal(signal.SIGINT)
            assert json.loads(await client.recv())["type"] == "attune.session.ending"
            server.signal(signal.SIGINT)
            assert (await said_until_closed(client))[1] == 1001
        assert await server.left(within_s=3) == 0
        await gone(pid)


def supervisor(program: str, tmp_path: Path, notes: list[str], **settings: float) -> Supervisor:
    place = Place(number=0, n_workers=1, port=1, folder=str(tmp_path))
    limits = WorkersSettings(n=1, host="127.0.0.1", port=1, pauses_s=(0.0, 0.0, 0.0), **settings)
    return Supervisor([sys.executable, "-S", "-c", program], limits, place=place, note=notes.append)


async def test_a_worker_that_dies_at_once_again_and_again_is_given_up_in_one_line(tmp_path: Path):
    notes: list[str] = []

    with anyio.fail_after(10):
        code = await supervisor("raise SystemExit(7)", tmp_path, notes).run(Stopping())

    assert code == STARTED_BADLY == 4
    assert notes == ["worker 0 died (exit code 7): starting another"] * 3 + [
        "worker 0 died 4 times at once (exit code 7): giving up"
    ]


async def test_workers_that_live_for_a_while_may_die_any_number_of_times(tmp_path: Path):
    notes: list[str] = []
    stopping = Stopping()
    kept_up = supervisor("", tmp_path, notes, well_s=0.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept_up.run, stopping)
        await came_true(lambda: len(notes) >= 8)
        stopping.ask()

    assert not any("giving up" in line for line in notes)


async def test_settings_that_a_worker_refuses_are_not_tried_again(tmp_path: Path):
    notes: list[str] = []

    with anyio.fail_after(10):
        assert await supervisor("raise SystemExit(2)", tmp_path, notes).run(Stopping()) == MISUSED == 2

    assert notes == []


async def test_a_worker_that_does_not_leave_is_killed(tmp_path: Path):
    notes: list[str] = []
    stopping = Stopping()
    deaf = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w').close(); time.sleep(60)"
    ready = tmp_path / "ready"
    held = Supervisor(
        [sys.executable, "-S", "-c", deaf, str(ready)],
        WorkersSettings(n=1, host="127.0.0.1", port=1, leave_s=0.1),
        place=Place(number=0, n_workers=1, port=1, folder=str(tmp_path)),
        note=notes.append,
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.run, stopping)
        await came_true(ready.exists)
        (pid,) = held.pids.values()
        stopping.ask()
        await gone(pid)

    assert notes == ["1 workers did not leave in 0.1 s: killed"]
    assert held.pids == {}


async def test_cancelling_a_supervisor_leaves_no_worker(tmp_path: Path):
    held = supervisor("import time; time.sleep(60)", tmp_path, [])

    pids: list[int] = []

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.run, Stopping())
        await came_true(lambda: bool(held.pids))
        pids += held.pids.values()
        tasks.cancel_scope.cancel()

    assert [is_there(pid) for pid in pids] == [False]


def test_a_port_is_held_for_the_workers_and_refused_where_it_cannot_be_had():
    with reserved("127.0.0.1", 0) as held, socket.socket() as worker:
        port = held.getsockname()[1]
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(("127.0.0.1", port))
        worker.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            accepted, address = worker.accept()
            accepted.close()
            assert address == client.getsockname()
        with pytest.raises(ConfigInvalid, match=f"127.0.0.1:{port} cannot be listened on: Address already in use"):
            reserved("127.0.0.1", port)
    with pytest.raises(ConfigInvalid, match="cannot be listened on"):
        reserved("203.0.113.1", 0)
    with pytest.raises(ConfigInvalid, match="cannot be listened on"):
        reserved("no.such.host.invalid", 80)


def test_a_place_goes_through_the_environment():
    place = Place(number=1, n_workers=4, port=8765, folder="/somewhere")

    assert Place.of_this_process(place.environment()) == place
    assert Place.of_this_process({}) is None

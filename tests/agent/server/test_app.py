"""The server as a whole: addresses, clocks, TLS, and clients that come back to another worker."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agent.server.app import Server, serve
from agent.server.relay import Relay
from agent.server.settings import ServerSettings
from agent.server.tls import tls_context
from agent.server.tokens import parse_tokens
from agent.server.workers import Place
from tests.agent.server.edge import SECRET, ObedientDialogues, bench, echo, eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

QUICK: dict[str, Any] = {"port": 0, "page": False, "close_s": 0.2}


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_it_serves_on_ipv6_alone():
    async with serve(ServerSettings(host="::1", **QUICK), ObedientDialogues()) as server:
        assert server.url == f"ws://[::1]:{server.port}/v1/realtime"
        async with connect(server.url, additional_headers={"Origin": f"http://[::1]:{server.port}"}, proxy=None) as it:
            await echo(it)


async def test_a_wall_clock_that_jumps_moves_nothing_but_the_end_of_tokens():
    moment = [1_893_455_000.0]
    tokens = parse_tokens([f"{SECRET}", "brief-token-0123456789 until=2030-01-01T00:00Z"])
    headers = {"Authorization": "Bearer brief-token-0123456789"}
    async with bench(tokens=tokens, wall_clock=lambda: moment[0]) as found:
        async with connect(found.server.url, additional_headers=headers, proxy=None) as client:
            for jump_s in (3600, -7200, 3600, 3600):
                moment[0] += jump_s
                await echo(client)
        with pytest.raises(InvalidStatus):
            await connect(found.server.url, additional_headers=headers, proxy=None)


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH: certificates cannot be made on the spot")
    certificate, key = tmp_path / "it.pem", tmp_path / "it.key"
    words = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True, timeout=30)
    return certificate, key


async def test_with_a_certificate_it_speaks_wss_and_nothing_in_the_clear(certified: tuple[Path, Path]):
    certificate, key = certified
    trusting = ssl.create_default_context(cafile=str(certificate))
    trusting.check_hostname = False
    settings = ServerSettings(tls=tls_context(certificate, key), **QUICK)
    async with serve(settings, ObedientDialogues()) as server:
        assert server.page_url.startswith("https://")
        async with connect(server.url, ssl=trusting, proxy=None) as client:
            await echo(client)
        with pytest.raises(Exception, match="did not receive a valid HTTP response"):
            await connect(server.url.replace("wss", "ws"), proxy=None)


async def test_a_client_that_comes_back_to_another_worker_is_passed_on(tmp_path: Path):
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        for number in range(2):
            relay = Relay(Place(number=number, n_workers=2, port=0, folder=str(tmp_path)))
            entered = serve(ServerSettings(**QUICK), ObedientDialogues(), worker=number, relay=relay)
            servers.append(await stack.enter_async_context(entered))
        first, second = servers
        async with connect(first.url, proxy=None) as client:
            token = json.loads(await client.recv())["resume_token"]
            client.transport.abort()
        await eventually(lambda: first.metrics.registry.get_sample_value("attune_connections_open") == 0)
        async with connect(second.url, additional_headers={"Attune-Resume": token}, proxy=None) as back:
            await echo(back)
        await eventually(lambda: not len(first.seats))
        assert first.metrics.registry.get_sample_value("attune_resumed_total") == 1
        # Over now, and therefore nobody's: told by the worker that had it, and by one that never did.
        origin: Any = f"http://127.0.0.1:{second.port}"
        for headers in ({"Attune-Resume": token}, {"Attune-Resume": "w1-" + "x" * 40}):
            async with connect(second.url, additional_headers=headers, origin=origin, proxy=None) as late:
                assert json.loads(await late.recv())["error"]["code"] == "not_found"
                await late.wait_closed()
                assert late.close_code == 4044


async def test_who_comes_back_to_another_worker_may_send_the_token_first(tmp_path: Path):
    offers: Any = ["realtime", "attune-auth"]
    auth = json.dumps({"type": "attune.auth", "token": SECRET})
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        for number in range(2):
            relay = Relay(Place(number=number, n_workers=2, port=0, folder=str(tmp_path)))
            settings = ServerSettings(tokens=parse_tokens([SECRET]), **QUICK)
            entered = serve(settings, ObedientDialogues(), worker=number, relay=relay)
            servers.append(await stack.enter_async_context(entered))
        first, second = servers
        async with connect(first.url, subprotocols=offers, proxy=None) as client:
            await client.send(auth)
            token = json.loads(await client.recv())["resume_token"]
            client.transport.abort()
        await eventually(lambda: first.metrics.registry.get_sample_value("attune_connections_open") == 0)
        back_with: Any = [*offers, f"attune-resume.{token}"]
        for sent, code in ((auth.replace(SECRET, "wrong-token-0123456789"), 4001), (auth, None)):
            async with connect(second.url, subprotocols=back_with, proxy=None) as back:
                await back.send(sent)
                if code is None:
                    await echo(back)
                else:
                    await back.wait_closed()
                    assert back.close_code == code


async def test_a_fault_of_ours_ends_one_connection_and_its_log_shows_only_where(caplog: pytest.LogCaptureFixture):
    async with bench() as found, connect(found.server.url, proxy=None) as client:
        await echo(client)

        def fails(_: object) -> None:
            raise ValueError(SECRET)

        found.dialogues.opened[-1].receive = fails  # pyright: ignore[reportAttributeAccessIssue]
        await client.send("anything")
        await client.wait_closed()
        assert client.close_code == 1011
    assert "a connection failed: ValueError at test_app.py:" in caplog.text
    assert SECRET not in caplog.text

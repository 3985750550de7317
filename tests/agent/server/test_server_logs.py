"""Nothing that people say, and no secret, is in any log, metric or answer, at any level."""

from __future__ import annotations

import json
import logging

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agent.server.tokens import parse_tokens
from tests.agent.server.edge import SECRET, bench, echo

pytestmark = pytest.mark.anyio

CANARIES = ("canary-token", "canary-speech", "canary-reply", "canary-query", "canary-wrong")


async def test_no_log_at_any_level_shows_what_was_said_or_a_secret(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    # Our own client logs what it sends, as any client may; ours is the server.
    logging.getLogger("websockets.client").setLevel(logging.WARNING)
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with bench(tokens=parse_tokens([SECRET]), resume_s=5) as found:
        async with connect(f"{found.server.url}?model=canary-query", additional_headers=headers, proxy=None) as client:
            token = json.loads(await client.recv())["resume_token"]
            await echo(client, "canary-speech")
            await client.send("canary-speech is not JSON")
            await client.send(b"canary-speech as sound")
            await client.send(json.dumps({"type": "flood", "n": 2, "bytes": 10, "text": "canary-reply"}))
            await client.send(json.dumps({"type": "fail"}))
            with anyio.fail_after(5):
                await client.wait_closed()
        for path in ("?token=canary-wrong-0123456789", ""):
            with pytest.raises(InvalidStatus) as caught:
                await connect(
                    found.server.url + path,
                    additional_headers={} if path else {"Authorization": "Bearer canary-wrong-0123456789"},
                    proxy=None,
                )
            assert b"canary" not in (caught.value.response.body or b"")
        exposed = (await found.get("/metrics", f"Authorization: Bearer {SECRET}"))[2].decode()
    told = "\n".join(f"{record.getMessage()} {record.exc_text or ''} {record.args}" for record in caplog.records)
    assert "connection from 127.0.0.1" in told
    assert "missing" not in told
    assert "401 invalid_token" in told
    for canary in (*CANARIES, token):
        assert canary not in told
        assert canary not in exposed

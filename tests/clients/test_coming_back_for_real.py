"""Our client loses its connection to the real server in the middle of an answer, and misses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from agent.backends.reply.scripted import ScriptedResponder
from agent.client.address import realtime_url
from agent.client.connection import Connection, Patience
from agent.client.playing import Player
from agent.client.talk import Client, ClientSettings
from agent.loudspeaker import SilentSink
from streaming.sources import Pace
from tests.clients.real_server import RealServer
from tests.clients.scripted_dialogue import SAID
from tests.clients.talking import noise

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from streaming.sources import Sound

pytestmark = pytest.mark.anyio


async def said(pace: Pace) -> AsyncIterator[Sound]:
    samples = noise([(0.2, 0.0), (0.8, 0.3), (0.2, 0.0)])
    for at in range(0, samples.size, 320):
        await pace.wait(320)
        yield samples[at : at + 320]


async def test_a_connection_lost_in_an_answer_comes_back_to_it(tls: ssl.SSLContext):
    events: list[dict[str, Any]] = []
    notes: list[str] = []
    with RealServer(tls=tls, spans=((0.2, 1.0),), responder=ScriptedResponder([["Well done."]])) as server:
        connection = Connection(realtime_url(server.url), note=notes.append, patience=Patience(first_s=0.05))

        def tell(event: dict[str, Any]) -> None:
            events.append(event)
            if event["type"] == "response.output_audio.delta" and not notes:
                socket = connection._socket
                assert socket is not None
                socket.transport.abort()

        player = Player(SilentSink(), clock=anyio.current_time)
        client = Client(connection=connection, player=player, tell=tell, settings=ClientSettings(quiet_s=0.5))
        pace = Pace()
        with anyio.fail_after(30):
            await client.hold(said(pace), pace=pace)
    assert notes[:2] == ["connection lost: trying to come back", "connected again"]
    numbers = [int(event["event_id"].rpartition("_")[2]) for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    types = [event["type"] for event in events]
    assert types.count("attune.session.resumed") == 1
    assert types.count("session.created") == 1
    (done,) = [event["response"] for event in events if event["type"] == "response.done"]
    assert done["status"] == "completed"
    (heard,) = [event for event in events if event["type"].endswith("input_audio_transcription.completed")]
    assert heard["transcript"] == SAID[0]

"""The stock `openai` packages, and our own client, hold a spoken conversation with the real server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openai import AsyncOpenAI

import agent.client
from tests.agent.wire.stock_types import checked
from tests.clients.real_server import ANSWER
from tests.clients.scripted_dialogue import SAID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.conftest import Speech
    from tests.clients.real_server import RealServer

pytestmark = pytest.mark.anyio
EXAMPLES = Path(agent.client.__file__).parent / "examples"
NODE_MODULES = Path(sys.executable).parents[1] / "share" / "node_modules"
CHUNK = 4800
ATTUNE = """
import typer
from agent.cli.client import client
app = typer.Typer()
app.command()(client)
app()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talked:
    """What an example printed and saved."""

    program: subprocess.Popen[str]
    reply: Path

    def lines(self) -> list[str]:
        out, err = self.program.communicate(timeout=60)
        assert self.program.returncode == 0, err
        return out.splitlines()


def talk(command: list[str], reply: Path, **environment: str) -> Talked:
    program = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    return Talked(program=program, reply=reply)


@pytest.fixture(scope="module", autouse=True)
def talking(
    realtime: RealServer, interrupting: Speech, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Talked]]:
    """Both examples and our own client, begun at once: each takes as long as was spoken."""
    said = str(interrupting.path)
    reply, saved = (tmp_path_factory.mktemp(name) / "reply.wav" for name in ("python", "attune"))
    python = [sys.executable, str(EXAMPLES / "python_openai.py"), realtime.url, said, str(reply)]
    ours = [sys.executable, "-c", ATTUNE, said, "--url", realtime.url, "--no-speech", "--save", str(saved)]
    begun = {"python": talk(python, reply), "attune": talk(ours, saved)}
    if shutil.which("node") and NODE_MODULES.is_dir():
        folder = tmp_path_factory.mktemp("node")
        reply = folder / "reply.wav"
        (folder / "node_modules").symlink_to(NODE_MODULES)
        example = shutil.copy(EXAMPLES / "node_openai.mjs", folder)
        node = ["node", str(example), realtime.tls_url, said, str(reply)]
        begun["node"] = talk(node, reply, NODE_EXTRA_CA_CERTS=str(certificate))
    yield begun
    for talked in begun.values():
        if talked.program.poll() is None:
            talked.program.kill()
        talked.program.communicate()


async def spoken_by_stock_client(realtime: RealServer, speech: Path, *, query: dict[str, str]) -> list[dict[str, Any]]:
    """Return all events the stock Python client gets, as they came over the wire."""
    with wave.open(str(speech)) as file:
        pcm = file.readframes(file.getnframes())
    client = AsyncOpenAI(base_url=realtime.url, api_key="none")
    events: list[dict[str, Any]] = []
    async with client.realtime.connect(model="attune", extra_query=query) as connection:

        async def speak() -> None:
            began, sent = asyncio.get_running_loop().time(), 0
            while True:
                chunk = pcm[sent : sent + CHUNK].ljust(CHUNK, b"\0")
                await connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
                sent += CHUNK
                await asyncio.sleep(began + sent / 48_000 - asyncio.get_running_loop().time())

        speaking = asyncio.create_task(speak())
        while [event["type"] for event in events].count("response.done") < 2:
            events.append(json.loads(await connection.recv_bytes()))
            # What the package makes of it must not fail either.
            connection.parse_event(json.dumps(events[-1]))
        speaking.cancel()
    return events


async def test_a_spoken_conversation_with_an_interruption_in_the_types_of_the_package(
    realtime: RealServer, interrupting: Speech
):
    events = await spoken_by_stock_client(realtime, interrupting.path, query={})
    checked(events)
    types = [event["type"] for event in events]
    assert types[0] == "session.created"
    assert len({event["event_id"] for event in events}) == len(events)
    heard = [event for event in events if event["type"].endswith("input_audio_transcription.completed")]
    assert [event["transcript"] for event in heard] == list(SAID)
    first, second = (event["response"] for event in events if event["type"] == "response.done")
    assert (first["status"], first["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert second["status"] == "completed"
    started = [n for n, kind in enumerate(types) if kind == "input_audio_buffer.speech_started"]
    assert types.index("response.done") < started[1]
    sound = [event for event in events if event["type"] == "response.output_audio.delta"]
    seconds = {
        response: sum(len(base64.b64decode(e["delta"])) for e in sound if e["response_id"] == response) / 48_000
        for response in (first["id"], second["id"])
    }
    assert 0.2 < seconds[first["id"]] < seconds[second["id"]]


@pytest.mark.parametrize("name", ["python", "node"])
def test_the_example_prints_the_conversation_and_saves_the_answer(name: str, talking: dict[str, Talked]):
    if name not in talking:
        pytest.skip("the openai package for Node is not installed: .ci/node-clients brings it")
    lines = talking[name].lines()
    assert [line for line in lines if line.startswith("you:")] == [f"you: {text}" for text in SAID]
    assert [line.split()[:2] for line in lines if line.startswith("answer")] == [
        ["answer", "cancelled"],
        ["answer", "completed"],
    ]
    assert sum(line.startswith("expressed: ") for line in lines) == 2
    assert sum(line.startswith("attune: ") for line in lines) == 2
    with wave.open(str(talking[name].reply)) as file:
        assert file.getframerate() == 24_000
        assert file.getnframes() > 2 * 24_000
        assert any(file.readframes(24_000))


def test_our_own_client_shows_the_same_conversation(talking: dict[str, Talked]):
    lines = [" ".join(line.split()) for line in talking["attune"].lines()]
    assert [line for line in lines if line.startswith("you ")] == [f"you {text}" for text in SAID]
    cut, whole = (line.removeprefix("attune ") for line in lines if line.startswith("attune "))
    assert whole == "".join(ANSWER)
    assert cut.endswith("…")
    assert whole.startswith(cut.removesuffix("…").strip())
    assert sum(line.startswith("happy angry ") for line in lines) == 2
    with wave.open(str(talking["attune"].reply)) as file:
        seconds = file.getnframes() / file.getframerate()
    voiced_s = 0.06 * len(whole)
    assert voiced_s + 0.5 < seconds < 2 * voiced_s


@pytest.mark.parametrize("name", ["python_openai.py", "node_openai.mjs"])
def test_an_example_is_short(name: str):
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) <= 60

"""`attune client` against a server: a conversation, lost connections, refusals, one line for every fault."""

from __future__ import annotations

import io
import json
import signal
import socket
import threading
import wave
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
import typer

import agent.cli.client
from agent.cli.boundary import run_command
from agent.client.address import realtime_url
from agent.client.connection import Connection, Patience, ServerLost
from agent.client.playing import Player
from agent.client.talk import Client, ClientSettings, shown
from agent.loudspeaker import SilentSink
from streaming.errors import DeviceUnavailable
from streaming.events import AudioDropped
from streaming.sources import Pace
from tests.clients.scripted_dialogue import REPLIES, SAID
from tests.clients.scripted_server import ScriptedServer
from tests.clients.talking import noise

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

    from streaming.events import Samples
    from streaming.sources import Sound

pytestmark = pytest.mark.anyio
FAST = 10.0
"""Stream time passes so much faster than the clock on the wall."""
TALK = [(0.3, 0.0), (0.7, 0.3), (1.5, 0.0), (0.5, 0.3)]


def fast_s() -> float:
    return FAST * anyio.current_time()


async def fast_sleep(seconds: float) -> None:
    await anyio.sleep(seconds / FAST)


def fast_pace() -> Pace:
    return Pace(clock=fast_s, sleep=fast_sleep)


@dataclass(slots=True)
class Conversation:
    """What a client was told, and what it said to its user."""

    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    notes: list[str] = field(default_factory=list[str])

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


async def sounded(samples: Samples, pace: Pace) -> AsyncIterator[Sound]:
    for at in range(0, samples.size, 320):
        await pace.wait(320)
        yield samples[at : at + 320]


async def hold(
    server: ScriptedServer, talk: Conversation, *, token: str | None = None, half_duplex: bool = False
) -> None:
    connection = Connection(
        realtime_url(server.url), token=token, note=talk.notes.append, sleep=fast_sleep, patience=Patience(back_s=1.0)
    )
    client = Client(
        connection=connection,
        player=Player(SilentSink(), clock=fast_s),
        tell=talk.events.append,
        settings=ClientSettings(half_duplex=half_duplex),
    )
    pace = fast_pace()
    with anyio.fail_after(20):
        await client.hold(sounded(noise(TALK), pace), pace=pace)


def ours(trouble: BaseException) -> BaseException:
    while isinstance(trouble, BaseExceptionGroup):
        trouble = cast("BaseExceptionGroup[BaseException]", trouble).exceptions[0]
    return trouble


async def test_a_conversation_with_an_interruption(scripted: ScriptedServer):
    talk = Conversation()
    await hold(scripted, talk)
    assert talk.events == scripted.told
    done = [event["response"]["status"] for event in talk.events if event["type"] == "response.done"]
    assert done == ["cancelled", "completed"]
    ((dialogue, _),) = scripted.dialogues.values()
    (cut,) = dialogue.truncated
    assert cut["item_id"] == "item_a01"
    assert 200 < cut["audio_end_ms"] < 2000


@pytest.mark.parametrize("after", [1, 9, 17, 30])
async def test_a_lost_connection_comes_back_and_nothing_is_missed(scripted: ScriptedServer, after: int):
    talk = Conversation()
    scripted.lose_after(after)
    await hold(scripted, talk)
    assert len(scripted.requests) == 2
    assert scripted.requests[1].headers["Attune-Resume"] == "scripted-resume-token-0000"
    assert talk.notes == ["connection lost: trying to come back", "connected again"]
    numbers = [int(event["event_id"][-6:]) for event in talk.events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert "attune.session.resumed" in talk.types()
    assert talk.types().count("response.done") == 2


@pytest.mark.parametrize("at_once", [False, True], ids=["by its close code", "by refusing the handshake"])
async def test_a_session_that_is_gone_begins_anew(scripted: ScriptedServer, at_once: bool):
    talk = Conversation()
    scripted.lose_after(5)
    scripted.forgets, scripted.forgets_at_once = not at_once, at_once
    await hold(scripted, talk)
    assert talk.types().count("session.created") == 2
    assert talk.notes[-1] == "the conversation is gone at the server: beginning a new one"
    assert "Attune-Resume" not in scripted.requests[-1].headers


async def test_a_server_that_does_not_come_back_is_given_up():
    talk = Conversation()
    with ScriptedServer() as server:
        server.lose_after(3)
        server.refuses_again = 503
        with pytest.raises(BaseExceptionGroup) as failed:
            await hold(server, talk)
    assert str(ours(failed.value)) == "the server refuses: it is full (503); try again in 7 s"


async def test_a_server_that_is_gone_for_good_is_given_up_after_a_while(scripted: ScriptedServer):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await anyio.lowlevel.checkpoint()

    connection = Connection(realtime_url(scripted.url), sleep=sleep)
    scripted.lose_after(1)

    async def read() -> None:
        async for event in connection.events():
            if event["type"] == "session.created":
                connection.url = realtime_url(f"ws://127.0.0.1:{free_port()}")
                await connection.send({"type": "session.update", "session": {}})

    with anyio.fail_after(20), pytest.raises(ServerLost, match=r"/v1/realtime cannot be reached: "):
        await read()
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, *[5.0] * 11]


@pytest.mark.parametrize(("code", "reason"), [(4029, "more sound than was spoken"), (4033, "an hour"), (1008, "")])
async def test_an_end_for_a_reason_is_told_and_not_tried_again(scripted: ScriptedServer, code: int, reason: str):
    scripted.closes_with = code, reason
    scripted.lose_after(3)
    with pytest.raises(BaseExceptionGroup) as failed:
        await hold(scripted, Conversation())
    expected = f"the server ended the conversation: {reason or 'it gave no reason'} ({code})"
    assert str(ours(failed.value)) == expected
    assert len(scripted.requests) == 1


async def test_the_end_of_the_session_is_the_end(scripted: ScriptedServer):
    talk = Conversation()
    scripted.closes_with = 1000, "bye"
    scripted.lose_after(3)
    await hold(scripted, talk)
    assert talk.types() == ["session.created", "attune.session.info"]
    assert not talk.notes


async def test_in_half_duplex_nothing_is_heard_while_a_reply_sounds(scripted: ScriptedServer):
    talk = Conversation()
    await hold(scripted, talk, half_duplex=True)
    done = [event["response"]["status"] for event in talk.events if event["type"] == "response.done"]
    assert done == ["completed"]


async def test_a_token_goes_in_the_header_and_nowhere_else():
    talk = Conversation()
    with ScriptedServer(token="s3cret") as server:
        with pytest.raises(BaseExceptionGroup) as failed:
            await hold(server, talk)
        assert str(ours(failed.value)) == "the server refuses: a token is needed (401)"
        await hold(server, talk, token="s3cret")
        assert "s3cret" not in server.requests[-1].path
    assert "s3cret" not in repr(Connection("ws://h", token="s3cret"))
    assert talk.types().count("response.done") == 2


def test_sound_is_not_printed():
    event = {"type": "response.output_audio.delta", "delta": "AAAA" * 8 + "AA==", "item_id": "a"}
    assert shown(event) == {"type": "response.output_audio.delta", "item_id": "a", "n_bytes": 25}
    assert shown({"type": "session.created"}) == {"type": "session.created"}


# The command.


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def command(*words: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(agent.cli.client.client)
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run_command(lambda: app(list(words), prog_name="attune client"), program="attune")
        except SystemExit as left:
            code = cast("int", left.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def recording(tmp_path: Path, write_wav: Callable[[Path, Samples], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(agent.cli.client, "Pace", fast_pace)
    monkeypatch.setattr(agent.cli.client, "seconds", fast_s)
    return write_wav(tmp_path / "talk.wav", noise(TALK))


def test_the_command_shows_words_feeling_and_answers_and_saves_their_sound(
    recording: Path, scripted: ScriptedServer, tmp_path: Path
):
    reply = tmp_path / "reply.wav"
    code, out, err = command(str(recording), "--url", scripted.url, "--no-speech", "--save", str(reply))
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "It reads what words and voice express."
    assert [line for line in lines if line.startswith("you")] == [f"you {text}" for text in SAID]
    answers = [line for line in lines if line.startswith("attune")]
    assert answers == [f"attune {REPLIES[0]} …", f"attune {REPLIES[1]}"]
    assert sum("because of “job”" in line for line in lines) == 2
    with wave.open(str(reply)) as file:
        assert 2.0 < file.getnframes() / file.getframerate() < 4.0


def test_the_command_prints_events_as_json(recording: Path, scripted: ScriptedServer):
    code, out, _ = command(str(recording), "--url", scripted.url, "--no-speech", "--json")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["type"] for event in events] == scripted.types()
    assert not any("delta" in event for event in events if event["type"] == "response.output_audio.delta")


def test_faults_are_one_line_and_a_code(
    recording: Path, scripted: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EMPTY", "")
    nowhere = f"ws://127.0.0.1:{free_port()}"
    url = ["--url", scripted.url, "--no-speech"]
    table: list[tuple[list[str], int, str]] = [
        ([str(recording), "--url", nowhere, "--no-speech"], 4, "/v1/realtime cannot be reached: nothing listens there"),
        ([str(recording), "--url", "nonsense"], 2, "'nonsense' is no address of a server"),
        ([str(recording), *url, "--token-env", "EMPTY"], 2, "--token-env names EMPTY, but no such"),
        ([str(recording), *url, "--duplex", "both"], 2, "--duplex is 'both', expected half or full"),
        ([str(recording), *url, "--save", str(tmp_path / "none" / "x.wav")], 2, "cannot be written: No such file"),
        ([str(tmp_path / "none.wav"), *url], 3, "does not exist"),
        ([str(recording), "--url", scripted.url.replace("/v1", "/x"), "--no-speech"], 4, "nothing here (404)"),
    ]
    for words, expected, message in table:
        code, out, err = command(*words)
        assert (code, out) == (expected, ""), words
        assert message in err
        assert err.count("\n") == 1, err


def test_a_port_where_something_else_answers_is_no_realtime_server(recording: Path):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"220 mail ready\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        code, _, err = command(str(recording), "--url", f"ws://127.0.0.1:{port}", "--no-speech")
        thread.join()
    assert code == 4
    assert f"ws://127.0.0.1:{port}/v1/realtime is no realtime server" in err


def test_the_page_of_help_names_the_options(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = command("--help")
    assert code == 0
    for option in ("--url", "--token-env", "--json", "--save", "--no-speech", "--duplex"):
        assert option in out


# By microphone.


class Device:
    """A microphone by script, as fast as the stream is, and then Ctrl-C or the end `end`."""

    def __init__(self, end: Exception | None = None) -> None:
        self.is_open = False
        self._end = end

    @asynccontextmanager
    async def microphone(self, device: int | str | None) -> AsyncGenerator[AsyncIterator[Sound]]:
        assert device == 3
        self.is_open = True
        try:
            yield self._sound()
        finally:
            self.is_open = False

    async def _sound(self) -> AsyncIterator[Sound]:
        if self._end is not None:
            yield AudioDropped(at_s=0.0, seconds=0.25, total_s=0.25)
        async for sound in sounded(noise([*TALK, (3.5, 0.0)]), fast_pace()):
            yield sound
        if self._end is not None:
            raise self._end
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], Device]:
    def plug_in(end: Exception | None) -> Device:
        device = Device(end)
        monkeypatch.setattr(agent.cli.client, "microphone", device.microphone)
        monkeypatch.setattr(agent.cli.client, "Loudspeaker", SilentSink)
        monkeypatch.setattr(agent.cli.client, "seconds", fast_s)
        return device

    return plug_in


@pytest.mark.parametrize(("duplex", "heard"), [("full", list(SAID)), ("half", [SAID[0]])])
def test_by_microphone_until_ctrl_c(
    scripted: ScriptedServer, plug: Callable[[Exception | None], Device], duplex: str, heard: list[str]
):
    device = plug(None)
    code, out, err = command("mic", "--url", scripted.url, "--device", "3", "--duplex", duplex)
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert [line for line in lines if line.startswith("you")] == [f"you {text}" for text in heard]
    assert not device.is_open
    assert scripted.goodbyes(1) == [1000]


def test_a_microphone_that_is_unplugged_is_one_line(
    scripted: ScriptedServer, plug: Callable[[Exception | None], Device]
):
    device = plug(DeviceUnavailable("the microphone stopped: it was unplugged"))
    code, _, err = command("mic", "--url", scripted.url, "--device", "3")
    assert code == 4
    assert err.splitlines() == [
        "attune: 0.2 s of sound lost: the machine or the network is too slow",
        "attune: the microphone stopped: it was unplugged",
    ]
    assert not device.is_open
    assert scripted.goodbyes(1) == [1000]


def test_without_a_loudspeaker_a_file_is_talked_about_in_silence(
    recording: Path, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
):
    def none() -> list[str]:
        raise DeviceUnavailable("the loudspeaker needs PortAudio")

    monkeypatch.setattr(agent.cli.client, "output_devices", none)
    code, out, err = command(str(recording), "--url", scripted.url)
    assert (code, err) == (0, "attune: the loudspeaker needs PortAudio\n")
    assert f"you     {SAID[1]}" in out

"""Conversations that are recorded as they are held, by socket, and then happen again."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest

from agent.backends.llm.scripted import ScriptedModel
from agent.config import Config
from agent.hosting import open_host
from agent.recording.reader import read_recording
from agent.recording.recorder import CLOCKED
from eval.replay.recorded import compared
from tests.agent.server.hosted import client_of, scripted_engines, scripted_host
from tests.agent.server.service import service
from tests.eval.replay.held import SPEECH, again, recordings_in
from tests.eval.replay.moody import Moods, MoodyListeners, moody_engines

if TYPE_CHECKING:
    from agent.recording.reader import Recording

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
SPANS = ((0.3, 1.1), (1.9, 2.4), (2.6, 2.9), (3.6, 4.6), (5.4, 5.7))
WORDS = ("i am so happy today", "no wait that is wrong", "what else is there to say", "uh huh", "that is all for now")


def kinds(recording: Recording) -> list[str]:
    return [event["type"] for event in recording.events]


async def test_a_conversation_by_socket_happens_again(tmp_path: Path):
    async with (
        service(recordings=recordings_in(tmp_path), bystander=False, speech=SPEECH) as here,
        here.talker() as talker,
    ):
        await talker.says(3.5)  # answered
        await talker.until("response.output_audio.delta")
        await talker.says(3.0)  # speech over the answer stops it
        await talker.until("response.done", n=2)
        await talker.types("and this is typed")
        await talker.asks("input_audio_buffer.clear")
        await talker.says(2.4)
        await talker.asks("input_audio_buffer.commit")
        await talker.until("response.done", n=4)
        session = talker.session
    recording = read_recording(tmp_path / session)
    assert recording.has_ended
    done = [event for event in recording.events if event["type"] == "reply.done"]
    assert [event.get("ended_by", "") for event in done] == ["speech", "", "", ""]
    assert done[2]["utterance"] >= 1_000_000
    assert "commit" in {event.get("reason") for event in recording.events}
    replayed = await again(recording)
    assert (replayed.differences, replayed.lost) == ((), None)
    assert replayed.n_compared == len(recording.events) > 40


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("how", ["flush", "now", "cancel"])
async def test_it_does_whenever_things_were_ready_then_or_now(tmp_path: Path, seed: int, how: str):
    """Live each engine takes its time, in the replay another time; all they say tells what they were shown."""
    moods = Moods(Random(seed), 0.4)
    listeners = MoodyListeners(spans=SPANS, words=WORDS, moods=moods)
    async with (
        open_host(moody_engines(moods), config=Config(), listeners=listeners, keeps=False, note=lambda _: None) as host,
        client_of(host, query={"attune": "all"}, recordings=recordings_in(tmp_path)) as client,
    ):
        for step in range(64):
            client.says(0.1)
            await anyio.sleep(0.01)
            match moods.random.random() * 40:
                case draw if draw < 1:
                    content = [{"type": "input_text", "text": f"typed at {step}"}]
                    item = {"type": "message", "role": "user", "content": content}
                    client.asks("conversation.item.create", item=item)
                    client.asks("response.create")
                case draw if draw < 2:
                    client.asks("response.cancel")
                case draw if draw < 3:
                    client.asks("input_audio_buffer.commit")
                case draw if draw < 4 and (finals := client.of("attune.emotion.final")):
                    client.asks("attune.emotion.correct", item_id=finals[-1]["item_id"], label="sad")
                case _:
                    pass
        if how == "cancel":
            client.dialogue._tasks.cancel_scope.cancel()  # pyright: ignore[reportOptionalMemberAccess]
        elif how == "flush":
            client.dialogue.end("flush")
            await client.until("response.done")
            await anyio.sleep(0.2)
    recording = read_recording(tmp_path / "s1")
    assert recording.has_ended
    other = Moods(Random(seed + 100), 0.05)
    listeners = MoodyListeners(spans=SPANS, words=WORDS, moods=other)
    replayed = await again(recording, engines=moody_engines(other), listeners=listeners)
    assert (replayed.differences, replayed.lost) == ((), None)
    assert {"transcript.final", "emotion.final", "reply.started", "reply.done"} <= set(kinds(recording))


async def test_a_translation_by_socket_happens_again_in_its_languages(tmp_path: Path):
    def model() -> ScriptedModel:
        return ScriptedModel(["Je suis si heureux.", "Erzähl mir mehr davon."])

    async with (
        scripted_host(language_model=model()) as host,
        client_of(host, endpoint="translations", recordings=recordings_in(tmp_path)) as client,
    ):
        for language, n in (("fr", 1), ("de", 2)):
            client.asks("session.update", session={"audio": {"output": {"language": language}}})
            for _ in range(35):
                client.asks("session.input_audio_buffer.append", audio="A" * 6400)
            await client.until("session.output_transcript.delta", n=n)
        client.asks("session.close")
        await client.until("session.closed")
    recording = read_recording(tmp_path / "s1")
    assert [target for _, target in recording.targets] == ["fr", "de"]
    replayed = await again(recording, engines=scripted_engines(language_model=model()))
    assert (replayed.differences, replayed.lost) == ((), None)


@pytest.mark.parametrize("n", [3, 24])
async def test_killed_it_happens_again_as_far_as_it_got(tmp_path: Path, n: int):
    words = [sys.executable, "-m", "tests.eval.replay.recording_kills", str(tmp_path), str(n)]
    ran = await anyio.to_thread.run_sync(lambda: subprocess.run(words, cwd=ROOT, check=False, timeout=60))
    assert ran.returncode == -signal.SIGKILL
    recording = read_recording(tmp_path / "s1")
    assert not recording.has_ended
    assert recording.sound.size > 1600
    replayed = await again(recording)
    assert (replayed.differences, replayed.lost) == ((), None)
    assert replayed.n_compared == len(recording.events)
    assert kinds(recording).count("reply.started") >= min(1, n // 20)


@pytest.fixture
async def held(tmp_path: Path) -> Recording:
    """A short conversation."""
    async with (
        scripted_host(speech=SPEECH) as host,
        client_of(host, recordings=recordings_in(tmp_path)) as client,
    ):
        client.says(3.0)
        await client.until("response.done")
        client.dialogue.end("flush")
    return read_recording(tmp_path / "s1")


async def test_other_sound_is_another_conversation(held: Recording):
    assert (await again(held)).is_same
    replayed = await again(replace(held, sound=0.5 * held.sound))
    assert not replayed.is_same
    assert {difference.fields for difference in replayed.differences} == {("energy_db",)}


async def test_other_engines_say_other_things(held: Recording):
    moods = Moods(Random(1), 0.0)
    replayed = await again(held, engines=moody_engines(moods), patience_s=0.3)
    assert not replayed.is_same


async def test_less_sound_is_less_of_a_conversation(held: Recording):
    replayed = await again(replace(held, sound=np.zeros(8000, np.float32)), patience_s=0.3)
    assert len(replayed.differences) == replayed.n_compared > 10


async def test_a_moment_that_never_comes_is_told(held: Recording):
    first = held.moments[0]
    moments = (replace(first, kind="explained"), *held.moments)
    replayed = await again(replace(held, moments=moments), patience_s=0.3)
    assert replayed.lost is not None
    assert "'explained' of utterance 1" in replayed.lost


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


async def test_clocks_and_disks_are_not_compared_and_all_else_is():
    was = [event("reply.delta", text="a"), event("metrics", reply_ms=1, utterance=1), event("turn.saved", seq=1)]
    now = [event("metrics", reply_ms=7, utterance=1), event("reply.delta", text="a")]
    assert compared(was, now) == ()
    (difference,) = compared(was, [event("reply.delta", text="b"), now[0]])
    assert (difference.n, difference.fields) == (1, ("text",))
    (difference,) = compared(was, [now[1], event("metrics", reply_ms=1, utterance=2)])
    assert difference.fields == ("utterance",)
    two = [event("metrics", utterance=n, emotion_was_late=0) for n in (1, 2)]
    assert compared(two, two[::-1]) == compared(two[1:], two, is_whole=False) == ()
    (difference,) = compared(was, [*now, event("reply.delta", text="c")])
    assert (difference.recorded, difference.fields) == (None, ())
    assert compared(was, [*now, event("reply.delta", text="c")], is_whole=False) == ()
    assert len(compared(was, [], is_whole=False)) == 2
    assert {"metrics"} < CLOCKED

"""Connections that break, come back, sleep or crawl under real sessions (faults 64 to 67), and whole days (47)."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import tracemalloc
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus

from agent.backends.llm.scripted import ScriptedModel
from agent.backends.reply.language_model import LanguageModelResponder
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.history import reading
from streaming.audio import FRAME, SAMPLE_RATE, silence
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.events import SpeechEnded, SpeechStarted
from streaming.segmenter import Segmenter
from streaming.standing import Standing
from tests.agent.server.edge import eventually
from tests.agent.server.hosted import ScriptedListeners
from tests.agent.server.service import RATE, hum, same, service
from tests.agent.server.test_audio_faults import HEARD, Unending

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.agent.server.service import Service, Talker

pytestmark = pytest.mark.anyio

KEEPS = {"resume_s": 60}
PCM = hum(12.0)


def part(begin_s: float, end_s: float) -> bytes:
    """Sound of a session from one second to another."""
    return PCM[round(begin_s * RATE) * 2 : round(end_s * RATE) * 2]


def token_of(talker: Talker) -> str:
    return talker.of("attune.session.info")[0]["resume_token"]


async def broken(talker: Talker, here: Service) -> None:
    """Break the connection, and wait until the server knows."""
    talker.socket.transport.abort()
    await eventually(lambda: any(seat.is_lost for seat in here.server.seats._seats))


async def test_a_client_that_comes_back_goes_on_where_it_was_and_no_turn_is_kept_twice(tmp_path: Path):
    """Broken in the middle of its second utterance: what was said before and after is one."""
    database, model = tmp_path / "turns.db", ScriptedModel(["I see."])
    engines: dict[str, Any] = {"responder": LanguageModelResponder(model)}
    async with service(database, settings=KEEPS, **engines) as here:
        async with here.talker() as talker:
            await talker.sends(part(0.0, 3.0))
            await talker.until("attune.turn.saved")
            await talker.sends(part(3.0, 4.5))
            await talker.until("input_audio_buffer.speech_started", n=2)
            await broken(talker, here)
        del talker.events[-3:]  # were sent, and lost on the way
        async with here.back(token_of(talker), talker.last) as again:
            resumed = await again.until("attune.session.resumed")
            await again.sends(part(4.5, 7.0))
            await again.until("attune.turn.saved")
            numbers = [int(event["event_id"].rpartition("_")[2]) for event in [*talker.events, *again.events]]
            assert numbers == list(range(1, len(numbers) + 1))
            assert resumed["n_replayed"] == again.events.index(resumed)
            assert again.transcripts() == ["tell me more about it"]
            assert again.of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 5_500
            session = talker.session
    prompts = [str(asked.prompt) for asked in model.asked if asked.call == "stream" and asked.conversation == session]
    assert "i am so happy today" in prompts[-1]
    with reading(database) as history:
        assert [each.turn.text for each in history.turns(session)] == ["i am so happy today", "tell me more about it"]


async def test_a_reply_goes_on_while_its_client_is_away_and_is_told_when_it_is_back():
    async with service(settings=KEEPS, speech=ScriptedSpeech(s_per_character=0.02)) as here:
        async with here.talker() as talker:
            await talker.sends(part(0.0, 3.0))
            await talker.until("response.output_audio.delta")
            await broken(talker, here)
        async with here.back(token_of(talker), talker.last) as again:
            done = await again.until("response.done")
            assert done["response"]["status"] == "completed"
            told = [*talker.events, *again.events]
            assert len({event["event_id"] for event in told}) == len(told)


async def test_a_session_on_a_second_socket_leaves_the_first():
    async with service(settings=KEEPS) as here, here.talker() as first:
        await first.sends(part(0.0, 1.0))
        await first.until("input_audio_buffer.speech_started")
        async with here.back(token_of(first), first.last) as second:
            assert await first.closed() == 4030
            await second.until("attune.session.resumed")
            await second.sends(part(1.0, 3.0))
            await second.until("response.done")
            assert second.transcripts() == ["i am so happy today"]
            assert not first.of("response.done")


async def test_whoever_slept_for_an_hour_begins_anew():
    async with service(settings=KEEPS) as here:
        async with here.talker() as talker:
            await talker.sends(part(0.0, 1.0))
            await broken(talker, here)
        n_seats = len(here.server.seats)
        here.server.seats._clock = lambda: time.monotonic() + 3_600
        for seat in here.server.seats._seats:
            seat._heard_s = seat._began_s = time.monotonic() + 3_600  # the bystander's: it is awake
        here.server.seats.tick()
        await eventually(lambda: len(here.server.seats) == n_seats - 1)
        with pytest.raises(InvalidStatus) as refused:
            async with here.back(token_of(talker), talker.last):
                pass
        assert refused.value.response.status_code == 404
        async with here.talker() as anew:
            await anew.sends(part(0.0, 3.0))
            await anew.until("response.done")
        here.server.seats._clock = time.monotonic


@asynccontextmanager
async def crawling(port: int, *, seed: int) -> AsyncGenerator[str]:
    """A line that delays and splits what goes over it, both ways: what TCP makes of jitter and lost packets."""
    dice = random.Random(seed)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                at = 0
                while at < len(data):
                    n = dice.choice((1, 2, 7, 100, 1_400, 1 << 16))
                    writer.write(data[at : at + n])
                    at += n
                    if dice.random() < 0.02:
                        await asyncio.sleep(dice.random() * 0.02)
            writer.write_eof()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer))
        for each in (writer, back):
            each.close()
            with suppress(ConnectionError):
                await each.wait_closed()

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as line:
        yield f"ws://127.0.0.1:{line.sockets[0].getsockname()[1]}/v1/realtime"


async def test_a_line_that_stutters_changes_no_word():
    async with service() as here:
        heard: list[list[dict[str, Any]]] = []
        for seed in (None, 1, 2, 3):
            if seed is None:
                async with here.talker() as talker:
                    await talker.sends(part(0.0, 3.0))
                    await talker.until("response.done")
            else:
                async with crawling(here.server.port, seed=seed) as url, here.talker(url=url) as talker:
                    await talker.sends(part(0.0, 3.0))
                    await talker.until("response.done")
                    assert talker.of("attune.metrics") or await talker.until("attune.metrics")
            heard.append(same(talker.events, *HEARD))
    assert heard[0]
    assert all(each == heard[0] for each in heard[1:])


# A day


async def test_talk_leaves_nothing_behind_but_what_a_client_may_ask_for_again():
    """What stays of a turn is its words: a day of one every 20 s is below 40 MB."""
    spans = [(0.5 + 8.0 * k, 1.5 + 8.0 * k) for k in range(22)]
    responder = ScriptedResponder([["That is good to hear."]])
    engines: dict[str, Any] = {"listeners": ScriptedListeners(spans=spans), "responder": responder}
    async with service(**engines, bystander=False) as here, here.talker(attune="emotion,turns") as talker:
        (seat,) = here.server.seats._seats
        seat.outbox._kept_s = 0.0
        held: list[int] = []
        pcm = hum(8.0)
        tracemalloc.start()
        try:
            for k in range(22):
                await talker.sends(pcm, piece=96_000)
                await talker.until("response.done")
                del talker.events[1:]
                responder.heard.clear()  # the script's own memory
                if k in {6, 21}:
                    await here.caught_up(talker)
                    gc.collect()
                    held.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    assert held[1] - held[0] < 15 * 10_000


def test_after_a_day_times_are_exact_to_the_sample():
    day = 24 * 3_600
    segmenter = Segmenter(ScriptedActivity([(1.0, 2.0)]))
    segmenter.enter(Standing(n_blocks=day * SAMPLE_RATE // FRAME, n_utterances=9_999, start=None))
    events = segmenter.feed(silence(4 * SAMPLE_RATE))
    (started,) = [event for event in events if isinstance(event, SpeechStarted)]
    (ended,) = [event for event in events if isinstance(event, SpeechEnded)]
    assert (started.utterance, started.at_s) == (10_000, day + 1.0)
    assert (ended.start_s, ended.end_s) == (day + 1.0, day + 2.0)


async def test_a_reset_in_the_middle_of_an_answer_stops_the_model_where_nobody_may_come_back():
    model = Unending()
    engines: dict[str, Any] = {
        "responder": LanguageModelResponder(model),
        "speech": ScriptedSpeech(s_per_character=0.05),
    }
    async with service(**engines, bystander=False) as here, here.talker() as talker:
        await talker.sends(part(0.0, 3.0))
        await talker.until("response.output_audio.delta")
        assert model.n_stopped == 0
        talker.socket.transport.abort()
        await eventually(lambda: model.n_stopped == 1 and not len(here.server.seats), within_s=1)

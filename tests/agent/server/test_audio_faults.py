"""Sound that is wrong, or comes wrongly (faults 39, 43, 44 and 47 to 57): engines by script, all else is real."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest

from agent.backends.llm.scripted import ScriptedModel
from agent.backends.reply.language_model import LanguageModelResponder
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.history import csv_lines, reading
from agent.llm.values import Piece
from streaming.audio import to_pcm16
from tests.agent.server.edge import eventually
from tests.agent.server.hosted import ScriptedListeners
from tests.agent.server.service import RATE, Talker, hum, same, service

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from agent.llm.values import Decoding, Prompt

pytestmark = pytest.mark.anyio

HEARD = (
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "conversation.item.input_audio_transcription.completed",
    "attune.emotion.final",
)
EMPTY = ScriptedListeners(spans=(), words=("nobody said this",))


def voice(seconds: float = 1.6) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Something with the slope of speech, loud."""
    t = np.arange(round(seconds * RATE)) / RATE
    total = sum(np.sin(2 * np.pi * 120 * k * t + k) / k**2 for k in range(1, 25))
    return (0.2 * total * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


# What is no sound of the format agreed on

CONTAINERS = {
    "a WAV file": b"RIFF\x24\x08\x00\x00WAVEfmt ",
    "an Ogg file": b"OggS\x00\x02" + bytes(20),
    "a FLAC file": b"fLaC" + bytes(20),
    "an MP3 file": b"ID3\x03" + bytes(20),
    "a WebM file": b"\x1a\x45\xdf\xa3" + bytes(20),
}


@pytest.mark.parametrize("kind", CONTAINERS)
async def test_a_file_in_place_of_samples_is_refused_and_clearing_mends_it(kind: str):
    async with service() as here, here.talker() as talker:
        await talker.sends(CONTAINERS[kind])
        error = (await talker.until("error"))["error"]
        assert (error["code"], error["param"]) == ("suspect_audio", "audio")
        assert kind in error["message"]
        await talker.asks("input_audio_buffer.clear")
        await talker.says(3.0)
        assert (await talker.until("response.done"))["response"]["status"] == "completed"


async def test_a_client_that_sends_nothing_but_files_is_closed():
    async with service(settings={"max_faults_in_row": 10}) as here, here.talker() as talker:
        for _ in range(10):
            await talker.sends(CONTAINERS["a WAV file"])
        assert await talker.closed() == 4000
        assert talker.codes() == ["suspect_audio"] * 10


@pytest.mark.parametrize(
    ("kind", "pcm"),
    [
        ("two channels", to_pcm16(np.repeat(voice(), 2))),
        ("big-endian", np.frombuffer(to_pcm16(voice()), "<i2").astype(">i2").tobytes()),
        ("32-bit floats", voice().tobytes()),
    ],
    ids=["stereo", "big-endian", "floats"],
)
async def test_samples_read_in_a_wrong_way_are_told_of_once_and_the_session_goes_on(kind: str, pcm: bytes):
    async with service(listeners=EMPTY) as here, here.talker() as talker:
        await talker.sends(pcm)
        error = (await talker.until("error"))["error"]
        assert (error["code"], error["param"]) == ("suspect_audio", "audio")
        assert kind in error["message"]
        assert (await talker.types("do you hear me"))["status"] == "completed"
        assert talker.codes() == ["suspect_audio"]


async def test_floats_that_are_no_numbers_reach_nobody():
    """PCM16 and G.711 hold no NaN; whoever sends floats all the same is told, and no score or event is one."""
    floats = voice()
    floats[::50] = np.nan
    floats[1::50] = np.inf
    async with service() as here, here.talker() as talker:
        await talker.sends(floats.tobytes() * 2)
        await talker.socket.send('{"type": "input_audio_buffer.append", "audio": NaN}')
        await talker.until("error")
        await here.caught_up(talker)
        done = await talker.until("response.done")  # every event was read by a parser that refuses NaN
        assert done["response"]["status"] in {"completed", "cancelled"}
        assert talker.codes()[-1] == "invalid_json"


@pytest.mark.parametrize("rate", [44_100, 48_000, 8_000, -1, 0, 24_000.5])
async def test_a_rate_that_cannot_be_used_is_named(rate: float):
    audio = {"input": {"format": {"type": "audio/pcm", "rate": rate}}}
    async with service() as here, here.talker() as talker:
        await talker.asks("session.update", session={"type": "realtime", "audio": audio})
        error = (await talker.until("error"))["error"]
        assert (error["code"], error["param"]) == ("invalid_field", "session.audio.input.format.rate")
        await talker.says(3.0)
        await talker.until("response.done")


# Sound that comes too fast, too slowly, in bad pieces


async def test_ten_times_as_fast_is_warned_of_and_closed():
    limits = {"audio_burst_s": 2.0, "audio_excess_s": 5.0}
    async with service(settings=limits, listeners=EMPTY) as here, here.talker() as talker:
        await talker.says(20.0)
        assert await talker.closed() == 4029
        assert talker.codes() == ["audio_too_fast"]


async def test_a_rate_declared_too_low_comes_too_fast_and_is_closed():
    """48 kHz sent as 24 kHz is twice as much sound as there is time: nothing else gives it away."""
    limits = {"audio_burst_s": 0.1, "audio_excess_s": 0.3}
    async with service(settings=limits, listeners=EMPTY) as here, here.talker() as talker:
        for _ in range(40):
            await talker.sends(hum(0.1))
            if talker.is_over:
                break
            await anyio.sleep(0.05)
        assert await talker.closed() == 4029
        assert talker.codes() == ["audio_too_fast"]


async def heard_in(pieces: list[int], *, gap: tuple[float, float] | None = None) -> tuple[list[dict[str, Any]], Talker]:
    """What is heard of the same 3 s, cut into pieces of so many bytes; a gap of so many seconds at a second."""
    pcm, at = hum(3.0), 0
    async with service(bystander=False) as here, here.talker() as talker:
        for size in itertools.cycle(pieces):
            before = at
            await talker.sends(pcm[at : at + size], piece=size)
            at += size
            if gap is not None and before <= 2 * gap[0] * RATE < at:
                await anyio.sleep(gap[1])
                assert not talker.of("input_audio_buffer.speech_stopped")
            if at >= len(pcm):
                break
        await talker.until("attune.turn.saved" if here.host.log else "response.done")
        await talker.until("attune.emotion.final")
        return same(talker.events, *HEARD), talker


async def test_the_same_sound_is_heard_the_same_however_it_comes():
    """Odd pieces, bursts, a stall of 1.2 s in the middle of the voice: time is what was heard, not what passed."""
    whole, _ = await heard_in([3 * 2 * RATE])
    assert {event["type"] for event in whole} == set(HEARD)
    for pieces, gap in (([4_801], None), ([1, 3, 48_001, 7, 9_599], None), ([9_600], (1.0, 1.2))):
        assert (await heard_in(pieces, gap=gap))[0] == whole


async def test_sound_that_found_no_room_is_told_and_replaced_by_silence(monkeypatch: pytest.MonkeyPatch):
    """Frames carry no numbers here: what is lost is what waits too long, the oldest first."""
    monkeypatch.setattr("agent.server.dialogue.BACKLOG_S", 2.0)
    async with service(listeners=ScriptedListeners(spans=((5.2, 5.8),))) as here, here.talker() as talker:
        (dialogue,) = here.dialogues.opened[1:]
        pcm = hum(1.0)
        message = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * (len(pcm) // 3 * 4)})
        for _ in range(5):  # without a turn of the event loop between them
            dialogue.receive(message)
        warning = await talker.until("attune.warning")
        assert warning["code"] == "audio_dropped"
        assert warning["at_ms"] == 0
        await talker.says(2.0)
        # Were there no silence in place of it, the 5.2th second of the stream would not have come yet.
        assert (await talker.until("input_audio_buffer.speech_started"))["audio_start_ms"] == 4_900
        assert (await talker.until("response.done"))["response"]["status"] == "completed"


# Utterances that are too long, too short, too many


@pytest.mark.parametrize("manual", [False, True])
async def test_an_utterance_without_end_is_cut_and_told(manual: bool):
    listeners = ScriptedListeners(spans=((0.5, 1e9),), words=("and so on",))
    async with service(listeners=listeners) as here, here.talker() as talker:
        if manual:
            audio = {"input": {"turn_detection": None}}
            await talker.asks("session.update", session={"type": "realtime", "audio": audio})
        for _ in range(13):
            await talker.says(10.0)
            await here.caught_up(talker)
        limit_ms = 60_000 if manual else 30_000
        cut = await talker.until("attune.warning", n=2)
        assert cut["code"] == "utterance_cut"
        committed = talker.of("input_audio_buffer.committed")
        assert [each["item_id"] for each in talker.of("attune.warning")] == [each["item_id"] for each in committed]
        starts = [0, limit_ms] if manual else [500, 30_500]
        assert [each["at_ms"] for each in talker.of("attune.warning")][:2] == [start + limit_ms for start in starts]
        if not manual:
            assert talker.of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 30_500
        assert not talker.codes()


async def test_a_millisecond_is_no_turn():
    async with service(listeners=EMPTY) as here, here.talker() as talker:
        audio = {"input": {"turn_detection": None}}
        await talker.asks("session.update", session={"type": "realtime", "audio": audio})
        await talker.says(0.001)
        await talker.asks("input_audio_buffer.commit")
        error = (await talker.until("error"))["error"]
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert (await talker.types("do you hear me"))["status"] == "completed"
        assert not talker.transcripts()


class Unending(ScriptedModel):
    """Begins to answer and never comes to an end; `n_stopped` counts how often it was made to."""

    async def stream(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str = ""
    ) -> AsyncGenerator[Piece, None]:
        del prompt, decoding, conversation
        try:
            for text in ("That is how it is. ", "And so it goes on. ", "And on "):
                yield Piece(text=text)
            await anyio.sleep_forever()
        finally:
            self.n_stopped += 1


async def test_speech_over_every_answer_cancels_each_and_keeps_each_turn_once(tmp_path: Path):
    n = 8
    spans = [(0.5 + 2.0 * k, 1.3 + 2.0 * k) for k in range(n)]
    listeners = ScriptedListeners(spans=spans, words=[f"this is number {k}" for k in "abcdefgh"])
    model = Unending()
    engines: dict[str, Any] = {
        "responder": LanguageModelResponder(model),
        "speech": ScriptedSpeech(s_per_character=0.2),
    }
    database = tmp_path / "turns.db"
    async with service(database, listeners=listeners, bystander=False, **engines) as here, here.talker() as talker:
        for k in range(n):
            await talker.says(2.0)
            await talker.until("response.output_audio.delta", n=len(talker.of("response.output_audio.delta")) + 1)
            await talker.until("response.created", n=k + 1)
        await talker.asks("response.cancel")
        await talker.until("response.done", n=n)
        await eventually(lambda: model.n_stopped == n, within_s=1)
        await talker.until("attune.turn.saved", n=n)
        session = talker.session
    details = [each["response"]["status_details"]["reason"] for each in talker.of("response.done")]
    assert details == ["turn_detected"] * (n - 1) + ["client_cancelled"]
    with reading(database) as history:
        kept = history.turns(session)
    assert [each.turn.utterance for each in kept] == list(range(1, n + 1))
    assert all(each.turn.interrupted for each in kept)


async def test_an_answer_cancelled_every_100_ms_is_cancelled_each_time(tmp_path: Path):
    n = 20
    model = Unending()
    database = tmp_path / "turns.db"
    engines: dict[str, Any] = {
        "responder": LanguageModelResponder(model),
        "speech": ScriptedSpeech(s_per_character=0.05),
    }
    async with service(database, listeners=EMPTY, bystander=False, **engines) as here:
        async with here.talker() as talker:
            for k in range(n):
                item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"number {k}"}]}
                await talker.asks("conversation.item.create", item=item)
                await talker.asks("response.create")
                await talker.until("response.output_audio.delta", n=len(talker.of("response.output_audio.delta")) + 1)
                await talker.says(0.1)
                await talker.asks("response.cancel")
                await talker.until("response.done", n=k + 1)
                await eventually(lambda k=k: model.n_stopped == k + 1, within_s=1)
            await talker.until("attune.turn.saved", n=n)
            session = talker.session
        statuses = {each["response"]["status"] for each in talker.of("response.done")}
        assert statuses == {"cancelled"}
    with reading(database) as history:
        kept = [each.turn.text for each in history.turns(session)]
    assert kept == [f"number {k}" for k in range(n)]


# What is said


async def test_what_one_session_says_reaches_no_other():
    model = ScriptedModel(["I see."])
    listeners = ScriptedListeners(words=("my canary is called tweety pie",))
    responder = LanguageModelResponder(model)
    async with service(listeners=listeners, responder=responder) as here, here.talker() as one, here.talker() as two:
        await one.says(3.0)
        await one.until("response.done")
        await two.types("what do you know")
        assert "tweety" in json.dumps(one.events)
        assert "tweety" not in json.dumps(two.events)
        shown = [(asked.conversation, "tweety" in str(asked.prompt)) for asked in model.asked]
        assert (one.session, True) in shown
        assert {session for session, is_in in shown if is_in} == {one.session}


LANGUAGES = (
    "i said c'est la vie", "das ist so cool", "vamos a la playa now", "это нормально okay", "今日は good です",
    "我很好 thank you", "나는 happy 해요", "أنا happy جدا", "אני tired היום", "मैं happy हूँ", "ฉัน happy มาก",
    "είμαι καλά", "çok güzel", "tôi rất vui", "jestem zmęczony", "jsem rád", "nagyon jó", "sunt bine", "добре съм",
    "я в порядку", "olen väsynyt", "jag är trött", "jeg er glad", "ég er þreyttur", "olen õnnelik", "esu laimingas",
    "esmu laimīgs", "sono felice", "estou feliz", "ik ben blij", "saya senang", "nimefurahi sana", "Ngiyajabula",
    "მე კარგად ვარ", "ես լավ եմ", "мен бақыттымын", "ਮੈਂ ਖੁਸ਼ ਹਾਂ", "நான் மகிழ்ச்சி", "నేను సంతోషం", "ກູ່ ສະບາຍດີ",
)  # fmt: skip


async def test_forty_languages_in_one_session_are_heard_kept_and_answered(tmp_path: Path):
    n = len(LANGUAGES)
    spans = [(0.5 + 2.5 * k, 1.5 + 2.5 * k) for k in range(n)]
    database = tmp_path / "turns.db"
    responder = ScriptedResponder([["Yes."]])
    listeners = ScriptedListeners(spans=spans, words=LANGUAGES)
    async with service(database, listeners=listeners, responder=responder) as here, here.talker() as talker:
        for k in range(n):
            await talker.says(2.5)
            await talker.until("response.done", n=k + 1)
        await talker.until("attune.turn.saved", n=n)
        session = talker.session
        assert talker.transcripts() == list(LANGUAGES)
        assert not talker.codes()
    with reading(database) as history:
        assert [each.turn.text for each in history.turns(session)] == list(LANGUAGES)


WILD = (
    "'); DROP TABLE turns; --",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    '=cmd|" /C calc"!A0',
    "+1+1",
    "@SUM(1+1)",
    "-2+3",
)


async def test_code_that_is_spoken_is_kept_verbatim_and_exported_as_data(tmp_path: Path):
    spans = [(0.5 + 2.5 * k, 1.5 + 2.5 * k) for k in range(len(WILD))]
    database = tmp_path / "turns.db"
    listeners = ScriptedListeners(spans=spans, words=WILD)
    async with service(database, listeners=listeners) as here, here.talker() as talker:
        for k in range(len(WILD)):
            await talker.says(2.5)
            await talker.until("attune.turn.saved", n=k + 1)
        await talker.asks("attune.history.export", session=talker.session)
        exported = await talker.until("attune.history.turns")
        session = talker.session
    assert talker.transcripts() == list(WILD)
    assert [turn["text"] for turn in exported["turns"]] == list(WILD)
    with reading(database) as history:
        kept = history.turns(session)
    assert [each.turn.text for each in kept] == list(WILD)
    cells = "".join(csv_lines(kept))
    for said in WILD[2:]:
        assert said.replace('"', '""') in cells
        assert f",{said[:4]}" not in cells
        assert f',"{said[:4]}' not in cells

"""A whole session behind its protocol: what a client sends leads to what it is told, kept and given to hear."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import anyio
import pytest

from agent.backends.llm.scripted import ScriptedModel
from agent.backends.tts.scripted import ScriptedSpeech
from agent.cli.boundary import root_cause
from agent.history import reading
from streaming.errors import EngineFailed
from tests.agent.server.hosted import ScriptedListeners, client_of, scripted_host
from tests.agent.wire.stock_types import checked

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ANSWER = "That is good to hear."


async def test_speech_is_transcribed_answered_and_voiced():
    async with scripted_host() as host, client_of(host) as client:
        client.says(3.0)
        done = await client.until("response.done")
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        sound = b"".join(b64decode(event["delta"]) for event in client.of("response.output_audio.delta"))
    assert heard["transcript"] == "i am so happy today"
    assert done["response"]["status"] == "completed"
    assert client.of("response.output_audio_transcript.done")[0]["transcript"] == ANSWER
    assert len(sound) / 2 / 24_000 == pytest.approx(0.001 * len(ANSWER), abs=0.08)
    checked(client.events)
    order = client.kinds("response.output_audio.delta", "response.output_audio_transcript.delta")
    assert order.index("input_audio_buffer.speech_started") < order.index("input_audio_buffer.speech_stopped")
    assert order.index("input_audio_buffer.committed") < order.index("response.created") < order.index("response.done")


async def test_emotion_comes_to_those_who_ask_for_it():
    async with scripted_host() as host:
        async with client_of(host, query={"attune": "emotion"}) as client:
            client.says(3.0)
            emotion = await client.until("attune.emotion.final")
        async with client_of(host) as plain:
            plain.says(3.0)
            await plain.until("response.done")
    assert emotion["top"] == "happy"
    assert emotion["turn_id"] == "s1-1"
    assert not [kind for kind in plain.kinds() if kind.startswith("attune.")]


async def test_what_was_typed_is_answered_on_request():
    async with scripted_host() as host, client_of(host) as client:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello there"}]}
        client.asks("conversation.item.create", item=item)
        client.asks("response.create", response={"output_modalities": ["text"]})
        done = await client.until("response.done")
    assert client.of("response.output_text.done")[0]["text"] == ANSWER
    assert done["response"]["output"][0]["content"][0]["text"] == ANSWER
    assert not client.of("response.output_audio.delta")


async def test_push_to_talk_answers_what_was_committed_though_no_more_sound_comes():
    async with scripted_host() as host, client_of(host) as client:
        client.asks("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
        client.says(1.2)
        client.asks("input_audio_buffer.commit")
        client.asks("response.create")
        done = await client.until("response.done")
    assert done["response"]["status"] == "completed"
    assert not client.of("input_audio_buffer.speech_started")
    assert client.of("conversation.item.input_audio_transcription.completed")[0]["transcript"] == "i am so happy today"


async def test_speaking_over_an_answer_cancels_it():
    speech = ScriptedSpeech(s_per_character=1.0)
    async with scripted_host(speech=speech) as host, client_of(host) as client:
        client.says(3.0)
        await client.until("response.output_audio.delta")
        client.says(3.0)
        first = await client.until("response.done")
        await client.until("response.created", n=2)
    response = first["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "turn_detected")
    kinds = client.kinds()
    assert kinds.index("response.done") < [i for i, k in enumerate(kinds) if k.endswith("speech_started")][1]


async def test_a_client_stops_an_answer():
    speech = ScriptedSpeech(s_per_character=1.0)
    async with scripted_host(speech=speech) as host, client_of(host) as client:
        client.says(3.0)
        await client.until("response.output_audio.delta")
        client.asks("response.cancel")
        done = await client.until("response.done")
        client.asks("response.cancel")
        error = await client.until("error")
    assert done["response"]["status_details"]["reason"] == "client_cancelled"
    assert error["error"]["code"] == "response_cancel_not_active"


async def test_a_turn_is_kept_with_what_was_agreed_to(tmp_path: Path):
    database = tmp_path / "turns.db"
    async with scripted_host(database) as host, client_of(host) as client:
        client.asks("session.update", session={"type": "realtime", "attune": {"consent": True, "events": ["turns"]}})
        client.says(3.0)
        saved = await client.until("attune.turn.saved")
    with reading(database) as history:
        (summary,) = history.sessions()
        (logged,) = history.turns("s1")
    assert (saved["session"], saved["seq"]) == ("s1", 1)
    assert summary.session.consent
    assert (logged.turn.text, logged.turn.reply) == ("i am so happy today", ANSWER)


async def test_without_consent_no_emotion_is_read(tmp_path: Path):
    database = tmp_path / "turns.db"
    async with scripted_host(database) as host, client_of(host) as client:
        client.asks("session.update", session={"type": "realtime", "attune": {"consent": False, "events": "all"}})
        client.says(3.0)
        await client.until("attune.turn.saved")
    with reading(database) as history:
        (summary,) = history.sessions()
        (logged,) = history.turns("s1")
    assert not summary.session.consent
    assert summary.session.emotion_source == "off"
    assert logged.turn.estimate is None
    assert not [kind for kind in client.kinds() if kind.startswith("attune.emotion")]


async def test_a_session_without_words_leaves_no_trace(tmp_path: Path):
    database = tmp_path / "turns.db"
    async with scripted_host(database) as host, client_of(host) as client:
        client.says(0.4)
    with reading(database) as history:
        assert history.sessions() == []


async def test_what_is_kept_is_listed_exported_and_deleted(tmp_path: Path):
    database = tmp_path / "turns.db"
    async with scripted_host(database) as host, client_of(host, query={"attune": "all"}, has_history=True) as client:
        client.says(3.0)
        await client.until("attune.turn.saved")
        client.asks("attune.history.list")
        listed = await client.until("attune.history.sessions")
        client.asks("attune.history.export", session="s1")
        exported = await client.until("attune.history.turns")
        client.asks("attune.history.export", session="another")
        error = await client.until("error")
        client.asks("attune.history.delete", session="s1")
        await client.until("attune.history.deleted")
    assert [each["id"] for each in listed["sessions"]] == ["s1"]
    assert exported["turns"][0]["text"] == "i am so happy today"
    assert error["error"]["code"] in {"not_found", "not_available"}
    with reading(database) as history:
        assert history.sessions() == []


async def test_history_is_for_nobody_unless_it_is_offered(tmp_path: Path):
    async with scripted_host(tmp_path / "turns.db") as host, client_of(host) as client:
        client.asks("attune.history.list")
        error = await client.until("error")
    assert error["error"]["code"] == "not_available"


async def test_a_session_that_ends_answers_what_was_said():
    async with scripted_host() as host, client_of(host) as client:
        client.says(1.8)
        client.dialogue.end("flush")
        done = await client.until("response.done")
    assert done["response"]["status"] == "completed"


async def test_a_session_that_cannot_begin_says_why_to_whoever_runs_it():
    listeners = ScriptedListeners(fails=EngineFailed("no engine here"))
    async with scripted_host(listeners=listeners) as host:
        with pytest.raises(ExceptionGroup) as raised:
            async with client_of(host) as client:
                await client.until("response.done")
    assert "no engine here" in str(root_cause(raised.value))


async def test_a_translation_needs_a_language_model():
    async with scripted_host() as host:
        with pytest.raises(EngineFailed, match="language model"):
            async with client_of(host, endpoint="translations"):
                pass


async def test_a_translation_session_says_what_was_said_in_another_language():
    model = ScriptedModel(["Je suis si heureux."])
    async with (
        scripted_host(language_model=model) as host,
        client_of(host, endpoint="translations", query={"attune": "emotion"}) as client,
    ):
        client.asks("session.update", session={"audio": {"output": {"language": "fr"}}})
        for _ in range(30):
            client.asks("session.input_audio_buffer.append", audio="A" * 6400)
        delta = await client.until("session.output_transcript.delta")
        client.asks("session.close")
        await client.until("session.closed")
    assert "heureux" in delta["delta"]


async def test_a_correction_is_heeded_and_told():
    async with scripted_host() as host, client_of(host, query={"attune": "emotion"}) as client:
        client.says(3.0)
        final = await client.until("attune.emotion.final")
        await client.until("response.done")
        client.asks("attune.emotion.correct", item_id=final["item_id"], label="sad")
        revised = await client.until("attune.emotion.revised")
    assert (revised["top"], revised["corrected"]) == ("sad", True)


async def test_two_sessions_at_once_do_not_hear_each_other():
    async with scripted_host() as host, client_of(host) as one, client_of(host) as two:
        one.says(3.0)
        await one.until("response.done")
        await anyio.lowlevel.checkpoint()
        assert not two.of("input_audio_buffer.speech_started")

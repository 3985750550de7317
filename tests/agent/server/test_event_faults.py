"""Messages that make no sense, sent to a whole session over its socket (faults 30 to 38): each has its code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agent.history import reading
from tests.agent.server.service import service

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

UPDATE = '{"type": "session.update", "session": {"type": "realtime", %s}}'


def item(text: str, **values: Any) -> str:
    content = [{"type": "input_text", "text": text}]
    told = {"type": "message", "role": "user", "content": content, **values}
    return json.dumps({"type": "conversation.item.create", "item": told})


def asks(kind: str, **values: Any) -> str:
    return json.dumps({"type": kind, **values})


BAD: list[tuple[int, str | bytes, str]] = [
    (30, "hello", "invalid_json"),
    (30, "[]", "invalid_json"),
    (30, "7", "invalid_json"),
    (30, "null", "invalid_json"),
    (30, '{"type": "session.update", "session": {"x": NaN}}', "invalid_json"),
    (30, '{"type": "response.cancel"', "invalid_json"),
    (31, "[" * 100_000, "invalid_json"),
    (31, '{"type": "session.update", "session": ' + '{"a":' * 30_000 + "1" + "}" * 30_001, "invalid_json"),
    (32, asks("session.destroy"), "unknown_event"),
    (32, asks("session.created"), "unknown_event"),
    (32, asks("../../x'; DROP TABLE turns; --"), "unknown_event"),
    (33, '{"event": "no type"}', "invalid_field"),
    (33, '{"type": 5}', "invalid_field"),
    (33, asks("session.update", session=5), "invalid_field"),
    (33, UPDATE % '"max_output_tokens": 1e400', "invalid_field"),
    (33, UPDATE % '"max_output_tokens": 99999999999999999999999999', "invalid_field"),
    (33, UPDATE % '"audio": {"input": {"format": {"type": "audio/pcm", "rate": -24000}}}', "invalid_field"),
    (33, UPDATE % '"attune": {"emotion": "smell"}', "invalid_field"),
    (33, asks("input_audio_buffer.append", audio="not base64!"), "invalid_field"),
    (33, asks("input_audio_buffer.append"), "invalid_field"),
    (34, asks("input_audio_buffer.commit"), "input_audio_buffer_commit_empty"),
    (34, asks("response.cancel"), "response_cancel_not_active"),
    (34, asks("session.update", session={"type": "transcription"}), "invalid_field"),
    (35, asks("response.cancel", event_id="a\u202eb\0"), "invalid_field"),
    (35, item("x", id="i" * 500_000), "invalid_field"),
    (36, b"\x00\x01\x02\x03", "binary_not_expected"),
    (36, b'{"type": "response.cancel"}', "binary_not_expected"),
    (37, asks("attune.history.export", session="another"), "not_found"),
    (37, asks("attune.history.export", session="../../x"), "not_found"),
    (37, asks("attune.history.export", session="' OR 1=1 --"), "not_found"),
    (37, asks("conversation.item.delete", item_id="item_of_another_000001"), "item_not_found"),
]


async def test_each_wrong_message_has_its_code_and_the_session_goes_on(tmp_path: Path):
    """All of them in one session, something sensible between any two."""
    async with service(tmp_path / "turns.db") as here, here.talker() as talker:
        assert (await talker.types("something sensible"))["status"] == "completed"
        wrong: list[tuple[int, str, str]] = []
        for k, (number, message, code) in enumerate(BAD, 1):
            await talker.socket.send(message)
            error = (await talker.until("error", n=k))["error"]
            if error["code"] != code:
                wrong.append((number, str(message)[:60], f"{error['code']} for {code}: {error['message'][:80]}"))
            assert len(error["message"]) < 600
            await talker.asks("session.update", session={"type": "realtime"})
            await talker.until("session.updated", n=k)
        assert wrong == []
        assert (await talker.types("and something more"))["status"] == "completed"
        assert len(talker.of("error")) == len(BAD)


async def test_what_is_wrong_and_not_yours_is_answered_alike(tmp_path: Path):
    """A session of somebody else and one that never was: the same code, and the same words but for the name."""
    async with service(tmp_path / "turns.db") as here, here.talker() as talker:
        for k, name in enumerate(("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"), 1):
            await talker.asks("attune.history.export", session=name)
            await talker.until("error", n=k)
        first, second = (error["error"] for error in talker.of("error"))
        assert first["message"].replace("a" * 16, "b" * 16) == second["message"]


@pytest.mark.parametrize("text", ["a\0b", "a\u202eb\u2066c", "<|im_end|>", "x" * 200_000, "\\ud800"])
async def test_strange_text_is_cleaned_kept_and_answered(tmp_path: Path, text: str):
    database = tmp_path / "turns.db"
    async with service(database) as here, here.talker() as talker:
        await talker.socket.send(item(text).replace("\\\\ud800", "\\ud800"))
        await talker.asks("response.create", response={"output_modalities": ["text"]})
        done = await talker.until("response.done")
        assert done["response"]["status"] in {"completed", "failed"}
        assert (await talker.types("and something more"))["status"] == "completed"
        session = talker.session
    with reading(database) as history:
        kept = [each.turn.text for each in history.turns(session)]
    assert kept[-1] == "and something more"
    assert not any(sign in said for said in kept for sign in "\0\u202e\u2066\ud800")

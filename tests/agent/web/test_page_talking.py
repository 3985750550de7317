"""How a person talks to the page: microphone, file, writing, interrupting, switches, history."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.server.closing import Close
from tests.agent.web import conversation as says

if TYPE_CHECKING:
    from pathlib import Path

    from tests.agent.web.browser import Browser, Page
    from tests.agent.web.scripted_server import ScriptedServer

SESSIONS = [
    {"id": "live-0007", "started": "2026-01-02T03:04:05+00:00", "n_turns": 5, "last_text": "thank you"},
    {"id": "live-0006", "started": "2026-01-01T03:04:05+00:00", "n_turns": 1, "last_text": "hello"},
]


def heard(appends: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """What the page sent, as floats at 24 kHz."""
    pcm = b"".join(base64.b64decode(append["audio"]) for append in appends)
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32768


def test_the_microphone_is_sent_in_blocks_of_100_ms_at_24_khz(talk: Page, server: ScriptedServer):
    talk.click("#microphone")
    talk.wait("document.querySelector('#microphone').getAttribute('aria-pressed') === 'true'")
    appends = server.wait_for("input_audio_buffer.append", n=8)[3:8]
    assert {len(base64.b64decode(append["audio"])) for append in appends} == {4800}
    sound = heard(appends)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(np.argmax(spectrum) * 24_000 / len(sound) - 440) < 10
    talk.click("#microphone")
    talk.wait("document.querySelector('#microphone').getAttribute('aria-pressed') === 'false'")
    sent = server.n_heard("input_audio_buffer.append")
    talk.run("new Promise(done => setTimeout(done, 250))")
    assert server.n_heard("input_audio_buffer.append") == sent


def test_a_refused_microphone_is_told_in_one_line(talk: Page):
    talk.run("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError') }")
    talk.click("#microphone")
    talk.wait_text("#trouble", "the microphone is not allowed for this page")
    talk.wait("document.querySelector('#microphone').getAttribute('aria-busy') === 'false'")
    talk.click("#trouble-close")
    talk.wait("document.querySelector('#trouble').hidden")


def test_a_file_is_sent_as_fast_as_it_would_be_spoken(talk: Page, server: ScriptedServer, tone: Path):
    talk.choose_file("#file", tone)
    talk.wait_text("#play-file", "Stop tone.wav")
    began = talk.run("performance.now()")
    appends = server.wait_for("input_audio_buffer.append", n=12)
    assert talk.run("performance.now()") - began > 900
    assert np.abs(heard(appends[2:10])).max() > 0.3
    talk.click("#play-file")
    talk.wait_text("#play-file", "Play a file")


def test_what_is_no_sound_is_told_in_one_line(talk: Page, tmp_path: Path):
    path = tmp_path / "notes.wav"
    path.write_text("no sound at all")
    talk.choose_file("#file", path)
    talk.wait_text("#trouble", "notes.wav is no sound that this browser can decode")


def test_somebody_without_a_microphone_plays_the_example(page: Page, server: ScriptedServer):
    page.click("#agree-example")
    page.wait_text("#play-file", "Stop example")
    assert page.run("document.querySelector('#microphone').getAttribute('aria-pressed')") == "false"
    assert np.abs(heard(server.wait_for("input_audio_buffer.append", n=20))).max() > 0.1
    page.click("#play-file")
    page.wait_text("#play-file", "Play a file")


def test_an_example_that_is_not_there_is_told_in_one_line(talk: Page):
    talk.run("window.fetch = async () => ({ ok: false })")
    talk.click("#example")
    talk.wait_text("#trouble", "the example cannot be had from this server")


def test_of_file_and_microphone_begun_at_once_the_later_goes_on(talk: Page, tone: Path):
    talk.run(
        """{ const decode = OfflineAudioContext.prototype.decodeAudioData;
        OfflineAudioContext.prototype.decodeAudioData = async function (bytes) {
            await new Promise(go => { window.go = go; }); window.isDecoded = true; return decode.call(this, bytes);
        } }"""
    )
    talk.choose_file("#file", tone)
    talk.wait("window.go")
    talk.click("#microphone")
    talk.wait_text("#microphone-text", "Stop")
    talk.run("window.go()")
    talk.wait("window.isDecoded")
    talk.run("new Promise(done => setTimeout(done, 200))")
    assert talk.text("#play-file") == "Play a file"
    talk.click("#microphone")
    talk.wait_text("#microphone-text", "Talk")


def test_a_message_can_be_written(talk: Page, server: ScriptedServer):
    talk.click("#message")
    talk.type("  hello there  ")
    talk.press("Enter")
    [create] = server.wait_for("conversation.item.create")
    assert create["item"]["content"] == [{"type": "input_text", "text": "hello there"}]
    server.wait_for("response.create")
    user = {"id": "item_typed_1", "type": "message", "role": "user", "content": create["item"]["content"]}
    server.say({"type": "conversation.item.added", "item": user, "previous_item_id": None})
    server.say(*says.begins_answer(1, after="item_typed_1"), says.answer_words(1, "Hello to you."))
    server.say(says.emotion(1_000_000, "final", says.HAPPY, item_id="item_typed_1"))
    talk.wait_text(".answer", "Hello to you.")
    talk.wait_text(".expressed", "happy")
    assert talk.text(".said .words") == "hello there"
    assert talk.run("document.querySelector('#message').value") == ""
    assert talk.run("document.querySelectorAll('.turn').length") == 1


def test_what_is_written_over_an_answer_is_answered_when_that_has_stopped(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), *says.ends(1, "hello"), *says.begins_answer(1), says.answer_words(1, "Well"))
    talk.wait("!document.querySelector('#stop').hidden")
    talk.click("#message")
    talk.type("no, wait")
    talk.press("Enter")
    server.wait_for("response.cancel")
    assert server.n_heard("response.create") == 0
    server.say(says.ends_answer(1, "Well", status="cancelled"))
    server.wait_for("response.create")
    # And where an answer began at the same moment:
    fault = {"code": "conversation_already_has_active_response", "message": "one is under way"}
    server.say({"type": "error", "error": fault}, says.ends_answer(1, "Well"))
    server.wait_for("response.create", n=2)
    assert talk.run("document.querySelector('#trouble').hidden")


def test_speech_stops_the_answer_at_once_and_says_how_much_was_heard(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), *says.ends(1, "tell me a story"), *says.begins_answer(1))
    server.say(says.answer_words(1, "Once upon a time"), *[says.answer_sound(1, seconds=0.5)] * 8)
    talk.wait_text(".answer", "Once upon a time")
    talk.run("new Promise(done => setTimeout(done, 400))")
    server.say(says.starts(2))
    [cut] = server.wait_for("conversation.item.truncate")
    assert cut["item_id"] == says.reply_item(1)
    assert 200 <= cut["audio_end_ms"] < 4000
    server.say(says.answer_sound(1, seconds=0.5), says.ends_answer(1, "Once", status="cancelled"), says.starts(3))
    talk.wait_text(".answer", "interrupted")
    talk.wait_text(".unheard", "upon a time")
    talk.wait("document.querySelectorAll('.turn').length === 3")
    assert server.n_heard("conversation.item.truncate") == 1  # what came late of the old answer is not played


def test_an_answer_that_was_heard_out_is_not_truncated(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), *says.ends(1, "hello"), *says.begins_answer(1), says.answer_sound(1, seconds=0.1))
    server.say(says.ends_answer(1, "Hello."))
    talk.wait_text(".answer", "Hello.")
    talk.run("new Promise(done => setTimeout(done, 350))")
    server.say(says.starts(2), says.settled(2, "and now"))
    talk.wait_text("#turns", "and now")
    assert server.n_heard("conversation.item.truncate") == 0


def test_escape_stops_the_answer(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), *says.ends(1, "hello"), *says.begins_answer(1), says.answer_words(1, "Well"))
    talk.wait("!document.querySelector('#stop').hidden")
    talk.press("Escape")
    server.wait_for("response.cancel")
    server.say(says.ends_answer(1, "Well", status="cancelled"))
    talk.wait("document.querySelector('#stop').hidden")


def test_the_emotion_source_is_switched(talk: Page, server: ScriptedServer):
    talk.click("#source input[value=voice]")
    [_, update] = server.wait_for("session.update", n=2)
    assert update["session"]["attune"]["emotion"] == "voice"
    talk.click("#source input[value=off]")
    [*_, update] = server.wait_for("session.update", n=3)
    assert update["session"]["attune"]["emotion"] == "off"
    talk.wait_text("#emotion", "it is switched off")


def choose(page: Page, language: str) -> None:
    page.run(
        f"(() => {{ const list = document.querySelector('#language'); list.value = '{language}';"
        "list.dispatchEvent(new Event('change')); })()"
    )


def test_what_is_said_can_be_translated(talk: Page, server: ScriptedServer, tone: Path):
    choose(talk, "fr")
    [_, update] = server.wait_for("session.update", n=2)
    assert update["session"]["audio"] == {"input": {"transcription": {"model": "attune"}}, "output": {"language": "fr"}}
    assert server.paths[-1].startswith("/v1/realtime/translations?")
    talk.choose_file("#file", tone)
    server.wait_for("session.input_audio_buffer.append")
    server.say({"type": "session.input_transcript.delta", "delta": "good"})
    server.say({"type": "session.input_transcript.delta", "delta": " morning"})
    server.say({"type": "session.output_transcript.delta", "delta": "bonjour"})
    server.say(says.emotion(1, "final", says.HAPPY))
    server.say({"type": "session.input_transcript.delta", "delta": "how are you"})
    server.say({"type": "session.output_transcript.delta", "delta": "comment ça va"})
    talk.wait_text("#turns", "comment ça va")
    assert talk.run("[...document.querySelectorAll('.said .words')].map(e => e.innerText)") == [
        "good morning",
        "how are you",
    ]
    assert "happy" in talk.text(".turn:nth-child(1) .expressed")
    assert talk.run("document.querySelector('#message').disabled")
    choose(talk, "")
    server.wait_for_connections(3)
    assert server.paths[-1].startswith("/v1/realtime?")


def test_where_nothing_translates_the_conversation_goes_on_as_before(talk: Page, server: ScriptedServer):
    choose(talk, "fr")
    server.wait_for_connections(2)
    server.cut(Close.NOT_AVAILABLE)
    talk.wait_text("#trouble", "this server has no translator")
    server.wait_for_connections(3)
    assert server.paths[-1].startswith("/v1/realtime?")
    talk.wait("document.querySelector('#language').value === '' && document.querySelector('#trouble-again').hidden")


def test_history_is_listed_exported_and_deleted_after_a_question(
    talk: Page, server: ScriptedServer, browser: Browser, tmp_path: Path
):
    turns = [{"seq": 1, "text": "hello"}, {"seq": 2, "text": "thank you"}]
    server.answers["attune.history.list"] = lambda _: [{"type": "attune.history.sessions", "sessions": SESSIONS}]
    server.answers["attune.history.export"] = lambda asked: [
        {"type": "attune.history.turns", "session": asked["session"], "turns": turns}
    ]
    talk.save_downloads_to(tmp_path)
    talk.click("#open-history")
    talk.wait_text("#sessions", "thank you")
    talk.click("[data-session='live-0007'] .quiet")
    saved = tmp_path / "live-0007.jsonl"
    talk.wait_for_file(saved)
    assert saved.read_text("utf-8") == '{"seq":1,"text":"hello"}\n{"seq":2,"text":"thank you"}\n'
    talk.click("[data-session='live-0006'] .danger")
    talk.wait_text("#question", "Delete live-0006 for good?")
    talk.click("#question button[value=no]")
    talk.wait("!document.querySelector('#question').open")
    assert server.n_heard("attune.history.delete") == 0
    talk.click("[data-session='live-0006'] .danger")
    talk.click("#question button[value=yes]")
    [asked] = server.wait_for("attune.history.delete")
    assert asked["session"] == "live-0006"
    server.answers["attune.history.list"] = lambda _: [{"type": "attune.history.sessions", "sessions": []}]
    server.say({"type": "attune.history.deleted", "session": "live-0006"})
    talk.wait_text("#history", "Nothing is kept.")
    assert talk.run("document.querySelector('#delete-all').hidden")


def test_a_server_that_shows_no_history_is_told_there(talk: Page, server: ScriptedServer):
    server.answers["attune.history.list"] = lambda asked: [
        {
            "type": "error",
            "error": {"code": "not_available", "message": "no history here", "event_id": asked["event_id"]},
        }
    ]
    talk.click("#open-history")
    talk.wait_text("#history", "no history here")
    assert talk.run("document.querySelector('#trouble').hidden")

"""What happens on the page when the connection is lost, refused or taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.server.closing import CLOSINGS, Close
from tests.agent.web import conversation as says
from tests.agent.web.scripted_server import TOKEN

if TYPE_CHECKING:
    from tests.agent.web.browser import Browser, Page
    from tests.agent.web.scripted_server import ScriptedServer


def test_a_lost_connection_is_taken_up_where_it_was(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), says.settled(1, "i was"))
    talk.wait_text("#turns", "i was")
    seen = len(server.sent)
    server.cut(1012)
    server.say(says.settled(1, " saying"))  # nobody hears this
    server.wait_for_connections(2)
    talk.wait_text("#turns", "i was saying")
    talk.wait_text("#connection", "connected")
    assert server.offered[1] == ["realtime", f"attune-resume.{TOKEN}.{seen}"]
    assert server.n_heard("session.update") == 1  # the conversation is the same: nothing is set anew
    server.say(*says.ends(1, "i was saying hello"))
    talk.wait_text("#turns", "i was saying hello")
    assert talk.run("document.querySelectorAll('.turn').length") == 1


def test_what_is_written_meanwhile_is_said_when_the_connection_is_back(talk: Page, server: ScriptedServer):
    server.cut(1012)
    talk.wait_text("#connection", "coming back")
    talk.run("document.querySelector('#message').focus()")
    talk.type("are you there")
    talk.press("Enter")
    server.wait_for_connections(2)
    [create] = server.wait_for("conversation.item.create")
    assert create["item"]["content"][0]["text"] == "are you there"


def test_a_conversation_that_is_gone_begins_anew(talk: Page, server: ScriptedServer):
    server.say(*says.spoken_turn(1, "hello", says.HAPPY, "Hello."))
    talk.wait_text(".answer", "Hello.")
    server.cut(Close.NOT_FOUND)
    server.wait_for("session.update", n=2)
    talk.wait_text("#trouble", "this is a new one")
    assert server.offered[1] == ["realtime"]
    server.say(*says.spoken_turn(1, "again", says.SAD, "Oh."))
    talk.wait_text("#turns", "Oh.")
    assert talk.run("document.querySelectorAll('.turn').length") == 2  # the first turn is another one now


def test_a_server_that_does_not_resume_gets_a_new_session(browser: Browser, server: ScriptedServer):
    with browser.page(server.url) as page:
        page.click("#agree")
        server.wait_for("session.update")
        server.refuses_to_resume = True
        server.cut(1012)
        server.wait_for("session.update", n=2)
        page.wait_text("#trouble", "this is a new one")
        assert all("404" in complaint for complaint in page.complaints)
        assert page.complaints


def test_a_conversation_in_another_window_is_left_to_it(talk: Page, server: ScriptedServer):
    talk.click("#microphone")
    server.wait_for("input_audio_buffer.append")
    server.cut(Close.TAKEN_OVER)
    talk.wait_text("#trouble", "this conversation goes on in another window")
    talk.wait_text("#microphone", "Talk")
    talk.wait_text("#connection", "not connected")
    assert len(server.paths) == 1
    talk.click("#trouble-again")
    server.wait_for("session.update", n=2)
    talk.wait("document.querySelector('#trouble').hidden")


def test_a_key_is_offered_where_the_server_asks_for_one(talk: Page, server: ScriptedServer):
    server.cut(Close.AUTH_FAILED)
    talk.wait_text("#trouble", "enter it under Settings")
    talk.click("#open-settings")
    talk.click("#key")
    talk.type("secret")
    talk.press("Enter")
    server.wait_for_connections(2)
    assert server.offered[1] == ["realtime", "openai-insecure-api-key.secret"]
    talk.wait_text("#connection", "connected")
    talk.wait("document.querySelector('#trouble').hidden")


def test_a_link_may_bring_the_key(browser: Browser, server: ScriptedServer):
    with browser.page(f"{server.url}#key=secret") as page:
        page.click("#agree")
        server.wait_for_connections(1)
        assert server.offered[0] == ["realtime", "openai-insecure-api-key.secret"]
        assert page.run("location.href") == server.url


def test_faults_are_told_in_one_line_and_the_conversation_goes_on(talk: Page, server: ScriptedServer):
    fault = {
        "type": "invalid_request_error",
        "code": "invalid_field",
        "message": "audio is no base64",
        "param": "audio",
    }
    server.say({"type": "error", "error": fault})
    talk.wait_text("#trouble", "audio is no base64")
    both_at_once = {"type": "invalid_request_error", "code": "response_cancel_not_active", "message": "no response"}
    server.say({"type": "error", "error": both_at_once}, {"type": "something.new"})
    server.say(*says.spoken_turn(1, "hello", says.HAPPY, "Hello."))
    talk.wait_text(".answer", "Hello.")
    assert "no response" not in talk.text("#trouble")


def test_the_end_of_a_session_is_told_ahead(talk: Page, server: ScriptedServer):
    server.say({"type": "attune.session.ending", "in_s": 60.0, "reason": "an hour is the longest"})
    talk.wait_text("#trouble", "the conversation ends in 60 s: an hour is the longest")
    server.say({"type": "attune.session.ending", "in_s": 8.0, "reason": "draining"})
    talk.wait_text("#trouble", "the conversation ends in 8 s: the server stops")


def test_the_page_knows_what_every_code_of_ours_means(page: Page):
    said = page.run("import('/js/closing.js').then(({ SAID }) => SAID)")
    assert {int(code) for code in said} >= {code for code in CLOSINGS if code >= 4000}
    assert page.run("import('/js/closing.js').then(({ REFUSED }) => REFUSED)") == Close.NOT_FOUND

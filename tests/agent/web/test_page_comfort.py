"""The page by keyboard, on a phone, in the dark, for eyes and ears that need more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.agent.web import conversation as says

if TYPE_CHECKING:
    from tests.agent.web.browser import Browser, Page
    from tests.agent.web.scripted_server import ScriptedServer


# Of everything with text of its own: how far it stands out from what is painted behind it (WCAG 2, 1.4.3).
CONTRASTS = """(() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255);
  };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const behind = e => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(".unseen, svg, option") || e.disabled) continue;
    const [a, b] = [light(over(rgba(getComputedStyle(e).color), behind(e))), light(behind(e))].sort((x, y) => y - x);
    found.push([`${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 30)}`, (a + 0.05) / (b + 0.05)]);
  }
  return found;
})()"""

SMALL = """[...document.querySelectorAll("button, select, summary, input:not([type=file]):not(.unseen), a.now")]
  .filter(e => e.checkVisibility() && !e.closest(".unseen"))
  .map(e => [e.id || e.className || e.innerText, (e.closest("label") ?? e).getBoundingClientRect()])
  .filter(([, r]) => r.width < 44 || r.height < 44).map(([name, r]) => `${name} ${r.width}x${r.height}`)"""

NAMELESS = """[...document.querySelectorAll("button, input, select, a, [role=img]")].filter(e => e.checkVisibility())
  .filter(e => !(e.getAttribute("aria-label") || e.innerText?.trim() || e.labels?.[0]?.innerText.trim()
    || document.getElementById(e.getAttribute("aria-labelledby"))?.innerText.trim()))
  .map(e => e.outerHTML.slice(0, 80))"""


def converse(server: ScriptedServer) -> None:
    voice = {"angry": 0.04, "happy": 0.08, "neutral": 0.77, "sad": 0.11}
    apart = {"words_only": says.HAPPY, "voice_only": voice, "conflict": 0.68}
    server.say(*says.spoken_turn(1, "i got the job", says.HAPPY, "How did you find out?", **apart))
    server.say(says.starts(2), says.settled(2, "well"), says.emotion(2, "rolling", says.UNCLEAR))
    server.say(says.readings(2, "well you know", "well you now"))
    server.say(
        {"type": "error", "error": {"type": "server_error", "code": "server_error", "message": "something failed"}}
    )


def test_who_writes_on_a_phone_sees_it(browser: Browser, server: ScriptedServer):
    with browser.page(server.url, width=390, height=700) as phone:
        phone.click("#agree")
        phone.wait_text("#connection", "connected")
        server.say(*says.spoken_turn(1, "hello", says.HAPPY, "Hello."))
        phone.wait_text(".answer", "Hello.")
        phone.run("scrollTo(0, document.body.scrollHeight)")
        phone.wait("document.querySelector('#turns').getBoundingClientRect().bottom < 0")
        content = [{"type": "input_text", "text": "are you there"}]
        written = {"id": says.item(2), "type": "message", "role": "user", "content": content}
        server.say({"type": "conversation.item.added", "item": written, "previous_item_id": says.reply_item(1)})
        phone.wait("document.querySelectorAll('.turn').length === 2")
        phone.wait("document.querySelector('#turns').getBoundingClientRect().bottom > 0")


def test_everything_is_reached_by_keyboard_in_a_sensible_order(page: Page, server: ScriptedServer):
    page.wait("document.activeElement.id === 'agree'")
    page.press("Enter")
    server.wait_for("session.update")
    page.wait("document.activeElement.id === 'microphone'")
    page.run("document.querySelector('.skip').focus()")
    order: list[str] = []
    for _ in range(9):
        page.press("Tab")
        order.append(page.run("document.activeElement.id || document.activeElement.value"))
    assert order[:5] == ["language", "open-history", "open-settings", "example", "both"]
    assert order[5:] == ["microphone", "message", "send", "play-file"]
    page.run("document.querySelector('.skip').focus()")
    page.press("Enter")
    page.wait("document.activeElement.id === 'conversation'")


def test_a_whole_conversation_goes_by_keyboard(page: Page, server: ScriptedServer):
    page.wait("document.activeElement.id === 'agree'")
    page.press("Enter")
    server.wait_for("session.update")
    page.wait("document.activeElement.id === 'microphone'")
    page.press(" ")
    page.wait("document.querySelector('#microphone').getAttribute('aria-pressed') === 'true'")
    server.wait_for("input_audio_buffer.append", n=2)
    page.press(" ")
    page.wait("document.querySelector('#microphone').getAttribute('aria-pressed') === 'false'")
    page.press("Tab")
    page.type("hello")
    page.press("Enter")
    server.wait_for("response.create")
    server.say(*says.spoken_turn(1, "hello", says.HAPPY, "Hello."))
    page.wait_text(".answer", "Hello.")
    page.run("document.querySelector('.details').focus()")
    server.say(says.emotion(1, "revised", says.SAD, revision=9))
    page.wait_text(".details", "sad")
    assert page.run("document.activeElement.className") == "details"  # drawn anew, and still in focus
    page.run("document.querySelector('.bar[data-label=angry]').focus()")
    page.press("Enter")
    assert server.wait_for("attune.emotion.correct")[0]["label"] == "angry"
    page.run("document.querySelector('#source input[value=both]').focus()")
    page.press("ArrowLeft")
    assert server.wait_for("session.update", n=2)[1]["session"]["attune"]["emotion"] == "voice"


@pytest.mark.parametrize("size", [(1280, 860), (390, 844), (320, 640)], ids=str)
def test_nothing_runs_out_of_the_window_and_all_is_large_enough_for_a_finger(
    browser: Browser, server: ScriptedServer, size: tuple[int, int]
):
    with browser.page(server.url, width=size[0], height=size[1]) as page:
        assert page.run("document.documentElement.scrollWidth") <= size[0]
        page.click("#agree")
        server.wait_for("session.update")
        converse(server)
        page.wait_text("#trouble", "something failed")
        assert page.run("document.documentElement.scrollWidth") <= size[0]
        assert page.run(SMALL) == []
        assert page.run(NAMELESS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_by_day_and_by_night(browser: Browser, server: ScriptedServer, scheme: str):
    with browser.page(server.url, media={"prefers-color-scheme": scheme}) as page:
        contrasts: list[Any] = page.run(CONTRASTS)
        page.click("#agree")
        server.wait_for("session.update")
        converse(server)
        page.wait_text("#trouble", "something failed")
        page.click("#readings summary")
        contrasts += page.run(CONTRASTS)
        assert len(contrasts) > 30
        assert [each for each in contrasts if each[1] < 4.5] == []
        paper = page.run("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(20, 23, 26)") == (scheme == "dark")


def test_who_wants_less_motion_gets_none(browser: Browser, server: ScriptedServer):
    with browser.page(server.url, media={"prefers-reduced-motion": "reduce"}) as page:
        page.click("#agree")
        server.wait_for("session.update")
        converse(server)
        page.wait("document.querySelector('.hearing')")
        assert page.run("document.getAnimations().length") == 0


def test_a_screen_reader_is_told_of_words_feelings_and_trouble(talk: Page, server: ScriptedServer):
    converse(server)
    talk.wait_text("#trouble", "something failed")
    roles = talk.run(
        "Object.fromEntries(['#announce', '#trouble', '#connection', '#turns', 'main', '#insight']"
        ".map(s => [s, document.querySelector(s).getAttribute('role') ?? document.querySelector(s).tagName]))"
    )
    assert roles == {
        "#announce": "log",
        "#trouble": "alert",
        "#connection": "status",
        "#turns": "OL",
        "main": "MAIN",
        "#insight": "ASIDE",
    }
    told = talk.run("[...document.querySelectorAll('#announce p')].map(p => p.textContent)")
    assert told == ["You said: i got the job", "Expressed: happy, 85 percent", "Attune: How did you find out?"]

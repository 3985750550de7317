"""What a person sees of a conversation: words, what they express, the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.agent.web import conversation as says

if TYPE_CHECKING:
    from tests.agent.web.browser import Page
    from tests.agent.web.scripted_server import ScriptedServer

JOB = "i got the job and i am so happy"


def test_nothing_is_sent_before_somebody_agrees(page: Page, server: ScriptedServer):
    assert "may not be what you feel" in page.text("#welcome")
    page.run("new Promise(requestAnimationFrame)")
    assert (server.paths, server.heard) == ([], [])
    page.click("#agree")
    [update] = server.wait_for("session.update")
    assert update["session"]["attune"] == {"events": "all", "consent": True}
    assert server.paths == ["/v1/realtime?model=attune&attune=all"]


def test_who_does_not_agree_talks_without_emotion_being_read(page: Page, server: ScriptedServer):
    page.click("#decline")
    [update] = server.wait_for("session.update")
    assert update["session"]["attune"] == {"events": "all", "consent": False}
    page.wait_text("#emotion", "you have not agreed")
    page.click("#source input[value=both]")
    page.wait("document.querySelector('#settings').open")
    page.wait("document.querySelector('#source input[value=off]').checked")
    page.click("#consent")
    [_, agreed] = server.wait_for("session.update", n=2)
    assert agreed["session"]["attune"] == {"events": "all", "consent": True}
    page.wait("document.querySelector('#source input[value=both]').checked")


def test_words_come_live_and_those_that_may_change_are_dimmed(talk: Page, server: ScriptedServer):
    server.say(says.starts(1))
    talk.wait("document.querySelector('.said .hearing')")
    server.say(says.settled(1, "i got"), says.readings(1, "i got the jog"))
    talk.wait_text(".said", "jog")
    assert talk.run("[...document.querySelectorAll('.said .guess')].map(e => e.textContent)") == ["the", "jog"]
    server.say(says.settled(1, " the job"))
    talk.wait_text(".said", "i got the job")
    assert talk.run("document.querySelectorAll('.said .guess').length") == 0


def test_the_final_words_stand_with_doubtful_ones_dimmed_and_evidence_marked(talk: Page, server: ScriptedServer):
    words = [(word, 0.3 if word == "the" else 0.9) for word in JOB.split()]
    because = {"words": [{"word": "happy", "label": "happy", "weight": 5.0}], "cues": [], "turns": []}
    server.say(says.starts(1), says.settled(1, "i got a"), *says.ends(1, JOB), says.readings(1, JOB, words=words))
    server.say(says.emotion(1, "final", says.HAPPY, evidence=because))
    talk.wait("document.querySelector('.said mark')")
    assert JOB in talk.text(".said")
    assert talk.run("[...document.querySelectorAll('.said .guess')].map(e => e.textContent)") == ["the"]
    assert talk.run("document.querySelector('.said mark').textContent") == "happy"
    assert talk.run("document.querySelector('.said mark').dataset.label") == "happy"
    assert "words: happy" in talk.text("#emotion")


def test_emotion_is_shown_as_bars_while_speaking_and_after(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), says.settled(1, "i got"), says.emotion(1, "rolling", says.UNCLEAR, revision=1))
    talk.wait_text(".headline", "unclear")
    assert "happy" in talk.text(".under")
    assert talk.run("[...document.querySelectorAll('.bar')].every(bar => bar.disabled)")
    server.say(*says.ends(1, JOB), says.emotion(1, "final", says.HAPPY, revision=2, valence=0.8, arousal=0.7))
    talk.wait_text(".headline", "happy")
    share = "document.querySelector('.bar[data-label=happy] .fill').style.getPropertyValue('--share')"
    assert float(talk.run(share)) == says.HAPPY["happy"]
    assert "85 %" in talk.text(".bar[data-label=happy]")
    server.say(says.emotion(1, "rolling", says.SAD, revision=1))
    server.say(says.emotion(1, "final", says.HAPPY, revision=2, valence=0.9, arousal=0.7))
    talk.wait_text("#trail-text", "valence 90 %")
    assert talk.text(".headline") == "happy"
    assert talk.run("document.querySelectorAll('.trail .place').length") == 4


def test_where_words_and_voice_disagree_there_is_a_badge(talk: Page, server: ScriptedServer):
    voice = {"angry": 0.04, "happy": 0.08, "neutral": 0.77, "sad": 0.11}
    apart = says.emotion(1, "final", says.HAPPY, words_only=says.HAPPY, voice_only=voice, conflict=0.68)
    server.say(says.starts(1), *says.ends(1, JOB), apart)
    talk.wait_text(".badge", "words happy, voice neutral")
    assert "The words say happy (85 %), the voice neutral (77 %)." in talk.text("#emotion")
    server.say(says.starts(2), *says.ends(2, JOB), says.emotion(2, "final", says.HAPPY))
    talk.wait("document.querySelectorAll('.turn').length === 2")
    talk.wait("document.querySelector('.disagree').hidden")
    assert talk.run("document.querySelectorAll('.badge').length") == 1


def test_other_readings_come_on_demand(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), *says.ends(1, JOB), says.readings(1, JOB, "i got the jog", "<b>i</b> got the job"))
    talk.wait("!document.querySelector('#readings-card').hidden")
    assert "i got the jog" not in talk.text("#readings")
    talk.click("#readings summary")
    talk.wait_text("#readings", "i got the jog")
    assert "<b>i</b> got the job" in talk.text("#readings")


def test_prosody_is_drawn_and_told_in_words(talk: Page, server: ScriptedServer):
    server.say(says.starts(1), says.settled(1, "i got"))
    for pitch in (180.0, None, 210.0, 220.0):
        server.say(says.prosody(1, pitch=pitch, energy=-24.0, rate=4.5))
    server.say(says.prosody(1, pitch=200.0, energy=-24.0, rate=4.5, final=True, words=("louder than usual", "fast")))
    talk.wait_text("#prosody", "louder than usual, fast")
    assert "220 Hz" in talk.text("#prosody")
    line = talk.run("document.querySelector('.strip .line').getAttribute('d')")
    assert (line.count("M"), line.count("L")) == (2, 1)  # broken where there was no pitch


def test_the_answer_and_where_the_time_went_are_shown(talk: Page, server: ScriptedServer):
    server.say(*says.spoken_turn(1, JOB, says.HAPPY, "How did you find out?"))
    talk.wait_text(".answer", "How did you find out?")
    assert "first sound 676 ms after your last word" in talk.text("#latency")
    assert talk.run("document.querySelectorAll('.waterfall li').length") == 4
    talk.wait("document.querySelector('#announce').textContent.includes('Attune: How did you find out?')")
    assert "You said: " + JOB in talk.run("document.querySelector('#announce').textContent")
    assert "Expressed: happy, 85 percent" in talk.run("document.querySelector('#announce').textContent")


def test_an_earlier_turn_can_be_looked_at_again(talk: Page, server: ScriptedServer):
    server.say(*says.spoken_turn(1, JOB, says.HAPPY, "Good."), *says.spoken_turn(2, "and sad", says.SAD, "Oh."))
    talk.wait_text(".headline", "sad")
    talk.click(".turn:nth-child(1) .details")
    talk.wait_text(".headline", "happy")
    server.say(*says.spoken_turn(3, "what now", says.ANGRY, "I see."))
    talk.wait_text(".headline", "angry")


def test_what_was_no_turn_leaves_nothing_behind(talk: Page, server: ScriptedServer):
    server.say(says.starts(1))
    talk.wait("document.querySelectorAll('.turn').length === 1")
    server.say(*says.ends(1, ""))
    talk.wait("document.querySelectorAll('.turn').length === 0")
    assert talk.run("!document.querySelector('#empty').hidden")


def test_one_click_corrects_the_reading(talk: Page, server: ScriptedServer):
    server.say(*says.spoken_turn(1, JOB, says.UNCLEAR, "Tell me more."))
    talk.wait_text(".headline", "unclear")
    talk.click(".bar[data-label=happy]")
    [said] = server.wait_for("attune.emotion.correct")
    assert said == {"type": "attune.emotion.correct", "item_id": says.item(1), "label": "happy"}
    server.say(
        says.emotion(1, "revised", {"angry": 0.0, "happy": 1.0, "neutral": 0.0, "sad": 0.0}, revision=9, corrected=True)
    )
    talk.wait_text(".under", "As you said.")
    assert "happy, as you said" in talk.text(".details")


def test_a_reading_can_be_denied_or_called_by_a_rarer_name(talk: Page, server: ScriptedServer):
    server.say(*says.spoken_turn(1, JOB, says.ANGRY, "Tell me more."))
    talk.wait_text(".headline", "angry")
    talk.click(".more summary")
    talk.click(".chips .chip:first-child")
    talk.click(".chips .chip[data-label=fearful]")
    denied, named = server.wait_for("attune.emotion.correct", n=2)
    assert (denied["denied"], named["label"]) == ("angry", "fearful")


def test_what_is_said_is_never_taken_for_markup(talk: Page, server: ScriptedServer):
    evil = "<img src=x onerror=document.title='broken'> \u202eevil"
    server.say(*says.spoken_turn(1, evil, says.HAPPY, "<script>document.title='broken'</script>"))
    talk.wait_text(".answer", "<script>")
    assert "<img src=x onerror=document.title='broken'> evil" in talk.text(".said")
    assert talk.run("document.title") == "Attune"
    assert talk.run("document.querySelectorAll('#turns img, #turns script').length") == 0

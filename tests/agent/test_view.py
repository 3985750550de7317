"""The view in the terminal: what a person sees, and that nothing they say can steer their terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from agent.backends.emotion.scripted import scripted_estimate
from agent.cli.view import EMPTY, FULL, TalkView, bar, emotion_line, evidence_line, metrics_line, words_line
from agent.events import Evidence, Metrics, ReplyDelta, ReplyDone, StorageDegraded, TriggerWord, VoiceCue
from streaming.audio import silence
from streaming.events import (
    AudioDropped,
    EngineTrouble,
    Hypothesis,
    Prosody,
    RollingProsody,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Utterance,
)

if TYPE_CHECKING:
    from agent.events import SessionEvent

ESTIMATE = replace(
    scripted_estimate("sad", confidence=0.7),
    utterance=1,
    arousal=0.31,
    valence=0.2,
    evidence=Evidence(
        words=(TriggerWord(word="miss", label="sad", weight=2.0),),
        cues=(VoiceCue(cue="slow", label="sad", weight=1.0),),
    ),
)


def transcript(text: str, *, utterance: int = 1, is_final: bool = True, n_stable: int = 0) -> Transcript:
    best = Hypothesis(text=text, logp=0.0, posterior=1.0, source="script")
    return Transcript(utterance=utterance, revision=1, at_s=1.0, is_final=is_final, nbest=(best,), n_stable=n_stable)


def utterance_of(text: str, *, utterance: int = 1, prosody: Prosody | None = None) -> Utterance:
    return Utterance(
        utterance=utterance,
        start_s=0.0,
        end_s=1.0,
        decided_s=1.5,
        transcript=transcript(text, utterance=utterance),
        prosody=prosody or Prosody(),
        samples=silence(0),
    )


def turn(text: str, reply: str, *, utterance: int = 1) -> list[SessionEvent]:
    """What a session tells of one turn."""
    final = utterance_of(text, utterance=utterance)
    return [
        SpeechStarted(utterance=utterance, at_s=0.1),
        transcript(text, utterance=utterance, is_final=False, n_stable=1),
        SpeechEnded(utterance=utterance, start_s=0.1, end_s=1.0, decided_s=1.5, reason="endpoint"),
        final.transcript,
        final,
        replace(ESTIMATE, utterance=utterance),
        ReplyDelta(utterance=utterance, text=reply),
        ReplyDone(utterance=utterance, at_s=3.0, text=reply, interrupted=False),
    ]


class Screen:
    """A terminal of 100 columns and the view that draws on it."""

    def __init__(self) -> None:
        self.console = Console(
            record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
        )
        self.view = TalkView(self.console.print, hint="say something")

    def show(self, *events: SessionEvent) -> Screen:
        for event in events:
            self.view.show(event)
        return self

    def live(self) -> str:
        self.console.print(self.view.render())
        return self.console.export_text(clear=True)

    def above(self) -> str:
        return self.console.export_text(clear=False)

    def raw(self) -> str:
        self.console.print(self.view.render())
        file = self.console.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()


@pytest.mark.parametrize(("share", "full"), [(0.0, 0), (0.5, 8), (1.0, 16), (-3.0, 0), (7.0, 16)])
def test_a_bar_is_as_full_as_its_share(share: float, full: int):
    assert bar(share, width=16) == FULL * full + EMPTY * (16 - full)


def test_words_that_may_still_change_are_dim():
    line = words_line(transcript("i miss my brother", is_final=False, n_stable=2))
    assert line.plain == "i miss my brother"
    (guess,) = [line.plain[span.start : span.end] for span in line.spans if span.style == "dim"]
    assert guess.strip() == "my brother"
    assert not [s for s in words_line(transcript("i miss my brother")).spans if s.style == "dim"]


def test_an_emotion_is_its_name_and_a_bar_for_each_label():
    plain = emotion_line(ESTIMATE).plain
    assert plain.startswith("sad")
    assert all(label in plain for label in ("angry", "happy", "neutral"))
    sad_bar = plain.rsplit("sad ", 1)[1]
    assert sad_bar.count(FULL) > plain.split("angry ", 1)[1].split("happy")[0].count(FULL)


def test_an_emotion_that_is_not_clear_says_so():
    assert emotion_line(replace(ESTIMATE, top=None)).plain.startswith("unclear")


def test_evidence_is_words_and_cues():
    line = evidence_line(ESTIMATE)
    assert line is not None
    assert "because of “miss”, slow" in line.plain
    assert evidence_line(replace(ESTIMATE, evidence=Evidence(), arousal=None)) is None


def test_the_level_and_the_hint_show_before_anybody_speaks():
    screen = Screen()
    screen.view.level_db = -30.0
    text = screen.live()
    assert FULL * 10 + EMPTY * 10 in text
    assert "say something" in text


def test_while_somebody_speaks_the_words_the_feeling_and_the_voice_show():
    rolling = RollingProsody(utterance=1, at_s=0.5, prosody=Prosody(words=("fast", "loud")))
    text = Screen().show(SpeechStarted(utterance=1, at_s=0.1), transcript("i miss him"), rolling, ESTIMATE).live()
    for part in ("listening", "i miss him", "fast, loud", "sad"):
        assert part in text


def test_a_finished_turn_scrolls_away_with_words_feeling_evidence_and_reply():
    screen = Screen().show(*turn("i miss my brother", "That sounds hard."))
    above = screen.above()
    for part in ("you     i miss my brother", "sad", "“miss”", "attune  That sounds hard."):
        assert part in above
    assert "i miss my brother" not in screen.live().replace(above, "")


def test_a_reply_that_was_cut_short_ends_in_dots():
    done = ReplyDone(utterance=1, at_s=3.0, text="That sounds", interrupted=True)
    assert "That sounds …" in Screen().show(*turn("hello", "That sounds hard.")[:-1], done).above()


def test_speech_over_a_reply_does_not_take_the_words_of_the_turn_before():
    barge_in = [SpeechStarted(utterance=2, at_s=2.0), transcript("no wait", utterance=2, is_final=False)]
    done = ReplyDone(utterance=1, at_s=2.5, text="That sounds", interrupted=True)
    screen = Screen().show(*turn("i miss my brother", "That sounds hard.")[:-1], *barge_in, done)
    above = screen.above()
    assert "you     i miss my brother" in above
    assert "no wait" not in above
    assert "no wait" in screen.live()


def test_where_the_time_went_is_one_line_without_what_did_not_happen():
    plain = metrics_line(Metrics(utterance=1, endpoint_wait_ms=400.4, emotion_ms=1.2)).plain
    assert plain.strip() == "endpoint 400 ms · emotion 1 ms"
    assert "endpoint 400 ms" in Screen().show(Metrics(utterance=1, endpoint_wait_ms=400.4)).above()


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (EngineTrouble(utterance=1, at_s=1.0, engine="voice", message="flite died"), "flite died"),
        (StorageDegraded(utterance=1, message="the disk is full"), "the disk is full"),
        (AudioDropped(at_s=1.0, seconds=1.5, total_s=2.0), "1.5 s of sound lost"),
    ],
)
def test_trouble_is_told_above(trouble: SessionEvent, told: str):
    assert told in Screen().show(trouble).above()


EVIL = [
    "[red]stop[/red]",
    "[/]",
    "[link=http://x]y[/link]",
    "\x1b[2Jgone",
    "a\x07b\x08c",
    "\x9b31m",
    "one\rtwo",
    "\u202eevil",
]


def from_user(text: str) -> list[SessionEvent]:
    evidence = Evidence(words=(TriggerWord(word=text, label="sad", weight=1.0),))
    return [
        SpeechStarted(utterance=1, at_s=0.1),
        transcript(text, is_final=False, n_stable=1),
        transcript(text),
        utterance_of(text),
        replace(ESTIMATE, evidence=evidence),
        ReplyDelta(utterance=1, text=text),
        EngineTrouble(utterance=1, at_s=1.0, engine="voice", message=text),
        StorageDegraded(utterance=1, message=text),
    ]


@pytest.mark.parametrize("text", EVIL)
def test_what_is_said_can_neither_colour_nor_steer_the_terminal(text: str):
    screen = Screen().show(*from_user(text))
    raw = screen.raw() + screen.show(ReplyDone(utterance=1, at_s=2.0, text=text, interrupted=False)).raw()
    assert not set(raw) & {"\x07", "\x08", "\x9b", "\r", "\u202e"}
    assert "\x1b[2J" not in raw
    if text.startswith("["):
        assert text in raw

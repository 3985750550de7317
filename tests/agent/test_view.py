"""The view in the terminal: what a person sees, and that nothing they say can steer their terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from rich.text import Text

from agent.backends.emotion.scripted import scripted_estimate
from agent.cli.view import (
    EMPTY,
    FULL,
    TalkView,
    ambiguity_line,
    bar,
    emotion_line,
    evidence_line,
    metrics_line,
    reason_line,
    words_line,
)
from agent.events import (
    EmotionEstimate,
    Evidence,
    Metrics,
    ReplyDelta,
    ReplyDone,
    StorageDegraded,
    TriggerWord,
    VoiceCue,
)
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


def test_a_second_label_that_is_close_is_named():
    line = ambiguity_line(replace(ESTIMATE, compound=("sad", "neutral")))
    assert line is not None
    assert line.plain == "sad, close to neutral"


AT_ODDS: dict[str, Any] = {
    "conflict": 0.5,
    "text_distribution": (0.0, 0.9, 0.1, 0.0),
    "voice_distribution": (0.1, 0.0, 0.1, 0.8),
}


@pytest.mark.parametrize(
    ("changes", "badges"),
    [
        ({"hidden": "sad"}, [" hidden: sad "]),
        ({"is_corrected": True}, [" corrected by you "]),
        (AT_ODDS, [" words happy, voice sad "]),
        ({**AT_ODDS, "hidden": "sad"}, [" hidden: sad ", " words happy, voice sad "]),
    ],
)
def test_what_one_label_does_not_tell_has_a_badge(changes: dict[str, Any], badges: list[str]):
    line = ambiguity_line(replace(ESTIMATE, **changes))
    assert line is not None
    assert [line.plain[span.start : span.end] for span in line.spans if span.style == "reverse"] == badges


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {**AT_ODDS, "conflict": 0.1},
        {**AT_ODDS, "voice_distribution": (0.1, 0.0, 0.8, 0.1)},
        {**AT_ODDS, "voice_distribution": (0.3, 0.0, 0.3, 0.4)},
        {**AT_ODDS, "voice_distribution": None},
    ],
    ids=["clear", "small difference", "a calm voice", "a voice that is not sure", "no voice"],
)
def test_without_anything_of_it_there_is_no_badge(changes: dict[str, Any]):
    assert ambiguity_line(replace(ESTIMATE, **changes)) is None


def test_a_reason_is_one_line_and_none_where_there_is_none():
    line = reason_line(replace(ESTIMATE, reason="  she says\nshe misses him  "))
    assert line is not None
    assert line.plain == "she says she misses him"
    assert reason_line(ESTIMATE) is None


def test_a_finished_turn_tells_what_is_hidden_and_why():
    screen = Screen()
    events = [
        replace(e, hidden="sad", compound=("sad", "neutral"), reason="a flat voice")
        if isinstance(e, EmotionEstimate)
        else e
        for e in turn("i am fine", "I see.")
    ]
    above = screen.show(*events).above()
    for part in ("sad, close to neutral", "hidden: sad", "a flat voice"):
        assert part in above


def test_each_final_estimate_is_explained_above_when_its_turn_is_over_and_rolling_ones_are_not():
    screen = Screen()
    explained: list[EmotionEstimate] = []

    def explain(estimate: EmotionEstimate) -> Text:
        explained.append(estimate)
        return Text(f"explained {estimate.revision}")

    screen.view.explain = explain
    rolling = replace(ESTIMATE, is_final=False)
    before, after = turn("i miss him", "I see.")[:-2], turn("i miss him", "I see.")[-2:]
    screen.show(*before[:-1], rolling, before[-1], replace(ESTIMATE, revision=7))
    assert "explained" not in screen.live()
    assert [estimate.revision for estimate in explained] == [0, 7]
    screen.show(*after)
    assert "explained 0" in screen.above()
    assert "explained 7" in screen.above()


def test_how_the_words_were_understood_stands_before_the_reason():
    line = reason_line(replace(ESTIMATE, revised_text="i am fine", reason="a flat voice"))
    assert line is not None
    assert line.plain == "understood as “i am fine” · a flat voice"


@pytest.mark.parametrize(("is_corrected", "has_label"), [(True, True), (False, False)])
def test_what_comes_after_its_turn_is_shown_above_and_leaves_nothing_behind(is_corrected: bool, has_label: bool):
    screen = Screen().show(*turn("i am fine", "I see."))
    before = screen.above()
    screen.view.explain = lambda _: Text("explained again")
    late = replace(ESTIMATE, revision=2, reason="a flat voice", is_corrected=is_corrected)
    told = screen.show(late).above().removeprefix(before)
    assert "a flat voice" in told
    assert "explained again" in told
    assert ("neutral" in told) == has_label
    assert "you" not in screen.live().replace(before + told, "")


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
        replace(ESTIMATE, evidence=evidence, reason=text, hidden=text, compound=(text, text)),
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

"""What becomes of a reply when the user speaks over it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bargein import BargeIn, BargeInAction, Cancel, Duck, Resume
from agent.errors import ConfigInvalid
from agent.floor import BargeInSettings
from streaming.events import (
    AudioDropped,
    Hypothesis,
    ListenerEvent,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
)

FRAME_S = 0.02
START_S = 2.0
"""When the user begins to speak in most scripts; the reply sounds from 1 s on."""


def transcript(text: str, *, at_s: float, is_final: bool = False, utterance: int = 1) -> Transcript:
    nbest = (Hypothesis(text=text, logp=-1.0, posterior=1.0, source="test"),) if text else ()
    return Transcript(utterance=utterance, revision=1, at_s=at_s, is_final=is_final, nbest=nbest)


@dataclass
class Talk:
    """Feeds a machine frame by frame, the way a session does."""

    machine: BargeIn = field(default_factory=BargeIn)
    now_s: float = 0.0
    actions: list[BargeInAction] = field(default_factory=list[BargeInAction])

    def to(self, until_s: float) -> Talk:
        while self.now_s + FRAME_S / 2 < until_s:
            self.now_s = round(self.now_s + FRAME_S, 6)
            self.actions += self.machine.advance(self.now_s)
        return self

    def hear(self, event: ListenerEvent) -> Talk:
        self.actions += self.machine.feed(event, now_s=self.now_s)
        return self

    def reply(self, text: str = "", *, is_crisis: bool = False) -> Talk:
        self.actions += self.machine.reply_started(at_s=self.now_s, is_crisis=is_crisis)
        self.machine.said(text)
        return self

    def voice(self, utterance: int = 1) -> Talk:
        return self.hear(SpeechStarted(utterance=utterance, at_s=round(self.now_s - 0.08, 6)))

    def words(self, text: str) -> Talk:
        return self.hear(transcript(text, at_s=self.now_s))

    def end(self, text: str, *, voice_ends_s: float, utterance: int = 1) -> Talk:
        ended = SpeechEnded(
            utterance=utterance, start_s=START_S, end_s=voice_ends_s, decided_s=self.now_s, reason="endpoint"
        )
        return self.hear(ended).hear(transcript(text, at_s=self.now_s, is_final=True, utterance=utterance))

    @property
    def kinds(self) -> list[str]:
        return [f"{a.reason}" if isinstance(a, Resume | Cancel) else "duck" for a in self.actions]


def speaking(*, is_crisis: bool = False, settings: BargeInSettings | None = None, text: str = "") -> Talk:
    return Talk(BargeIn(settings)).to(1.0).reply(text, is_crisis=is_crisis).to(START_S + 0.08)


def test_voice_over_a_reply_ducks_it_at_once():
    talk = speaking().voice()

    assert talk.actions == [Duck(at_s=talk.now_s, utterance=1)]
    assert talk.machine.state == "ducked"


def test_voice_without_a_reply_does_nothing():
    talk = Talk().to(1.0).voice().words("what a long day").to(4.0).end("what a long day", voice_ends_s=3.5)

    assert talk.actions == []
    assert talk.machine.is_turn(1)


def test_two_words_cancel_as_soon_as_the_voice_lasted_long_enough():
    talk = speaking().voice().to(2.3).words("but listen").to(3.0)

    assert talk.actions[1:] == [Cancel(at_s=2.45, utterance=1, reason="words")]
    assert talk.machine.state == "idle"


def test_words_that_come_late_cancel_when_they_come():
    talk = speaking().voice().to(2.8).words("but listen")

    assert talk.actions[1:] == [Cancel(at_s=2.8, utterance=1, reason="words")]


def test_one_word_is_not_enough_while_the_user_still_speaks():
    talk = speaking().voice().to(2.6).words("but")

    assert talk.kinds == ["duck"]


def test_one_word_is_enough_once_it_is_all_that_was_said():
    talk = speaking().voice().to(3.0).end("why", voice_ends_s=2.4)

    assert talk.kinds == ["duck", "words"]
    assert talk.machine.is_turn(1)


@pytest.mark.parametrize("text", ["stop", "wait", "hold on", "okay stop", "um wait a second", "please stop", "no wait"])
def test_a_stop_word_cancels_at_once(text: str):
    talk = speaking().voice().to(2.2).words(text)

    assert talk.actions[1:] == [Cancel(at_s=2.2, utterance=1, reason="stop word")]


@pytest.mark.parametrize(
    "text",
    ["mm-hmm", "uh huh", "uh-huh", "yeah", "okay", "right", "I see", "wow", "oh wow", "yeah okay", "Hmm.", "oh I see"],
)
def test_a_back_channel_lets_the_reply_go_on_and_is_no_turn(text: str):
    talk = speaking().voice().to(2.5).words(text).to(3.0).end(text, voice_ends_s=2.5)

    assert talk.kinds == ["duck", "back-channel"]
    assert talk.machine.state == "speaking"
    assert not talk.machine.is_turn(1)


def test_a_drawn_out_back_channel_does_not_cancel():
    talk = speaking().voice().to(2.5).words("mm-hmm").to(4.0)

    assert talk.kinds == ["duck"]


def test_a_row_of_back_channels_is_a_bid_for_the_turn():
    talk = speaking().voice().to(2.9).words("yeah okay right sure")

    assert talk.kinds == ["duck", "words"]


def test_words_after_a_back_channel_take_the_turn():
    talk = speaking().voice().to(2.3).words("yeah").to(2.6).words("yeah but tomorrow")

    assert talk.kinds == ["duck", "words"]


def test_long_speech_cancels_without_words():
    talk = speaking().voice().to(4.0)

    assert talk.actions[1:] == [Cancel(at_s=START_S + 1.2, utterance=1, reason="long speech")]


def test_long_speech_does_not_cancel_a_crisis_reply_but_words_do():
    talk = speaking(is_crisis=True).voice().to(4.0)
    assert talk.kinds == ["duck"]

    talk.words("I need help")
    assert talk.kinds == ["duck", "words"]


def test_a_crisis_reply_outlives_back_channels():
    talk = speaking(is_crisis=True).voice().to(2.5).words("yeah").to(3.0).end("yeah okay", voice_ends_s=2.5)

    assert talk.kinds == ["duck", "back-channel"]


def test_noise_without_words_lets_the_reply_go_on():
    talk = speaking().voice().to(2.9).end("", voice_ends_s=2.3)

    assert talk.kinds == ["duck", "no words"]
    assert not talk.machine.is_turn(1)


@pytest.mark.parametrize(
    ("p_wow", "text", "kind"),
    [(0.24, "well", "back-channel"), (0.1, "well", "words"), (0.24, "well then", "words")],
)
def test_one_word_is_doubted_when_the_n_best_also_reads_as_a_back_channel(p_wow: float, text: str, kind: str):
    nbest = tuple(
        Hypothesis(text=reading, logp=-1.0, posterior=share, source="test")
        for reading, share in ((text, 1 - p_wow), ("wow", p_wow))
    )
    ended = SpeechEnded(utterance=1, start_s=START_S, end_s=2.5, decided_s=3.0, reason="endpoint")
    talk = speaking().voice().to(3.0).hear(ended)

    talk.hear(Transcript(utterance=1, revision=1, at_s=3.0, is_final=True, nbest=nbest))

    assert talk.kinds == ["duck", kind]


def test_a_word_made_of_a_click_does_not_cancel():
    talk = speaking().voice().to(2.9).end("the", voice_ends_s=2.2)

    assert talk.kinds == ["duck", "too short"]


def test_silence_without_a_verdict_resumes_after_two_seconds():
    talk = speaking().voice().to(2.5).hear(SpeechPaused(utterance=1, generation=1, at_s=2.3)).to(6.0)

    assert talk.actions[1:] == [Resume(at_s=4.3, utterance=1, reason="silence")]
    assert talk.machine.is_turn(1)


def test_a_final_that_comes_after_the_silence_still_cancels():
    talk = speaking().voice().to(2.7).hear(SpeechPaused(utterance=1, generation=1, at_s=2.5)).to(5.0)

    talk.end("I want to say something", voice_ends_s=2.5)

    assert talk.kinds == ["duck", "silence", "words"]


def test_speech_that_resumes_ducks_again_and_its_voice_adds_up():
    talk = speaking().voice().to(2.5).hear(SpeechPaused(utterance=1, generation=1, at_s=2.3)).to(5.0)

    talk.hear(SpeechResumed(utterance=1, at_s=5.0)).to(7.0)

    assert talk.kinds == ["duck", "silence", "duck", "long speech"]
    assert talk.actions[-1].at_s == pytest.approx(5.9)  # 0.3 s before the pause, 0.9 s after it


def test_a_reply_that_ends_while_ducked_is_resumed_and_what_outlasts_it_is_a_turn():
    talk = speaking().voice().to(2.2)

    talk.actions += talk.machine.reply_ended(at_s=2.2)
    talk.to(3.0).end("yeah", voice_ends_s=2.4)

    assert talk.kinds == ["duck", "reply ended"]
    assert talk.machine.is_turn(1)


def test_a_back_channel_wholly_under_a_reply_is_no_turn_even_if_the_reply_ends_first():
    talk = speaking().voice().to(2.6)

    talk.actions += talk.machine.reply_ended(at_s=2.6)
    talk.to(3.0).end("yeah", voice_ends_s=2.4)

    assert not talk.machine.is_turn(1)


def test_a_reply_that_begins_under_speech_is_ducked_at_once():
    talk = Talk().to(1.0).voice().to(1.1).reply()

    assert talk.kinds == ["duck"]


def test_a_reply_that_begins_under_words_is_cancelled_at_once():
    talk = Talk().to(1.0).voice().to(1.6).words("and another thing").reply()

    assert talk.kinds == ["duck", "words"]


AGENT = "That sounds really hard. What happened at work today?"


@pytest.mark.parametrize(
    "echo", ["that sounds really hard", "what happened at work", "sounds really heart what happened"]
)
def test_the_agents_own_words_are_echo(echo: str):
    talk = speaking(text=AGENT).voice().to(2.9).words(echo).to(5.0).end(echo, voice_ends_s=4.5)

    assert "words" not in talk.kinds
    assert talk.kinds[-1] == "echo"
    assert not talk.machine.is_turn(1)


def test_own_words_among_the_agents_take_the_turn():
    talk = speaking(text=AGENT).voice().to(2.8).words("what happened was not my fault")

    assert talk.kinds == ["duck", "words"]


def test_without_the_guard_nothing_is_echo():
    talk = speaking(text=AGENT, settings=BargeInSettings(echo_guard=False)).voice().to(2.8).words("that sounds really")

    assert talk.kinds == ["duck", "words"]


def test_words_of_an_earlier_reply_are_no_echo():
    talk = speaking(text=AGENT)
    talk.machine.reply_ended(at_s=talk.now_s)

    talk.to(4.0).reply("I see.").to(4.5).voice().to(5.2).words("that sounds really hard")

    assert talk.kinds == ["duck", "words"]


def test_an_answer_in_the_agents_words_after_the_reply_is_a_turn():
    talk = speaking(text="Do you feel sad or tired?")
    talk.machine.reply_ended(at_s=talk.now_s)

    talk.to(2.4).voice().to(4.0).end("I feel sad or tired", voice_ends_s=3.4)

    assert talk.machine.is_turn(1)


def test_decisions_are_counted():
    talk = speaking().voice().to(2.9).end("", voice_ends_s=2.3)
    talk.to(4.0).voice(2).to(5.0).hear(transcript("stop it", at_s=5.0, utterance=2))

    assert talk.machine.counts == {"duck": 2, "resume: no words": 1, "cancel: stop word": 1}


def test_events_of_no_interest_and_words_of_another_utterance_change_nothing():
    talk = speaking().voice().to(2.8)

    talk.hear(AudioDropped(at_s=2.8, seconds=0.1, total_s=0.1)).hear(transcript("stop", at_s=2.8, utterance=7))

    assert talk.kinds == ["duck"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_speech_s": 0.0},
        {"min_speech_s": 2.0},
        {"silence_s": 0.0},
        {"min_words": 0},
        {"max_back_channels": -1},
        {"echo_share": 0.0},
        {"min_p_back_channel": 0.0},
        {"echo_tail_s": -1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigInvalid):
        BargeInSettings(**wrong)  # pyright: ignore[reportArgumentType]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "pause", "resume", "end", "reply", "crisis", "reply ends", "words", "final"]),
        st.integers(0, 60),
        st.sampled_from(
            ["", "yeah", "mm-hmm", "why", "but I said no", "stop", "that sounds really hard", "okay I see"]
        ),
    ),
    max_size=40,
)


def run(steps: list[tuple[str, int, str]]) -> tuple[list[list[BargeInAction]], BargeIn]:
    """Play a script of any events in any order; return the actions reply by reply, and the machine."""
    talk, utterance = Talk(), 0
    replies: list[list[BargeInAction]] = [[]]
    for kind, frames, text in steps:
        talk.to(talk.now_s + frames * FRAME_S)
        replies[-1] += talk.actions
        talk.actions.clear()
        now_s = talk.now_s
        match kind:
            case "start":
                utterance += 1
                talk.voice(utterance)
            case "pause":
                talk.hear(SpeechPaused(utterance=utterance, generation=1, at_s=max(0.0, now_s - 0.2)))
            case "resume":
                talk.hear(SpeechResumed(utterance=utterance, at_s=now_s))
            case "end":
                talk.end(text, voice_ends_s=max(0.0, now_s - 0.4), utterance=utterance)
            case "reply" | "crisis":
                replies[-1] += talk.machine.reply_ended(at_s=now_s)
                replies.append([])
                talk.reply(AGENT, is_crisis=kind == "crisis")
            case "reply ends":
                talk.actions += talk.machine.reply_ended(at_s=now_s)
            case _:
                talk.hear(transcript(text, at_s=now_s, is_final=kind == "final", utterance=utterance))
        replies[-1] += talk.actions
        talk.actions.clear()
    replies[-1] += talk.machine.reply_ended(at_s=talk.now_s)
    return replies, talk.machine


@given(steps=STEPS)
def test_each_duck_ends_and_each_reply_is_cancelled_once_at_most(steps: list[tuple[str, int, str]]):
    replies, machine = run(steps)

    for actions in replies:
        kinds = "".join("d" if isinstance(a, Duck) else "r" if isinstance(a, Resume) else "c" for a in actions)
        assert "dd" not in kinds
        assert not kinds.endswith("d")
        assert "rr" not in kinds
        assert "c" not in kinds[:-1]
    assert sum(machine.counts.values()) == sum(map(len, replies))


@given(steps=STEPS)
def test_times_of_decisions_never_run_backwards(steps: list[tuple[str, int, str]]):
    times = [action.at_s for actions in run(steps)[0] for action in actions]

    assert times == sorted(times)


@given(steps=STEPS)
def test_without_real_words_or_long_voice_nothing_is_cancelled(steps: list[tuple[str, int, str]]):
    quiet = [(kind, min(frames, 8), "yeah") for kind, frames, _ in steps if kind != "resume"]
    # each voice is cut off before it lasts long enough to count by itself
    script = [step for kind, frames, text in quiet for step in ((kind, frames, text), ("pause", 8, text))]

    replies, _ = run(script)

    assert not [a for actions in replies for a in actions if isinstance(a, Cancel)]


@given(steps=STEPS)
def test_the_same_script_gives_the_same_decisions(steps: list[tuple[str, int, str]]):
    assert run(steps)[0] == run(steps)[0]
    assert Counter(run(steps)[1].counts) == Counter(run(steps)[1].counts)

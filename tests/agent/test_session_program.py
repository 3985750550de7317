"""What a program asks of a session: when to answer, what to answer, to stop, to forget, to know besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.behaviour import TYPED, Aside, Behaviour, Forget, Respond, Tool, ToolCall, Truncate, Withdraw, Write
from agent.correction import EmotionCorrection
from agent.errors import AgentError
from agent.events import (
    EmotionEstimate,
    Metrics,
    ReplyDelta,
    ReplyDone,
    ReplyRefused,
    ReplyStarted,
    ToolCalled,
    TurnSaved,
    UtteranceDismissed,
)
from agent.loudspeaker import SilentSink
from agent.replies import UNPROMPTED
from streaming.events import SpeechDropped, Utterance
from tests.talking import FarSighted, Scene, settled, started, whole

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from agent.conversation import Conversation
    from streaming.pipeline import Heard

pytestmark = pytest.mark.anyio

LOOKUP = Tool(name="weather", parameters={"type": "object"})


class Sounding(SilentSink):
    """A loudspeaker with a clock of its own: a reply is over when `let_go` says so."""

    def __init__(self) -> None:
        super().__init__()
        self._is_over = anyio.Event()

    async def over(self) -> None:
        await self._is_over.wait()

    def ended_s(self, *, now_s: float) -> float | None:
        return super().ended_s(now_s=now_s) if self._is_over.is_set() else None

    def let_go(self) -> None:
        self._drained = True
        self._is_over.set()


class Recalling(ScriptedResponder):
    """Remembers what it was asked with; asks for tools as long as it has some to ask for."""

    def __init__(self, *, calls: tuple[ToolCall, ...] = (), fails: bool = False) -> None:
        super().__init__([["All ", "right."]])
        self.asked: list[tuple[str, Conversation]] = []
        self.calls = calls
        self.fails = fails

    async def choose(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> tuple[ToolCall, ...]:
        del utterance, estimate, conversation
        if self.fails:
            raise AgentError("it cannot choose")
        calls, self.calls = self.calls, ()
        return calls

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        self.asked.append((utterance.transcript.text, conversation))
        async for piece in super().respond(utterance, estimate, conversation):
            yield piece


def scene(responder: Recalling | None = None, *, speech: ScriptedSpeech | None = None) -> tuple[Scene, Recalling]:
    responder = responder or Recalling()
    return Scene(responder=responder, speech=speech or ScriptedSpeech(s_per_character=0.0)), responder


WAITS = Behaviour(answers=False)


async def test_an_utterance_waits_for_whoever_asks_for_its_answer():
    talk, responder = scene()
    before: list[int] = []
    await talk.run(WAITS, *whole("i am sad"), lambda: before.append(len(responder.asked)), Respond(request="r1"))
    assert before == [0]
    assert [text for text, _ in responder.asked] == ["i am sad"]
    assert talk.only(ReplyStarted) == ReplyStarted(utterance=1, at_s=talk.only(ReplyStarted).at_s, request="r1")
    assert talk.only(ReplyDone).text == "All right."
    assert [turn.reply for turn in talk.turns] == ["All right."]
    assert [each.is_final for each in talk.of(EmotionEstimate)].count(True) >= 1


async def test_what_nobody_asks_about_is_kept_without_an_answer():
    talk, responder = scene()
    await talk.run(WAITS, *whole("one"), *whole("two", utterance=2, at_s=5.0))
    assert not responder.asked
    assert [(turn.utterance, turn.text, turn.reply) for turn in talk.turns] == [(1, "one", ""), (2, "two", "")]
    assert all(turn.estimate is not None for turn in talk.turns)
    assert not talk.of(ReplyStarted)
    assert not talk.of(ReplyDone)


async def test_a_session_that_only_listens_keeps_each_utterance_as_soon_as_it_is_read():
    talk, _ = scene()
    saved: list[int] = []
    only = Behaviour(answers=False, only_listens=True)
    await talk.run(only, *whole("one"), lambda: saved.append(len(talk.turns)), *whole("two", utterance=2, at_s=5.0))
    assert saved == [1]
    assert [event.utterance for event in talk.of(TurnSaved)] == [1, 2]
    assert [event.utterance for event in talk.of(Metrics)] == [1, 2]


async def test_what_was_written_is_read_and_answered_like_speech():
    talk, responder = scene()
    await talk.run(Write(utterance=TYPED, text="i typed this"), Respond(request="r"))
    assert [text for text, _ in responder.asked] == ["i typed this"]
    turn = talk.turns[0]
    assert (turn.utterance, turn.text, turn.reply) == (TYPED, "i typed this", "All right.")
    assert turn.estimate is not None


async def test_of_two_that_were_written_the_last_is_answered_and_the_first_is_known():
    talk, responder = scene()
    await talk.run(Write(utterance=TYPED, text="one"), Write(utterance=TYPED + 1, text="two"), Respond(request="r"))
    text, conversation = responder.asked[0]
    assert text == "two"
    assert [(turn.text, turn.reply) for turn in conversation.turns] == [("one", "")]


async def test_with_nothing_said_an_answer_goes_on_from_what_is_known():
    talk, responder = scene()
    await talk.run(Aside(kind="note", text="greet the user"), Respond(request="r"))
    text, conversation = responder.asked[0]
    assert text == ""
    assert [placed.aside.text for placed in conversation.asides] == ["greet the user"]
    assert talk.only(ReplyDone).utterance == UNPROMPTED + 1


async def test_while_an_answer_is_under_way_another_is_refused():
    talk, responder = scene(speech=ScriptedSpeech(s_per_character=1.0))
    await talk.run(*whole("hello"), Respond(request="r"))
    assert talk.only(ReplyRefused).request == "r"
    assert len(responder.asked) == 1


async def test_an_answer_apart_knows_nothing_of_the_conversation_and_is_not_kept():
    talk, responder = scene()
    await talk.run(
        *whole("hello"),
        [],
        Respond(request="r", text="is it rude?", asides=(Aside(kind="note", text="classify"),), is_apart=True),
        [],
    )
    text, conversation = responder.asked[-1]
    assert text == "is it rude?"
    assert conversation.turns == ()
    assert [placed.aside.text for placed in conversation.asides] == ["classify"]
    assert [turn.text for turn in talk.turns] == ["hello"]
    assert [done.text for done in talk.of(ReplyDone)] == ["All right.", "All right."]
    assert [turn.text for turn in talk.session.conversation.turns] == ["hello"]


async def test_what_holds_for_one_answer_does_not_hold_for_the_next():
    talk, responder = scene()
    once = Behaviour(answers=False, instructions="in French", speaks=False)
    await talk.run(
        Behaviour(answers=False, instructions="be brief"),
        Write(utterance=TYPED, text="one"),
        Respond(request="r1", behaviour=once),
        [],
        Write(utterance=TYPED + 1, text="two"),
        Respond(request="r2"),
    )
    assert [conversation.behaviour.instructions for _, conversation in responder.asked] == ["in French", "be brief"]
    assert [event.speaks for event in talk.of(ReplyStarted)] == [False, True]


async def test_an_answer_that_is_only_written_does_not_sound():
    talk, _ = scene()
    await talk.run(Behaviour(speaks=False), *whole("hello"))
    assert talk.speech.spoken == []
    assert talk.only(ReplyDone).text == "All right."


async def test_the_program_stops_a_reply_at_once():
    talk, _ = scene(speech=ScriptedSpeech(s_per_character=1.0))
    stopped: list[bool] = []

    async def stop() -> None:
        stopped.append(await talk.session.stop_reply())
        stopped.append(await talk.session.stop_reply())

    await talk.run(*whole("hello"), [], stop, [])
    assert stopped == [True, False]
    done = talk.only(ReplyDone)
    assert (done.ended_by, done.interrupted) == ("program", True)


async def test_a_request_that_is_withdrawn_is_not_answered():
    talk, _ = scene(speech=ScriptedSpeech(s_per_character=1.0))
    await talk.run(
        Write(utterance=TYPED, text="one"), Respond(request="r"), Withdraw(request="other"), Withdraw(request="r")
    )
    assert talk.only(ReplyDone).ended_by == "program"


async def test_speech_over_a_reply_that_nothing_interrupts_is_answered_after_it():
    talk, responder = scene(speech=ScriptedSpeech())
    before: list[int] = []
    sink = Sounding()
    talk.session._replies._delivery._sink = sink
    talk.session._replies._delivery._preparation._sink = sink
    await talk.run(
        Behaviour(interrupts=False),
        *whole("hello"),
        *whole("and another thing", utterance=2, at_s=3.0),
        *whole("and one more", utterance=3, at_s=6.0),
        lambda: before.append(len(responder.asked)),
        sink.let_go,
        [],
    )
    assert before == [1]
    assert [text for text, _ in responder.asked] == ["hello", "and another thing", "and one more"]
    assert [(done.utterance, done.ended_by) for done in talk.of(ReplyDone)] == [(1, ""), (2, ""), (3, "")]


async def test_a_reply_on_a_clock_of_its_own_ends_though_the_stream_stands_still():
    talk, _ = scene(speech=ScriptedSpeech())
    sink = Sounding()
    talk.session._replies._delivery._sink = sink
    talk.session._replies._delivery._preparation._sink = sink
    ended: list[int] = []

    async def look() -> None:
        ended.append(len(talk.of(ReplyDone)))
        sink.let_go()
        await settled()
        ended.append(len(talk.of(ReplyDone)))

    await talk.run(*whole("hello"), look)
    assert ended == [0, 1]


async def test_what_a_program_says_was_heard_is_what_the_user_knows():
    talk, _ = scene(speech=ScriptedSpeech(s_per_character=0.1))
    await talk.run(*whole("hello"), [], *whole("go on", utterance=2, at_s=20.0), Truncate(utterance=1, played_s=0.6))
    assert talk.session.conversation.turns[0].reply == "All"
    assert talk.turns[0].reply == "All right."


async def test_a_tool_is_asked_for_in_place_of_an_answer():
    call = ToolCall(call="c1", name="weather", arguments='{"city": "Bonn"}')
    talk, responder = scene(responder=Recalling(calls=(call,)))
    await talk.run(
        Behaviour(tools=(LOOKUP,)),
        *whole("what is the weather"),
        [],
        Aside(kind="result", text="rain", call="c1"),
        Respond(request="r"),
    )
    assert talk.only(ToolCalled) == ToolCalled(utterance=1, call="c1", name="weather", arguments='{"city": "Bonn"}')
    first, second = talk.of(ReplyDone)
    assert (first.text, first.ended_by) == ("", "")
    assert second.text == "All right."
    assert [placed.aside.kind for placed in responder.asked[0][1].asides] == ["call", "result"]


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(tools=(LOOKUP,), tool_choice="none")])
async def test_without_tools_on_offer_none_is_asked_for(behaviour: Behaviour):
    call = ToolCall(call="c1", name="weather", arguments="{}")
    talk, _ = scene(responder=Recalling(calls=(call,)))
    await talk.run(behaviour, *whole("what is the weather"))
    assert not talk.of(ToolCalled)
    assert talk.only(ReplyDone).text == "All right."


async def test_a_responder_that_cannot_choose_answers():
    talk, _ = scene(responder=Recalling(fails=True))
    await talk.run(Behaviour(tools=(LOOKUP,)), *whole("what is the weather"))
    assert talk.only(ReplyDone).text == "All right."


async def test_danger_is_answered_before_any_tool():
    call = ToolCall(call="c1", name="weather", arguments="{}")
    talk, _ = scene(responder=Recalling(calls=(call,)))
    await talk.run(Behaviour(tools=(LOOKUP,)), *whole("i want to kill myself"))
    assert not talk.of(ToolCalled)
    assert talk.only(ReplyDone).is_crisis


async def test_what_is_forgotten_is_not_shown_but_was_said():
    talk, _ = scene()
    await talk.run(
        *whole("one"),
        [],
        *whole("two", utterance=2, at_s=10.0),
        [],
        Aside(kind="note", text="a", key="k1"),
        Aside(kind="note", text="b", key="k2"),
        Forget(key="k1"),
        Forget(utterance=1),
    )
    conversation = talk.session.conversation
    assert [turn.text for turn in conversation.turns] == ["two"]
    assert [placed.aside.text for placed in conversation.asides] == ["b"]
    assert conversation.n_turns == 2
    assert [turn.text for turn in talk.turns] == ["one", "two"]


async def test_emotion_is_read_only_while_it_may_be():
    talk, _ = scene()
    await talk.run(Behaviour(emotion="off"), *whole("one"), [], Behaviour(), *whole("two", utterance=2, at_s=10.0), [])
    assert {estimate.utterance for estimate in talk.of(EmotionEstimate)} == {2}


async def test_a_correction_in_the_stream_is_heeded():
    talk, _ = scene()
    await talk.run(*whole("one"), [], EmotionCorrection(utterance=1, label="happy"), [])
    assert talk.of(EmotionEstimate)[-1].is_corrected
    assert talk.corrections[0][0].label == "happy"


async def test_a_sign_of_listening_over_a_reply_is_told_as_no_turn():
    talk, responder = scene(speech=ScriptedSpeech(s_per_character=1.0))
    await talk.run(*whole("hello"), [], *whole("mm hmm", utterance=2, at_s=3.0), [])
    assert talk.only(UtteranceDismissed).utterance == 2
    assert len(responder.asked) == 1


async def test_a_session_that_is_left_keeps_what_waits():
    talk, _ = scene()

    async def blocks() -> AsyncIterator[Heard]:
        async for block in talk._blocks([WAITS, *whole("unanswered")]):
            yield block
        raise AgentError("the wire broke")

    with pytest.raises(ExceptionGroup):
        await talk.session.run(blocks())
    assert [(turn.text, turn.reply) for turn in talk.turns] == [("unanswered", "")]


async def test_an_engine_that_fails_without_a_word_is_told_of():
    class Failing(ScriptedResponder):
        async def respond(
            self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
        ) -> AsyncGenerator[str, None]:
            del utterance, estimate, conversation
            raise AgentError("out of words")
            yield ""

    talk = Scene(responder=Failing([["unsaid"]]))
    await talk.run(*whole("hello"))
    done = talk.only(ReplyDone)
    assert (done.ended_by, done.text, done.interrupted) == ("engine", "", False)


async def test_nothing_of_an_answer_is_told_before_its_start():
    talk, _ = scene()
    await talk.run(*whole("hello"), started(2, at_s=5.0))
    kinds = [type(event) for event in talk.told if isinstance(event, ReplyStarted | ReplyDelta | ReplyDone)]
    assert kinds[0] is ReplyStarted
    assert kinds[-1] is ReplyDone


async def test_nobodys_rolling_estimates_are_not_made():
    talk, _ = scene()
    await talk.run(Behaviour(rolls=False), *whole("hello"))
    assert all(estimate.is_final for estimate in talk.of(EmotionEstimate))
    assert talk.of(EmotionEstimate)


# What a second reading found


async def test_turns_that_wait_are_kept_when_speech_may_interrupt_again():
    talk, responder = scene(speech=ScriptedSpeech(s_per_character=1.0))
    await talk.run(
        Behaviour(interrupts=False),
        *whole("one"),
        *whole("two", utterance=2, at_s=3.0),
        Behaviour(),
        *whole("three", utterance=3, at_s=6.0),
    )
    assert [text for text, _ in responder.asked] == ["one", "three"]
    assert sorted(turn.text for turn in talk.turns) == ["one", "three", "two"]
    assert [done.utterance for done in talk.of(ReplyDone)] == [1, 3]


async def test_what_was_typed_is_known_to_the_answer_to_what_is_said_next():
    talk, responder = scene()
    await talk.run(Write(utterance=TYPED, text="i typed this"), *whole("and i say this"), [], Respond(request="r"), [])
    text, conversation = responder.asked[0]
    assert (text, [turn.text for turn in conversation.turns]) == ("and i say this", ["i typed this"])
    assert responder.asked[1][0] == ""


async def test_a_slow_recogniser_does_not_keep_a_listening_session_from_hearing():
    recognizer = FarSighted()
    talk = Scene(recognizer=recognizer)
    heard: list[int] = []
    only = Behaviour(answers=False, only_listens=True)
    three = whole("three", utterance=3, at_s=6.0)
    await talk.run(
        only,
        recognizer.final.hold,
        *whole("one"),
        *whole("two", utterance=2, at_s=3.0),
        lambda: heard.append(len(talk.of(Utterance))),
        recognizer.final.let_go,
        *three,
    )
    assert heard == [2]
    assert [turn.text for turn in talk.turns] == ["one", "two", "three"]
    assert [event.utterance for event in talk.of(TurnSaved)] == [1, 2, 3]


async def test_the_last_words_of_a_listening_session_are_read_and_kept():
    recognizer = FarSighted()
    talk = Scene(recognizer=recognizer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            talk.run, Behaviour(answers=False, only_listens=True), recognizer.final.hold, *whole("the last words")
        )
        while not talk.of(Utterance):
            await settled()
        await settled()
        assert not talk.turns
        recognizer.final.let_go()
    assert [(turn.text, turn.estimate is not None) for turn in talk.turns] == [("the last words", True)]


async def test_void_speech_over_a_reply_does_not_stop_it():
    talk, _ = scene(speech=ScriptedSpeech(s_per_character=1.0))
    await talk.run(
        *whole("hello"),
        [],
        started(2, at_s=3.0),
        [SpeechDropped(utterance=2, at_s=3.5)],
        [SpeechDropped(utterance=9, at_s=9.0)],
    )
    assert talk.only(ReplyDone).ended_by == ""


async def test_a_denial_is_not_taken_for_one_of_an_older_turn():
    recognizer = FarSighted(top="angry")
    talk = Scene(recognizer=recognizer, responder=ScriptedResponder([["Go on."]]))
    await talk.run(
        *whole("one"),
        [],
        recognizer.final.hold,
        *whole("two", utterance=2, at_s=10.0),
        *whole("i'm not angry", utterance=3, at_s=13.0),
        recognizer.final.let_go,
        [],
    )
    assert not talk.corrections  # the turn before was not read yet: there was nothing to deny


async def test_a_session_that_is_left_in_a_hurry_answers_nothing_more():
    talk, responder = scene()
    await talk.run(
        *whole("one"), [], talk.session.leave_now, *whole("two", utterance=2, at_s=10.0), Respond(request="r")
    )
    assert [text for text, _ in responder.asked] == ["one"]
    assert [turn.text for turn in talk.turns] == ["one", "two"]
    assert talk.only(ReplyRefused).request == "r"


async def test_a_duck_is_taken_back_when_speech_may_not_interrupt_any_more():
    class Loud(SilentSink):
        def __init__(self) -> None:
            super().__init__()
            self.moves: list[str] = []

        def duck(self) -> None:
            self.moves.append("duck")

        def resume(self) -> None:
            self.moves.append("resume")

    talk, _ = scene(speech=ScriptedSpeech(s_per_character=1.0))
    sink = Loud()
    delivery = talk.session._replies._delivery
    for holder in (delivery, delivery._preparation, delivery.interruptions):
        holder._sink = sink
    await talk.run(*whole("hello"), [], started(2, at_s=3.0), Behaviour(interrupts=False))
    assert sink.moves == ["duck", "resume"]


async def test_danger_over_a_reply_that_nothing_interrupts_is_answered_at_once():
    talk, _ = scene(speech=ScriptedSpeech(s_per_character=1.0))
    await talk.run(Behaviour(interrupts=False), *whole("hello"), *whole("i want to kill myself", utterance=2, at_s=3.0))
    first, second = talk.of(ReplyDone)
    assert (first.ended_by, second.is_crisis) == ("speech", True)


async def test_what_is_deleted_while_it_waits_is_neither_answered_nor_shown_but_kept():
    talk, responder = scene()
    await talk.run(Write(utterance=TYPED, text="delete me"), Forget(utterance=TYPED), Respond(request="r"), [])
    assert responder.asked[0][0] == ""
    assert responder.asked[0][1].turns == ()
    assert "delete me" in [turn.text for turn in talk.turns]


async def test_an_estimate_that_comes_after_emotion_was_switched_off_is_not_told():
    recognizer = FarSighted()
    talk = Scene(recognizer=recognizer)
    off = Behaviour(emotion="off")
    await talk.run(recognizer.final.hold, *whole("hello"), off, recognizer.final.let_go, [])
    assert not [estimate for estimate in talk.of(EmotionEstimate) if estimate.is_final]

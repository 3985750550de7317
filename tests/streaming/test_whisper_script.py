"""The transcriber's policies, with a model that answers by a script."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.backends.whisper import WhisperSettings, WhisperTranscriber
from streaming.backends.whisper_values import DecodeOptions, Question
from streaming.errors import EngineFailed, ModelUnusable, OutOfMemory, Superseded
from streaming.languages import LanguageSettings
from streaming.stability import StabilitySettings
from tests.streaming.whisper_script import RATE, ScriptedModel, answer, noise

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from streaming.backends.whisper_values import Answer
    from streaming.events import Samples, Transcript
    from streaming.ports import Pending


@contextmanager
def talking(
    script: Callable[[Question], Answer],
    *,
    using: WhisperSettings | None = None,
    language: str | None = None,
    languages: bool = False,
) -> Generator[tuple[WhisperTranscriber, ScriptedModel]]:
    """A transcriber that has begun an utterance at 0 s, and the model it asks."""
    model = ScriptedModel(script, languages=languages)
    engine = model.engine()
    transcriber = WhisperTranscriber(engine, language=language, settings=using)
    transcriber.start(1, 0.0)
    try:
        yield transcriber, model
    finally:
        transcriber.close()
        engine.close()


def by_length(question: Question) -> Answer:
    """One word for each 0.3 s of sound."""
    return answer(" ".join(f"w{i}" for i in range(int(question.heard_s / 0.3))))


def final_of(transcriber: WhisperTranscriber, samples: Samples) -> Transcript:
    transcriber.accept(samples)
    return transcriber.finish().result()


# What is said while somebody speaks


def test_words_are_promised_when_two_partials_agree_but_for_case_and_marks():
    said = iter(["So, i told", "so I told you", "So i told you that."])
    with talking(lambda _: answer(next(said))) as (transcriber, _):
        shown: list[tuple[str, int]] = []
        for _ in range(3):
            transcriber.accept(noise(0.6))
            partial = transcriber.partial().result()
            shown.append((partial.text, partial.n_stable))
    assert shown == [("So, i told", 0), ("so I told you", 2), ("so I told you that.", 4)]


def test_words_near_the_newest_sound_are_held_back():
    held = WhisperSettings(stability=StabilitySettings(n_agree=2, hold_back_s=0.7, normalised=True))
    with talking(lambda _: answer("one two three four"), using=held) as (transcriber, _):
        assert [ask_for(transcriber, 0.6).n_stable for _ in range(2)] == [0, 1]


PARTIALS = st.lists(st.lists(st.sampled_from(["so", "So,", "i", "am", "am."]), max_size=6), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(PARTIALS)
def test_promised_words_never_change_whatever_the_model_says(partials: list[list[str]]):
    said = iter(partials)
    with talking(lambda _: answer(" ".join(next(said)))) as (transcriber, _):
        promised: list[str] = []
        for _ in partials:
            transcriber.accept(noise(0.4))
            partial = transcriber.partial().result()
            words = [word.text for word in partial.nbest[0].words] if partial.nbest else []
            assert words[: len(promised)] == promised
            assert partial.n_stable >= len(promised)
            promised = words[: partial.n_stable]


def test_a_partial_with_hardly_any_new_sound_is_the_one_before():
    with talking(by_length) as (transcriber, model):
        transcriber.accept(noise(0.6))
        first = transcriber.partial().result()
        transcriber.accept(noise(0.2))
        again = transcriber.partial()
        assert again.result() is first
        again.cancel()
        assert again.result() is first
        transcriber.accept(noise(0.1))
        assert transcriber.partial().result() is not first
        assert len(model.asked) == 2


def test_a_newer_partial_takes_the_place_of_one_that_waits():
    with talking(by_length) as (transcriber, model):
        model.gate.clear()
        begun = ask(transcriber)
        assert model.begun.acquire(timeout=30)
        waiting, newest = ask(transcriber), ask(transcriber)
        model.gate.set()
        with pytest.raises(Superseded):
            waiting.result()
        with pytest.raises(Superseded):
            waiting.result()
        assert begun.result().at_s == pytest.approx(0.4)
        assert newest.result().at_s == pytest.approx(1.2)


def ask(transcriber: WhisperTranscriber) -> Pending[Transcript]:
    transcriber.accept(noise(0.4))
    return transcriber.partial()


def test_a_final_goes_before_a_partial_that_waits():
    with talking(by_length) as (transcriber, model):
        model.gate.clear()
        ask(transcriber)
        assert model.begun.acquire(timeout=30)
        waiting = ask(transcriber)
        final = transcriber.finish()
        model.gate.set()
        with pytest.raises(Superseded):
            waiting.result()
        assert final.result().is_final


def test_a_partial_that_takes_too_long_is_given_up_only_if_asked_so():
    with talking(by_length, using=WhisperSettings(patience_s=0.01)) as (transcriber, model):
        model.gate.clear()
        pending = ask(transcriber)
        with pytest.raises(Superseded, match="patience_s"):
            pending.result()
        model.gate.set()
        assert final_of(transcriber, noise(0.4)).nbest


# Finals


def test_a_final_that_was_revoked_cannot_be_collected_and_the_next_holds_everything():
    with talking(by_length) as (transcriber, model):
        model.gate.clear()
        transcriber.accept(noise(0.6))
        revoked = transcriber.finish()
        revoked.cancel()
        revoked.cancel()
        transcriber.accept(noise(0.6))
        model.gate.set()
        final = transcriber.finish().result()
        with pytest.raises(EngineFailed, match="cancelled"):
            revoked.result()
    assert final.text == "w0 w1 w2 w3"
    assert final.at_s == pytest.approx(1.2)


def test_a_final_revoked_while_it_waits_is_never_decoded():
    with talking(by_length) as (transcriber, model):
        model.gate.clear()
        ask(transcriber)
        assert model.begun.acquire(timeout=30)
        transcriber.finish().cancel()
        model.gate.set()
        assert final_of(transcriber, noise(0.4)).nbest
        assert [question.options.n_beams for question in model.asked] == [1, 10]


@pytest.mark.parametrize("tail_s", [0.02, 0.19, 0.5])
def test_the_tail_behind_the_last_partial_is_decoded(tail_s: float):
    with talking(by_length) as (transcriber, model):
        ask(transcriber).result()
        final_of(transcriber, noise(tail_s))
        assert model.asked[-1].heard_s == pytest.approx(0.4 + tail_s, abs=0.03)


def test_readings_alike_are_one_with_the_sum_of_their_probabilities():
    script = answer("So, I am.", "so i am", "so I was", logps=[-1.0, -1.5, -1.2])
    with talking(lambda _: script) as (transcriber, _):
        final = final_of(transcriber, noise(1.0))
    assert [h.text for h in final.nbest] == ["So, I am.", "so I was"]
    assert final.nbest[0].logp == pytest.approx(np.logaddexp(-1.0, -1.5))
    assert sum(h.posterior for h in final.nbest) == pytest.approx(1)
    assert [word.start_s for word in final.nbest[1].words] == pytest.approx([0.0, 0.3, 0.6])


def test_the_posterior_temperature_flattens_the_list():
    def shares(temperature: float) -> list[float]:
        script = answer("a", "b", logps=[-1.0, -3.0])
        with talking(lambda _: script, using=WhisperSettings(temperature=temperature)) as (transcriber, _):
            return [h.posterior for h in final_of(transcriber, noise(1.0)).nbest]

    assert shares(1.0)[0] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert shares(4.0)[0] == pytest.approx(1 / (1 + np.exp(-0.5)))


# What is not believed


def test_a_loop_is_decoded_once_more_without_repetitions():
    def script(question: Question) -> Answer:
        return answer("we went home") if question.options.no_repeat else answer("and then " * 8)

    with talking(script) as (transcriber, model):
        final = final_of(transcriber, noise(6.0))
        assert final.text == "we went home"
        assert [question.options.no_repeat for question in model.asked] == [0, 3]


@pytest.mark.parametrize(
    "script",
    [
        answer("and then " * 8),
        answer("Thanks for watching!", p_no_speech=0.5),
        answer("uh huh", logps=[-9.0], p_no_speech=0.9),
        answer(),
    ],
)
def test_what_is_not_believed_twice_is_no_utterance(script: Answer):
    with talking(lambda _: script) as (transcriber, _):
        final = final_of(transcriber, noise(6.0))
    assert final.is_final
    assert final.nbest == ()


def test_a_partial_that_is_not_believed_takes_nothing_back():
    said = iter(["so i told", "so i told", "Thanks for watching."])
    with talking(lambda _: answer(next(said), p_no_speech=0.3)) as (transcriber, _):
        shown = [ask_for(transcriber, 0.6) for _ in range(3)]
    assert [partial.text for partial in shown] == ["so i told", "so i told", "so i"]
    assert [partial.n_stable for partial in shown] == [0, 2, 2]


def ask_for(transcriber: WhisperTranscriber, seconds: float) -> Transcript:
    transcriber.accept(noise(seconds))
    return transcriber.partial().result()


def test_a_healthy_reading_below_a_looping_one_is_kept():
    with talking(lambda _: answer("and then " * 8, "and then we went")) as (transcriber, model):
        assert [h.text for h in final_of(transcriber, noise(6.0)).nbest] == ["and then we went"]
        assert len(model.asked) == 1


@pytest.mark.parametrize(("use_context", "expected"), [(False, [0, 0, 0, 0]), (True, [0, 3, 0, 0])])
def test_words_of_the_utterance_before_are_given_only_if_wanted_and_never_after_a_fault(
    use_context: bool, expected: list[int]
):
    said = iter([answer("we went home"), answer("thanks for watching", p_no_speech=0.5), answer(), answer("bye now")])
    with talking(lambda _: next(said), using=WhisperSettings(use_context=use_context)) as (transcriber, model):
        for utterance in range(4):
            transcriber.start(utterance, 0.0)
            final_of(transcriber, noise(1.0))
        assert [len(question.context) for question in model.asked] == expected


# Bad input


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.ones(1, np.float32),
        np.zeros(RATE, np.float32),
        np.full(RATE, np.nan, np.float32),
        noise(1.0) * np.float32(1e-5),
    ],
    ids=["nothing", "one sample", "silence", "no numbers", "next to silence"],
)
def test_sound_without_content_is_answered_without_the_model(samples: Samples):
    with talking(by_length) as (transcriber, model):
        transcriber.accept(samples)
        assert transcriber.partial().result().nbest == ()
        final = transcriber.finish().result()
        assert (final.is_final, final.nbest) == (True, ())
        assert not model.asked


def test_what_is_no_number_counts_as_silence():
    clean, broken = noise(1.0), noise(1.0)
    broken[[3, 500, 9_000]] = [np.nan, np.inf, -np.inf]
    clean[[3, 500, 9_000]] = [0.0, 1.0, -1.0]
    with talking(by_length) as (transcriber, model):
        final_of(transcriber, broken)
        transcriber.start(2, 0.0)
        final_of(transcriber, clean)
        np.testing.assert_array_equal(model.asked[0].features, model.asked[1].features)


def test_a_model_that_fails_is_told_when_collected_and_the_next_utterance_goes_well():
    def script(question: Question) -> Answer:
        if len(model.asked) <= 1:
            raise OutOfMemory("no memory")
        return by_length(question)

    with talking(script) as (transcriber, model):
        transcriber.accept(noise(1.0))
        pending = transcriber.finish()
        with pytest.raises(EngineFailed, match="memory"):
            pending.result()
        transcriber.start(2, 1.0)
        assert final_of(transcriber, noise(1.0)).nbest


def test_closing_frees_one_who_waits():
    with talking(by_length) as (transcriber, model):
        model.gate.clear()
        ask(transcriber)
        assert model.begun.acquire(timeout=30)
        final = transcriber.finish()
        raised: list[Exception] = []

        def wait() -> None:
            try:
                final.result()
            except EngineFailed as failure:
                raised.append(failure)

        waiter = threading.Thread(target=wait)
        waiter.start()
        transcriber.close()
        transcriber.close()
        waiter.join(30)
        assert len(raised) == 1
        model.gate.set()


def test_asking_a_closed_engine_is_told_when_collected():
    model = ScriptedModel(by_length)
    engine = model.engine()
    transcriber = WhisperTranscriber(engine)
    transcriber.start(1, 0.0)
    engine.close()
    transcriber.accept(noise(1.0))
    with pytest.raises(EngineFailed, match="closed"):
        transcriber.finish().result()
    transcriber.close()


# Long utterances


def ordinal(question: Question) -> Answer:
    return answer(" ".join(f"w{i}" for i in range(int(question.heard_s))), each_s=1.0)


def test_a_long_utterance_is_decoded_whole_in_stretches():
    with talking(ordinal) as (transcriber, model):
        final = final_of(transcriber, noise(70.0))
        heard = [question.heard_s for question in model.asked]
    assert heard[:2] == [28.0, 28.0]
    assert heard[2] == pytest.approx(20.0, abs=0.05)
    starts = [word.start_s for word in final.nbest[0].words]
    assert starts == pytest.approx(range(70), abs=0.02), "each second has its word, none twice"


@pytest.mark.parametrize("cuts", [[], [16], [27_000, 450_000, 450_001, 900_000], list(range(0, 1_120_000, 8_000))])
def test_where_a_long_utterance_is_cut_does_not_depend_on_how_it_came(cuts: list[int]):
    # Loud at the end: what is decoded before must not be measured by it.
    loudness = np.repeat(np.array([1e-3, 1e-5, 1e-2, 1.0], np.float32), [25 * RATE, 5 * RATE, 30 * RATE, 10 * RATE])
    sound = noise(70.0) * loudness

    def heard(cuts: list[int], *, partials: bool) -> tuple[Transcript, list[float]]:
        with talking(ordinal) as (transcriber, model):
            for piece in np.split(sound, cuts):
                transcriber.accept(piece)
                if partials:
                    transcriber.partial().result()
            final = transcriber.finish().result()
            return final, [float(q.features.sum()) for q in model.asked if q.options.n_beams == 10]

    whole, pieces = heard([], partials=False), heard(cuts, partials=True)
    assert whole[0].nbest == pieces[0].nbest
    assert whole[1] == pieces[1]


def test_partials_of_a_long_utterance_go_on_growing():
    with talking(ordinal) as (transcriber, _):
        promised: list[str] = []
        for i in range(40):
            transcriber.accept(noise(1.0, seed=i))
            partial = transcriber.partial().result()
            words = [f"{word.start_s:.0f}" for word in partial.nbest[0].words]
            assert words[: len(promised)] == promised
            promised = words[: partial.n_stable]
    assert len(promised) >= 38


def test_a_long_noise_without_words_goes_on_being_heard():
    with talking(lambda question: answer() if question.heard_s > 20 else ordinal(question)) as (transcriber, model):
        final = final_of(transcriber, noise(58.0))
        assert [round(question.heard_s) for question in model.asked] == [28, 28, 8]
    assert [word.start_s for word in final.nbest[0].words] == pytest.approx(range(50, 58), abs=0.02)


# Languages


def spoken_in(*shares: tuple[str, float]) -> Callable[[Question], Answer]:
    return lambda question: answer("ja ja", shares=shares if question.language is None else ())


def test_the_language_is_found_once_and_then_stays():
    with talking(spoken_in(("de", 0.8), ("en", 0.2)), languages=True) as (transcriber, model):
        transcriber.accept(noise(1.0))
        assert transcriber.partial().result().language == "de"
        assert transcriber.finish().result().language == "de"
        transcriber.start(2, 5.0)
        assert transcriber.language is None, "one second is too little to settle it"
        final_of(transcriber, noise(1.5))
        transcriber.start(3, 9.0)
        assert transcriber.language == "de"
        final_of(transcriber, noise(1.0))
        assert [question.language for question in model.asked] == [None, None, None, "de"]
        assert [bool(question.evidence) for question in model.asked] == [False, False, True, True]


def test_what_was_not_believed_teaches_no_language():
    def script(_: Question) -> Answer:
        return answer("thanks for watching", shares=(("ja", 1.0),), p_no_speech=0.5)

    with talking(script, languages=True) as (transcriber, _):
        final_of(transcriber, noise(4.0))
        transcriber.start(2, 5.0)
        assert transcriber.language is None


def test_questions_that_one_call_cannot_take_together_differ_in_their_bucket():
    plain = Question(features=noise(0.01).reshape(1, -1), options=DecodeOptions(n_frames=3000), language="en")
    others = [
        replace(plain, language=None),
        replace(plain, context=(1, 2)),
        replace(plain, options=DecodeOptions(n_frames=500)),
        replace(plain, options=DecodeOptions(n_frames=3000, n_beams=10)),
    ]
    assert len({question.bucket for question in [plain, *others]}) == 5
    assert replace(plain, language="de").bucket == plain.bucket


def test_a_revoked_final_teaches_no_language():
    with talking(spoken_in(("de", 1.0)), languages=True) as (transcriber, _):
        transcriber.accept(noise(4.0))
        pending = transcriber.finish()
        pending.result()
        pending.cancel()
        transcriber.start(2, 5.0)
        assert transcriber.language is None


def test_a_language_that_is_given_is_never_looked_for():
    with talking(by_length, language="fr", languages=True) as (transcriber, model):
        assert final_of(transcriber, noise(1.0)).nbest
        assert model.asked[0].language == "fr"


def test_a_model_of_one_language_refuses_others():
    engine = ScriptedModel(by_length).engine()
    with pytest.raises(ModelUnusable, match="speaks English only"):
        WhisperTranscriber(engine, language="de")
    engine.close()


def test_allowed_languages_reach_the_model():
    using = WhisperSettings(language=LanguageSettings(allowed=("en", "de")))
    with talking(spoken_in(("de", 1.0)), languages=True, using=using) as (transcriber, model):
        final_of(transcriber, noise(1.0))
        assert model.asked[0].allowed == ("en", "de")


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_best": 0},
        {"n_beams": 0},
        {"temperature": 0.0},
        {"pad_to_s": (10.0,)},
        {"pad_to_s": (20.0, 10.0, 30.0)},
        {"pad_to_s": (0.5, 30.0)},
        {"longest_s": 29.0},
        {"patience_s": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="expected"):
        WhisperSettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_sound_is_padded_to_the_shortest_length_that_holds_it():
    with talking(by_length, using=WhisperSettings(pad_to_s=(2.0, 5.0, 30.0))) as (transcriber, model):
        for seconds in (1.0, 3.0, 9.0):
            transcriber.start(1, 0.0)
            final_of(transcriber, noise(seconds))
        assert [question.options.n_frames for question in model.asked] == [200, 500, 3000]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.backends.whisper_reading import boilerplate
from streaming.hallucination import Boilerplate, Decoding, Fault, GuardSettings, compression_ratio, fault, loops

PLAIN = "i told you that the train was late and nobody said anything"


def decoding(
    text: str = PLAIN, *, mean_logp: float = -0.3, p_no_speech: float = 0.01, heard_s: float = 4.0
) -> Decoding:
    return Decoding(
        text=text, n_tokens=len(text.split()), mean_logp=mean_logp, p_no_speech=p_no_speech, heard_s=heard_s
    )


def judged(it: Decoding, settings: GuardSettings | None = None) -> Fault | None:
    return fault(it, boilerplate=boilerplate(), settings=settings or GuardSettings())


def test_plain_speech_has_no_fault():
    assert judged(decoding()) is None


@pytest.mark.parametrize(
    ("p_no_speech", "mean_logp", "expected"),
    [(0.9, -1.5, "silence"), (0.9, -0.3, None), (0.1, -1.5, None), (0.6, -1.5, None), (0.61, -1.01, "silence")],
)
def test_silence_needs_both_the_models_word_and_poor_words(p_no_speech: float, mean_logp: float, expected: str | None):
    assert judged(decoding(p_no_speech=p_no_speech, mean_logp=mean_logp)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "and then and then and then and then and then and then",
        "so i said no no no no no no no",
        "the the the the the the the the cat",
        "we went there. " * 12,
    ],
)
def test_loops_are_found(text: str):
    assert judged(decoding(text, heard_s=20.0)) == "loop"


@pytest.mark.parametrize("text", ["no no no no", "very very very good", "bye bye", "it was so so so long ago"])
def test_what_people_repeat_is_no_loop(text: str):
    assert judged(decoding(text)) is None


def test_a_short_burst_inside_a_long_text_is_no_loop():
    words = [*PLAIN.split(), *["no"] * 6, *PLAIN.split(), *PLAIN.split()]
    assert not loops(words, n_repeats=6)
    assert loops([*words, *["no"] * 6], n_repeats=6)


def test_nobody_speaks_that_fast():
    text = " ".join(str(n) for n in range(100, 140))
    assert judged(decoding(text, heard_s=1.0)) == "rate"
    assert judged(decoding(text, heard_s=10.0)) is None


@pytest.mark.parametrize(
    "text", ["Thanks for watching!", " SUBSCRIBE to my channel. ", "Untertitel der Amara.org-Community"]
)
def test_boilerplate_is_believed_only_with_evidence_of_speech(text: str):
    assert judged(decoding(text, p_no_speech=0.4)) == "boilerplate"
    assert judged(decoding(text, mean_logp=-0.9)) == "boilerplate"
    assert judged(decoding(text)) is None


@pytest.mark.parametrize("text", ["Thank you.", "Bye.", "Merci."])
def test_what_people_do_say_takes_every_doubt(text: str):
    assert judged(decoding(text, p_no_speech=0.4, mean_logp=-0.9)) == "boilerplate"
    assert judged(decoding(text, p_no_speech=0.4)) is None
    assert judged(decoding(text, mean_logp=-0.9)) is None


def test_a_list_is_read_line_by_line():
    read = Boilerplate.from_lines(["# made up", "", "The End!", "? Thank you", "..."])
    assert read == Boilerplate(closers=frozenset({"the end"}), ordinary=frozenset({"thank you"}))


def test_boilerplate_inside_a_sentence_is_speech():
    assert judged(decoding("thank you for watching my dog yesterday", p_no_speech=0.4)) is None


def test_an_empty_text_has_no_fault():
    assert judged(decoding("", heard_s=0.0)) is None
    assert compression_ratio("") == 0.0


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5), st.integers(6, 12))
def test_any_phrase_said_over_and_over_is_a_loop(phrase: list[str], n_times: int):
    assert loops(phrase * n_times, n_repeats=6)


@given(st.lists(st.integers(), unique=True, max_size=40))
def test_words_that_all_differ_never_loop(numbers: list[int]):
    assert not loops([str(number) for number in numbers], n_repeats=2)


@pytest.mark.parametrize("wrong", [{"n_repeats": 1}, {"compression_ratio": 1.0}, {"chars_per_s": 0.0}])
def test_settings_that_always_or_never_hold_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="expected"):
        GuardSettings(**wrong)  # pyright: ignore[reportArgumentType]

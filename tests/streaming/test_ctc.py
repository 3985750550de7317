"""Readings with words on their frames."""

from __future__ import annotations

import numpy as np
import pytest

from streaming.ctc import Alphabet, read_greedy, read_nbest
from streaming.ctc_alignment import LogProbs, ctc_logp
from streaming.ctc_beam import BeamSettings

SYMBOLS = ("_", "|", "<s>", "a", "b", "c")
ALPHABET = Alphabet(symbols=SYMBOLS, blank=0, delimiter=1, silent=frozenset({2}))


def said(path: str, *, sure: float = 0.9) -> LogProbs:
    """Frames in which the given symbol is as probable as told, the others alike."""
    rows = np.full((len(path), len(SYMBOLS)), (1 - sure) / (len(SYMBOLS) - 1))
    for t, symbol in enumerate(path):
        rows[t, SYMBOLS.index(symbol)] = sure
    return np.log(rows)


def test_words_lie_on_the_frames_where_they_are_said():
    best, *others = read_nbest(said("__aab_|_cc_"), ALPHABET)
    assert best.text == "ab c"
    assert [(word.text, word.first, word.end) for word in best.words] == [("ab", 2, 5), ("c", 8, 10)]
    assert all(word.p == pytest.approx(0.9) for word in best.words)
    assert len(others) == 9


def test_scores_are_exact_fall_and_belong_to_distinct_texts():
    log_probs = said("_ab|_a_", sure=0.6)
    readings = read_nbest(log_probs, ALPHABET, settings=BeamSettings(width=12, n_best=10))
    masked = ALPHABET.without_silent(log_probs)
    assert [r.logp for r in readings] == pytest.approx(
        [ctc_logp(masked, r.tokens, blank=0, delimiter=1) for r in readings]
    )
    assert [r.logp for r in readings] == sorted((r.logp for r in readings), reverse=True)
    assert len({r.text for r in readings}) == len(readings)


def test_greedy_reads_the_best_alignment():
    log_probs = said("|_aa_a|_|bc|")
    reading = read_greedy(log_probs, ALPHABET)
    assert reading.text == "aa bc"
    assert [(word.text, word.first, word.end) for word in reading.words] == [("aa", 2, 6), ("bc", 9, 11)]
    assert reading.logp == pytest.approx(12 * np.log(0.9))
    assert read_nbest(log_probs, ALPHABET)[0].text == reading.text


def test_what_is_silent_is_never_read():
    log_probs = said("a<b".replace("<", "_"), sure=0.5)
    log_probs[1, 2] = 0.0
    assert all(2 not in reading.tokens for reading in read_nbest(log_probs, ALPHABET))
    assert 2 not in read_greedy(log_probs, ALPHABET).tokens


def test_silence_is_read_as_nothing_first():
    best = read_nbest(said("______"), ALPHABET)[0]
    assert (best.text, best.tokens, best.words) == ("", (), ())
    assert read_greedy(said("__|_|_"), ALPHABET).text == ""


def test_no_frames_are_read_as_nothing():
    none = np.zeros((0, len(SYMBOLS)))
    assert [(r.text, r.logp) for r in read_nbest(none, ALPHABET)] == [("", 0.0)]
    assert read_greedy(none, ALPHABET).text == ""


def test_without_a_delimiter_everything_is_one_word():
    alphabet = Alphabet(symbols=("_", "ab", "c"), blank=0)
    log_probs = np.log(np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))
    assert [word.text for word in read_nbest(log_probs, alphabet)[0].words] == ["abc"]
    assert [word.text for word in read_greedy(log_probs, alphabet).words] == ["abc"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"blank": 3}, "not all within"),
        ({"blank": 0, "silent": frozenset({-1})}, "not all"),
        ({"blank": 1, "delimiter": 1}, "both 1"),
    ],
)
def test_alphabets_that_make_no_sense_are_refused(wrong: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        Alphabet(symbols=("_", "a", "b"), **wrong)  # pyright: ignore[reportArgumentType] - one wrong value at a time

"""Golden numbers: worked out by hand, printed in papers, or counted by the tools of the field."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jiwer
import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from eval.score.affect import concordance
from eval.score.ledger import Ledger
from eval.score.measure import Measure, ScoreSettings
from eval.score.paired import holm, randomisation_p
from eval.score.report import measures_of
from eval.score.said import label_set, said
from eval.score.spent import cost, latencies
from eval.score.translation import chrf_counts, chrf_of
from eval.score.words import word_error_rate
from tests.eval.score.ledgers import LABELS, estimate, made, row

if TYPE_CHECKING:
    from eval.replay.row import Row

SKLEARN: Any = sklearn_metrics
TEXTS = st.lists(st.sampled_from(["a", "b", "the cat", "sat.", "é", "über", "x y"]), max_size=5).map(" ".join)


def measures(*rows: Row, **how: Any) -> dict[str, Measure]:
    with_defaults = ScoreSettings(**how)
    labels = label_set(rows, with_defaults)
    heard = said(rows, labels=labels, settings=with_defaults)
    return {each.name: each for each in measures_of(rows, heard, with_defaults)}


def values(*rows: Row, **how: Any) -> dict[str, float | None]:
    return {name: each.value(each.rows) for name, each in measures(*rows, **how).items()}


@pytest.mark.parametrize(
    ("prediction", "votes", "expected"),
    [
        # The specification's cases A, B and C, for which AER-LLM's formulas were worked out.
        ((0.1, 0.2, 0.6, 0.1), {"neutral": 2, "sad": 1}, (4.7885, 0.4679, 0.8157, 0.2037, 0.6541, 0.3706)),
        ((0.25, 0.25, 0.25, 0.25), {"angry": 3}, (12.4292, 1.3863, 0.5, 0.6931, 0.0, 0.6168)),
        ((0.0, 0.35, 0.65, 0.0), {"happy": 1, "neutral": 2}, (0.0009, 0.0009, 0.9998, 0.0002, 0.9978, 0.0149)),
    ],
)
def test_distances_are_those_of_the_specification(
    prediction: tuple[float, ...], votes: dict[str, int], expected: tuple[float, ...]
):
    found = values(row("a", votes=votes, estimates=[estimate("neutral", *prediction)]))
    assert [found[name] for name in ("KL(p|t)", "KL(t|p)", "BC", "BD", "R2", "JS")] == pytest.approx(expected, abs=6e-5)


def test_r_squared_of_votes_that_never_vary_is_not_defined_and_left_out_of_the_mean():
    even = row("even", votes=dict.fromkeys(LABELS, 1), estimates=[estimate("neutral", 0.1, 0.2, 0.6, 0.1)])
    other = row("other", votes={"neutral": 2, "sad": 1}, estimates=[estimate("neutral", 0.1, 0.2, 0.6, 0.1)])
    alone = measures(even)
    assert alone["R2"].of(alone["R2"].rows).reason == "the votes never vary over the labels"
    assert alone["BC"].value(alone["BC"].rows) is not None
    assert values(even, other)["R2"] == pytest.approx(0.6541, abs=6e-5)
    assert (alone["R2"].how["mean"], alone["R2"].how["constant_truth"]) == ("over rows", "left out")
    assert [measures(even, other)[name].rows.tolist() for name in ("R2", "BC")] == [[1], [0, 1]]


def test_votes_for_labels_outside_the_set_are_dropped():
    only_two = row(
        "a", votes={"neutral": 2, "frustrated": 5, "sad": 1}, estimates=[estimate("neutral", 0.1, 0.2, 0.6, 0.1)]
    )
    assert values(only_two)["KL(p|t)"] == pytest.approx(4.7885, abs=6e-5)


def test_threshold_f1_is_that_of_the_worked_example():
    # Paper 003, classes above 1/4: truth 0110, predictions 0110, 0110 and 1001.
    predictions = [(0.2, 0.35, 0.35, 0.1), (0.1, 0.45, 0.45, 0.0), (0.45, 0.1, 0.0, 0.45)]
    votes = {"angry": 1, "happy": 2, "neutral": 2}
    rows = [row(str(at), votes=votes, estimates=[estimate("happy", *each)]) for at, each in enumerate(predictions)]
    # angry and sad: never true; happy and neutral: 2 of 3 found, nothing false: F1 0.8.
    assert values(*rows)["threshold macro F1"] == pytest.approx((0 + 0.8 + 0.8 + 0) / 4)


def test_decisions_follow_the_fixed_label_set_and_scikit_learn():
    rows = made(80, share_right=0.5)
    truth = [each.truth["emotion"] for each in rows]
    answers = [each.estimates[-1]["top"] for each in rows]
    shares = np.array([[each.estimates[-1]["distribution"][label] for label in LABELS] for each in rows])
    found = values(*rows)
    assert found["UA"] == pytest.approx(SKLEARN.balanced_accuracy_score(truth, answers))
    assert found["macro F1"] == pytest.approx(SKLEARN.f1_score(truth, answers, average="macro"))
    assert found["weighted F1"] == pytest.approx(SKLEARN.f1_score(truth, answers, average="weighted"))
    brier = SKLEARN.brier_score_loss(truth, shares, labels=list(LABELS), scale_by_half=False)
    assert found["Brier"] == pytest.approx(brier)


ONE_EACH = [row(label, emotion=label, estimates=[estimate(label)]) for label in LABELS]


def test_an_answer_off_the_list_counts_as_neutral_as_in_paper_000():
    lost = row("lost", emotion="neutral", status="failed")
    unclear = row("unclear", emotion="sad", estimates=[estimate(None, 0.25, 0.25, 0.25, 0.25)])
    found = values(*ONE_EACH, lost, unclear)
    assert found["WA"] == pytest.approx(5 / 6)
    assert found["recall neutral"] == 1.0
    assert found["recall sad"] == 0.5
    assert found["no label said"] == pytest.approx(2 / 6)


def test_an_answer_off_the_list_can_be_made_wrong_whatever_is_true():
    lost = row("lost", emotion="neutral", status="failed")
    found = values(*ONE_EACH, lost, fallback="wrong")
    assert found["WA"] == pytest.approx(4 / 5)
    assert found["UA"] == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    # Neutral: 1 found of 2, nothing false: 2/3; the other labels are whole, and there is no fifth label in the mean.
    assert found["macro F1"] == pytest.approx((1 + 1 + 2 / 3 + 1) / 4)


def test_a_recall_is_about_the_rows_that_bear_the_label():
    found = measures(*ONE_EACH, row("more", emotion="sad", estimates=[estimate("angry")]))
    assert found["recall sad"].rows.tolist() == [3, 4]
    assert found["recall sad"].value(found["recall sad"].rows) == 0.5
    assert found["UA"].rows.size == 5


def test_where_neutral_is_no_label_of_the_set_what_is_not_said_is_wrong_and_the_signature_says_so():
    lost = row("lost", emotion="sad", status="failed")
    found = measures(*ONE_EACH, lost, labels=("happy", "sad"))
    assert found["WA"].value(found["WA"].rows) == pytest.approx(2 / 3)
    assert found["WA"].how["fallback"] == "wrong"
    assert measures(*ONE_EACH, lost)["WA"].how["fallback"] == "neutral"


def test_the_most_likely_label_can_be_taken_where_nothing_was_said():
    unclear = row("unclear", emotion="sad", estimates=[estimate(None, 0.2, 0.2, 0.2, 0.4)])
    assert values(*ONE_EACH, unclear, decide="argmax")["WA"] == 1.0


def test_labels_are_mapped_in_truths_votes_and_estimates():
    excited = row("x", label="exc", votes={"exc": 3}, estimates=[estimate("happy")])
    assert values(*ONE_EACH)["WA"] == 1.0
    found = measures(*ONE_EACH, excited, mapping={"exc": "happy"})
    assert found["WA"].rows.size == 5
    assert found["BC"].value(found["BC"].rows) == pytest.approx(1.0)
    assert measures(*ONE_EACH, excited)["WA"].rows.size == 4


def test_eight_classes_are_read_off_the_eight():
    eight = ("angry", "sad", "disgusted", "contemptuous", "fearful", "neutral", "surprised", "happy")
    shares = dict.fromkeys(eight, 0.05) | {"fearful": 0.65}
    told = row("a", emotion="fearful", estimates=[estimate("sad", eight=shares)])
    assert values(told, labels=eight)["WA"] == 1.0


def test_words_are_counted_as_jiwer_counts_them():
    rows = made(20)
    references = ["the cat sat on"] * 20
    heard = [each.nbest[0]["text"] for each in rows]
    found = values(*rows)
    assert found["WER"] == pytest.approx(jiwer.wer(references, heard))
    assert found["CER"] == pytest.approx(jiwer.cer(references, heard))
    assert found["oracle WER"] == 0.0


def test_error_rates_by_hand():
    rows = [
        row("one", text="a b c d", heard=["a x c", "a b c"], estimates=[estimate("sad", revised_text="A, b c d!")]),
        row("lost", text="e f", status="failed"),
        row("silence", text="", heard=["um"]),
    ]
    found = values(*rows)
    # 6 words: x for b, d left out; e and f not heard; um said by nobody.
    assert found["WER"] == pytest.approx(5 / 6)
    assert found["oracle WER"] == pytest.approx(4 / 6)
    assert found["revised WER"] == pytest.approx(3 / 6)
    assert found["sentence error rate"] == 1.0


def test_words_that_were_given_say_nothing_of_hearing():
    told = replace(row("a", text="so it is"), nbest=[{"text": "so it is", "source": "transcript"}])
    found = measures(told, told)["WER"]
    assert found.of(found.rows).reason == "the words were given, not heard"
    mixed = measures(told, row("b", text="so it is", heard=["so it was"]))
    assert mixed["WER"].value(mixed["WER"].rows) == pytest.approx(1 / 3)
    assert mixed["WER"].how["given"] == "1 left out"
    # What could not be read says nothing of hearing where nobody was to be heard.
    lost = measures(told, row("c", text="so it is", status="unreadable"))["WER"]
    assert lost.of(lost.rows).reason == "the words were given, not heard"
    assert values(row("c", text="so it is", status="unreadable"))["WER"] == 1.0
    assert mixed["sentence error rate"].value(mixed["WER"].rows) == 1.0


def test_the_normaliser_is_chosen():
    told = row("a", text="The cat!", heard=["the cat"])
    assert word_error_rate(told) == 0.0
    assert word_error_rate(told, "none") == 1.0
    assert word_error_rate(row("b", text="", heard=["um"])) is None


def test_concordance_by_hand():
    truth, prediction = np.array([0.0, 0.5, 1.0]), np.array([0.25, 0.5, 0.75])
    # Covariance 1/12, variances 1/24 and 1/6, means alike: 2/12 / (5/24).
    assert concordance(prediction, truth).value == pytest.approx(0.8)
    assert concordance(prediction + 0.5, truth).value == pytest.approx((1 / 6) / (5 / 24 + 0.25))
    assert concordance(truth, np.full(3, 0.5)).reason == "the truth does not vary"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
def test_translations_are_scored_as_sacrebleu_scores_them(pairs: list[tuple[str, str]]):
    rows = [row(str(at), answer=answer, translation=truth, target="de") for at, (answer, truth) in enumerate(pairs)]
    answers, references = [answer for answer, _ in pairs], [truth for _, truth in pairs]
    found = values(*rows)
    assert found["BLEU"] == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score)
    assert found["chrF2"] == pytest.approx(sacrebleu.corpus_chrf(answers, [references]).score)


def test_what_was_never_translated_has_no_score_and_what_was_lost_among_others_has():
    never = measures(row("a", translation="bonjour", target="fr"), row("b", translation="merci", target="fr"))
    for name in ("BLEU", "chrF2", "COMET"):
        assert never[name].of(never[name].rows).reason == "no row has a translation, nothing was translated"
    lost = row("lost", translation="merci", target="fr", status="failed")
    found = values(row("a", answer="bonjour", translation="bonjour", target="fr"), lost)
    assert found["chrF2"] == pytest.approx(sacrebleu.corpus_chrf(["bonjour", ""], [["bonjour", "merci"]]).score)


def test_an_answer_of_the_agent_is_no_translation():
    said = row("a", answer="I am sorry.", translation="merci", target="fr", answer_in=None)
    found = measures(said)
    assert found["BLEU"].of(found["BLEU"].rows).reason == "no row has a translation, nothing was translated"


def test_chrf_of_nothing_shared_is_zero():
    assert chrf_of(np.array(chrf_counts("abc", "xyz"), np.float64)) == 0.0
    assert chrf_of(np.array(chrf_counts("", "xyz"), np.float64)) == 0.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_randomisation_comes_near_the_exact_p():
    # Ten rows, one system right on all, the other on none: of 1024 exchanges, two are as extreme.
    right = np.concatenate([np.ones(10), np.zeros(10)])
    p = randomisation_p(
        list(range(10)), lambda rows: float(right[rows].mean()), rows=np.arange(10), n=10, trials=20_000, seed=1
    )
    assert p == pytest.approx(2 / 1024, abs=1e-3)


def test_rows_of_one_block_are_exchanged_together():
    right = np.concatenate([np.ones(10), np.zeros(10)])
    p = randomisation_p(
        ["a"] * 10, lambda rows: float(right[rows].mean()), rows=np.arange(10), n=10, trials=200, seed=1
    )
    assert p == 1.0


def test_latency_and_cost_leave_cached_answers_aside():
    times: list[dict[str, Any]] = [
        {"item": "a", "audio_s": 2.0, "heard_ms": 100.0, "emotion_ms": 5.0, "model": []},
        {"item": "b", "audio_s": 1.0, "heard_ms": 300.0, "emotion_ms": None, "model": []},
        {
            "item": "c",
            "audio_s": 1.0,
            "heard_ms": 9e9,
            "emotion_ms": 1.0,
            "model": [{"call": "score", "from_cache": True, "n_cached": 3, "total_ms": 0.0}],
        },
    ]
    found = latencies(times)
    assert found["heard_ms"]["p50"] == 200.0
    assert found["emotion_ms"]["n"] == 1
    assert found["heard, seconds per second of sound"]["max"] == pytest.approx(0.3)
    assert "score total_ms" not in found
    asked = row("c", model=[{"call": "score", "n_prompt": 10, "n_generated": 2}])
    assert cost([asked], times) == {"calls": 1, "from_cache": 1, "n_prompt": 10, "n_generated": 2, "n_cached": 3}


def test_a_ledger_tells_its_run():
    assert Ledger(rows=(row("a"), row("b"))).run == "r1"
    assert Ledger(rows=(row("a"), row("b", run="r2"))).run == "2 runs"

"""A calibration that was put in comes out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.elicitation import Calibration, from_scores
from agent.llm.values import LabelScores
from eval.training.calibration import RANGE, fit_temperature, fit_vector

LABELS = ("angry", "happy", "neutral", "sad")


def scored(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[LabelScores]:
    """Scores whose length-normalised values are the rows."""
    return [
        LabelScores(labels=LABELS, logps=tuple((2 * row).tolist()), n_tokens=(2,) * 4, method="exact") for row in rows
    ]


def drawn(n: int = 4000) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(5).normal(-6, 3, (n, 4))


def truths_under(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]], known: Calibration) -> list[str]:
    generator = np.random.default_rng(6)
    return [LABELS[generator.choice(4, p=from_scores(each, known).distribution)] for each in scored(rows)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found_again(temperature: float):
    rows = drawn()
    found = fit_temperature(scored(rows), truths_under(rows, Calibration(temperature=temperature)))
    assert found.temperature == pytest.approx(temperature, rel=0.06)
    assert dict(found.fitted_on)["utterances"] == "4000"


def test_soft_truths_give_the_temperature_without_chance():
    rows = drawn(50)
    soft = np.array([from_scores(each, Calibration(temperature=2.5)).distribution for each in scored(rows)])
    assert fit_temperature(scored(rows), soft).temperature == pytest.approx(2.5, rel=1e-3)


def test_a_known_scale_and_offset_are_found_again():
    known = Calibration(labels=LABELS, scale=(0.5, 1.0, 0.8, 1.2), bias=(1.0, -1.0, 0.5, -0.5))
    rows = drawn(3000)
    soft = np.array([from_scores(each, known).distribution for each in scored(rows)])
    found = fit_vector(scored(rows), soft, ridge=1e-7)
    assert found.labels == LABELS
    assert found.scale == pytest.approx(known.scale, rel=0.02)
    # Only differences of offsets matter.
    assert np.array(found.bias) - np.mean(found.bias) == pytest.approx(np.array(known.bias), abs=0.05)


def test_a_fit_lowers_the_cross_entropy():
    rows = drawn(500)
    truths = truths_under(rows, Calibration(temperature=4.0, labels=LABELS, bias=(0.0, 2.0, 0.0, 0.0)))
    for found in (fit_temperature(scored(rows), truths), fit_vector(scored(rows), truths)):
        told = dict(found.fitted_on)
        assert float(told["nats_after"]) < float(told["nats_before"])


def test_a_model_that_is_always_right_gets_the_least_temperature_not_nought():
    rows = drawn(20)
    truths = [LABELS[int(row.argmax())] for row in rows]
    assert RANGE[0] <= fit_temperature(scored(rows), truths).temperature < 0.5


def test_utterances_with_unseen_labels_are_left_out():
    rows = drawn(100)
    truths = truths_under(rows, Calibration(temperature=2.0))
    unseen = LabelScores(labels=LABELS, logps=(-1.0, -math.inf, -2.0, -2.0), n_tokens=(1,) * 4, method="top_logprobs")
    found = fit_temperature([*scored(rows), unseen], [*truths, "happy"])
    assert found == fit_temperature(scored(rows), truths)
    with pytest.raises(ValueError, match="a score for every label"):
        fit_temperature([unseen], ["happy"])


def test_what_does_not_fit_together_is_refused():
    rows = scored(drawn(2))
    with pytest.raises(ValueError, match="as many truths"):
        fit_temperature(rows, ["sad"])
    with pytest.raises(ValueError, match="as many truths"):
        fit_temperature([], [])
    with pytest.raises(ValueError, match="got hungry"):
        fit_vector(rows, ["sad", "hungry"])

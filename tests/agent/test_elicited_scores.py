"""Label likelihood and its calibration, also from files."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.elicitation import Calibration, from_scores, read_calibration
from agent.elicitation.calibration_file import written
from agent.errors import ConfigInvalid
from agent.llm.values import LabelScores

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("angry", "sad")
VECTOR = Calibration(
    temperature=2.0,
    labels=("sad", "angry"),
    scale=(1.5, 0.5),
    bias=(0.1, -0.3),
    per_token=False,
    fitted_on=(("model", 'a "tiny"\none \x7f'), ("utterances", "12")),
)


def scores(*logps: float, n_tokens: tuple[int, ...] = (2, 1)) -> LabelScores:
    return LabelScores(labels=LABELS, logps=logps, n_tokens=n_tokens, method="exact")


def softmax(*values: float) -> list[float]:
    return [math.exp(value) / sum(map(math.exp, values)) for value in values]


def test_scores_are_divided_by_their_length():
    assert from_scores(scores(-4, -1)).distribution == pytest.approx(softmax(-2, -1))


def test_a_temperature_flattens_any_labels():
    found = from_scores(scores(-4, -1), Calibration(temperature=4))
    assert found.distribution == pytest.approx(softmax(-0.5, -0.25))
    assert found.warning is None


def test_scale_and_bias_belong_to_labels_whatever_their_order():
    found = from_scores(scores(-4, -1), VECTOR)
    assert found.distribution == pytest.approx(softmax(-4 * 0.5 / 2 - 0.3, -1 * 1.5 / 2 + 0.1))


def test_a_calibration_for_other_labels_is_left_out_with_a_warning():
    other = Calibration(labels=("happy", "sad"), bias=(5.0, -5.0))
    found = from_scores(scores(-4, -1), other)
    assert found.distribution == pytest.approx(softmax(-2, -1))
    assert found.warning == "not calibrated: the calibration was not fitted for angry"


def test_a_label_that_was_not_seen_gets_nothing():
    assert from_scores(scores(-4, -math.inf), VECTOR).distribution == pytest.approx([1, 0])


@pytest.mark.parametrize("logps", [(math.nan, -1), (math.inf, -1), (-math.inf, -math.inf)])
def test_scores_that_are_none_give_the_uniform_distribution_and_the_reason(logps: tuple[float, float]):
    found = from_scores(scores(*logps), VECTOR)
    assert found.distribution == pytest.approx([0.5, 0.5])
    assert found.problem


def test_no_labels_at_all_are_no_crash():
    empty = LabelScores(labels=(), logps=(), n_tokens=(), method="sampled")
    assert from_scores(empty).problem == "no labels were scored"


@pytest.mark.parametrize("calibration", [Calibration(), Calibration(temperature=1.7), VECTOR])
def test_a_calibration_survives_its_file(tmp_path: Path, calibration: Calibration):
    path = tmp_path / "calibration.toml"
    path.write_text(written(calibration), "utf-8")
    assert read_calibration(path) == calibration


def test_a_calibration_may_be_json(tmp_path: Path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"temperature": 2, "labels": ["a", "b"], "bias": [0, 1]}), "utf-8")
    assert read_calibration(path) == Calibration(temperature=2.0, labels=("a", "b"), bias=(0.0, 1.0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("temperature = 0", "above 0"),
        ("temperature = nan", "above 0"),
        ("temperature = true", "temperature a number"),
        ('temperature = "warm"', "temperature a number"),
        ("per_token = 1", "true or false"),
        ('labels = ["a"]\nbias = [1, 2]', "a bias for each"),
        ('labels = ["a", "a"]', "each once"),
        ('labels = ["a"]\nscale = [-1]', "above 0"),
        ('labels = ["a"]\nscale = [inf]', "must be numbers"),
        ("labels = 3", "to be a list"),
        ("labels = [3]", "to hold words"),
        ('labels = ["a"]\nbias = ["b"]', "to hold numbers"),
        ("warmth = 2", "got warmth"),
        ("fitted_on = 3", "to be a table"),
        ("temperature 2", "no calibration"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str):
    path = tmp_path / "calibration.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigInvalid, match=reason):
        read_calibration(path)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="no such file"):
        read_calibration(tmp_path / "none.toml")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ConfigInvalid, match="expected a table"):
        read_calibration(tmp_path / "list.json")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigInvalid, match="no calibration"):
        read_calibration(tmp_path / "binary.toml")


def test_many_rows_are_calibrated_at_once():
    rows = np.array([[-4.0, -1.0], [0.0, -2.0]])
    assert VECTOR.applied(rows, LABELS)[1] == pytest.approx([-0.3, -2 * 1.5 / 2 + 0.1])

"""Fitting the weights of the fusion: on made-up answers whose worth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.emotion.fusion_weights import load_fusion_weights
from agent.distribution import softmax
from agent.fusion.experts import FusionWeights
from agent.labels import ANCHORS, BIG_FOUR, Affect
from eval.errors import CorpusUnreadable
from eval.training.fusion import (
    FusionRow,
    cross_entropy,
    fit_fusion_weights,
    read_fusion_rows,
    write_fusion_weights,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agent.distribution import Distribution


def made_up(n: int, *, small: float, llm: float, dimensions: float = 0.0, seed: int = 0) -> list[FusionRow]:
    """Answers whose truth is drawn from the product of the experts with these weights: a perfect fit finds them."""
    rng = np.random.default_rng(seed)
    rows: list[FusionRow] = []
    plain = FusionWeights(small=small, llm=llm, dimensions=dimensions, llm_doubt=0)
    for _ in range(n):
        p, q = (softmax(rng.normal(scale=2, size=4)) for _ in range(2))
        arousal, dominance, valence = rng.uniform(size=3)
        affect = Affect(arousal=arousal, dominance=dominance, valence=valence) if dimensions else None
        row = FusionRow(labels=BIG_FOUR, truth=p, small=p, llm=q, affect=affect)
        rows.append(replace(row, truth=_drawn(row, plain, rng)))
    return rows


def _drawn(row: FusionRow, weights: FusionWeights, rng: np.random.Generator) -> Distribution:
    logs = weights.small * np.log(row.small) + weights.llm * np.log(row.llm)
    if row.affect is not None:
        heard = np.array([row.affect.arousal, row.affect.dominance, row.affect.valence])
        places = np.array([[ANCHORS[n].arousal, ANCHORS[n].dominance, ANCHORS[n].valence] for n in row.labels])
        logs = logs - weights.dimensions * ((places - heard) ** 2).sum(axis=1) / (2 * 0.25**2)
    return np.eye(4)[rng.choice(4, p=softmax(logs))]


def test_known_weights_are_found_again():
    start = FusionWeights(llm_doubt=0)
    fit = fit_fusion_weights(made_up(4000, small=0.3, llm=1.2, dimensions=0.4), start=start)
    found = fit.weights
    assert (found.small, found.llm, found.dimensions) == pytest.approx((0.3, 1.2, 0.4), abs=0.1)
    assert found.is_fitted
    assert "4000" in found.provenance
    assert fit.loss < fit.before
    assert fit.loss < min(fit.small, fit.llm)


def test_an_expert_that_is_noise_gets_next_to_nothing():
    fit = fit_fusion_weights(made_up(3000, small=1.0, llm=0.0))
    assert fit.weights.llm < 0.08
    assert fit.weights.small == pytest.approx(1.0, abs=0.1)


def test_without_measured_dimensions_their_weight_stays():
    assert fit_fusion_weights(made_up(100, small=1.0, llm=1.0)).weights.dimensions == FusionWeights().dimensions


def test_few_rows_move_the_weights_less_than_many():
    few, many = (fit_fusion_weights(made_up(n, small=2.0, llm=0.1), pull=20).weights for n in (20, 2000))
    assert 0.5 < few.small < many.small


def test_the_same_rows_give_the_same_weights_and_too_few_none():
    rows = made_up(60, small=0.7, llm=0.7)
    assert fit_fusion_weights(rows) == fit_fusion_weights(rows)
    with pytest.raises(ValueError, match="too few"):
        fit_fusion_weights(rows[:5])


def test_the_figure_is_that_of_the_live_product():
    row = replace(made_up(1, small=1, llm=1)[0], truth=np.array([1.0, 0, 0, 0]), small=np.full(4, 0.25))
    even = replace(row, llm=np.full(4, 0.25))
    assert cross_entropy([even], FusionWeights()) == pytest.approx(2.0)


def test_written_weights_are_read_by_the_recogniser(tmp_path: Path):
    weights = fit_fusion_weights(made_up(60, small=0.7, llm=0.7), provenance='ours, "2026" é').weights
    write_fusion_weights(tmp_path / "fusion.toml", weights)
    assert load_fusion_weights(tmp_path / "fusion.toml") == weights


def test_rows_are_read_with_labels_votes_and_without_dimensions(tmp_path: Path):
    shares = dict.fromkeys(BIG_FOUR, 0.25)
    affect = {"arousal": 0.1, "dominance": 0.2, "valence": 0.3}
    lines = [
        {"truth": "sad", "small": shares, "llm": shares, "affect": affect},
        {"truth": {"sad": 3, "angry": 1}, "small": shares, "llm": dict(reversed(shares.items()))},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n\n".join(json.dumps(line) for line in lines) + "\n")
    first, second = read_fusion_rows(file)
    assert first.truth.tolist() == [0, 0, 0, 1]
    assert first.affect == Affect(**affect)
    assert second.truth.tolist() == [0.25, 0, 0, 0.75]
    assert second.affect is None


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"truth": "sad"}',
        '{"truth": "blue", "small": {"sad": 1, "angry": 0}, "llm": {"sad": 1, "angry": 0}}',
        '{"truth": "sad", "small": {"sad": 1, "angry": 0}, "llm": {"sad": 1, "happy": 0}}',
        '{"truth": "sad", "small": {"sad": -1, "angry": 0}, "llm": {"sad": 1, "angry": 0}}',
        '{"truth": "sad", "small": {"sad": 1, "angry": 0}, "llm": {"sad": NaN, "angry": 0}}',
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str):
    file = tmp_path / "rows.jsonl"
    file.write_text(line)
    with pytest.raises(CorpusUnreadable, match="line 1"):
        read_fusion_rows(file)
    with pytest.raises(CorpusUnreadable, match="cannot be read"):
        read_fusion_rows(tmp_path / "gone.jsonl")

"""Conditions by name."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import ConfigInvalid
from agent.labels import BIG_FOUR, EIGHT
from agent.r3.condition import R3Condition
from agent.r3.conditions import cells, condition, ensemble, ensembles, names, read

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES_000 = {
    "I": ["all rows"],
    "II": [
        "1 No",
        "2 Reas",
        "3 Gend",
        "4 Para",
        "5 Trig",
        "6 ASR",
        "7 Pos",
        "8 Neg",
        "9 Cpt",
        "4 + 5 + 8",
        "4 + 5 + 6 + 8",
    ],
    "III": ["Baseline", "Para info", "without Pr, Ji, Sh"],
    "IV": ["R3", "w/o AEC", "w/o reasoning"],
    "V": ["Context 5", "Context 25", "5-shot", "10-shot", "PEFT"],
    "VI": ["Predict", "Select", "Order A,H,N,S", "Order H,N,A,S"],
}
TABLES_001 = {
    "1": ["Zero-shot [15]", "Text", "Token-level"],
    "2": ["Ambiguous", "Single"],
    "3": ["LLM zero-shot [15]", "LLM few-shot [15]", "Text (single)", "Text (ambiguous)", "Token-level (single)",
          "Token-level (ambiguous)"],
}  # fmt: skip


def test_r3_is_what_a_condition_is_when_nothing_is_said():
    assert condition("r3") == R3Condition()
    assert condition("r3").blocks == (4, 5, 6, 8)
    assert condition("r3").labels == BIG_FOUR


def test_no_two_conditions_ask_the_same():
    assert len({condition(name) for name in names()}) == len(names())


@pytest.mark.parametrize("paper", ["000", "001"])
def test_every_cell_of_the_tables_has_a_condition(paper: str):
    told = "; ".join(f"{cells(name)};" for name in names())
    for table, rows in (TABLES_000 if paper == "000" else TABLES_001).items():
        assert f"{paper} Table {table}," in told or f"Table {table}," in told
        assert all(row in told for row in rows), table


def test_ensembles_name_conditions():
    assert len(ensemble("majority-voting")) == 7
    assert all(name in names() for which in ensembles() for name in ensemble(which))


def test_the_live_default_scores_labels_over_a_sliding_context():
    live = condition("live")
    assert (live.elicitation, live.layout, live.context, live.explain) == ("label", "stable_first", 25, True)
    assert set(condition("live-eight").labels) == set(EIGHT)


@pytest.mark.parametrize("field", [field.name for field in fields(R3Condition)])
def test_every_field_that_can_be_set_is_a_value(field: str):
    for name in names():
        assert not isinstance(getattr(condition(name), field), list)


@pytest.mark.parametrize("ask", [condition, cells])
def test_an_unknown_condition_is_named_with_what_there_is(ask: Callable[[str], object]):
    with pytest.raises(ConfigInvalid, match="no condition 'rr3', expected one of live"):
        ask("rr3")


def test_an_unknown_ensemble_is_named_with_what_there_is():
    with pytest.raises(ConfigInvalid, match="no ensemble 'majority', expected one of majority-voting"):
        ensemble("majority")


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ({"a": {"colour": [4]}}, "sets colour, expected some of"),
        ({"a": {"blocks": [8, 4]}}, "condition 'a': expected blocks from 3 to 9"),
        ({"a": {"like": "b"}}, "'a' is like 'b', which is not there"),
        ({"a": {"like": "b"}, "b": {"like": "a"}}, "is like itself"),
    ],
)
def test_a_condition_that_cannot_be_is_told(tables: dict[str, dict[str, Any]], complaint: str):
    with pytest.raises(ConfigInvalid, match=complaint):
        read("a", tables)


def test_what_a_condition_is_like_holds_where_it_sets_nothing():
    found = read("b", {"a": {"context": 5, "task": "baseline"}, "b": {"like": "a", "context": 7}})
    assert (found.context, found.task) == (7, "baseline")

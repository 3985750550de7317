"""Open points of the papers: what can be chosen, what is chosen unless said otherwise, and that somebody asks."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from eval.papers.discrepancies import SettlementInvalid, discrepancies, discrepancy_table, settle
from eval.papers.published import PAPERS

ASKED = re.compile(r"""settled(?:\[|\.get\()["']([a-z0-9-]+)["']""")
ASKED_BY_PART = {"ambiguous-utterances", "ambiguous-words", "ambiguous-truth"}
"""Named by a part of the name where they are asked for."""


def test_defaults_are_filled_in_and_one_choice_changes_one_thing():
    usual = settle([])
    chosen = settle(["ua=accuracy"])
    assert usual["ua"] == "macro-recall"
    assert chosen == usual | {"ua": "accuracy"}


def test_every_default_is_one_of_the_choices_and_every_point_is_of_a_paper():
    for point in discrepancies():
        assert point.paper in {*PAPERS, "all"}
        assert point.default in point.choices if point.choices else not point.default
        assert point.observed


def test_only_the_paper_s_own_points_are_settled_for_a_paper():
    assert set(settle([], paper="r3")) == {"ua", "readings", "single", "prompt-text"}
    with pytest.raises(SettlementInvalid, match="nothing called 'kl' is open, expected one of ua"):
        settle(["kl=truth-prediction"], paper="r3")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["uar=accuracy"], "nothing called 'uar' is open"),
        (["ua"], "ua cannot be '', expected one of macro-recall, accuracy"),
        (["ua=recall"], "ua cannot be 'recall'"),
        (["rank=other"], "nothing called 'rank' is open"),
        (["ua=accuracy", "ua=macro-recall"], "ua is settled twice"),
    ],
)
def test_what_cannot_be_chosen_is_one_clear_error(chosen: list[str], said: str):
    with pytest.raises(SettlementInvalid, match=said):
        settle(chosen)


def test_whatever_a_paper_s_module_asks_for_is_open_and_what_is_open_is_asked_for():
    sources = [file.read_text("utf-8") for file in files("eval.papers").iterdir() if file.name.endswith(".py")]
    asked = {name for text in sources for name in ASKED.findall(text)}
    open_points = {point.name for point in discrepancies() if point.choices}
    assert all(len(point.choices) != 1 for point in discrepancies())
    assert asked <= open_points
    assert open_points - asked <= ASKED_BY_PART


def test_the_table_tells_all_of_them_with_the_default_first():
    table = discrepancy_table()
    assert table.count("\n") == 1 + len(discrepancies())
    assert "| `macro-recall` mean recall" in table
    assert all(line.replace("\\|", "").count("|") == 6 for line in table.splitlines())

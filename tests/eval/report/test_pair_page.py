"""The page of two runs: differences are those of `compare`, on the items that both have; what changed is shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from eval.report.facts import About
from eval.report.pair import PairPage, pair_page
from eval.report.render import render
from eval.report.run import Showing
from eval.report.shown import tone_of
from eval.score.compare import compare
from eval.score.errors import ScoreImpossible
from eval.score.ledger import Ledger
from eval.score.measure import ScoreSettings
from eval.score.table import comparison_table
from eval.statistics import Resampling
from tests.eval.report.page_tree import parse
from tests.eval.score.ledgers import estimate, made, row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eval.replay.row import Row

QUICK = ScoreSettings(resampling=Resampling(draws=20))
TRIALS = 60
SECTIONS = ("summary", "feelings", "sure", "words", "place", "time", "changed", "run", "signatures")


def ledgers(a: Sequence[Row] | None = None, b: Sequence[Row] | None = None) -> tuple[Ledger, Ledger]:
    first = made(share_right=0.3) if a is None else a
    second = made(share_right=0.95, seed=4, run="r2") if b is None else b
    return Ledger(rows=tuple(first)), Ledger(rows=tuple(second))


def page_of(a: Sequence[Row] | None = None, b: Sequence[Row] | None = None, **more: Any) -> PairPage:
    return pair_page(*ledgers(a, b), QUICK, trials=TRIALS, **more)


def test_the_differences_shown_are_those_that_compare_prints():
    table = comparison_table(compare(*ledgers(), QUICK, trials=TRIALS), level=0.95)
    lines = [re.split(r" ?(?<!\\)\| ?", line)[1:-1] for line in table.splitlines() if line.startswith("| ")][1:]
    wanted = {cells[0].removesuffix(" %").replace("\\|", "|"): cells[2:8] for cells in lines}
    assert len(wanted) > 20
    page = parse(render(page_of()))
    shown: dict[str, list[str]] = {}
    for line in page.all("tr", data_group="difference"):
        a, b, p, p_holm = (cell.text or "-" for cell in line.all("td", kind="p"))
        value = line.one("td", kind="value").text.replace(" pts", "")
        shown[line.attrs["data-figure"]] = [a, b, value, p, p_holm, line.one("td", kind="n").text]
    assert shown == wanted


def test_every_section_is_there_and_nothing_from_outside():
    html = render(page_of())
    page = parse(html)
    assert tuple(node.attrs["id"] for node in page.all("section")) == SECTIONS
    assert {node.attrs["href"] for node in page.one("nav").all("a")} == {f"#{name}" for name in SECTIONS}
    assert not page.all("script")
    assert not re.search(r"url\(|@import|https?:", html)
    assert html == render(page_of())


def test_better_and_worse_go_by_which_way_is_better():
    few = replace(QUICK, blocks="item", figures=("UA", "WER", "no label said"))

    def tones(a: Ledger, b: Ledger) -> dict[str, str]:
        return {each.name: tone_of(each, level=0.95) for each in compare(a, b, few, trials=TRIALS).differences}

    a, b = ledgers()
    assert tones(a, b) == {"UA": "better", "WER": "better", "no label said": ""}
    assert tones(b, a) == {"UA": "worse", "WER": "worse", "no label said": ""}
    assert set(tones(a, a).values()) == {""}
    page = parse(render(pair_page(a, b, few, trials=TRIALS)))
    assert {node.attrs["data-tone"] for node in page.all("tr", data_figure="UA")} == {"better"}
    assert "B is better." in page.one("div", data_headline="UA").text


def test_items_that_changed_are_counted_and_the_most_changed_come_first():
    def told(item: str, *shares: float) -> Row:
        labels = ("angry", "happy", "neutral", "sad")
        return row(item, emotion="sad", estimates=[estimate(labels[shares.index(max(shares))], *shares)])

    a = [told("won", 1, 0, 0, 0), told("lost", 0, 0, 0.4, 0.6), told("kept", 0, 0, 0, 1), told("more", 0.6, 0, 0, 0.4)]
    b = [told("won", 0, 0, 0, 1), told("lost", 0, 0, 0.6, 0.4), told("kept", 0, 0, 0, 1), told("more", 0.4, 0, 0, 0.6)]
    page = page_of(a, b)
    assert page.agreement == ((1, 1), (2, 0))
    won, lost, words = page.lists
    assert [(case.item, case.why) for case in won.cases] == [
        ("won", "true label: 0 % → 100 %"),
        ("more", "true label: 40 % → 60 %"),
    ]
    assert [case.item for case in lost.cases] == ["lost"]
    assert [side for side, _ in lost.cases[0].told] == ["A", "B"]
    assert not words.cases
    assert [len(some.cases) for some in page_of(a, b, showing=Showing(worst=1)).lists] == [1, 1, 0]


def test_words_that_changed_stand_side_by_side():
    a = [row("x", text="the cat sat", heard=["a hat"]), row("y", text="yes", heard=["yes"])]
    b = [row("x", text="the cat sat", heard=["the cat"]), row("y", text="yes", heard=["yes"])]
    a, b = [replace(each, prosody={"words": ["loud"]}) for each in a], [replace(b[0], problem="cut"), b[1]]
    (case,) = page_of(a, b).lists[2].cases
    assert case.notes == ("A: loud", "B: cut")
    assert case.why == "errors: 3 → 1"
    assert [side for side, _ in case.words] == ["A", "B"]


def test_items_that_only_one_has_are_left_out_and_counted():
    a, b = made(40), made(50, run="r2")
    page = page_of(a[10:], b)
    assert page.counts == {"in both": 30, "only in A, left out": 0, "only in B, left out": 20}
    assert page.recalls == page_of(a[10:], b[10:40]).recalls
    with pytest.raises(ScoreImpossible, match="no item in common"):
        page_of(made(10), [replace(each, corpus="other") for each in made(10)])


def test_only_what_differs_between_the_runs_is_told_first():
    def told(emotion: str) -> About:
        return About(header={"corpus": "made", "provenance": {"settings": {"emotion": emotion, "context": None}}})

    page = page_of(abouts=(told("text"), told("both")))
    assert [(fact.name, fact.texts) for fact in page.different] == [("emotion", ("text", "both"))]
    assert {fact.name for fact in page.facts} > {"emotion", "context"}
    assert page.hows == (
        "Words by None, feeling from words, embedded engines",
        "Words by None, feeling from words and voice, embedded engines",
    )

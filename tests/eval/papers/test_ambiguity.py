"""Paper 001 cell by cell: golden numbers through a whole replay, which utterances count, and what is settled how."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.elicitation import word_for
from agent.llm.values import Capabilities
from eval.corpora.item import Corpus, Item
from eval.papers.ambiguity import NUMBERS, table
from eval.papers.contrast import contrasts
from eval.papers.discrepancies import settle
from eval.papers.elicited import LABELS, Elicited, utterances
from eval.papers.fill import fill
from eval.papers.published import TableUnknown
from tests.eval.papers.scripted import PROFILE, behind_a_profile, run_of, wav
from tests.eval.replay.toy import voice

if TYPE_CHECKING:
    from pathlib import Path

    from eval.papers.cell import Cell, Table
    from eval.score.report import Figure

RATED = {"neu": "neutral", "hap": "happy", "exc": "happy", "ang": "angry", "sad": "sad"}
WORDS = ("Neutral", "Happiness", "Anger", "Sadness")

# papers_spec 4.5: prediction in percent and votes, in the order of LABELS; KL(p|t), KL(t|p), BD, R2, BC.
CASES = {
    "A": ((10, 20, 60, 10), {"ang": 2, "sad": 1}, (4.7885, 0.4679, 0.2037, 0.6541, 0.8157)),
    "B": ((25, 25, 25, 25), {"neu": 3}, (12.4292, 1.3863, 0.6931, 0.0, 0.5)),
    "C": ((0, 35, 65, 0), {"hap": 1, "ang": 2}, (0.0009, 0.0009, 0.0002, 0.9978, 0.9998)),
}


def corpus(*items: Item, name: str = "made") -> Corpus:
    return Corpus(name=name, items=items, labels=RATED)


def voted(item: str, votes: dict[str, int], *, emotion: str | None = None, speaker: str = "s") -> Item:
    most = max(votes, key=lambda label: votes[label]) if votes else None
    return Item(id=item, text=f"well, {item}", speaker=speaker, votes=tuple(votes.items()), emotion=emotion or most)


def stated(shares: tuple[int, ...]) -> str:
    return ", ".join(f"{word}: {share}%" for word, share in zip(WORDS, shares, strict=True))


def made(number: str, whole: Corpus, *chosen: str) -> Table:
    return table(number, profiles=[PROFILE], settled=settle(chosen), corpus=whole)


def cell(of: Table, row: str, column: str) -> Cell:
    (found,) = (each for each in of.cells if (each.row, each.column) == (row, column))
    return found


def figure(number: str, row: str, column: str, *, whole: Corpus, out: Path, chosen: tuple[str, ...] = ()) -> Figure:
    source = cell(made(number, whole, *chosen), row, column).source
    assert source is not None
    return source.figure(run_of(whole, out))


@pytest.mark.parametrize("case", CASES)
def test_stated_percentages_have_the_golden_distances(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shares, votes, (kl, reverse, bd, r2, bc) = CASES[case]
    whole = corpus(voted("one", votes))
    behind_a_profile([stated(shares)], home=tmp_path, monkeypatch=monkeypatch)

    def of(column: str, *chosen: str) -> float | None:
        return figure("1", "Text", column, whole=whole, out=tmp_path / "out", chosen=chosen).value

    assert of("KL") == pytest.approx(kl, abs=1e-4)
    assert of("KL", "kl=truth-prediction") == pytest.approx(reverse, abs=1e-4)
    assert of("BD") == pytest.approx(bd, abs=1e-4)
    assert of("R2") == pytest.approx(r2, abs=1e-4)
    assert of("BD", "bd=coefficient") == pytest.approx(bc, abs=1e-4)


def test_distances_are_means_over_utterances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(voted("one", CASES["A"][1]), voted("two", CASES["B"][1]))
    behind_a_profile([stated(CASES["A"][0]), stated(CASES["B"][0])], home=tmp_path, monkeypatch=monkeypatch)
    found = figure("1", "Text", "KL", whole=whole, out=tmp_path / "out")
    assert found.value == pytest.approx((4.7885 + 12.4292) / 2, abs=1e-4)
    assert found.n == 2


def expected_tokens(said: str, words: tuple[str, ...]) -> list[float]:
    """Equations 1 and 2 by hand for a model whose tokens are bytes and whose logits are 8 for the byte it says."""
    z = [
        sum(sum(8.0 * (own == byte) for own in word.encode()) / len(word.encode()) for byte in said.encode())
        / len(said.encode())
        for word in words
    ]
    return [each / sum(z) for each in z]


def test_token_level_follows_equations_1_and_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said = "Sadness, Anger, Happiness"
    words = tuple(word_for(label, wording="ambiguous") for label in LABELS)
    shares = expected_tokens(said, words)
    whole = corpus(voted("one", {"sad": 3}))
    behind_a_profile([said], home=tmp_path, monkeypatch=monkeypatch)
    found = figure("1", "Token-level", "BD", whole=whole, out=tmp_path / "out")
    assert shares[3] == max(shares)
    assert found.value == pytest.approx(-0.5 * math.log(shares[3]), abs=1e-3)
    assert found.signature.get("condition") == "ambiguous-token"


def test_where_equation_2_does_not_apply_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # "anger" has none of its letters: a mean logit of 0 is no share of a sum.
    whole = corpus(voted("one", {"sad": 3}))
    behind_a_profile(["s"], home=tmp_path, monkeypatch=monkeypatch)
    source = cell(made("2", whole), "Ambiguous", "KL").source
    assert source is not None
    found = source.figure(run_of(whole, tmp_path / "out"))
    assert found.value is not None
    assert found.signature.get("moved before equation 2") == "1 of 1"
    softened = cell(made("2", whole, "equation-2=softmax"), "Ambiguous", "KL").source
    assert isinstance(softened, Elicited)
    assert softened.condition == "ambiguous-token-softmax"
    assert softened.figure(run_of(whole, tmp_path / "out")).value != found.value


def test_only_utterances_with_votes_for_the_four_count():
    items = (
        voted("pure", {"ang": 2, "neu": 1}),
        voted("mixed", {"ang": 2, "fru": 1}),
        voted("excited", {"exc": 2, "hap": 1}),
        voted("other", {"fru": 3}),
        voted("unrated", {}, emotion="hap"),
        Item(id="context", text="hm", is_to_be_scored=False, votes=(("hap", 3),)),
    )

    def taken(*chosen: str) -> list[str]:
        narrowed = utterances(corpus(*items), settle(chosen))
        assert [item.id for item in narrowed.items] == [item.id for item in items]
        return [item.id for item in narrowed.items if item.is_to_be_scored]

    assert taken() == ["pure", "unrated"]
    assert taken("excitement=happy") == ["pure", "excited", "unrated"]
    assert taken("ambiguous-utterances=any") == ["pure", "mixed", "excited", "unrated"]


def test_excitement_is_no_label_unless_it_is_settled_so():
    whole = corpus(voted("one", {"exc": 3}), name="iemocap")
    assert "exc" not in utterances(whole, settle([])).labels
    assert utterances(whole, settle(["excitement=happy"])).labels == RATED


def accuracy(tmp_path: Path, *chosen: str, column: str = "Accuracy") -> Figure:
    whole = corpus(voted("a", {"sad": 2, "neu": 1}), voted("b", {"ang": 1, "hap": 1, "sad": 1}, emotion="sad"))
    return figure("3", "Text (single)", column, whole=whole, out=tmp_path / "out", chosen=chosen)


def test_single_labels_are_right_or_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile(["Sadness", "Happiness"], home=tmp_path, monkeypatch=monkeypatch)
    assert accuracy(tmp_path).value == pytest.approx(0.5)
    assert accuracy(tmp_path, "ambiguous-truth=votes").value == pytest.approx(1.0)
    f1 = accuracy(tmp_path, column="F1")
    assert (f1.value, f1.scale, f1.decimals) == (pytest.approx(2 / 3 / 4), 1.0, 2)
    assert accuracy(tmp_path, "f1=weighted", column="F1").value == pytest.approx(2 / 3)


def test_answers_that_state_nothing_are_left_out_or_counted_uniform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(voted("one", CASES["C"][1]), voted("two", {"neu": 3}))
    behind_a_profile([stated(CASES["C"][0]), "I cannot say."], home=tmp_path, monkeypatch=monkeypatch)
    left_out = figure("1", "Text", "BD", whole=whole, out=tmp_path / "out")
    counted = figure("1", "Text", "BD", whole=whole, out=tmp_path / "out", chosen=("invalid-answers=uniform",))
    assert (counted.n, left_out.n) == (2, 1)
    assert counted.value == pytest.approx((0.0002 + 0.6931) / 2, abs=1e-4)
    assert left_out.value == pytest.approx(0.0002, abs=1e-4)
    assert left_out.signature.get("invalid") == "1 left-out"


def test_where_no_answer_states_anything_that_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(voted("one", {"sad": 3}), voted("two", {"sad": 3}))
    behind_a_profile(["I cannot say."], home=tmp_path, monkeypatch=monkeypatch)
    found = figure("1", "Text", "KL", whole=whole, out=tmp_path / "out")
    assert (found.value, found.n, found.reason) == (None, 0, "none of 2 answers states anything")
    labelled = figure("3", "Text (single)", "F1", whole=whole, out=tmp_path / "out")
    assert (labelled.value, labelled.reason) == (None, "none of 2 answers states anything")


def test_votes_need_not_be_rounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(voted("one", CASES["C"][1]))
    behind_a_profile([stated((0, 33, 67, 0))], home=tmp_path, monkeypatch=monkeypatch)
    rounded = figure("1", "Text", "KL", whole=whole, out=tmp_path / "out")
    exact = figure("1", "Text", "KL", whole=whole, out=tmp_path / "out", chosen=("ambiguous-votes=exact",))
    assert rounded.value == pytest.approx(0.0, abs=1e-6)
    assert exact.value is not None
    assert exact.value > 1e-5
    assert exact.signature.get("votes") == "not rounded"


def test_a_corpus_without_votes_gives_no_distances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(Item(id="one", text="oh", emotion="sad"))
    behind_a_profile([stated(CASES["A"][0])], home=tmp_path, monkeypatch=monkeypatch)
    found = figure("1", "Text", "KL", whole=whole, out=tmp_path / "out")
    assert (found.value, found.reason) == (None, "no row tells votes for the label set")
    assert "made tells no votes of raters." in made("1", whole).notes
    assert figure("3", "Text (ambiguous)", "Accuracy", whole=whole, out=tmp_path / "out").value == 0.0


@pytest.mark.parametrize("number", NUMBERS)
def test_every_cell_is_made_or_says_why_not(number: str):
    whole = corpus(voted("one", {"sad": 3}))
    for each in made(number, whole).cells:
        assert (each.source is None) == bool(each.why)
    both = table(number, profiles=[PROFILE, None], settled=settle([]), corpus=whole)
    assert len(both.cells) == 2 * len(made(number, whole).cells)
    assert {each.column for each in both.cells} == set(both.columns)


def test_what_the_paper_prints_stands_beside():
    whole = corpus(voted("one", {"sad": 3}))
    assert cell(made("1", whole), "Text", "KL").published == 2.05
    assert cell(made("3", whole), "Token-level (single)", "F1").published == 0.30
    assert cell(made("figure3", whole), "Single, emotion words only", "KL").published is None


def test_a_model_that_hears_can_do_without_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sound = wav(tmp_path / "one.wav", voice(1.0))
    heard = Item(id="one", audio=sound, text="never shown", votes=(("ang", 3),), emotion="ang")
    whole = corpus(heard, voted("words only", {"sad": 3}))
    ears = Capabilities(context_length=None, traces=True, hears=True)
    models = behind_a_profile([stated((0, 0, 100, 0))], home=tmp_path, monkeypatch=monkeypatch, capabilities=ears)
    found = figure("1", "Text", "BD", whole=whole, out=tmp_path / "out", chosen=("ambiguous-words=none",))
    assert found.n == 1
    assert found.value == pytest.approx(0.0, abs=1e-6)
    (asked,) = (call for model in models for call in model.asked)
    assert asked.prompt.messages[-1].audio is not None
    assert "never shown" not in "".join(message.text for message in asked.prompt.messages)


def test_ways_to_ask_are_compared_on_what_both_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(*(voted(f"item {who}", {"sad": 3}, speaker=who) for who in "abcdef"))
    # The first answers are those of the text level, of which one is invalid; the last one stays.
    behind_a_profile([stated((0, 0, 50, 50))] * 5 + ["who knows"], home=tmp_path, monkeypatch=monkeypatch)
    figure("1", "Text", "BD", whole=whole, out=tmp_path / "out")
    behind_a_profile(["Sadness"], home=tmp_path, monkeypatch=monkeypatch)
    made_here = made("1", whole)
    found = {(one.cell.row, one.cell.column): one for one in contrasts(made_here, run_of(whole, tmp_path / "out"))}
    token = found["Token-level", "BD"]
    assert set(found) == {("Token-level", "KL"), ("Token-level", "BD"), ("Token-level", "R2")}
    assert token.difference.n == 5
    assert token.difference.a == pytest.approx(0.6931 / 2, abs=1e-4)
    assert token.difference.difference.value is not None
    assert token.published == pytest.approx(-0.04)


def rated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """Six utterances of six speakers, all sad; the text level hears half of them, the token level none."""
    whole = corpus(*(voted(f"item {who}", {"sad": 3}, speaker=who) for who in "abcdef"))
    behind_a_profile(["Sadness", "Anger"] * 3, home=tmp_path, monkeypatch=monkeypatch)
    figure("3", "Text (single)", "F1", whole=whole, out=tmp_path / "out")
    behind_a_profile(["Anger"], home=tmp_path, monkeypatch=monkeypatch)
    return whole


def test_differences_are_told_in_the_units_of_their_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = rated(tmp_path, monkeypatch)
    told = made("3", whole)
    kept = {("Text (single)", "F1"), ("Token-level (single)", "F1"), ("Token-level (single)", "Accuracy")}
    some = replace(
        told,
        cells=tuple(
            one if (one.row, one.column) in kept else replace(one, source=None, why="not now") for one in told.cells
        ),
    )
    filled = fill(some, run_of(whole, tmp_path / "out"), compares=True)
    (one,) = (each for each in filled.contrasts if each.cell.column == "F1")
    assert one.published == pytest.approx(-0.09)
    values = {each.cell.row: each.figure.value for each in filled.cells if each.figure and each.cell.column == "F1"}
    assert one.difference.difference.value == pytest.approx(
        (values["Token-level (single)"] or 0.0) - (values["Text (single)"] or 0.0)
    )
    assert (one.difference.scale, one.difference.decimals) == (1.0, 2)


def test_votes_that_are_not_rounded_are_not_compared_as_if_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = rated(tmp_path, monkeypatch)
    notes: list[str] = []
    run = run_of(whole, tmp_path / "out", notes=notes)
    assert contrasts(made("2", whole, "ambiguous-votes=exact"), run, trials=10) == ()
    assert sum("is not compared: distances are compared with votes of two decimals only" in note for note in notes) == 3
    found = contrasts(made("3", whole, "ambiguous-votes=exact"), run, trials=10)
    assert {one.cell.column for one in found} == {"Accuracy", "F1"}


def test_what_nothing_was_stated_for_is_not_compared_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(*(voted(f"item {who}", {"sad": 3}, speaker=who) for who in "abcdef"))
    behind_a_profile(["who knows"], home=tmp_path, monkeypatch=monkeypatch)
    notes: list[str] = []
    assert contrasts(made("1", whole), run_of(whole, tmp_path / "out", notes=notes), trials=10) == ()
    assert "Token-level, KL is not compared: none of 6 answers to ambiguous-text states anything" in notes


def test_the_signature_says_which_corpus_and_whose_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(voted("one", CASES["A"][1]))
    behind_a_profile([stated(CASES["A"][0])], home=tmp_path, monkeypatch=monkeypatch)
    told = figure("1", "Text", "KL", whole=whole, out=tmp_path / "out").signature
    names = ("corpus", "profile", "condition", "words", "metric")
    assert [told.get(name) for name in names] == ["made", PROFILE, "ambiguous-text", "recogniser", "KL(p/t)"]


def test_few_shots_are_of_others_and_hold_one_label_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(*(voted(f"item {who}", {label: 3}, speaker=who) for who, label in (("a", "sad"), ("b", "hap"))))
    models = behind_a_profile(["{'sad': 1.0}"], home=tmp_path, monkeypatch=monkeypatch)
    figure("3", "LLM few-shot [15]", "Accuracy", whole=whole, out=tmp_path / "out")
    asked = [call.prompt.messages[-1].text for model in models for call in model.asked]
    assert len(asked) == 2
    assert "well, item b" in asked[0]
    assert "'happy': 1.0" in asked[0]
    assert "'sad': 1.0" not in asked[0]


def test_cells_that_ask_alike_share_a_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus(voted("one", CASES["A"][1]))
    models = behind_a_profile([stated(CASES["A"][0])], home=tmp_path, monkeypatch=monkeypatch)
    for column in ("KL", "BD", "R2"):
        figure("1", "Text", column, whole=whole, out=tmp_path / "out")
    assert sum(len(model.asked) for model in models) == 1


def test_a_table_that_is_not_there_is_named():
    with pytest.raises(TableUnknown, match="figure3"):
        made("4", corpus())

"""Paper 001, "Token-level logits matter" (arXiv 2505.18484): distributions a language model states, or holds likely.

Tables 1 to 3, and figure 3, whose values cannot be read off the print. Its model hears (LTU-AS); one without ears is
given words, which is told below the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .cell import Cell, Table
from .elicited import Elicited
from .published import TableUnknown, published

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..corpora.item import Corpus
    from .published import Published

NUMBERS: Final = ("1", "2", "3", "figure3")
_ELSEWHERE: Final = "a system of another paper, not made here"
_SHOTS: Final = (
    "Few-shot: 15 examples by others in other conversations, each with its one label; those of [15] are the turns "
    "before, with their raters' votes, which nobody has while people talk."
)
_CONDITIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "1": {"Zero-shot [15]": "ambiguous-zero-shot", "Text": "ambiguous-text", "Token-level": "ambiguous-token"},
    "2": {"Ambiguous": "ambiguous-token", "Single": "single-token"},
    "3": {
        "LLM few-shot [15]": "ambiguous-few-shot",
        "LLM zero-shot [15]": "ambiguous-zero-shot",
        "Text (single)": "single-text",
        "Text (ambiguous)": "ambiguous-text",
        "Token-level (ambiguous)": "ambiguous-token",
        "Token-level (single)": "single-token",
    },
    "figure3": {
        "Ambiguous, all tokens": "ambiguous-token",
        "Ambiguous, emotion words only": "ambiguous-token-words",
        "Single, all tokens": "single-token",
        "Single, emotion words only": "single-token-words",
    },
}
_AGAINST: Final[Mapping[str, Mapping[str, str]]] = {
    "1": {"Token-level": "Text"},
    "2": {"Single": "Ambiguous"},
    "3": {
        "LLM few-shot [15]": "LLM zero-shot [15]",
        "Token-level (ambiguous)": "Text (ambiguous)",
        "Token-level (single)": "Text (single)",
    },
    "figure3": {
        "Ambiguous, emotion words only": "Ambiguous, all tokens",
        "Single, emotion words only": "Single, all tokens",
    },
}
"""Rows that are compared with another one, on utterances that both answered."""


def table(number: str, *, profiles: Sequence[str | None], settled: Mapping[str, str], corpus: Corpus) -> Table:
    """Return a table of the paper, with our columns once per profile.

    Raises:
        TableUnknown: there is no such table.
    """
    if number not in NUMBERS:
        raise TableUnknown(f"paper ambiguity has no table {number!r}, expected one of {', '.join(NUMBERS)}")
    printed = published("ambiguity", number)
    shown = {_column(name, profile, profiles): (name, profile) for profile in profiles for name in printed.columns}
    cells = [
        _cell(
            row,
            column,
            published=printed.value(row, name),
            source=_source(printed, row, name, profile=profile, settled=settled),
        )
        for row in printed.rows
        for column, (name, profile) in shown.items()
    ]
    return Table(
        paper="ambiguity",
        number=number,
        title=printed.title,
        rows=printed.rows,
        columns=tuple(shown),
        cells=tuple(cells),
        unit=printed.unit,
        better={column: _better(printed, name, settled) for column, (name, _) in shown.items()},
        notes=_notes(number, settled, corpus),
        against={(row, column): (other, column) for row, other in _AGAINST[number].items() for column in shown},
    )


def _cell(row: str, column: str, *, published: float | None, source: Elicited | None) -> Cell:
    return Cell(row=row, column=column, published=published, source=source, why="" if source else _ELSEWHERE)


def _source(
    printed: Published, row: str, column: str, *, profile: str | None, settled: Mapping[str, str]
) -> Elicited | None:
    condition = _CONDITIONS[printed.number].get(row)
    if condition is None:
        return None
    if settled["equation-2"] == "softmax" and "-token" in condition:
        condition = f"{condition}-softmax"
    return Elicited(condition=condition, name=_figure(column, settled), profile=profile, settled=settled)


def _figure(column: str, settled: Mapping[str, str]) -> str:
    """Return which of our figures stands in a cell."""
    match column:
        case "KL":
            return "KL(p|t)" if settled["kl"] == "prediction-truth" else "KL(t|p)"
        case "BD":
            return "BC" if settled["bd"] == "coefficient" else "BD"
        case "Accuracy":
            return "WA"
        case "F1":
            return f"{settled['f1']} F1"
        case _:
            return column


def _better(printed: Published, column: str, settled: Mapping[str, str]) -> str:
    return "higher" if _figure(column, settled) == "BC" else printed.better.get(column, "higher")


def _column(name: str, profile: str | None, profiles: Sequence[str | None]) -> str:
    return name if len(profiles) < 2 else f"{name}, {profile or 'the usual profile'}"


def _notes(number: str, settled: Mapping[str, str], corpus: Corpus) -> tuple[str, ...]:
    """Return what is to be known beside the figures; `discrepancies.toml` tells the same at length."""
    words = {
        "recogniser": "those our recogniser hears, or without sound those that come with the corpus",
        "corpus": "those of the recognisers that come with the corpus",
        "transcript": "the corpus's transcript",
        "none": "none, so that a model without ears says nothing",
    }[settled["ambiguous-words"]]
    taken = (
        "whose raters chose none but"
        if settled["ambiguous-utterances"] == "four-only"
        else "with at least one vote for one of"
    )
    invalid = "left out" if settled["invalid-answers"] == "left-out" else "counted uniform"
    of_labels = (
        f"Utterances {taken} neutral, happy, angry, sad; excitement is "
        f"{'no label' if settled['excitement'] == 'dropped' else 'happiness'}."
    )
    notes = [
        f"The paper's model (LTU-AS) hears; ours is given words, and the sound too where it hears. Words: {words}.",
        of_labels,
        f"Answers that state nothing are {invalid} (in the paper left out, 2.1 %).",
        *(_of_labels(settled) if number == "3" else _of_distributions(settled)),
        "Equation 2 divides mean logits by their sum; where one is not above 0 the least is moved to 0.001 first."
        if settled["equation-2"] == "linear"
        else "A softmax of the mean logits stands in place of equation 2.",
    ]
    if not any(item.votes for item in corpus.items):
        notes.append(f"{corpus.name} tells no votes of raters.")
    return tuple(notes)


def _of_distributions(settled: Mapping[str, str]) -> list[str]:
    way = "prediction || truth" if settled["kl"] == "prediction-truth" else "truth || prediction"
    of_kl = (
        f"KL is KL({way}) with 1e-8 added to what divides; the paper gives neither, and prints 0.75 to 2.05, where "
        "this form exceeds 4 as soon as what divides has zeros and the other has none."
    )
    of_bd = (
        "BD is -ln BC; the 0.51 of [15] may be BC, which that program returns under the name."
        if settled["bd"] == "distance"
        else "Ours in the columns BD is BC (higher is better), which the program of [15] returns under that name."
    )
    return [of_kl, of_bd]


def _of_labels(settled: Mapping[str, str]) -> list[str]:
    truth = "the label agreed on" if settled["ambiguous-truth"] == "agreed" else "the most frequent vote"
    return [
        f"What is said is the likeliest label, what is true {truth}; F1 is {settled['f1']}.",
        _SHOTS,
    ]

"""Paper 000, "Revise, Reason, and Recognize" (arXiv 2409.15551): Tables I to VI, cell by cell.

A cell is a way to ask, one of `agent/r3/conditions.toml`, over somebody's words, which are said here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agent.labels import BIG_FOUR, EIGHT

from ..corpora.gensec import BY_WER
from ..replay.plan import ReplaySettings
from ..score.measure import ScoreSettings
from .cell import Cell, Table
from .published import TableUnknown, published
from .r3_notes import measured_splits, notes_of, why_not
from .replayed import Replayed
from .tuned import Tuned, left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..corpora.item import Corpus
    from .published import Published

PAPER: Final = "r3"
NUMBERS: Final = ("1", "2", "3", "4", "5", "6")

GROUND_TRUTH: Final = "text"
OWN: Final = "own"
WER: Final = "WER"
MSP: Final = "msp"
"""How the names of corpora with eight classes begin: theirs is the second column of Table III."""
OF_EIGHT: Final = "-eight"
"""How conditions end that ask for those eight."""

_CONDITIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "2": {
        "1 No reasoning": "baseline",
        "2 Reasoning": "baseline-reasoning",
        "3 Gender": "gender",
        "4 Paraling": "paraling",
        "5 Trigger": "trigger",
        "6 ASR relation": "asr-relation",
        "7 Pos stimuli": "positive",
        "8 Neg stimuli": "negative",
        "9 Cpt stimuli": "competitive",
        "Majority voting": "majority-voting",
        "4 + 5 + 8": "4+5+8",
        "4 + 5 + 6 + 8": "4+5+6+8",
    },
    "3": {
        "Baseline, no explanation": "baseline",
        "Para info": "paraling",
        "without Pr, Ji, Sh": "paraling-without-pitch-range-jitter-shimmer",
    },
    "4": {"R3": "r3", "w/o AEC": "r3-without-aec", "w/o reasoning": "r3-without-reasoning"},
    "5": {
        "Context 5": "context-5",
        "Context 25": "context-25",
        "5-shot": "shots-5",
        "10-shot": "shots-10",
        "PEFT": "r3",
    },
    "6": {"Predict": "baseline", "Select": "select", "Order A,H,N,S": "baseline", "Order H,N,A,S": "order-hnas"},
}
"""Conditions by row, in Tables V and VI by column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What all cells of a table have in common."""

    printed: Published
    profiles: Sequence[str | None]
    settled: Mapping[str, str]
    corpus: Corpus

    def cell(self, row: str, column: str, *, condition: str, words: str, profile: str | None) -> Cell:
        """Return a cell that is replayed, or says why not, beside what is printed in the paper's `column`."""
        why = why_not(self.corpus, condition=condition, words=words)
        source = None if why else self.source(condition, words, profile)
        shown = column if len(self.profiles) < 2 else f"{column}, {named(profile)}"
        return Cell(row=row, column=shown, published=self.printed.value(row, column), source=source, why=why)

    def cells(self, row: str, column: str, *, condition: str, words: str) -> list[Cell]:
        """Return that cell for each profile."""
        return [self.cell(row, column, condition=condition, words=words, profile=each) for each in self.profiles]

    def model_cells(self, row: str, *, condition: str, words: str) -> list[Cell]:
        """Return a row of a table whose columns are models: theirs as printed, and one of ours for each profile."""
        why = why_not(self.corpus, condition=condition, words=words)
        return [
            *(Cell(row=row, column=each, published=self.printed.value(row, each)) for each in self.printed.columns),
            *(
                Cell(row=row, column=named(each), source=None if why else self.source(condition, words, each), why=why)
                for each in self.profiles
            ),
        ]

    def source(self, condition: str, words: str, profile: str | None, *, name: str | None = None) -> Replayed:
        """Return the replay of a condition over the words of "text", "own", "ten", "eleven" or one recogniser."""
        whose = GROUND_TRUTH if words == GROUND_TRUTH else "asr" if words == OWN else "corpus"
        readings = () if words in {GROUND_TRUTH, OWN, "eleven"} else BY_WER if words == "ten" else (words,)
        settings = ReplaySettings(hypotheses=whose, profile=profile, condition=condition, readings=readings)
        is_eight = condition.endswith(OF_EIGHT)
        return Replayed(
            settings=settings,
            name=name or self.figure,
            score=scoring(EIGHT if is_eight else BIG_FOUR),
            splits=measured_splits(self.corpus) if is_eight else (),
        )

    @property
    def figure(self) -> str:
        """Which of our figures stands for their UA."""
        return "UA" if self.settled["ua"] == "macro-recall" else "WA"

    @property
    def prompt_words(self) -> str:
        """Whose words variations of the prompt are tried on."""
        return GROUND_TRUTH if self.settled["prompt-text"] == "text" else self.settled["single"]

    def table(
        self,
        cells: Sequence[Cell],
        *,
        words: Sequence[str],
        against: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    ) -> Table:
        """Return the table of these cells; `words`: whose words they read."""
        shown = tuple(dict.fromkeys(cell.column for cell in cells))
        return Table(
            paper=PAPER,
            number=self.printed.number,
            title=self.printed.title,
            rows=self.printed.rows,
            columns=shown,
            cells=tuple(cells),
            unit=self.printed.unit,
            better={column: "lower" if column.startswith(WER) else "higher" for column in shown},
            notes=notes_of(
                self.printed.number,
                corpus=self.corpus,
                settled=self.settled,
                words=words,
                is_eight=self.printed.number == "3" and is_msp(self.corpus),
            ),
            against=against or {},
        )


def table(number: str, *, profiles: Sequence[str | None], settled: Mapping[str, str], corpus: Corpus) -> Table:
    """Return a table of the paper, with a column of ours for each profile where its columns are models.

    Raises:
        TableUnknown: there is no such table.
    """
    if number not in NUMBERS:
        raise TableUnknown(f"paper {PAPER} has no table {number!r}, expected one of {', '.join(NUMBERS)}")
    asked = _Asked(printed=published(PAPER, number), profiles=profiles, settled=settled, corpus=corpus)
    return _MAKERS[number](asked)


def scoring(labels: tuple[str, ...]) -> ScoreSettings:
    """Return how the paper scores: the labels that are asked for, excited merged into happy; else neutral."""
    return ScoreSettings(labels=labels, mapping={"excited": "happy"})


def is_msp(corpus: Corpus) -> bool:
    """Tell whether it is the paper's second corpus, of eight classes."""
    return corpus.name.startswith(MSP)


def named(profile: str | None) -> str:
    """Return the name of a profile's column."""
    return profile or "usual profile"


def _by_recogniser(asked: _Asked) -> Table:
    """Table I: the baseline on each recogniser's words; how often they err here stands in a column of its own."""
    words = (GROUND_TRUTH, *BY_WER)
    cells: list[Cell] = []
    for row, whose in zip(asked.printed.rows, words, strict=True):
        why = why_not(asked.corpus, condition="baseline", words=whose)
        rate = None if why else asked.source("baseline", whose, asked.profiles[0], name=WER)
        wer = float(row.partition(" ")[0])
        cells.append(Cell(row=row, column=f"{WER} %", published=wer, source=rate, why=why))
        cells += asked.model_cells(row, condition="baseline", words=whose)
    return asked.table(cells, words=words, against=_first_row(cells))


def _prompts(asked: _Asked) -> Table:
    """Table II: one prompt on ground truth and on a recogniser's words; block 6 has no meaning for ground truth."""
    single = asked.settled["single"]
    cells: list[Cell] = []
    for row, condition in _CONDITIONS["2"].items():
        if asked.printed.text(row, "Ground truth"):
            voted = condition if condition != "majority-voting" else f"{condition}-ground-truth"
            cells += asked.cells(row, "Ground truth", condition=voted, words=GROUND_TRUTH)
        cells += asked.cells(row, "HuBERT large", condition=condition, words=single)
    return asked.table(cells, words=(GROUND_TRUTH, single), against=_first_row(cells))


def _descriptors(asked: _Asked) -> Table:
    """Table III: the corpus that is given fills its own column."""
    theirs, suffix = ("MSP-Podcast", OF_EIGHT) if is_msp(asked.corpus) else ("IEMOCAP", "")
    words = asked.prompt_words
    cells: list[Cell] = []
    for row, condition in _CONDITIONS["3"].items():
        for column in asked.printed.columns:
            if column == theirs:
                cells += asked.cells(row, column, condition=condition + suffix, words=words)
            else:
                why = f"this column is of another corpus than {asked.corpus.name}"
                cells.append(Cell(row=row, column=column, published=asked.printed.value(row, column), why=why))
    return asked.table(cells, words=(words,), against=_first_row(cells))


def _ablations(asked: _Asked) -> Table:
    """Table IV: R3 on the list of readings, without correcting them on one reading, without reasoning."""
    single, readings = asked.settled["single"], asked.settled["readings"]
    cells: list[Cell] = []
    for row, condition in _CONDITIONS["4"].items():
        cells += asked.model_cells(row, condition=condition, words=single if row == "w/o AEC" else readings)
    return asked.table(cells, words=(readings, single), against=_first_row(cells))


def _schemes(asked: _Asked) -> Table:
    """Table V: context, worked examples, and a model trained on the other sessions."""
    words = asked.settled["readings"]
    cells: list[Cell] = []
    for column, condition in _CONDITIONS["5"].items():
        cells += asked.cells("R3", column, condition=condition, words=words)
    return asked.table([_trained(cell, asked.corpus) for cell in cells], words=(words,))


def _first_row(cells: Sequence[Cell]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return of each cell of ours the one of its column in the first row, of which it is a variation."""
    ours = [(cell.row, cell.column) for cell in cells if cell.source is not None and not cell.column.startswith(WER)]
    first = cells[0].row
    return {(row, column): (first, column) for row, column in ours if row != first and (first, column) in ours}


def _trained(cell: Cell, corpus: Corpus) -> Cell:
    """Return the cell whose model is trained first, on all sessions but the one under test; others as they are."""
    if not cell.column.startswith("PEFT") or not isinstance(cell.source, Replayed):
        return cell
    folds = left_out(corpus)
    if not folds:
        return replace(cell, source=None, why=f"{corpus.name} has no two splits to train on and to test on")
    source = cell.source
    return replace(cell, source=Tuned(settings=source.settings, name=source.name, score=source.score, folds=folds))


def _wordings(asked: _Asked) -> Table:
    """Table VI: another verb, another order of the labels."""
    words = asked.prompt_words
    ways = _CONDITIONS["6"]
    made = {column: asked.cells("Baseline", column, condition=way, words=words) for column, way in ways.items()}
    usual = made["Predict"]
    against = {
        (one.row, one.column): (than.row, than.column)
        for column in ("Select", "Order H,N,A,S")
        for one, than in zip(made[column], usual, strict=True)
        if one.source is not None
    }
    return asked.table([cell for cells in made.values() for cell in cells], words=(words,), against=against)


_MAKERS: Final[dict[str, Callable[[_Asked], Table]]] = {
    "1": _by_recogniser,
    "2": _prompts,
    "3": _descriptors,
    "4": _ablations,
    "5": _schemes,
    "6": _wordings,
}

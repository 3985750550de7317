"""Paper 002, emotion-conditioned translation (arXiv 2408.03150): Tables 1 and 2.

The templates are those of `agent.translation`. A model is fine-tuned for each template from its base again, or asked as
it is (`tuning=none`). Dimensions come from the profile's reader, by way of the ordinary estimate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.translation.condition import FROM_MIDDLE
from agent.translation.languages import language_code

from ..errors import CorpusUnreadable
from ..replay.plan import ReplaySettings
from .cell import Cell, Table
from .published import TableUnknown, published
from .replayed import Replayed
from .tuned import Fold, Tuned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..corpora.item import Corpus
    from ..replay.plan import Hypotheses
    from .cell import Source
    from .published import Published

PAPER: Final = "translation"
NUMBERS: Final = ("1", "2")

TARGET: Final = "fr"
"""What the paper translates into; another where the corpus says so."""
TEST: Final[Mapping[str, tuple[str, ...]]] = {"dev": ("dev",), "test": ("test", "tst-COMMON")}
"""Splits that stand for the paper's; MuST-C calls its test set otherwise."""
TRAIN: Final = "train"
_NO_PROFILE: Final = "another model than ours: name a profile that has it (--profile)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What all cells of a table have in common."""

    printed: Published
    settled: Mapping[str, str]
    corpus: Corpus

    def cells(self, row: str, *, shown: str, way: str, profile: str | None, column: str = "{}") -> list[Cell]:
        """Return a row: BLEU and COMET of both sets; `shown`: as we call the row, `way`: how is translated."""
        return [self._cell(row, name, shown=shown, way=way, profile=profile, column=column) for name in _COLUMNS]

    def _cell(self, row: str, name: str, *, shown: str, way: str, profile: str | None, column: str) -> Cell:
        figure, _, part = name.partition(" ")
        printed = self.printed.value(row, name) if row in self.printed.rows else None
        why = self._why_not(part)
        source = None if why else self._source(way, figure, part, profile)
        return Cell(row=shown, column=column.format(name), published=printed, source=source, why=why)

    def _source(self, way: str, figure: str, part: str, profile: str | None) -> Source:
        has_emotion = way[-1] >= "3"
        words: Hypotheses = "text" if self.settled["source-text"] == "text" else "asr"
        settings = ReplaySettings(
            emotion="both" if has_emotion else "off",
            hypotheses=words,
            profile=profile,
            context=0,
            translate=_target(self.corpus),
            translate_as=f"{way}{FROM_MIDDLE}" if has_emotion and self.settled["half"] == "above" else way,
        )
        test = self._splits(part)
        if self.settled["tuning"] == "none":
            return Replayed(settings=settings, name=figure, splits=test)
        fold = Fold(train=(TRAIN,), held_out=self._splits("dev"), test=test)
        return Tuned(settings=settings, name=figure, folds=(fold,))

    def _why_not(self, part: str) -> str:
        there = {item.split for item in self.corpus.items if item.translation}
        if not self._splits(part):
            return f"{self.corpus.name} has no translations of a {part} set"
        if self.settled["tuning"] == "lora" and TRAIN not in there:
            return f"{self.corpus.name} has nothing to train on; the model as it is: --settle tuning=none"
        return ""

    def _splits(self, part: str) -> tuple[str, ...]:
        there = {item.split for item in self.corpus.items if item.translation}
        return tuple(split for split in TEST[part] if split in there)


_COLUMNS: Final = ("BLEU dev", "BLEU test", "COMET dev", "COMET test")


def table(number: str, *, profiles: Sequence[str | None], settled: Mapping[str, str], corpus: Corpus) -> Table:
    """Return a table: in Table 1 rows of ours for each profile, in Table 2 columns where there are several.

    Raises:
        TableUnknown: there is no such table.
        CorpusUnreadable: the corpus is translated into what is no language.
    """
    if number not in NUMBERS:
        raise TableUnknown(f"paper {PAPER} has no table {number!r}, expected one of {', '.join(NUMBERS)}")
    asked = _Asked(printed=published(PAPER, number), settled=settled, corpus=corpus)
    return _models(asked, profiles) if number == "1" else _emotions(asked, profiles)


def _models(asked: _Asked, profiles: Sequence[str | None]) -> Table:
    """Table 1: the paper's models as printed, ours with the template of base models and that of instruction models."""
    printed = [
        Cell(row=row, column=column, published=asked.printed.value(row, column), why=_NO_PROFILE)
        for row in asked.printed.rows
        for column in asked.printed.columns
    ]
    ways = {"template 1": "base-1", "template 2": "base-2"}
    if asked.settled["style"] == "chat":
        ways = {"template 1, as a chat": "chat-1", "template 2, as a chat": "instruct-2"}
    ours = [
        cell
        for profile in profiles
        for name, way in ways.items()
        for cell in asked.cells("", shown=f"{_named(profile)}, {name}", way=way, profile=profile)
    ]
    return _table(asked, [*printed, *ours])


def _emotions(asked: _Asked, profiles: Sequence[str | None]) -> Table:
    """Table 2: without emotion, then each dimension in each template that has a place for one, against without."""
    cells: list[Cell] = []
    for row in asked.printed.rows:
        way = f"{asked.settled['style']}-{row.removeprefix('+') if row.startswith('+') else '1'}"
        for profile in profiles:
            column = "{}" if len(profiles) < 2 else f"{{}}, {_named(profile)}"
            cells += asked.cells(row, shown=row, way=way, profile=profile, column=column)
    first = cells[0].row
    made = [(cell.row, cell.column) for cell in cells if cell.source is not None]
    return _table(asked, cells, against={(row, column): (first, column) for row, column in made if row != first})


def _table(
    asked: _Asked, cells: Sequence[Cell], *, against: Mapping[tuple[str, str], tuple[str, str]] | None = None
) -> Table:
    columns = tuple(dict.fromkeys(cell.column for cell in cells))
    return Table(
        paper=PAPER,
        number=asked.printed.number,
        title=asked.printed.title,
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        columns=columns,
        cells=tuple(cells),
        unit=asked.printed.unit,
        better=dict.fromkeys(columns, "higher"),
        notes=_notes(asked),
        against=against or {},
    )


def _notes(asked: _Asked) -> tuple[str, ...]:
    corpus, settled = asked.corpus, asked.settled
    tuned = {
        "lora": "Fine-tuned for each row from the base again: LoRA as peft has it by default, AdamW with a learning "
        "rate of 1e-4 and a decay of 1e-5 (paper 000's; this one tells neither), the best of 5 epochs by the loss on "
        "dev; the base in the profile's number type, in the paper in 4 bits.",
        "none": "The model as it is, not fine-tuned (the paper's are).",
    }
    words = {
        "text": "The source is the corpus's transcript.",
        "asr": "The source is what the profile's own recogniser hears.",
    }
    middle = {"below": "without, negative", "above": "with, positive"}[settled["half"]]
    style = {"base": "Templates as printed.", "chat": "The paper's templates inside a chat of our wording."}
    return (
        f"{corpus.name}: items by split {_by_split(corpus)}; into {_target(corpus)}.",
        tuned[settled["tuning"]],
        words[settled["source-text"]],
        f"A dimension of exactly 0.5 counts as {middle}.",
        "Where none is known (an item without sound, a reader that failed) the template without emotion is asked.",
        style[settled["style"]],
        "Dimensions are those of the profile's reader; the paper's is audEERING's regressor.",
    )


def _by_split(corpus: Corpus) -> str:
    counted = Counter(item.split or "none" for item in corpus.items if item.translation)
    return ", ".join(f"{split} {n}" for split, n in counted.items()) or "without a translation"


def _target(corpus: Corpus) -> str:
    """Return what the corpus is translated into, most of it.

    Raises:
        CorpusUnreadable: no language is called so.
    """
    counted = Counter(item.target for item in corpus.items if item.target)
    target = counted.most_common(1)[0][0] if counted else TARGET
    if not language_code(target):
        raise CorpusUnreadable(f"{corpus.name} is translated into {target!r}, expected a code such as fr, de, pt-BR")
    return target


def _named(profile: str | None) -> str:
    return profile or "the usual profile"

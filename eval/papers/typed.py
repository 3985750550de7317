"""Paper 003, typed descriptions: Table IV, macro-F1 of light heads without and with soft labels a model adjusted.

Its upstreams are self-supervised models; ours is the embedded voice model's features, and any of theirs that lies in a
folder here. Gains beside each other tell more than values: heads, data and upstreams differ from the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import EvalError
from ..training.backends.upstream import HiddenStates
from ..training.upstream import VoiceFeatures
from .cell import Cell, Table
from .published import TableUnknown, published
from .typed_cells import Trained
from .typed_labels import ByModel, ByTable, ByWords, has_typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..corpora.item import Corpus
    from ..training.upstream import Upstream
    from .published import Published
    from .typed_cells import Arm
    from .typed_labels import Annotator

NUMBERS: Final = ("4",)
RELABELLED: Final = "relabelled"
"""Key of `settled` that holds tables to be read in place of a model, their paths one per line."""
UPSTREAM: Final = "upstream "
"""How keys of `settled` begin that name an upstream's row and hold its folder."""

_AVERAGE: Final = "Average"
_ARMS: Final[Mapping[str, Arm]] = {"W/O": "without", "W/": "with", "Relative gain": "gain"}
_PAPER: Final = (
    "The paper: MSP-Podcast 1.11, frozen self-supervised upstreams, labels adjusted by GPT-4 Turbo; gains compare "
    "better than values."
)
_HEADS: Final = (
    "Heads are linear over the mean of frozen features over time, which the paper's come to, and are trained by L-BFGS "
    "on its class-balanced soft cross-entropy with labels smoothed by 0.05; the dev set chooses the penalty. Intervals "
    "are over what is measured on: that training on other speakers would give another head is not in them."
)
_GAINS: Final = (
    "The mean of the 16 printed gains is 3.37 %, that of the printed averages 3.02 %; the paper prints 3.08 %."
)
_NOT_HERE: Final = "no folder was given: --upstream ROW=FOLDER, with a model in the form of transformers"


class UpstreamUnknown(EvalError):
    """What is given as an upstream is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A column of ours: the paper's it stands beside, and who adjusts labels."""

    shown: str
    printed: str
    annotator: Annotator


def table(number: str, *, profiles: Sequence[str | None], settled: Mapping[str, str], corpus: Corpus) -> Table:
    """Return Table IV, with a row of ours below the paper's, and what a profile's model adjusts once per profile.

    `settled` may also hold RELABELLED, and UPSTREAM with a row's name for each upstream that lies in a folder.

    Raises:
        TableUnknown: there is no such table, or it is one of words.
    """
    if number not in NUMBERS:
        raise TableUnknown(f"paper typed has no table {number!r} of figures, expected one of {', '.join(NUMBERS)}")
    printed = published("typed", number)
    ours = _upstreams(settled)
    rows = (
        *(row for row in printed.rows if row != _AVERAGE),
        *(row for row in ours if row not in printed.rows),
        _AVERAGE,
    )
    columns = _columns(printed, _annotators(profiles, settled))
    return Table(
        paper="typed",
        number=number,
        title=printed.title,
        rows=rows,
        columns=tuple(column.shown for column in columns),
        cells=tuple(_cell(printed, row, column, ours=ours, settled=settled) for row in rows for column in columns),
        unit=printed.unit,
        better={column.shown: "higher" for column in columns},
        notes=_notes(corpus, settled),
    )


def given(*, relabelled: Sequence[Path], upstreams: Sequence[str]) -> dict[str, str]:
    """Return what goes into `settled` for tables read in place of a model, and for upstreams as "ROW=FOLDER".

    Raises:
        UpstreamUnknown: a row is not the paper's, or has no folder.
    """
    told = {RELABELLED: "\n".join(map(str, relabelled))} if relabelled else {}
    rows = [row for row in published("typed", "4").rows if row != _AVERAGE]
    for text in upstreams:
        row, _, folder = (part.strip() for part in text.partition("="))
        if row not in rows or not Path(folder).expanduser().is_dir() or not folder:
            raise UpstreamUnknown(f"{text!r} is no upstream: expected ROW=FOLDER, ROW one of {', '.join(rows)}")
        told[f"{UPSTREAM}{row}"] = folder
    return told


def _upstreams(settled: Mapping[str, str]) -> dict[str, Upstream]:
    given: dict[str, Upstream] = {
        row: HiddenStates(Path(path).expanduser(), name=row)
        for key, path in settled.items()
        if key.startswith(UPSTREAM) and (row := key.removeprefix(UPSTREAM))
    }
    voice = VoiceFeatures()
    return given | {voice.name: voice}


def _annotators(profiles: Sequence[str | None], settled: Mapping[str, str]) -> list[Annotator]:
    if paths := settled.get(RELABELLED):
        return [ByTable(paths=tuple(Path(path).expanduser() for path in paths.splitlines()))]
    if settled["annotator"] == "word-model":
        return [ByWords()]
    return [ByModel(profile=profile, batching=settled["typed-prompt"]) for profile in profiles or (None,)]


def _columns(printed: Published, annotators: Sequence[Annotator]) -> list[_Column]:
    """Return the columns; what hangs on who adjusts labels comes once for each."""
    found = [_Column(shown="W/O", printed="W/O", annotator=annotators[0])]
    for annotator in annotators:
        end = f", {annotator.name}" if len(annotators) > 1 else ""
        found += [
            _Column(shown=f"{name}{end}", printed=name, annotator=annotator)
            for name in printed.columns
            if _ARMS[name] != "without"
        ]
    return found


def _cell(
    printed: Published, row: str, column: _Column, *, ours: Mapping[str, Upstream], settled: Mapping[str, str]
) -> Cell:
    value = printed.value(row, column.printed) if row in printed.rows else None
    upstreams = tuple(ours.values()) if row == _AVERAGE else tuple(ours[name] for name in (row,) if name in ours)
    if row == _AVERAGE and len(upstreams) < 2:
        return Cell(row=row, column=column.shown, published=value, why="there is one upstream of ours")
    if not upstreams:
        return Cell(row=row, column=column.shown, published=value, why=_NOT_HERE)
    source = Trained(
        upstreams=upstreams, arm=_ARMS[column.printed], annotator=column.annotator, settled=_of_cells(settled)
    )
    return Cell(row=row, column=column.shown, published=value, source=source)


def _of_cells(settled: Mapping[str, str]) -> dict[str, str]:
    return {name: settled[name] for name in ("gain", "batches", "truth")}


def _notes(corpus: Corpus, settled: Mapping[str, str]) -> tuple[str, ...]:
    truth = "the votes" if settled["truth"] == "votes" else "the smoothed votes, the same but for rounding"
    batches = "over all utterances at once" if settled["batches"] == "whole" else "by batches of 32, averaged"
    notes = [_PAPER, _HEADS, f"A label is held above 1/8, by {truth}; macro-F1 is {batches}.", _GAINS]
    if not has_typed(corpus):
        notes.append(f"Nobody typed anything in {corpus.name}: there is nothing to adjust labels by.")
    return tuple(notes)

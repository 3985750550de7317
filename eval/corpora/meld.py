"""MELD: scenes of a TV series with emotions, several people speaking (Poria et al. 2019).

Its splits share speakers, since the same six people are in nearly every scene. Clips are looked for beside the tables;
without them there are only the words. The script's times are those of whole episodes and are not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import CorpusUnreadable
from .assemble import assemble
from .item import Item, Problem
from .labels import label_table
from .reading import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .item import Corpus
    from .reading import Line

SPLITS: Final = ("train", "dev", "test")
CLIPS: Final = {
    "train": ("train_splits", "train"),
    "dev": ("dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test"),
}
"""Folders of the clips of each split, as MELD.Raw unpacks, or plainly called."""
SUFFIXES: Final = (".wav", ".flac", ".mp4")
"""Of clips, the one to be preferred first."""
COLUMNS: Final = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
OLD: Final = ("Old_Dialogue_ID", "Old_Utterance_ID")
"""Of the dyadic tables: the numbers of the clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clips:
    folder: Path
    by_name: Mapping[str, Path]

    def of(self, name: str) -> Path:
        """Return where a clip is, or where it ought to be: it then counts as unreadable, not as words alone."""
        return self.by_name.get(name, self.folder / f"{name}{SUFFIXES[-1]}")


class Meld:
    """Reads train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv (or train.csv, …), as many as are there."""

    def __init__(self, *, name: str = "meld", dyadic: bool = False) -> None:
        self.name = name
        self.where_from = (
            "declare-lab (github.com/declare-lab/MELD), GPL-3.0, the scripts belong to their owners: the tables under "
            + ("data/MELD_Dyadic" if dyadic else "data/MELD")
            + "; MELD.Raw.tar.gz for the clips"
        )
        self._folder = "MELD_Dyadic" if dyadic else "MELD"
        self._endings = ("_sent_emo_dya.csv",) if dyadic else ("_sent_emo.csv", ".csv")
        self._columns = (*COLUMNS, *OLD) if dyadic else COLUMNS

    def missing(self, root: Path) -> Sequence[str]:
        """Return what the folder lacks: one table at least."""
        if self._tables(root):
            return []
        expected = ", ".join(f"{split}{self._endings[0]}" for split in SPLITS)
        return [f"{root}: none of {expected}, there or in data/{self._folder}"]

    def read(self, root: Path) -> Corpus:
        """Return the corpus; splits that are not there, and clips, are told of as problems."""
        if missing := self.missing(root):
            raise CorpusUnreadable(f"MELD cannot be read: {missing[0]}")
        tables = self._tables(root)
        items: list[Item] = []
        problems: list[Problem] = []
        for split in SPLITS:
            if split not in tables:
                problems.append(Problem(where=f"{split}{self._endings[0]}", why="not there: the split is not read"))
                continue
            rows, broken = read_table(tables[split], self._columns)
            problems.extend(broken)
            clips = _clips(_bases(root, tables[split]), split)
            items.extend(self._items(rows, split=split, clips=clips, problems=problems))
        return assemble(self.name, items, table=label_table("meld"), problems=problems)

    def _tables(self, root: Path) -> dict[str, Path]:
        """Return the table of each split that is there."""
        folders = (root, root / "data" / self._folder)
        found = {
            split: [path for folder in folders for end in self._endings if (path := folder / f"{split}{end}").is_file()]
            for split in SPLITS
        }
        return {split: paths[0] for split, paths in found.items() if paths}

    def _items(
        self, rows: Sequence[Line], *, split: str, clips: _Clips | None, problems: list[Problem]
    ) -> Iterator[Item]:
        clip_of = OLD if OLD[0] in self._columns else COLUMNS[3:]
        for row in rows:
            try:
                scene, place = (int(row.cells[name]) for name in COLUMNS[3:])
                clip = "dia{}_utt{}".format(*(int(row.cells[name]) for name in clip_of))
            except ValueError as error:
                problems.append(Problem(where=f"{split}, line {row.number}", why=f"left out, no number: {error}"))
                continue
            name = f"{split}_dia{scene}_utt{place}"
            yield Item(
                id=name,
                dialogue=f"{split}_dia{scene}",
                order=place,
                speaker=row.cells["Speaker"] or None,
                audio=clips and clips.of(clip),
                text=row.cells["Utterance"],
                emotion=row.cells["Emotion"],
                split=split,
            )


def _bases(root: Path, table: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys((root, root / "MELD.Raw", table.parent)))


def _clips(bases: Sequence[Path], split: str) -> _Clips | None:
    """Return the clips of the first folder that is there, None: there are only words."""
    for folder in (base / name for base in bases for name in CLIPS[split]):
        if folder.is_dir():
            there = [path for path in folder.iterdir() if path.suffix in SUFFIXES]
            there.sort(key=lambda path: (SUFFIXES.index(path.suffix), path.name), reverse=True)
            return _Clips(folder=folder, by_name={path.stem: path for path in there})
    return None


READER: Final = Meld()
READER_DYADIC: Final = Meld(name="meld-dyadic", dyadic=True)

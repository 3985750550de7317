"""Libri-trans: read English sentences with French translations (Kocabiyikoglu et al. 2018); paper 002's corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..errors import CorpusUnreadable
from .gathering import gathered, read_lines
from .item import Item, Problem
from .sounds import located

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .item import Corpus, Reader

Reference: TypeAlias = Literal["book", "google"]

SETS: Final[Mapping[str, str]] = {"train": "train", "other": "train", "dev": "dev", "test": "test"}
"""Folders, and the split each belongs to; "other" is the additional 130 h of training."""
_NAME_FIELD: Final = 4


class LibriTrans:
    """`reference` is the translation to compare with: aligned from the French "book", or Google's of 2017."""

    name: str = "libri-trans"
    where_from: str = (
        "github.com/alicank/Translation-Augmented-LibriSpeech-Corpus, CC BY 4.0; unpack the archives of sound and text "
        "of a set into one folder: test/audiofiles/*.wav, test/alignments.meta, test/test.en, test/test.fr"
    )

    def __init__(self, *, reference: Reference = "book") -> None:
        self._ending = "fr" if reference == "book" else "gtranslate"

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        sets = [name for name in SETS if (root / name).is_dir()]
        if not sets:
            return [f"{root} holds none of the folders {', '.join(SETS)}"]
        needed = [file for name in sets for file in (*self._files(root, name), root / name / "audiofiles")]
        return [f"{path} is not there" for path in needed if not path.exists()]

    def read(self, root: Path) -> Corpus:
        """See `Reader`. The first part of a file's name stands for the speaker: a book or its reader.

        Raises:
            CorpusUnreadable: no set, or one whose files have different numbers of lines.
        """
        items: list[Item] = []
        for name in SETS:
            if (root / name).is_dir():
                items += self._set(root, name)
        problems = [
            Problem(where=item.id, why=f"its {side} is empty")
            for item in items
            for side, text in (("transcription", item.text), ("translation", item.translation))
            if text is None
        ]
        return gathered(self.name, items, root=root, problems=problems)

    def _files(self, root: Path, name: str) -> tuple[Path, Path, Path]:
        french = f"{name}.fr" if self._ending == "fr" else f"{name}_gtranslate.fr"
        return root / name / "alignments.meta", root / name / f"{name}.en", root / name / french

    def _set(self, root: Path, name: str) -> list[Item]:
        meta, english, french = (read_lines(path) for path in self._files(root, name))
        if not len(meta) - 1 == len(english) == len(french):
            raise CorpusUnreadable(
                f"{root / name}: {len(meta) - 1} alignments, {len(english)} English and {len(french)} French lines; "
                "expected as many of each"
            )
        return [
            _item(root / name / "audiofiles", line, said=said, translation=translation, split=SETS[name])
            for line, said, translation in zip(meta[1:], english, french, strict=True)
        ]


def _item(folder: Path, line: str, *, said: str, translation: str, split: str) -> Item:
    fields = line.split()
    if len(fields) <= _NAME_FIELD:
        raise CorpusUnreadable(f"{folder.parent}/alignments.meta: {line!r} has no fifth field, the name of the sound")
    stem = fields[_NAME_FIELD].removesuffix(".wav")
    return Item(
        id=f"{folder.parent.name}/{stem}",
        speaker=stem.partition("-")[0],
        audio=located(folder / f"{stem}.wav"),
        text=said.strip() or None,
        translation=translation.strip() or None,
        target="fr",
        split=split,
    )


READER: Reader = LibriTrans()

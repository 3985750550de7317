"""TESS: two actresses say "Say the word …" with 200 words in seven emotions (Dupuis & Pichora-Fuller 2010)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .acted import lacking_clips, read_clips
from .item import Item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .item import Corpus, Reader

_NAME: Final = re.compile(r"(OAF|OA|YAF)_([a-z'-]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)


class Tess:
    """The folds are the two speakers: with so few, figures tell of them and of nobody else."""

    name: str = "tess"
    where_from: str = (
        "borealisdata.ca (Toronto emotional speech set, doi 10.5683/SP2/E8H2MF), CC BY-NC-ND 4.0; unpack all folders: "
        "OAF_angry/OAF_back_angry.wav …"
    )

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        return lacking_clips(root, pattern=_NAME, example="OAF_back_angry.wav")

    def read(self, root: Path) -> Corpus:
        """See `Reader`."""
        return read_clips(self.name, root, pattern=_NAME, item=_item)


def _item(path: Path, name: re.Match[str]) -> Item:
    speaker = "YAF" if name[1].upper() == "YAF" else "OAF"  # one file is called OA_bite_neutral
    word = name[2].lower()
    return Item(
        id=name[0],
        speaker=speaker,
        gender="female",
        audio=path,
        text=f"Say the word {word}",
        emotion=name[3].lower(),
        split=speaker,
    )


READER: Reader = Tess()

"""MELD: TV dialogue with emotions (Poria et al. 2019). Read to measure with, never to train or calibrate on.

The scripts belong to their owners and the repository is GPL-3.0, so no weights of Attune have seen them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import CorpusUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BIG_FOUR_OF: Final[Mapping[str, str]] = {"anger": "angry", "joy": "happy", "neutral": "neutral", "sadness": "sad"}
"""Big Four; utterances of disgust, fear and surprise are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One utterance of a script; `dialogue` numbers the scenes of a split from 0."""

    text: str
    emotion: str
    dialogue: int


def read_meld(path: Path) -> list[Line]:
    """Return the utterances of a split file (train.csv, dev.csv) in file order.

    Raises:
        CorpusUnreadable: the file is missing or lacks the columns Utterance, Emotion, Dialogue_ID.
    """
    try:
        with path.open(encoding="utf-8", newline="") as held:
            return [
                Line(text=row["Utterance"], emotion=row["Emotion"], dialogue=int(row["Dialogue_ID"]))
                for row in csv.DictReader(held)
            ]
    except (OSError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise CorpusUnreadable(
            f"{path} cannot be read ({error!r}): expected MELD's CSV with Utterance, Emotion and Dialogue_ID"
        ) from error

"""EmoDB: ten German sentences spoken by actors in seven emotions (Burkhardt et al. 2005), read from a folder.

The folder holds the sound files and `labels.csv` with the columns file, speaker, sentence and emotion, others ignored.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streaming.errors import AudioUnreadable
from streaming.files import read_audio

from ..errors import CorpusUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streaming.events import Samples

LABEL_OF: Final[Mapping[str, str]] = {
    "anger": "angry",
    "boredom": "bored",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
}
"""EmoDB's names and ours."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """One acted sentence; `label` is one of the values of LABEL_OF."""

    file: str
    speaker: str
    sentence: str
    label: str
    samples: Samples


def read_emodb(folder: Path) -> list[Clip]:
    """Return all clips of the folder, sorted by file name.

    Raises:
        CorpusUnreadable: no labels.csv, a column or emotion that is not known, or a clip that cannot be heard.
    """
    try:
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
            rows = sorted(csv.DictReader(lines), key=lambda row: row["file"])
        return [_clip(folder, row) for row in rows]
    except KeyError as error:
        raise CorpusUnreadable(f"{folder}/labels.csv: {error} is no column or no emotion of EmoDB") from error
    except (OSError, UnicodeDecodeError, AudioUnreadable) as error:
        raise CorpusUnreadable(f"{folder} is not EmoDB with a labels.csv: {error}") from error


def _clip(folder: Path, row: Mapping[str, str]) -> Clip:
    return Clip(
        file=row["file"],
        speaker=row["speaker"],
        sentence=row["sentence"],
        label=LABEL_OF[row["emotion"]],
        samples=read_audio(folder / row["file"]),
    )

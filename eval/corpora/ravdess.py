"""RAVDESS: 24 actors speak two sentences in eight emotions (Livingstone & Russo 2018). Speech, sound only; no song."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .acted import lacking_clips, read_clips
from .item import Item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .item import Corpus, Reader

_NAME: Final = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")
_SOUND_ONLY, _SPEECH = "03", "01"
_EMOTIONS: Final = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_TEXTS: Final = ("Kids are talking by the door", "Dogs are sitting by the door")
_PER_FOLD: Final = 4


class Ravdess:
    """Folds are our own: six of four actors in the order of their numbers, two women and two men in each."""

    name: str = "ravdess"
    where_from: str = (
        "zenodo.org/records/1188976, CC BY-NC-SA 4.0; download Audio_Speech_Actors_01-24.zip and unpack it: "
        "Actor_01/03-01-01-01-01-01-01.wav …"
    )

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        return lacking_clips(root, pattern=_NAME, example="Actor_01/03-01-01-01-01-01-01.wav")

    def read(self, root: Path) -> Corpus:
        """See `Reader`; song and video are left out, they are other corpora under the same name."""
        return read_clips(self.name, root, pattern=_NAME, item=_item)


def _item(path: Path, name: re.Match[str]) -> Item | None:
    modality, channel, emotion, _, text, _, actor = name.groups()
    if (modality, channel) != (_SOUND_ONLY, _SPEECH):
        return None
    number = int(actor)
    return Item(
        id=name[0],
        speaker=actor,
        gender="male" if number % 2 else "female",
        audio=path,
        text=_TEXTS[int(text) - 1],
        emotion=_EMOTIONS[int(emotion) - 1],
        split=f"fold{(number - 1) // _PER_FOLD + 1}",
    )


READER: Reader = Ravdess()

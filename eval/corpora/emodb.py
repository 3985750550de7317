"""EmoDB: ten actors speak ten German sentences in seven emotions (Burkhardt et al. 2005); read from its file names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .acted import lacking_clips, read_clips
from .item import Item

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .item import Corpus, Reader

_NAME: Final = re.compile(r"(03|08|09|10|11|12|13|14|15|16)(a0[12457]|b0[1239]|b10)([WLEAFTN])([a-z])")
_EMOTIONS: Final[Mapping[str, str]] = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_WOMEN: Final = frozenset({"08", "09", "13", "14", "16"})
_TEXTS: Final[Mapping[str, str]] = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


class EmoDb:
    """The folds are the speakers: leave one out."""

    name: str = "emodb"
    where_from: str = (
        "emodb.bilderbar.info, free for research; unpack download.zip: wav/03a01Fa.wav … (FLAC does as well)"
    )

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        return lacking_clips(root, pattern=_NAME, example="wav/03a01Fa.wav")

    def read(self, root: Path) -> Corpus:
        """See `Reader`."""
        return read_clips(self.name, root, pattern=_NAME, item=_item)


def _item(path: Path, name: re.Match[str]) -> Item:
    speaker, text, emotion, _ = name.groups()
    return Item(
        id=name[0],
        speaker=speaker,
        gender="female" if speaker in _WOMEN else "male",
        audio=path,
        text=_TEXTS[text],
        emotion=_EMOTIONS[emotion],
        split=speaker,
        language="de",
    )


READER: Reader = EmoDb()

"""The sound of single items, cut out of a corpus and put into the page. An edge: reads files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from streaming.audio import SAMPLE_RATE
from streaming.errors import AudioUnreadable
from streaming.wav import wav_bytes

from ..corpora.choose import reader
from ..errors import CorpusUnreadable
from ..replay.sound import Recordings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..corpora.item import Item
    from ..replay.row import Row

MOST_S: Final = 15.0
"""Longer items are cut."""
MOST_BYTES: Final = 24 * 2**20
"""Of all sound in a page, before it is written as text."""


def silent(_row: Row) -> tuple[str, str]:
    """Return no sound, and say nothing of it."""
    return "", ""


class Sounds:
    """Gives the sound of rows from the corpus they were replayed from; only what is the very sound that was heard.

    Args:
        root: where the corpus lies.
        corpora: the names of the corpora that rows tell.

    Raises:
        CorpusUnreadable: there is no such corpus there.
    """

    def __init__(self, root: Path, corpora: Iterable[str]) -> None:
        self._items: dict[tuple[str, str], Item] = {}
        self._recordings = Recordings()
        self._given: set[tuple[str, str]] = set()
        self._n_bytes = 0
        for name in sorted(set(corpora)):
            found = reader(name)
            if missing := found.missing(root):
                raise CorpusUnreadable(f"{name} cannot be read from {root}: {'; '.join(missing)}")
            self._items |= {(name, item.id): item for item in found.read(root).items}

    def __call__(self, row: Row) -> tuple[str, str]:
        """Return the sound of a row as a data address, and what is to be said of it."""
        key = row.corpus, row.item
        if key in self._given:
            return "", "to be heard further up"
        sound, note = self._sound(row)
        if sound:
            self._given.add(key)
        return sound, note

    def _sound(self, row: Row) -> tuple[str, str]:
        item = self._items.get((row.corpus, row.item))
        if row.audio_sha256 is None:
            return "", "there is no sound of this item"
        if item is None or item.audio is None:
            return "", "the corpus there has no sound of this item"
        try:
            sound = self._recordings.read(item)
        except AudioUnreadable:
            return "", "its recording cannot be heard any more"
        if sound.sha256 != row.audio_sha256:
            return "", "the recording there is not the one that was heard"
        wav = wav_bytes(sound.samples[: round(MOST_S * SAMPLE_RATE)])
        if self._n_bytes + len(wav) > MOST_BYTES:
            return "", "left out: the page holds no more sound"
        self._n_bytes += len(wav)
        cut = f"the first {MOST_S:.0f} of {sound.seconds:.1f} s" if sound.seconds > MOST_S else ""
        return f"data:audio/wav;base64,{base64.b64encode(wav).decode()}", cut

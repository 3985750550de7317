"""Which reader reads a corpus, by the name it has on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import CorpusUnreadable
from . import (
    crema_d,
    emodb,
    emonet_voice,
    gensec,
    goemotions,
    iemocap,
    libri_trans,
    manifest,
    meld,
    msp_podcast,
    must_c,
    ravdess,
    tess,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .item import Reader

READERS: Final[Mapping[str, Reader]] = {
    reader.name: reader
    for reader in (
        iemocap.READER,
        gensec.READER,
        gensec.READER_OF_SCENES,
        msp_podcast.READER,
        meld.READER,
        meld.READER_DYADIC,
        crema_d.READER,
        ravdess.READER,
        tess.READER,
        emodb.READER,
        goemotions.READER,
        emonet_voice.READER,
        libri_trans.READER,
        must_c.READER,
        manifest.READER,
    )
}
"""Every reader there is, in the order they are listed."""


def reader(name: str) -> Reader:
    """Return the reader of that name.

    Raises:
        CorpusUnreadable: there is none.
    """
    try:
        return READERS[name]
    except KeyError:
        raise CorpusUnreadable(f"no corpus is called {name!r}: expected one of {', '.join(READERS)}") from None

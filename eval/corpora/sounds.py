"""Where the sound files of a corpus are."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIXES: Final = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mp4"})


def sound_files(folder: Path) -> Iterator[Path]:
    """Yield the sound files below `folder` in the order of their names, without what macOS leaves (`._name`)."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("._"))
    yield from sorted(found, key=lambda path: (nfc(path.name), str(path)))


def located(path: Path) -> Path:
    """Return `path`, or the form of it, composed or decomposed, under which there is a file."""
    forms = (path, *(path.__class__(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD")))
    try:
        return next((form for form in forms if form.exists()), path)
    except OSError:  # a name too long, a folder that may not be entered
        return path


def nfc(text: str) -> str:
    """Return `text` composed: a letter and its accent are one character."""
    return unicodedata.normalize("NFC", text)

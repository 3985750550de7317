"""Sound to measure on: the recordings of a folder, or sentences voiced on the spot."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from streaming.files import read_audio

from ..errors import CorpusUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streaming.events import Samples

SUFFIXES = {".flac", ".wav", ".ogg", ".mp3"}


def read_sounds(directory: Path) -> list[Samples]:
    """Return the recordings of a folder, by name; its folders are not searched.

    Raises:
        CorpusUnreadable: there are none.
        AudioUnreadable: one cannot be heard.
    """
    paths = sorted(path for path in directory.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise CorpusUnreadable(
            f"{directory} holds no recordings ({', '.join(sorted(SUFFIXES))}); name a folder that does"
        )
    return [read_audio(path) for path in paths]


def voiced(sentences: Iterable[tuple[str, str]]) -> list[Samples]:
    """Return each (voice, text) as flite says it.

    Raises:
        CorpusUnreadable: flite is missing, or has no such voice.
    """
    sounds: list[Samples] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentence.wav"
        for voice, text in sentences:
            try:
                subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
            except (OSError, subprocess.CalledProcessError) as trouble:
                raise CorpusUnreadable(
                    f"flite could not voice the sentences ({trouble}); install it or name a folder of sound files"
                ) from trouble
            sounds.append(read_audio(path))
    return sounds

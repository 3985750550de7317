"""Conversations to replay, made on the spot: spoken ones of two voices or of recordings, and written ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streaming.audio import SAMPLE_RATE
from streaming.wav import wav_bytes

from ..corpora.item import Corpus, Item
from ..signature import fingerprint
from .line import SENTENCES
from .sounds import read_sounds, voiced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streaming.events import Samples

N_TURNS: Final = 2
"""Utterances of a dialogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Recordings that lie in a folder for as long as they are replayed.

    Attributes:
        places, seconds, texts: of each recording; a text of ours stands in for words that are not told.
        name: of what was recorded, with a hash of it.
    """

    places: tuple[Path, ...]
    seconds: tuple[float, ...]
    texts: tuple[str, ...]
    name: str

    def corpus(self, n_dialogues: int) -> Corpus:
        """Return dialogues of these recordings, used again where there are fewer."""
        n_sounds = len(self.places)
        items = [
            Item(
                id=f"d{n // N_TURNS:03d}-{n % N_TURNS}",
                dialogue=f"d{n // N_TURNS:03d}",
                order=n % N_TURNS,
                speaker="AB"[n % N_TURNS],
                audio=self.places[n % n_sounds],
                text=self.texts[n % n_sounds],
            )
            for n in range(N_TURNS * n_dialogues)
        ]
        return Corpus(name="bench", items=tuple(items))

    def audio_s(self, corpus: Corpus) -> float:
        """Return how long the sound of a corpus is."""
        lengths = dict(zip(self.places, self.seconds, strict=True))
        return sum(lengths[item.audio] for item in corpus.items if item.audio is not None)


def spoken(data: Path | None, folder: Path) -> Spoken:
    """Return the recordings of `data`, or sentences flite voices, written to `folder`.

    Raises:
        CorpusUnreadable: no recordings, or no flite to voice the sentences.
        AudioUnreadable: one cannot be heard.
    """
    sounds, texts = _said() if data is None else _recorded(data)
    places = [folder / f"{n:03d}.wav" for n in range(len(sounds))]
    for place, sound in zip(places, sounds, strict=True):
        place.write_bytes(wav_bytes(sound))
    mark = fingerprint([sound.tobytes() for sound in sounds])
    return Spoken(
        places=tuple(places),
        seconds=tuple(len(sound) / SAMPLE_RATE for sound in sounds),
        texts=tuple(texts),
        name=f"{'flite-slt-rms' if data is None else data.name}#{mark}",
    )


def written(n_dialogues: int) -> Corpus:
    """Return dialogues in words alone, each of them different."""
    texts = [f"{text}, and that is number {n}" for n in range(n_dialogues) for text in SENTENCES[:N_TURNS]]
    items = [
        Item(id=f"w{n:03d}", dialogue=f"w{n // N_TURNS}", order=n % N_TURNS, speaker="AB"[n % N_TURNS], text=text)
        for n, text in enumerate(texts)
    ]
    return Corpus(name="bench", items=tuple(items))


def _said() -> tuple[list[Samples], Sequence[str]]:
    texts = [text for text in SENTENCES for _ in range(N_TURNS)]
    return voiced((("slt", "rms")[n % 2], text) for n, text in enumerate(texts)), texts


def _recorded(data: Path) -> tuple[list[Samples], Sequence[str]]:
    sounds = read_sounds(data)
    return sounds, [SENTENCES[n % len(SENTENCES)] for n in range(len(sounds))]

"""What of a reply has been heard, and how its loudness moves. Pure bookkeeping over sample counts.

Knows neither devices nor time: a sink says how many samples were played, this module says which words those were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streaming.audio import SAMPLE_RATE

from .errors import ConfigInvalid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streaming.events import Samples

_CHARACTERS_PER_S = 15.0
"""Usual pace of speech, for a sentence whose sound is not complete yet."""


@dataclass(slots=True, kw_only=True)
class _Sentence:
    text: str
    n_samples: int = 0
    is_complete: bool = False

    @property
    def length(self) -> int:
        """How many samples the sentence takes, as far as can be told."""
        if self.is_complete:
            return self.n_samples
        return max(self.n_samples, round(len(self.text) / _CHARACTERS_PER_S * SAMPLE_RATE))


class SpokenReply:
    """The text of one reply against its sound, sentence by sentence.

    Order of calls: `sentence`, then `sound` for each block of its sound, the next `sentence`, ..., `finish`.
    """

    def __init__(self) -> None:
        self._sentences: list[_Sentence] = []

    @property
    def text(self) -> str:
        """The whole text so far, heard or not."""
        return "".join(sentence.text for sentence in self._sentences)

    @property
    def n_samples(self) -> int:
        """How much sound there is so far."""
        return sum(sentence.n_samples for sentence in self._sentences)

    def sentence(self, text: str) -> None:
        """Begin the next sentence, with the spaces that part it from the last."""
        self.finish()
        self._sentences.append(_Sentence(text=text))

    def sound(self, n_samples: int) -> None:
        """Count sound of the present sentence."""
        self._sentences[-1].n_samples += n_samples

    def finish(self) -> None:
        """The present sentence has all its sound."""
        if self._sentences:
            self._sentences[-1].is_complete = True

    def heard(self, n_played: int) -> str:
        """Return the text heard when `n_played` samples were played: whole words, evenly spread over a sentence.

        Text without sound (a voiceless engine) counts as heard once the sound before it was.
        """
        heard: list[str] = []
        for sentence in self._sentences:
            if n_played < sentence.length:
                heard.append(_whole_words(sentence.text, max(0, n_played) / sentence.length))
                break
            heard.append(sentence.text)
            n_played -= sentence.length
        return "".join(heard).rstrip()


def _whole_words(text: str, share: float) -> str:
    """Return the words of `text` that end within its first `share` of characters."""
    body = text.rstrip()
    at = int(share * len(body))
    if at < len(body) and not body[at].isspace():
        at = max((i for i in range(at) if body[i].isspace()), default=0)
    return body[:at].rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class FadeSettings:
    """How loudness moves: to `duck_db` (< 0) in `duck_s`, back to full in `resume_s`, to nothing in `cancel_s`."""

    duck_db: float = -18.0
    duck_s: float = 0.03
    resume_s: float = 0.08
    cancel_s: float = 0.02

    def __post_init__(self) -> None:
        if self.duck_db >= 0 or min(self.duck_s, self.resume_s, self.cancel_s) <= 0:
            raise ConfigInvalid(
                "fades need duck_db < 0 and times > 0, "
                f"got {self.duck_db} dB, {self.duck_s}, {self.resume_s} and {self.cancel_s} s"
            )


class Fader:
    """A gain that never jumps: it walks in a straight line from where it is to where it shall be.

    `process` gives the same samples however they are cut.
    """

    def __init__(self, settings: FadeSettings | None = None) -> None:
        self._settings = settings or FadeSettings()
        self._low = 10.0 ** (self._settings.duck_db / 20.0)
        self._from = self._goal = 1.0
        self._step = 1.0
        self._n_walked = 0

    @property
    def gain(self) -> float:
        """The gain reached, in [0, 1]."""
        return float(self._gains(self._n_walked))

    def duck(self) -> None:
        """Go down to the ducked level."""
        self._walk(self._low, (1.0 - self._low) / self._settings.duck_s)

    def resume(self) -> None:
        """Go back to full level."""
        self._walk(1.0, (1.0 - self._low) / self._settings.resume_s)

    def cancel(self) -> int:
        """Go down to nothing; return after how many samples that is reached (at most `cancel_s`)."""
        self._walk(0.0, 1.0 / self._settings.cancel_s)
        return math.ceil(self._from / self._step)

    def process(self, samples: Samples) -> Samples:
        """Return `samples` (float32, shape (n,)) with the gain applied."""
        gains = self._gains(np.arange(self._n_walked + 1, self._n_walked + 1 + len(samples)))
        self._n_walked += len(samples)
        return (samples * gains).astype(np.float32)

    def _gains(self, n_walked: NDArray[np.int64] | int) -> NDArray[np.float64]:
        """Return the gain after so many samples of the present walk."""
        way = self._goal - self._from
        gone = np.minimum(np.asarray(n_walked) * self._step, abs(way))
        return np.where(gone < abs(way), self._from + math.copysign(1.0, way) * gone, self._goal)

    def _walk(self, goal: float, per_s: float) -> None:
        self._from, self._goal = self.gain, goal
        self._step, self._n_walked = per_s / SAMPLE_RATE, 0

"""What travels on the line among the sound: where an utterance ends, what to forget, how to listen from here on.

A control stands at a sample: it takes effect after all sound before it and before all sound after it, however either
was cut. So a stream with its controls, heard again, gives the same events. What it does is done at a whole 20 ms of the
stream, the last at or before its sample: less than 20 ms of sound right before it goes with what comes after. A `Mark`
is passed on there, too. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Eagerness: TypeAlias = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """How utterances are told apart from here on. The defaults are those of a conversation by microphone.

    Attributes:
        is_manual: nobody listens for voice: all sound since the last `Commit` or `Clear` is one utterance, which the
            next `Commit` ends.
        threshold: how sure the voice activity must be, in (0, 1).
        pre_roll_s: sound from before the voice that goes with an utterance, in [0, 1].
        silence_s: silence that ends an utterance; None goes by the speaker's own pauses.
        eagerness: with `silence_s` None: how soon to take the turn. None keeps to the pauses alone; otherwise words
            that cannot be an end ("and then", "um") make the wait longer, at most 2 s (high), 4 s (medium), 8 s (low).
    """

    is_manual: bool = False
    threshold: float = 0.5
    pre_roll_s: float = 0.4
    silence_s: float | None = None
    eagerness: Eagerness | None = None

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            ValueError: as above.
        """
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold is {self.threshold}, expected a number between 0 and 1")
        if not 0.0 <= self.pre_roll_s <= 1.0:
            raise ValueError(f"pre_roll_s is {self.pre_roll_s}, expected 0 to 1 second")
        if self.silence_s is not None and not 0.1 <= self.silence_s <= 10.0:
            raise ValueError(f"silence_s is {self.silence_s}, expected 0.1 to 10 seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What was said since the last utterance is one, and ends here (`SpeechEnded` with reason "commit").

    While nobody speaks, and voice is listened for, it does nothing.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Forget what was said since the last utterance: an utterance under way is void (`SpeechDropped`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Passed on untouched to whoever hears the stream, in its place among the events (`Heard.marks`)."""

    value: object


Control: TypeAlias = TurnDetection | Commit | Clear | Mark

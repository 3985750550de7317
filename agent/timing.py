"""What in a live session is a matter of time, not of the stream: named moments, so that a recording can hold them.

A session is a function of what stands in its stream, and of when the work beside the stream is done: readings, words,
sound, a loudspeaker that has come to its end. Each of these touches the session at one of the `MOMENTS` below, and
between a moment and what it changes nothing else runs. Whoever notes the moments in their order, among the blocks of
the stream and the events told, can have the same session again (`agent.recording`).
"""

from __future__ import annotations

from typing import Final, Protocol

MOMENTS: Final = {
    "reading": "an utterance under way begins to be read",
    "rolled": "an utterance under way was read",
    "read": "an utterance was read",
    "explaining": "more is asked about a reading",
    "explained": "more was said about a reading",
    "correcting": "what the user says about a reading begins to be understood",
    "corrected": "what the user says about a reading was understood",
    "late": "an answer goes on without the reading",
    "chose": "a responder asked for tools, or did not",
    "asked": "a responder is asked for words",
    "wrote": "the next sentence of an answer is there",
    "sound": "the next sound of an answer is there",
    "said": "all sound of an answer is there",
    "failed": "a responder, or a voice, failed",
    "complete": "an answer is complete",
    "over": "an answer was heard to its end",
    "stopped": "a program stops the answer under way",
    "leaving": "nothing more is answered",
    "cancelled": "whoever runs the session ends it",
}
"""Kinds of moments, and what happened."""


class Timing(Protocol):
    """Is told of each moment, and may put it off: nothing has changed yet."""

    async def reach(self, moment: str, utterance: int) -> None:
        """Be told that one of `MOMENTS` is there, for the answer to an utterance (0: none)."""
        ...

    def passed(self, moment: str) -> None:
        """Be told of a moment that nobody can put off."""
        ...

    def patience_s(self, utterance: int, usual_s: float) -> float:
        """Return how long the answer to an utterance waits for its reading, seconds; as a rule `usual_s`."""
        ...

    def over_s(self, utterance: int, ended_s: float | None) -> float | None:
        """Return when an answer was heard to its end, stream time, None: not yet; `ended_s` says its loudspeaker."""
        ...

    async def due(self, utterance: int) -> None:
        """Return when `over_s` may be asked; at once, as a rule."""
        ...

    def stopped_after(self, n_samples: int) -> int:
        """Return how much of an answer was heard as it was stopped; `n_samples` says its loudspeaker."""
        ...


class AsItComes:
    """Nobody notes anything: all happens when it happens."""

    async def reach(self, moment: str, utterance: int) -> None:
        """See `Timing`."""

    def passed(self, moment: str) -> None:
        """See `Timing`."""

    def patience_s(self, utterance: int, usual_s: float) -> float:
        """See `Timing`."""
        del utterance
        return usual_s

    def over_s(self, utterance: int, ended_s: float | None) -> float | None:
        """See `Timing`."""
        del utterance
        return ended_s

    async def due(self, utterance: int) -> None:
        """See `Timing`."""

    def stopped_after(self, n_samples: int) -> int:
        """See `Timing`."""
        return n_samples

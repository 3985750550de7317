"""What the line needs from engines. Adapters live in `streaming.backends` and are named only by its factory.

Engines never decide *when* something happens: the listener asks at sample counts and collects at sample counts, so that
an answer appears at the same place in the event stream however fast the machine is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from .events import Samples, Transcript

T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """An answer under way in a worker."""

    def result(self) -> T_co:
        """Wait for the answer and return it.

        Raises:
            EngineFailed: the engine died or answered nonsense, after one retry.
        """
        ...

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Idempotent; `result` must not be called afterwards."""
        ...


@runtime_checkable
class Watchable(Protocol):
    """An answer under way that can be asked whether it is there: of engines that may take long."""

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        ...


class VoiceActivity(Protocol):
    """Tells speech from everything else, 10 ms by 10 ms."""

    def feed(self, samples: Samples) -> list[float]:
        """Return the probability of speech for each 10 ms frame that can now be judged.

        Frames come in order, each exactly once, possibly later than their samples. The answer depends on the samples
        only, not on how they were cut.
        """
        ...

    def flush(self) -> list[float]:
        """Return the frames still owed; a last incomplete frame counts as one."""
        ...

    def reset(self) -> None:
        """Forget the stream: the next samples are the first."""
        ...


class Transcriber(Protocol):
    """A streaming recogniser for one speaker; utterances come one after another.

    The order of calls is: `start`, then `accept` and `partial` at will, `finish` at every pause (more `accept` may
    follow it, then the pending answer is cancelled), the next `start` or `close`. An utterance that turns out to be
    void is left where it is, its answers cancelled; the next `start` follows.
    """

    @property
    def name(self) -> str:
        """Short name of the engine, as in `Hypothesis.source`."""
        ...

    @property
    def partial_lag_s(self) -> float:
        """Audio time the listener lets pass between asking for a partial and collecting it; 0 collects at once."""
        ...

    def start(self, utterance: int, at_s: float) -> None:
        """Begin an utterance whose first sample lies at `at_s`."""
        ...

    def accept(self, samples: Samples) -> None:
        """Take the next sound of the utterance. Returns at once."""
        ...

    def partial(self) -> Pending[Transcript]:
        """Ask for a transcript of everything accepted so far (`is_final` False, stable words append-only)."""
        ...

    def finish(self) -> Pending[Transcript]:
        """Ask for the final n-best of everything accepted so far, as if the utterance ended here."""
        ...

    def close(self) -> None:
        """Free the engine. Idempotent."""
        ...


class VoiceAnalyst(Protocol):
    """Measures a whole utterance's voice quality, off the event loop."""

    def analyse(self, samples: Samples) -> Pending[VoiceQuality]:
        """Start measuring. Returns at once."""
        ...

    def close(self) -> None:
        """Free the worker. Idempotent."""
        ...


class VoiceQuality(Protocol):
    """The analyst's measures; None where the sound does not carry them (see `streaming.events.Prosody`)."""

    @property
    def pitch_mean_hz(self) -> float | None:
        """Mean fundamental of the voiced frames, Hz."""
        ...

    @property
    def jitter(self) -> float | None:
        """Local jitter, a share (0.01 = 1 %)."""
        ...

    @property
    def shimmer(self) -> float | None:
        """Local shimmer, a share."""
        ...

    @property
    def hnr_db(self) -> float | None:
        """Mean harmonics-to-noise ratio, dB."""
        ...

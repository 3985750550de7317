"""The user's sound on its way into the stream: decoded, and told where an utterance ends or is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streaming.controls import Clear, Commit

from .codec import Decoder, bytes_per_s
from .dialect import Step
from .faults import WireFault, error_event
from .warning import warning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.events import Samples

    from .dialect import ServerEvent
    from .doubt import Doubt
    from .ids import Ids
    from .inbound import Append

LEAST_S: Final = 0.1
"""Less sound than this is not committed."""


class InputBuffer:
    """The `input_audio_buffer` of a session."""

    def __init__(self, ids: Ids, audio_format: Mapping[str, Any]) -> None:
        self._ids = ids
        self._uncommitted_s = 0.0
        self._has_sound = False
        self._decoder = Decoder(audio_format)
        self._bytes_per_s = bytes_per_s(audio_format)

    @property
    def has_sound(self) -> bool:
        """Some sound has come in this session."""
        return self._has_sound

    def use(self, audio_format: Mapping[str, Any]) -> tuple[Samples, ...]:
        """Take sound in this format from here on; return what of the sound before still waited inside."""
        rest = _some(self._decoder.flush())
        self._decoder = Decoder(audio_format)
        self._bytes_per_s = bytes_per_s(audio_format)
        return rest

    def append(self, event: Append, *, warns: bool = False) -> Step:
        """Take the next sound; with `warns` the client is also told of what is odd about it and right all the same.

        Raises:
            WireFault: it is a file, not samples.
        """
        samples = self._decoder.feed(event.audio)
        self._uncommitted_s += len(event.audio) / self._bytes_per_s
        self._has_sound = True
        doubts = self._decoder.doubts()
        line = _some(samples)
        if not doubts:
            return Step(line=line, n_sound=len(samples))
        # What looks like the wrong format is told of, and heard all the same: it may be a fan.
        told = [self._told(doubt) for doubt in doubts if warns or doubt.code == "suspect_audio"]
        return Step(line=line, n_sound=len(samples), events=tuple(told))

    def _told(self, doubt: Doubt) -> ServerEvent:
        if doubt.code == "clipping":
            return warning(doubt.code, doubt.message, ids=self._ids)
        return error_event(self._ids, WireFault(doubt.code, doubt.message, param="audio"))

    def commit(self) -> Step:
        """End an utterance here.

        Raises:
            WireFault: too little sound has come since the last time.
        """
        if self._uncommitted_s < LEAST_S:
            came_ms = round(1000 * self._uncommitted_s)
            message = f"only {came_ms} ms of sound came since the last commit, expected {1000 * LEAST_S:.0f} or more"
            raise WireFault("input_audio_buffer_commit_empty", message)
        self._uncommitted_s = 0.0
        rest = self._decoder.flush()
        return Step(line=(*_some(rest), Commit()), n_sound=len(rest))

    def clear(self) -> Step:
        """Forget what was said since the last utterance."""
        self._uncommitted_s = 0.0
        self._decoder.clear()
        return Step(line=(Clear(),), events=({"type": "input_audio_buffer.cleared", "event_id": self._ids.event()},))


def _some(samples: Samples) -> tuple[Samples, ...]:
    return (samples,) if len(samples) else ()

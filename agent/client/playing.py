"""The sound of replies as it comes from a server: played, kept in a file, cut where somebody speaks over it."""

from __future__ import annotations

import base64
import binascii
import wave
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import anyio

from streaming.audio import SAMPLE_RATE, Resampler, from_pcm16

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..loudspeaker import Sink

RATE: Final = 24_000
"""Samples per second of PCM16 on the wire."""


@dataclass(slots=True)
class _Kept:
    """The sound of one reply, as it came."""

    item: str
    pcm: bytearray = field(default_factory=bytearray)


class Recording:
    """Writes replies to a WAV file (24 kHz), one after another, each as far as it was heard. A context manager.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - closed when this one is
        self._wave.setparams((1, 2, RATE, 0, "NONE", ""))
        self._kept: _Kept | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._write()
        self._wave.close()
        self._file.close()

    def add(self, item: str, pcm: bytes) -> None:
        """Take more sound of a reply; that of another one before is written."""
        if self._kept is None or self._kept.item != item:
            self._write()
            self._kept = _Kept(item)
        self._kept.pcm += pcm

    def cut(self, item: str, *, n_samples: int) -> None:
        """Keep only the first `n_samples` (24 kHz) of a reply."""
        if self._kept is not None and self._kept.item == item:
            del self._kept.pcm[2 * n_samples :]

    def _write(self) -> None:
        if self._kept is not None:
            self._wave.writeframes(bytes(self._kept.pcm))
            self._kept = None


class Player:
    """Plays replies; `feed` takes server events at once, `run` plays what they bring in its own time.

    Args:
        sink: where it sounds.
        recording: where it is kept, if anywhere.
        clock: seconds, monotonic.
    """

    def __init__(self, sink: Sink, *, recording: Recording | None = None, clock: Callable[[], float]) -> None:
        self._sink = sink
        self._recording = recording
        self._clock = clock
        self._put, self._take = anyio.create_memory_object_stream[tuple[str, bytes | None]](float("inf"))
        self._item: str | None = None
        self._begun: str | None = None
        self._over: set[str] = set()

    @property
    def sounds(self) -> bool:
        """A reply sounds now, or is about to."""
        if self._item is None:
            return False
        return self._begun != self._item or self._sink.ended_s(now_s=self._clock()) is None

    def feed(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Take a server event; return what to tell the server: where a reply was cut, None mostly."""
        match event["type"]:
            case "response.output_audio.delta":
                self._sound(event)
            case "response.output_audio.done" | "response.done":
                if self._item is not None:
                    self._put.send_nowait((self._item, None))
            case "attune.floor" if event.get("action") == "duck":
                self._sink.duck()
            case "attune.floor":
                self._sink.resume()
            case "input_audio_buffer.speech_started":
                return self._cut()
            case _:
                pass
        return None

    async def run(self) -> None:
        """Play what comes, until cancelled.

        Raises:
            DeviceUnavailable: the loudspeaker was lost.
        """
        resampler = Resampler(source_hz=RATE)
        async for item, pcm in self._take:
            if item in self._over:
                continue
            if item != self._begun:
                self._begun, resampler = item, Resampler(source_hz=RATE)
                self._sink.begin(at_s=self._clock())
            if pcm is not None:
                await self._sink.play(resampler.feed(from_pcm16(pcm)))
                continue
            rest, resampler = resampler.flush(), Resampler(source_hz=RATE)
            await self._sink.play(rest)
            if item not in self._over:  # somebody may have spoken over it just now
                self._sink.finish()

    def close(self) -> None:
        """Free the queue; the sink belongs to whoever made it."""
        self._put.close()
        self._take.close()

    def _sound(self, event: Mapping[str, Any]) -> None:
        item = str(event["item_id"])
        try:
            pcm = base64.b64decode(event["delta"], validate=True)
        except (binascii.Error, ValueError):
            return
        if item in self._over or len(pcm) % 2:
            return
        self._item = item
        if self._recording is not None:
            self._recording.add(item, pcm)
        self._put.send_nowait((item, pcm))

    def _cut(self) -> Mapping[str, Any] | None:
        """Stop what sounds; return how much of it was heard."""
        item = self._item
        if item is None or not self.sounds:
            return None
        n_heard = self._sink.cancel(at_s=self._clock()) if self._begun == item else 0
        self._item = None
        self._over.add(item)
        if self._recording is not None:
            self._recording.cut(item, n_samples=n_heard * RATE // SAMPLE_RATE)
        return {
            "type": "conversation.item.truncate",
            "item_id": item,
            "content_index": 0,
            "audio_end_ms": n_heard * 1000 // SAMPLE_RATE,
        }

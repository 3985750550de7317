"""One conversation with a server: sound there, words, emotion and sound back."""

from __future__ import annotations

import base64
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio
import numpy as np

from streaming.audio import SAMPLE_RATE, Blocks, Resampler, silence, to_pcm16
from streaming.events import AudioDropped

from ..duplex import HalfDuplexGate
from .playing import RATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from streaming.events import Samples
    from streaming.sources import Pace, Sound

    from .connection import Connection, Event
    from .playing import Player

STEP: Final = SAMPLE_RATE // 10
"""Sound goes out in pieces of 100 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How a client behaves.

    Attributes:
        half_duplex: silence is sent while a reply sounds: for loudspeakers beside the microphone.
        quiet_s: at the end of the sound, silence is sent until the server has said nothing for so long.
        answer_s: the same while somebody speaks, or is still to be answered.
        most_s: but at most for so long.
    """

    half_duplex: bool = False
    quiet_s: float = 2.0
    answer_s: float = 15.0
    most_s: float = 120.0


@dataclass(slots=True)
class Client:
    """Holds one conversation.

    Args:
        connection: to the server, new.
        player: where replies sound.
        tell: takes every server event.
        settings: how to behave.
        level: takes the loudness of what is sent, dB full scale.
    """

    connection: Connection
    player: Player
    tell: Callable[[Event], None]
    settings: ClientSettings = ClientSettings()
    level: Callable[[float], None] = lambda _: None
    _n_news: int = 0
    _waits: bool = False

    async def hold(self, source: AsyncIterable[Sound], *, pace: Pace | None = None) -> None:
        """Send `source`, and once that has ended, silence (as `pace` lets it through) until the server is done.

        Raises:
            ServerLost: see `Connection.events`.
            StreamingError: the source, or the loudspeaker, failed.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.player.run)
                tasks.start_soon(self._speak, source, pace)
                async with aclosing(self.connection.events()) as events:
                    async for event in events:
                        if (cut := self._take(event)) is not None:
                            # In a task of its own: while the connection is lost it waits for the reader, which is here.
                            tasks.start_soon(self.connection.send, cut)
                tasks.cancel_scope.cancel()
        finally:
            self.player.close()

    def _take(self, event: Event) -> Event | None:
        """Take in what the server says; return what to tell it."""
        kind: str = event["type"]
        if kind != "response.output_audio.delta":
            self._n_news += 1
        if kind in {"input_audio_buffer.speech_started", "response.created"}:
            self._waits = True
        elif kind == "response.done" or (kind.endswith("transcription.completed") and not event.get("transcript")):
            self._waits = False
        cut = self.player.feed(event)
        self.tell(event)
        return None if cut is None else dict(cut)

    async def _speak(self, source: AsyncIterable[Sound], pace: Pace | None) -> None:
        gate = HalfDuplexGate()
        resampler = Resampler(source_hz=SAMPLE_RATE, target_hz=RATE)
        blocks = Blocks(STEP)
        async for sound in source:
            if isinstance(sound, AudioDropped):
                # It comes as silence too.
                self.connection.note(f"{sound.seconds:.1f} s of sound lost: the machine or the network is too slow")
            if not isinstance(sound, np.ndarray):
                continue
            for block in blocks.feed(sound):
                self.level(_level_db(block))
                heard = gate.filter(block, speaking=self.settings.half_duplex and self.player.sounds)
                await self._send(resampler.feed(heard))
        await self._send(resampler.feed(blocks.flush()))
        if pace is not None:
            await self._fall_silent(resampler, pace)
        await self.connection.close()

    async def _fall_silent(self, resampler: Resampler, pace: Pace) -> None:
        n_quiet = n_sent = 0
        while n_sent < self.settings.most_s * SAMPLE_RATE and n_quiet < self._patience_s * SAMPLE_RATE:
            seen = self._n_news
            await pace.wait(STEP)
            await self._send(resampler.feed(silence(STEP)))
            n_sent += STEP
            n_quiet = n_quiet + STEP if seen == self._n_news and not self.player.sounds else 0

    @property
    def _patience_s(self) -> float:
        return self.settings.answer_s if self._waits else self.settings.quiet_s

    async def _send(self, samples: Samples) -> None:
        if samples.size:
            audio = base64.b64encode(to_pcm16(np.clip(samples, -1.0, 1.0))).decode("ascii")
            await self.connection.send({"type": "input_audio_buffer.append", "audio": audio})


def _level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples**2) + 1e-12))


def shown(event: Event) -> dict[str, Any]:
    """Return an event without its sound, for people and logs; `n_bytes` says how much there was."""
    delta = event.get("delta")
    if event["type"] != "response.output_audio.delta" or not isinstance(delta, str):
        return event
    rest = {name: value for name, value in event.items() if name != "delta"}
    return rest | {"n_bytes": len(delta) * 3 // 4 - delta[-2:].count("=")}

"""A voice over the OpenAI protocol: the hosted API, speaches, Kokoro and others alike, streamed as it comes."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streaming.audio import Pcm16Decoder, Resampler
from streaming.errors import EngineFailed
from streaming.remote.client import Client
from streaming.remote.exchange import Ask

from ...errors import SpeechFailed
from ...sentences import sentences_of, speakable
from .blocks import BlockCutter
from .wav import WavDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from streaming.events import Samples
    from streaming.remote import Endpoint
    from streaming.remote.exchange import Chunk

    from ...ports import SpeakingStyle

_SLOWEST, _FASTEST = 0.25, 4.0
_RATE = re.compile(r"rate=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiSpeechSettings:
    """How a speech server is used.

    Attributes:
        pcm_hz: sample rate of raw sound, where the server does not name it; the protocol's is 24 kHz.
    """

    pcm_hz: int = 24_000

    def __post_init__(self) -> None:
        """Check the values."""
        if not 4_000 <= self.pcm_hz <= 192_000:
            raise ValueError(f"pcm_hz is {self.pcm_hz}, expected 4000 to 192000")


class OpenAiSpeech:
    """`agent.ports.Speech` by /audio/speech, one request per sentence.

    The rate is kept from 0.25 to 4; the pitch cannot be set. WAV instead of raw sound is understood.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str,
        voice: str,
        settings: OpenAiSpeechSettings | None = None,
        client: Client | None = None,
    ) -> None:
        """Use `model` and `voice` at `endpoint`; a `client` that is given is shared and stays open."""
        self._owns_client = client is None
        self._client = client or Client(endpoint, name=f"voice {model}")
        self._model = model
        self._voice = voice
        self._settings = settings or OpenAiSpeechSettings()

    @property
    def name(self) -> str:
        """See `Speech`."""
        return f"openai:{self._model}:{self._voice}"

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """See `Speech`; close the iterator (`contextlib.aclosing`) to abort the request at once.

        Raises:
            SpeechFailed: the server cannot be reached, refuses, or gives no sound.
        """
        for sentence in sentences_of(speakable(text)):
            async with aclosing(self._sentence(sentence, style)) as blocks:
                async for block in blocks:
                    yield block

    def close(self) -> None:
        """Abort what is being said and free the connections. Idempotent."""
        if self._owns_client:
            self._client.close()

    async def _sentence(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        blocks, sound, n_blocks = BlockCutter(), _Sound(self._settings.pcm_hz), 0
        try:
            async with aclosing(self._client.stream(lambda: self._chunks(text, style))) as chunks:
                async for chunk in chunks:
                    for block in blocks.feed(sound.feed(chunk)):
                        n_blocks += 1
                        yield block
        except EngineFailed as trouble:
            raise SpeechFailed(str(trouble)) from trouble
        for block in [*blocks.feed(sound.flush()), *blocks.flush()]:
            n_blocks += 1
            yield block
        if not n_blocks and any(map(str.isalnum, text)):
            raise SpeechFailed(f"{self._client.endpoint.url} gave no sound for {len(text)} characters of text")

    def _chunks(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Chunk, None]:
        body = {"model": self._model, "voice": self._voice, "input": text.strip(), "response_format": "pcm"}
        if style.rate != 1.0:
            body |= {"speed": min(_FASTEST, max(_SLOWEST, style.rate))}
        ask = Ask(path="/audio/speech", body=body, model=self._model)
        return self._client.tried(lambda: self._client.exchange.chunks(ask))


class _Sound:
    """Bytes of one answer to samples at 16 kHz, raw or WAV, whatever the server chose."""

    def __init__(self, pcm_hz: int) -> None:
        self._pcm_hz = pcm_hz
        self._head = b""
        self._wav: WavDecoder | None = None
        self._pcm: tuple[Pcm16Decoder, Resampler] | None = None

    def feed(self, chunk: Chunk) -> Samples:
        """Return the samples that are complete now.

        Raises:
            SpeechFailed: this is no sound that can be played.
        """
        data = chunk.data
        if self._wav is None and self._pcm is None:
            self._head += data
            if len(self._head) < 4:
                return np.zeros(0, np.float32)
            data, self._head = self._head, b""
            self._choose(data, chunk.headers)
        if self._wav is not None:
            return self._wav.feed(data)
        assert self._pcm is not None
        decoder, resampler = self._pcm
        return np.clip(resampler.feed(decoder.feed(data)), -1.0, 1.0)

    def flush(self) -> Samples:
        """Return the last samples."""
        if self._wav is not None:
            return self._wav.feed(b"", last=True)
        return np.clip(self._pcm[1].flush(), -1.0, 1.0) if self._pcm is not None else np.zeros(0, np.float32)

    def _choose(self, head: bytes, headers: Mapping[str, str]) -> None:
        kind = headers.get("content-type", "").lower()
        if head.startswith(b"RIFF"):
            self._wav = WavDecoder()
            return
        what = kind.partition(";")[0].strip()
        if what and what not in {"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw", "application/octet-stream"}:
            raise SpeechFailed(f"the speech server sent {what} instead of raw sound (response_format pcm) or WAV")
        named = _RATE.search(kind)
        hz = int(named.group(1)) if named else self._pcm_hz
        self._pcm = (Pcm16Decoder(), Resampler(source_hz=hz))

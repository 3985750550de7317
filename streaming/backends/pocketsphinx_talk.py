"""One utterance on this side of PocketSphinx's process: what was said to it, what it answered, what of it is promised.

The utterance's sound and open questions are kept, so that a worker that dies is replaced without loss.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import SAMPLE_RATE
from ..errors import EngineFailed
from ..events import Hypothesis, Transcript, Word
from ..nbest import Reading, rank
from ..stability import StablePrefix
from .framing import Channel, load_json, pack, pack_json
from .pocketsphinx_settings import Mean

if TYPE_CHECKING:
    from ..events import Samples
    from .pocketsphinx_engine import PocketSphinxEngine
    from .pocketsphinx_settings import PocketSphinxSettings

NAME = "pocketsphinx"
_N_TRIES = 2


class PendingTranscript:
    """A transcript under way in the worker."""

    def __init__(self, talk: Talk, request: int, *, is_final: bool) -> None:
        self._talk = talk
        self.request = request
        self.is_final = is_final
        self.n_bytes = talk.n_bytes
        self.answer: dict[str, Any] | None = None
        self.is_cancelled = False
        self._transcript: Transcript | None = None
        self._failure: EngineFailed | None = None

    def result(self) -> Transcript:
        """Wait for the answer and return it; once known, it is the same for ever.

        Raises:
            EngineFailed: the worker died, with its replacement, or was closed; or the answer was cancelled.
        """
        if self._failure is not None:
            raise self._failure
        if self._transcript is None:
            try:
                self._transcript = self._talk.transcript(self)
            except EngineFailed as failure:
                self._failure = failure
                raise
        return self._transcript

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once. An answer whose worker has died is not there: it is mended."""
        return self._transcript is not None or self._failure is not None or self._talk.has_answered(self)

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Idempotent."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self._talk.cancel(self)


class Talk:
    """One utterance of one speaker. One caller at a time, but `close` may come from another thread."""

    def __init__(
        self,
        engine: PocketSphinxEngine,
        settings: PocketSphinxSettings,
        *,
        utterance: int,
        at_s: float,
        mean: Mean | None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._utterance = utterance
        self._at_s = at_s
        self._mean = mean
        self._sound = bytearray()
        self._stable = StablePrefix(settings.stability)
        self._n_requests = 0
        self._n_revisions = 0
        self._waiting: dict[int, PendingTranscript] = {}
        self._last_final: PendingTranscript | None = None
        self._lock = Lock()
        self._is_closed = False
        self._channel: Channel | None = None
        self._engine_pid: int | None = None
        with suppress(EngineFailed):  # noticed and mended, or told, when an answer is collected
            self._connect()

    @property
    def n_bytes(self) -> int:
        """How much sound was accepted, in bytes."""
        return len(self._sound)

    def accept(self, samples: Samples) -> None:
        """Pass sound on and keep it."""
        pcm = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        self._sound += pcm
        self._send(pack(b"A", pcm))

    def ask(self, *, is_final: bool) -> PendingTranscript:
        """Ask for a partial or the final."""
        self._n_requests += 1
        pending = PendingTranscript(self, self._n_requests, is_final=is_final)
        self._waiting[pending.request] = pending
        if is_final:
            self._last_final = pending
        self._send(_question(pending))
        return pending

    def cancel(self, pending: PendingTranscript) -> None:
        """Forget a question; the worker stops working on a final."""
        self._waiting.pop(pending.request, None)
        if pending is self._last_final:
            self._last_final = None
            if pending.answer is None:
                self._send(pack_json(b"X", pending.request))

    def has_answered(self, pending: PendingTranscript) -> bool:
        """Look, without waiting, whether the answer has come."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            while pending.answer is None and self._receive(0.0):
                pass
        return pending.answer is not None

    def transcript(self, pending: PendingTranscript) -> Transcript:
        """Wait for the answer; once more on a new worker if this one dies."""
        if pending.is_cancelled:
            raise EngineFailed("the transcript was cancelled, nothing can be collected; ask for another")
        for attempt in range(_N_TRIES):
            if attempt:
                self._reconnect(pending)
            with suppress(OSError, ValueError, KeyError, TypeError):
                self._wait_for(pending)
                return self._final(pending) if pending.is_final else self._partial(pending)
            pending.answer = None
        raise EngineFailed(
            f"pocketsphinx died {_N_TRIES} times on utterance {self._utterance} "
            f"({self.n_bytes / 2 / SAMPLE_RATE:.1f} s of sound); its words are lost"
        )

    def mean_after(self) -> Mean | None:
        """Return the cepstral mean for the next utterance: what was known before, and this one if it held words."""
        final = self._last_final
        if final is None:
            return self._mean
        with suppress(EngineFailed):
            if final.result().nbest and final.answer is not None:
                own = Mean(values=tuple(final.answer["mean"]["values"]), n_frames=final.answer["mean"]["n_frames"])
                return own if self._mean is None else self._mean.blended(own)
        return self._mean

    def close(self) -> None:
        """Let the worker's copy go, for good. Idempotent."""
        with self._lock:
            self._is_closed = True
            self._disconnect()

    def _connect(self) -> None:
        with self._lock:
            if self._is_closed:
                raise EngineFailed("the recogniser was closed before it answered; ask before closing")
            self._disconnect()
            self._channel, self._engine_pid = self._engine.open()
        self._send(pack_json(b"S", None if self._mean is None else asdict(self._mean)))

    def _disconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _reconnect(self, pending: PendingTranscript) -> None:
        """Replay the utterance to a new worker, with every question that is still open where it was asked."""
        self._connect()
        if not self._is_greeted():  # the loaded process is dying too, but was not yet gone: replace it
            self._engine.retire(self._engine_pid)
            self._connect()
        self._waiting[pending.request] = pending
        n_sent = 0
        for request in sorted(self._waiting):
            n_bytes = self._waiting[request].n_bytes
            self._send(pack(b"A", bytes(self._sound[n_sent:n_bytes])))
            self._send(_question(self._waiting[request]))
            n_sent = n_bytes
        self._send(pack(b"A", bytes(self._sound[n_sent:])))

    def _is_greeted(self) -> bool:
        messages: list[tuple[bytes, bytes]] | None = []
        try:
            while messages == []:
                messages = self._connected.receive(self._settings.answer_within_s)
        except OSError:
            return False
        return messages is not None

    @property
    def _connected(self) -> Channel:
        channel = self._channel
        if channel is None:
            raise ConnectionResetError("no connection to the worker")
        return channel

    def _send(self, message: bytes) -> None:
        """Send; that the worker is gone is noticed and mended when an answer is collected."""
        with suppress(OSError):
            self._connected.send(message)

    def _wait_for(self, pending: PendingTranscript) -> None:
        give_up_at = time.monotonic() + self._settings.answer_within_s
        while pending.answer is None:
            if not self._receive(max(0.0, give_up_at - time.monotonic())):
                raise TimeoutError("the worker is silent")

    def _receive(self, timeout_s: float) -> bool:
        """Take answers in; False when nothing came in time."""
        messages = self._connected.receive(timeout_s)
        for kind, payload in messages or ():
            if kind == b"H":
                continue
            answer = load_json(payload)
            asked = self._waiting.pop(answer["id"], None)
            if asked is not None:
                asked.answer = answer
        return messages is not None

    def _partial(self, pending: PendingTranscript) -> Transcript:
        assert pending.answer is not None
        heard_s = self._at_s + pending.n_bytes / 2 / SAMPLE_RATE
        words = self._stable.feed(self._words(pending.answer["words"]), heard_s=heard_s)
        text = " ".join(word.text for word in words)
        nbest = (Hypothesis(text=text, logp=0.0, posterior=1.0, source=NAME, words=words),) if words else ()
        return self._revise(nbest, heard_s=heard_s, is_final=False)

    def _final(self, pending: PendingTranscript) -> Transcript:
        assert pending.answer is not None
        readings = [Reading(words=self._words(words), logp=logp) for logp, words in pending.answer["readings"]]
        nbest = rank(readings, source=NAME, n_best=self._settings.n_best, temperature=self._settings.temperature)
        return self._revise(nbest, heard_s=self._at_s + pending.n_bytes / 2 / SAMPLE_RATE, is_final=True)

    def _revise(self, nbest: tuple[Hypothesis, ...], *, heard_s: float, is_final: bool) -> Transcript:
        self._n_revisions += 1
        n_stable = len(self._stable.stable) if not is_final else len(nbest[0].words) if nbest else 0
        return Transcript(
            utterance=self._utterance,
            revision=self._n_revisions,
            at_s=heard_s,
            is_final=is_final,
            nbest=nbest,
            n_stable=n_stable,
        )

    def _words(self, spoken: list[list[Any]]) -> tuple[Word, ...]:
        return tuple(
            Word(text=text, start_s=self._at_s + start, end_s=self._at_s + end, posterior=posterior)
            for text, start, end, posterior in spoken
        )


def _question(pending: PendingTranscript) -> bytes:
    return pack_json(b"F" if pending.is_final else b"P", pending.request)

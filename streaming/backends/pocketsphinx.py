"""PocketSphinx as a `Transcriber`: partials while speaking, a final 10-best with scores, posteriors and word times.

The engine runs in worker processes (see `pocketsphinx_worker`); this side keeps the utterance's sound so that a
worker that dies is replaced without loss, and decides what of a partial is promised.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineFailed
from ..events import Hypothesis, Transcript, Word
from ..nbest import Reading, rank
from ..stability import StablePrefix
from .framing import Channel, load_json, pack, pack_json
from .pocketsphinx_engine import PocketSphinxEngine
from .pocketsphinx_settings import Mean

if TYPE_CHECKING:
    from ..events import Samples
    from .pocketsphinx_settings import PocketSphinxSettings

_NAME = "pocketsphinx"
_N_TRIES = 2
_SAMPLE_RATE = 16_000


class PocketSphinxTranscriber:
    """One speaker's recogniser. One caller at a time: it is not for use by several threads at once.

    What it says depends on the sound only; the cepstral mean is carried from utterance to utterance.
    """

    def __init__(
        self, settings: PocketSphinxSettings | None = None, *, engine: PocketSphinxEngine | None = None
    ) -> None:
        """Share `engine` between transcribers to load the model once; without one, own one."""
        self._owns_engine = engine is None
        self._engine = engine or PocketSphinxEngine(settings)
        self._engine.warm()
        self._settings = settings or self._engine.settings
        self._mean: Mean | None = None
        self._talk: _Talk | None = None

    @property
    def name(self) -> str:
        """Short name of the engine."""
        return _NAME

    @property
    def partial_lag_s(self) -> float:
        """Audio time between asking for a partial and collecting it."""
        return self._settings.partial_lag_s

    def start(self, utterance: int, at_s: float) -> None:
        """Begin an utterance; a final still owed for the one before is waited for, as its mean is needed here."""
        self._end_talk()
        self._talk = _Talk(self._engine, self._settings, utterance=utterance, at_s=at_s, mean=self._mean)

    def accept(self, samples: Samples) -> None:
        """Take the next sound of the utterance. Returns at once."""
        self._talking.accept(samples)

    def partial(self) -> PendingTranscript:
        """Ask for a transcript of everything accepted so far."""
        return self._talking.ask(is_final=False)

    def finish(self) -> PendingTranscript:
        """Ask for the final n-best of everything accepted so far."""
        return self._talking.ask(is_final=True)

    def close(self) -> None:
        """Free the worker. Idempotent."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None
        if self._owns_engine:
            self._engine.close()

    @property
    def _talking(self) -> _Talk:
        assert self._talk is not None, "start() begins an utterance, and close() ends the last"
        return self._talk

    def _end_talk(self) -> None:
        if self._talk is not None:
            self._mean = self._talk.mean_after()
            self._talk.close()
            self._talk = None


class PendingTranscript:
    """A transcript under way in the worker."""

    def __init__(self, talk: _Talk, request: int, *, is_final: bool) -> None:
        self._talk = talk
        self.request = request
        self.is_final = is_final
        self.n_bytes = talk.n_bytes
        self.answer: dict[str, Any] | None = None
        self.transcript: Transcript | None = None
        self.is_cancelled = False

    def result(self) -> Transcript:
        """Wait for the answer and return it."""
        if self.transcript is None:
            self.transcript = self._talk.transcript(self)
        return self.transcript

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Idempotent."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self._talk.cancel(self)


class _Talk:
    """One utterance, this side."""

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
        self._channel: Channel | None = None
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
            f"({self.n_bytes / 2 / _SAMPLE_RATE:.1f} s of sound); its words are lost"
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
        """Let the worker's copy go."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _connect(self) -> None:
        self._channel = self._engine.open()
        self._send(pack_json(b"S", None if self._mean is None else asdict(self._mean)))

    def _reconnect(self, pending: PendingTranscript) -> None:
        """Replay the utterance to a new worker, with every question that is still open where it was asked."""
        self.close()
        self._connect()
        if not self._is_greeted():  # the loaded process is dying too, but was not yet gone: replace it
            self.close()
            self._engine.close()
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
        assert self._channel is not None
        messages: list[tuple[bytes, bytes]] | None = []
        try:
            while messages == []:
                messages = self._channel.receive(self._settings.answer_within_s)
        except OSError:
            return False
        return messages is not None

    def _send(self, message: bytes) -> None:
        """Send; that the worker is gone is noticed and mended when an answer is collected."""
        if self._channel is not None:
            with suppress(OSError):
                self._channel.send(message)

    def _wait_for(self, pending: PendingTranscript) -> None:
        if self._channel is None:
            raise ConnectionResetError("no connection to the worker")
        give_up_at = time.monotonic() + self._settings.answer_within_s
        while pending.answer is None:
            messages = self._channel.receive(max(0.0, give_up_at - time.monotonic()))
            if messages is None:
                raise TimeoutError("the worker is silent")
            for kind, payload in messages:
                if kind == b"H":
                    continue
                answer = load_json(payload)
                asked = self._waiting.pop(answer["id"], None)
                if asked is not None:
                    asked.answer = answer

    def _partial(self, pending: PendingTranscript) -> Transcript:
        assert pending.answer is not None
        heard_s = self._at_s + pending.n_bytes / 2 / _SAMPLE_RATE
        words = self._stable.feed(self._words(pending.answer["words"]), heard_s=heard_s)
        text = " ".join(word.text for word in words)
        nbest = (Hypothesis(text=text, logp=0.0, posterior=1.0, source=_NAME, words=words),) if words else ()
        return self._revise(nbest, heard_s=heard_s, is_final=False)

    def _final(self, pending: PendingTranscript) -> Transcript:
        assert pending.answer is not None
        readings = [Reading(words=self._words(words), logp=logp) for logp, words in pending.answer["readings"]]
        nbest = rank(readings, source=_NAME, n_best=self._settings.n_best, temperature=self._settings.temperature)
        return self._revise(nbest, heard_s=self._at_s + pending.n_bytes / 2 / _SAMPLE_RATE, is_final=True)

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

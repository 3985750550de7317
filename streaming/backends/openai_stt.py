"""Transcription over the OpenAI protocol as a `Transcriber`: the hosted API, speaches, vLLM and others alike.

The whole utterance is sent as a WAV file at each pause; an answer that is not wanted any more is aborted.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..audio import SAMPLE_RATE, padded
from ..errors import Superseded
from ..events import Hypothesis, Transcript, Word
from ..hallucination import GuardSettings
from ..nbest import rank
from ..remote.client import Client
from ..remote.exchange import Ask, Upload
from ..remote.faults import Refused
from ..stability import StabilitySettings, StablePrefix
from ..wav import wav_bytes
from .openai_stt_answers import Heard, heard
from .whisper_reading import boilerplate

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from ..events import Samples
    from ..ports import Pending
    from ..remote import Endpoint
    from ..remote.reading import Json

_SHORTEST_S = 0.25
"""Servers refuse sound of less than 0.1 s; what is shorter than this is filled up with silence."""

_FORMS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
    ),
    (("response_format", "verbose_json"),),
    (("response_format", "json"),),
)
"""How an answer may be asked for, richest first: not every server and model knows the first two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiSttSettings:
    """How a transcription server is used.

    Attributes:
        temperatures: a final asks once for each; more than one gives several readings, each at the cost of a request.
        n_best: readings in a final, at most.
        partial_every_s: sound that must be new before a partial is asked for; 0 asks for none. Each costs a request
            with the whole utterance so far.
        partial_lag_s: audio time a partial may take; one that takes longer is dropped.
        guard: when a segment is not believed.
        stability: when a word of a partial is promised.
    """

    temperatures: tuple[float, ...] = (0.0,)
    n_best: int = 10
    partial_every_s: float = 0.0
    partial_lag_s: float = 0.6
    guard: GuardSettings = field(default_factory=GuardSettings)
    stability: StabilitySettings = field(default_factory=lambda: StabilitySettings(n_agree=2))

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.temperatures or not all(0 <= value <= 1 for value in self.temperatures):
            raise ValueError(f"temperatures are {self.temperatures}, expected at least one, each from 0 to 1")
        if min(self.partial_every_s, self.partial_lag_s) < 0:
            raise ValueError("partial_every_s and partial_lag_s are seconds, expected 0 or more")


class OpenAiTranscriber:
    """One speaker's recogniser; `close` frees what it opened."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str,
        language: str | None = None,
        settings: OpenAiSttSettings | None = None,
        client: Client | None = None,
    ) -> None:
        """Use `model` at `endpoint`; a `client` that is given is shared (one for all sessions) and stays open.

        `language` is a code ("en"); None lets the server find out.
        """
        self._owns_client = client is None
        self._client = client or Client(endpoint, name=f"transcriber {model}")
        self._model = model
        self._language = language
        self._settings = settings or OpenAiSttSettings()
        self._form = 0
        self._under_way: set[_Answer] = set()
        self._partial: _Answer | None = None
        self.start(0, 0.0)

    @property
    def name(self) -> str:
        """See `Transcriber`."""
        return f"openai:{self._model}"

    @property
    def partial_lag_s(self) -> float:
        """See `Transcriber`."""
        return self._settings.partial_lag_s if self._settings.partial_every_s else 0.0

    def start(self, utterance: int, at_s: float) -> None:
        """See `Transcriber`."""
        self._utterance, self._at_s = utterance, at_s
        self._blocks: list[Samples] = []
        self._n_samples = self._n_asked = self._n_revisions = 0
        self._stable = StablePrefix(self._settings.stability)

    def accept(self, samples: Samples) -> None:
        """See `Transcriber`."""
        self._blocks.append(samples)
        self._n_samples += len(samples)

    def partial(self) -> Pending[Transcript]:
        """See `Transcriber`; without words unless partials are asked for and due."""
        every_s = self._settings.partial_every_s
        if not every_s or self._n_samples - self._n_asked < every_s * SAMPLE_RATE:
            return _Nothing(self._transcript((), is_final=False))
        self._drop_partial()
        self._n_asked = self._n_samples
        self._partial = self._ask(self._settings.temperatures[:1], self._as_partial(), is_patient=False)
        return self._partial

    def finish(self) -> Pending[Transcript]:
        """See `Transcriber`; the request is on its way when this returns."""
        self._drop_partial()
        if not self._n_samples:
            return _Nothing(self._transcript((), is_final=True))
        return self._ask(self._settings.temperatures, self._as_final(), is_patient=True)

    def close(self) -> None:
        """See `Transcriber`; answers under way are aborted."""
        for answer in tuple(self._under_way):
            answer.cancel()
        if self._owns_client:
            self._client.close()

    def _drop_partial(self) -> None:
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None

    def _ask(
        self, temperatures: tuple[float, ...], build: Callable[[list[Heard]], Transcript], *, is_patient: bool
    ) -> _Answer:
        sound = np.concatenate(self._blocks)
        at_s, heard_s = self._at_s, len(sound) / SAMPLE_RATE
        file = wav_bytes(padded(sound, max(len(sound), round(_SHORTEST_S * SAMPLE_RATE))))

        async def work() -> list[Heard]:
            answers = await self._answers(file, temperatures)
            guard, made_up = self._settings.guard, boilerplate()
            return [heard(a, at_s=at_s, heard_s=heard_s, guard=guard, boilerplate=made_up) for a in answers]

        answer = _Answer(self._client, self._client.submit(work), build, is_patient=is_patient)
        self._under_way.add(answer)
        answer.future.add_done_callback(lambda _: self._under_way.discard(answer))
        return answer

    async def _answers(self, file: bytes, temperatures: tuple[float, ...]) -> list[Json]:
        """Return the answers at all temperatures; those after the first may fail."""
        first = await self._one(file, temperatures[0])
        others = await asyncio.gather(*(self._one(file, t) for t in temperatures[1:]), return_exceptions=True)
        return [first, *(answer for answer in others if isinstance(answer, dict))]

    async def _one(self, file: bytes, temperature: float) -> Json:
        while True:
            form = self._form
            fields = (("model", self._model), ("temperature", f"{temperature:g}"), *_FORMS[form])
            if self._language is not None:
                fields = (*fields, ("language", self._language))
            upload = Upload(file=file, name="utterance.wav", kind="audio/wav", fields=fields)
            try:
                return await self._client.json(Ask(path="/audio/transcriptions", body=upload, model=self._model))
            except Refused as refused:
                if form + 1 == len(_FORMS) or not _blames_form(refused):
                    raise
                self._form = max(self._form, form + 1)

    def _as_final(self) -> Callable[[list[Heard]], Transcript]:
        utterance, at_s = self._utterance, self._at_s + self._n_samples / SAMPLE_RATE
        self._n_revisions += 1
        revision = self._n_revisions

        def build(answers: list[Heard]) -> Transcript:
            readings = [answer.reading for answer in answers if answer.reading is not None]
            nbest = rank(readings, source=self.name, n_best=self._settings.n_best)
            return Transcript(
                utterance=utterance,
                revision=revision,
                at_s=at_s,
                is_final=True,
                nbest=nbest,
                n_stable=len(nbest[0].words) if nbest else 0,
                language=answers[0].language or self._language,
            )

        return build

    def _as_partial(self) -> Callable[[list[Heard]], Transcript]:
        stable, heard_s = self._stable, self._at_s + self._n_samples / SAMPLE_RATE

        def build(answers: list[Heard]) -> Transcript:
            reading = answers[0].reading
            words = stable.feed(() if reading is None else reading.words, heard_s=heard_s)
            return self._transcript(words, is_final=False, n_stable=len(stable.stable))

        return build

    def _transcript(self, words: tuple[Word, ...], *, is_final: bool, n_stable: int = 0) -> Transcript:
        self._n_revisions += 1
        text = " ".join(word.text for word in words)
        best = Hypothesis(text=text, logp=0.0, posterior=1.0, source=self.name, words=words)
        return Transcript(
            utterance=self._utterance,
            revision=self._n_revisions,
            at_s=self._at_s + self._n_samples / SAMPLE_RATE,
            is_final=is_final,
            nbest=(best,) if words else (),
            n_stable=n_stable,
            language=self._language,
        )


@dataclass(frozen=True, slots=True)
class _Nothing:
    """An answer that is there without asking."""

    transcript: Transcript

    def result(self) -> Transcript:
        """See `Pending`."""
        return self.transcript

    def cancel(self) -> None:
        """See `Pending`."""


class _Answer:
    """An answer on its way; one that is not patient is not waited for."""

    def __init__(
        self,
        client: Client,
        future: Future[list[Heard]],
        build: Callable[[list[Heard]], Transcript],
        *,
        is_patient: bool,
    ) -> None:
        self.future = future
        self._client = client
        self._build = build
        self._is_patient = is_patient

    def result(self) -> Transcript:
        """See `Pending`."""
        if not self._is_patient and not self.future.done():
            self.future.cancel()
            raise Superseded("the server's partial transcript came too late to be of use")
        try:
            return self._build(self.future.result())
        except CancelledError:
            raise self._client.closed() from None

    def cancel(self) -> None:
        """See `Pending`; the connection is closed."""
        self.future.cancel()


def _blames_form(refused: Refused) -> bool:
    names = ("response_format", "verbose_json", "timestamp_granularities", "timestamp_granularities[]")
    return refused.is_for_good and any(
        refused.complaint.blames(name) or name in refused.complaint.text for name in names
    )

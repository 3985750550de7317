"""PocketSphinx on one utterance: cepstral mean, search, k-best readings. Runs in the worker process only.

Plain lists and tuples go in and out; the caller on the other side of the process gives them their types.
"""

# The package ships no types: everything it returns is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pocketsphinx

from ..lattice import SENTENCE_END, Lattice, LanguageScore, k_best, parse_htk, prune
from ..nbest import normalise
from .pocketsphinx_settings import PocketSphinxSettings

FRAMES_PER_S = 100
BYTES_PER_S = 32_000
SpokenWord: TypeAlias = tuple[str, float, float, float | None]
"""Text, start, end (seconds from the utterance's first sample), posterior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """Mean cepstrum of `n_frames` frames of sound, 13 values."""

    values: tuple[float, ...]
    n_frames: int


def load_decoder(settings: PocketSphinxSettings) -> Any:  # noqa: ANN401 (untyped package)
    """Return a decoder for open English that has heard nothing yet."""
    return pocketsphinx.Decoder(samprate=16000, loglevel="FATAL", **settings.engine_options())


class Decoding:
    """One utterance on its way through a decoder that has heard nothing before."""

    def __init__(self, decoder: Any, *, settings: PocketSphinxSettings, mean: Mean | None) -> None:  # noqa: ANN401
        self._decoder = decoder
        self._settings = settings
        self._mean = mean
        self._heard = bytearray()
        self._started = False

    def accept(self, pcm: bytes) -> None:
        """Take 16-bit samples; the search begins once there is enough sound to know the cepstral mean."""
        self._heard += pcm
        if self._started:
            self._decoder.process_raw(pcm, False, False)
        elif self._mean is not None or len(self._heard) >= self._settings.cold_start_s * BYTES_PER_S:
            self._begin()

    def partial(self) -> list[SpokenWord]:
        """Return the words of the best path so far."""
        return self._best_words() if self._started else []

    def finish(self) -> dict[str, Any]:
        """End the utterance here and return its readings and its mean. The decoder cannot go on afterwards."""
        if not self._started:
            if not self._heard:
                return {"readings": [], "mean": None}
            self._begin()
        self._decoder.end_utt()
        readings = self._readings()
        return {"readings": readings, "mean": _mean_of(self._decoder, bytes(self._heard))}

    def _begin(self) -> None:
        mean = self._start_mean()
        self._decoder.set_cmn(",".join(f"{value:.6g}" for value in mean.values))
        self._decoder.start_utt()
        self._started = True
        self._decoder.process_raw(bytes(self._heard), False, False)

    def _start_mean(self) -> Mean:
        heard = bytes(self._heard)
        own = Mean(**in_child(lambda: _mean_of(self._decoder, heard)))
        return own if self._mean is None else self._mean

    def _best_words(self) -> list[SpokenWord]:
        if self._decoder.hyp() is None:
            return []
        return [
            (word, segment.start_frame / FRAMES_PER_S, (segment.end_frame + 1) / FRAMES_PER_S, None)
            for segment in self._decoder.seg()
            if (word := normalise(segment.word))
        ]

    def _readings(self) -> list[tuple[float, list[SpokenWord]]]:
        best = self._best_words()
        if not best:
            return []
        lattice = self._lattice()
        confidence = _Confidence(lattice)
        thin = prune(lattice, min_posterior=self._settings.min_link_posterior)
        paths = k_best(
            thin, n_best=self._settings.n_search, score=self._language_score(), per_node=self._settings.per_node
        )
        readings = [
            (
                path.score,
                [
                    confidence.word(thin.nodes[node].word or "", thin.nodes[node].start_s, end_s)
                    for node, end_s in zip(path.nodes, path.ends_s, strict=True)
                ],
            )
            for path in paths
        ]
        return _with_engines_best(readings, [confidence.word(text, start, end) for text, start, end, _ in best])

    def _lattice(self) -> Lattice:
        with tempfile.TemporaryDirectory(prefix="attune-") as folder:
            path = Path(folder) / "lattice.htk"
            self._decoder.get_lattice().write_htk(str(path))
            return parse_htk(path.read_text(encoding="utf-8"), end_s=len(self._heard) / BYTES_PER_S)

    def _language_score(self) -> LanguageScore:
        model = self._decoder.get_lm(self._decoder.current_search())
        to_ln = self._decoder.get_logmath().log_to_ln
        weight, insertion = self._settings.language_weight, math.log(self._settings.insertion)
        known: dict[tuple[str, tuple[str, ...]], float] = {}

        def score(word: str, history: tuple[str, ...]) -> float:
            key = (word, history)
            if key not in known:
                ngram = [_spelling(word), *(_spelling(before) for before in reversed(history))]
                known[key] = weight * to_ln(model.prob(ngram)) + (0.0 if word == SENTENCE_END else insertion)
            return known[key]

        return score


def _spelling(word: str) -> str:
    """Return the word without the mark of an alternative pronunciation, as the language model knows it."""
    return word.partition("(")[0]


class _Confidence:
    """How sure the lattice is of a word at a time: the share of paths that say it in the middle of its span."""

    def __init__(self, lattice: Lattice) -> None:
        self._spans: dict[str, list[tuple[float, float, float]]] = {}
        for link in lattice.links:
            word = lattice.nodes[link.source].word
            if word is not None and link.posterior > 0:
                span = (lattice.nodes[link.source].start_s, lattice.nodes[link.target].start_s, link.posterior)
                self._spans.setdefault(_spelling(word), []).append(span)

    def word(self, text: str, start_s: float, end_s: float) -> SpokenWord:
        middle_s = (start_s + end_s) / 2
        spans = self._spans.get(_spelling(text), ())
        share = sum(posterior for start, end, posterior in spans if start <= middle_s < end)
        return (_spelling(text), start_s, end_s, min(1.0, share))


def _with_engines_best(
    readings: list[tuple[float, list[SpokenWord]]], best: list[SpokenWord]
) -> list[tuple[float, list[SpokenWord]]]:
    """Return the readings with the engine's own best path on top."""
    text = [word[0] for word in best]
    others = [reading for reading in readings if [word[0] for word in reading[1]] != text]
    own = max((score for score, words in readings if [word[0] for word in words] == text), default=-math.inf)
    top = max((score for score, _ in others), default=own)
    score = max(own, top)
    return [(score if math.isfinite(score) else 0.0, best), *others]


def _mean_of(decoder: Any, pcm: bytes) -> dict[str, Any]:  # noqa: ANN401
    """Return the mean cepstrum of the sound. Leaves the decoder in the middle of an utterance: for child processes."""
    decoder.start_utt()
    decoder.process_raw(pcm, True, True)
    values = tuple(float(value) for value in decoder.get_cmn(False).split(","))
    return {"values": values, "n_frames": len(pcm) * FRAMES_PER_S // BYTES_PER_S}


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `work` returns in a copy of this process, so that it leaves no trace in this one."""
    import json

    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            with open(writer, "wb") as pipe:
                pipe.write(json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def n_words(readings: Sequence[tuple[float, list[SpokenWord]]]) -> int:
    """Return how many words the first reading has."""
    return len(readings[0][1]) if readings else 0

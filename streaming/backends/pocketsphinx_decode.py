"""PocketSphinx on one utterance: cepstral mean, search, k-best readings. Runs in worker processes.

Plain lists and tuples go in and out; the caller on the other side of the process gives them their types.
"""

# The package ships no types: everything it returns is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import math
import os
import tempfile
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import pocketsphinx

from ..lattice import SENTENCE_END, k_best, parse_htk, prune
from ..nbest import normalise
from .pocketsphinx_settings import Mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..lattice import LanguageScore, Lattice, Path
    from .pocketsphinx_settings import PocketSphinxSettings

FRAMES_PER_S = 100
BYTES_PER_S = 32_000
BLOCK_BYTES = 640
SpokenWord: TypeAlias = tuple[str, float, float, float | None]
"""Text, start, end (seconds from the utterance's first sample), posterior."""
ScoredWords: TypeAlias = tuple[float, list[SpokenWord]]
"""Natural-log score and words of a reading."""
PRIOR_FRAMES = 500
"""CMN_WIN of the engine: frames that a given mean counts as."""
PROBE = 100.0
N_CEPSTRA = 13
HAIR = 0.001
"""Less than any difference of scores that means something."""


def load_decoder() -> Any:  # noqa: ANN401 (untyped package)
    """Return a decoder for open English that has heard nothing yet.

    Its own search settings are kept. Wider beams (1e-60, words 1e-40) cost about twice as much and mended 2 of 500
    words; a cap of 6000 active states halves the cost, but errs on 6 more of them (noise, oratory).
    """
    return pocketsphinx.Decoder(samprate=16000, loglevel="FATAL")


class Decoding:
    """One utterance on its way through a decoder that has heard nothing before."""

    def __init__(self, decoder: Any, *, settings: PocketSphinxSettings, mean: Mean | None) -> None:  # noqa: ANN401
        self._decoder = decoder
        self._settings = settings
        self._mean = mean
        self._heard = bytearray()
        self._started = False
        self._n_searched = 0

    def accept(self, pcm: bytes) -> None:
        """Take 16-bit samples, cut in any way; the search begins once there is enough sound to know the mean."""
        self._heard += pcm
        if not self._started:
            n_needed = 0 if self._mean is not None else int(self._settings.cold_start_s * BYTES_PER_S)
            if len(self._heard) < max(n_needed, BLOCK_BYTES):
                return
            self._begin(n_needed)
        self._search(whole_blocks=True)

    def partial(self) -> list[SpokenWord]:
        """Return the words of the best path so far."""
        return self._best_words() if self._started else []

    def finish(self) -> dict[str, Any]:
        """End the utterance here and return its readings and its mean. The decoder cannot go on afterwards."""
        return {"readings": self.end(), "mean": self.mean()}

    def end(self) -> list[ScoredWords]:
        """End the utterance here; return its readings, the engine's best first, none if it is not speech."""
        if not self._heard:
            return []
        if not self._started:
            self._begin(len(self._heard))
        self._search(whole_blocks=False)
        self._decoder.end_utt()
        best = self._best_words()
        return self._readings(best) if best else []

    def mean(self) -> dict[str, Any] | None:
        """Return the mean cepstrum of the utterance, None without sound. To be asked after the end."""
        return mean_cepstrum(self._decoder, bytes(self._heard)) if self._heard else None

    def _begin(self, n_bytes: int) -> None:
        mean = self._mean or Mean(**mean_cepstrum(self._decoder, bytes(self._heard[:n_bytes])))
        self._decoder.set_cmn(",".join(f"{value:.6g}" for value in mean.values))
        self._decoder.start_utt()
        self._started = True

    def _search(self, *, whole_blocks: bool) -> None:
        """Search what has not been searched, always in the same blocks: the result depends on the sound only."""
        while self._n_searched + (BLOCK_BYTES if whole_blocks else 1) <= len(self._heard):
            block = bytes(self._heard[self._n_searched : self._n_searched + BLOCK_BYTES])
            self._decoder.process_raw(block, no_search=False, full_utt=False)
            self._n_searched += len(block)

    def _best_words(self) -> list[SpokenWord]:
        """Return the words of the best path; none when most of it is too slow to be speech."""
        if self._decoder.hyp() is None:
            return []
        words: list[SpokenWord] = []
        slow_s = 0.0
        for segment in self._decoder.seg():
            text = normalise(segment.word)
            if text:
                start_s, end_s = segment.start_frame / FRAMES_PER_S, (segment.end_frame + 1) / FRAMES_PER_S
                words.append((text, start_s, end_s, None))
                n_phones = len((self._decoder.lookup_word(segment.word) or "?").split())
                slow_s += end_s - start_s if end_s - start_s > n_phones * self._settings.max_phone_s else 0.0
        spoken_s = sum(end_s - start_s for _, start_s, end_s, _ in words)
        return [] if slow_s > spoken_s / 2 else words

    def _readings(self, best: list[SpokenWord]) -> list[ScoredWords]:
        lattice = self._lattice()
        confidence = _Confidence(lattice)
        own = [confidence.word(text, start_s, end_s) for text, start_s, end_s, _ in best]
        if self._is_doubtful(own):
            return []
        thin = prune(lattice, min_posterior=self._settings.min_link_posterior)
        paths = k_best(
            thin, n_best=self._settings.n_search, score=self._language_score(), per_node=self._settings.per_node
        )
        return _with_engines_best([(path.score, _spoken(thin, path, confidence)) for path in paths], own)

    def _is_doubtful(self, words: list[SpokenWord]) -> bool:
        """Return whether there are so few words, and so unsure ones, that nothing is better than a guess."""
        sure = sum(posterior or 0.0 for _, _, _, posterior in words) / len(words)
        return len(words) <= self._settings.n_doubtful and sure < self._settings.min_sure

    def _lattice(self) -> Lattice:
        # An unnamed file: nothing is left behind when this process is killed, as a revoked final is.
        with tempfile.TemporaryFile() as file:
            self._decoder.get_lattice().write_htk(f"/dev/fd/{file.fileno()}")
            file.seek(0)
            return parse_htk(file.read().decode(), end_s=len(self._heard) / BYTES_PER_S)

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


def _spoken(lattice: Lattice, path: Path, confidence: _Confidence) -> list[SpokenWord]:
    return [
        confidence.word(lattice.nodes[node].word or "", lattice.nodes[node].start_s, end_s)
        for node, end_s in zip(path.nodes, path.ends_s, strict=True)
    ]


def _with_engines_best(readings: list[ScoredWords], best: list[SpokenWord]) -> list[ScoredWords]:
    """Return the readings with the engine's own best path on top.

    The engine weighs its path with pronunciations and word joints that the lattice does not tell, so where the search
    prefers another, the engine is right about as often: its path then gets the score of the search's best and a hair
    more, which keeps the list sorted and lets the two share the probability.
    """
    text = [word[0] for word in best]
    others = [reading for reading in readings if [word[0] for word in reading[1]] != text]
    own = max((score for score, words in readings if [word[0] for word in words] == text), default=-math.inf)
    top = max((score for score, _ in others), default=-math.inf)
    score = own if own > top else top + HAIR
    return [(score if math.isfinite(score) else 0.0, best), *others]


def mean_cepstrum(decoder: Any, pcm: bytes) -> dict[str, Any]:  # noqa: ANN401 (untyped package)
    """Return the mean cepstrum of some sound (as `Mean` has it); the decoder stays as it was.

    A decoder that has once searched as sound came in never again takes the mean of a whole utterance: it only moves
    the mean it was given, which counts as `PRIOR_FRAMES` frames, towards it. Moved from two places, it gives away the
    mean itself and how many frames count (those of digital silence do not). A fresh decoder says the same twice.
    """
    low, high = (in_child(lambda level=level: _moved_mean(decoder, pcm, level)) for level in (0.0, PROBE))
    share = (high["mean"][0] - low["mean"][0]) / PROBE
    n_frames = round(PRIOR_FRAMES / share) - PRIOR_FRAMES if share > 0 else len(pcm) * FRAMES_PER_S // BYTES_PER_S
    kept = 1.0 - share
    values = [value / kept for value in low["mean"]] if kept > 0 else low["mean"]
    return {"values": values, "n_frames": n_frames}


def _moved_mean(decoder: Any, pcm: bytes, level: float) -> dict[str, Any]:  # noqa: ANN401 (untyped package)
    with warnings.catch_warnings():
        # "Deprecated and unnecessary", says the engine, but nothing else makes its noise tracker forget what it heard,
        # and a mean taken behind an adapted tracker is off by up to 1.3.
        warnings.simplefilter("ignore", DeprecationWarning)
        decoder.start_stream()
    decoder.set_cmn(",".join([str(level)] * N_CEPSTRA))
    decoder.start_utt()
    decoder.process_raw(pcm, no_search=True, full_utt=True)
    return {"mean": [float(value) for value in decoder.get_cmn(update=True).split(",")]}


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `work` returns in a copy of this process, so that it leaves no trace in this one."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(json.dumps(work()).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise ChildProcessError(f"a copy of the process ended with status {status}, expected an answer")
    return json.loads(answer)

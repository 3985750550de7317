# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (ctranslate2 and faster-whisper ship no types)
"""A Whisper model in CTranslate2: loading it from a directory, and decoding a batch of questions at once.

faster-whisper hides alternatives, so its model is asked directly: one encoding, one search, one alignment of the best
reading for the whole batch. Nothing is ever asked of a hub.
"""

from __future__ import annotations

from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ..languages import allowed_only, weigh
from ..nbest import log_sum_exp, normalise
from .whisper_features import FULL_FRAMES, padded
from .whisper_loading import (
    MARKS,
    check_files,
    choose_compute_type,
    described,
    find_device,
    import_whisper,
    loading_told,
    mel_filters,
    memory_told,
    read_tokenizer,
)
from .whisper_values import Answer, Decoded, DecodeOptions, Question
from .whisper_words import aligned, timed_like, word_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..languages import Shares
    from .whisper_values import HeardWord

LOWEST_LOGP = -1e4
"""Below it a score is a suppressed path's, not a probability."""


class WhisperModel:
    """The loaded model. `decode` is for one thread at a time; `words` and the rest for any."""

    def __init__(self, path: Path, *, device: str, compute_type: str, n_threads: int) -> None:
        """Load it, see `load_whisper`."""
        check_files(path)
        self._ct2: Any = import_whisper("ctranslate2")
        self._tokens: Any = read_tokenizer(path)
        self._tokenizer_of: Any = import_whisper("faster_whisper.tokenizer").Tokenizer
        self._tokenizers: dict[str, Any] = {}
        self.device = device
        with loading_told(path):
            self._model: Any = self._ct2.models.Whisper(
                str(path), device=device, compute_type=compute_type, intra_threads=n_threads
            )
            self.compute_type = str(self._model.compute_type)
            self.is_multilingual = bool(self._model.is_multilingual)
            self.n_mels = int(self._model.n_mels)
            self._probe()
        self.filters = mel_filters(self.n_mels)
        self.can_detect = self.is_multilingual and described(path, "lang_ids")
        # Without the heads (some distilled models) there are no word times; words are spread over the sound.
        self._can_align = described(path, "alignment_heads")

    def speaks(self, language: str) -> bool:
        """Whether there is such a language code, and the model has a token for it."""
        if not self.is_multilingual:
            return language == "en"
        with suppress(ValueError):  # what the package says to a mark that is no language
            return self._tokenizer(language).language is not None
        return False

    def pieces(self, tokens: Sequence[int], *, language: str) -> tuple[list[str], list[int]]:
        """Return what the text falls into (words, marks), and how many tokens each takes."""
        texts, groups = self._tokenizer(language).split_to_word_tokens(list(tokens))
        return texts, [len(group) for group in groups]

    def decode(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of one bucket.

        Raises:
            OutOfMemory: they do not fit together.
            EngineFailed: the model failed.
        """
        options = questions[0].options
        with memory_told():
            encoded = self._encode([question.features for question in questions], options.n_frames)
            languages, shares = self._languages(questions, encoded)
            prompts = [self._prompt(q, language) for q, language in zip(questions, languages, strict=True)]
            p_no_speech, found = self._search(encoded, prompts, options)
            words = self._align(encoded, questions, languages, found)
        return [
            Answer(language=code, shares=share, p_no_speech=p_none, hypotheses=tuple(hypotheses), words=heard)
            for code, share, p_none, hypotheses, heard in zip(languages, shares, p_no_speech, found, words, strict=True)
        ]

    def close(self) -> None:
        """Free the weights and the model's threads. Idempotent."""
        self._model = None

    def _encode(self, features: Sequence[NDArray[np.float32]], n_frames: int) -> Any:  # noqa: ANN401 - no types
        batch = np.ascontiguousarray(np.stack([padded(each, n_frames) for each in features]))
        return self._model.encode(self._ct2.StorageView.from_array(batch))

    def _probe(self) -> None:
        """Decode a second of silence: missing GPU libraries and broken weights show here, not in a conversation."""
        encoded = self._encode([np.full((self.n_mels, 100), -1.5, np.float32)], 100)
        prompt = self._prompt(Question(features=np.zeros((0, 0), np.float32), options=DecodeOptions(n_frames=0)), "en")
        found = self._model.generate(encoded, [prompt], beam_size=1, max_length=8, return_scores=True)[0]
        # A sum over tokens that is not a number comes from weights that are none; an empty text has no score.
        if any(ids and not isfinite(score) for ids, score in zip(found.sequences_ids, found.scores, strict=True)):
            raise RuntimeError("its weights give no numbers")

    def _tokenizer(self, language: str) -> Any:  # noqa: ANN401 - no types
        if language not in self._tokenizers:
            self._tokenizers[language] = self._tokenizer_of(
                self._tokens, self.is_multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]

    def _languages(self, questions: Sequence[Question], encoded: Any) -> tuple[list[str], list[Shares]]:  # noqa: ANN401
        """Return the language each row is decoded in, and its shares where it was to be found."""
        if not self.is_multilingual:
            return ["en"] * len(questions), [()] * len(questions)
        if questions[0].language is not None:
            return [question.language or "en" for question in questions], [()] * len(questions)
        languages: list[str] = []
        shares: list[Shares] = []
        for question, found in zip(questions, self._model.detect_language(encoded), strict=True):
            named = [(token[2:-2], float(share)) for token, share in found]
            heard = weigh(question.evidence, allowed_only(named, question.allowed), heard_s=question.heard_s)
            languages.append(heard[0][0])
            shares.append(tuple(named))
        return languages, shares

    def _prompt(self, question: Question, language: str) -> list[int]:
        tokenizer = self._tokenizer(language)
        before = [tokenizer.sot_prev, *question.context] if question.context else []
        return [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _search(
        self,
        encoded: Any,  # noqa: ANN401 - no types
        prompts: list[list[int]],
        options: DecodeOptions,
    ) -> tuple[list[float], list[list[Decoded]]]:
        """Return for each row the probability of no speech, and the hypotheses by falling score."""
        common: dict[str, Any] = {
            "length_penalty": options.length_penalty,
            # CTranslate2 halves it.
            "max_length": 2 * options.max_tokens,
            "no_repeat_ngram_size": options.no_repeat,
            "return_scores": True,
            "return_no_speech_prob": True,
        }
        n_beams, n_samples = options.n_beams, options.n_samples
        beams = self._model.generate(encoded, prompts, beam_size=n_beams, num_hypotheses=n_beams, **common)
        rows = [self._decoded(result, options.length_penalty) for result in beams]
        if n_samples:
            drawn = self._model.generate(
                encoded,
                prompts,
                beam_size=1,
                num_hypotheses=n_samples,
                sampling_topk=0,
                sampling_temperature=options.sampling_temperature,
                **common,
            )
            rows = [
                _merged([*row, *self._decoded(r, options.length_penalty)]) for row, r in zip(rows, drawn, strict=True)
            ]
        return [float(result.no_speech_prob) for result in beams], rows

    def _decoded(self, result: Any, length_penalty: float) -> list[Decoded]:  # noqa: ANN401 - no types
        """Return the hypotheses of a row with plain sums for scores."""
        end = self._tokens.token_to_id(MARKS[0])
        rows: list[Decoded] = []
        for ids, score in zip(result.sequences_ids, result.scores, strict=True):
            logp = float(score) * len(ids) ** length_penalty
            tokens = tuple(token for token in ids if token < end)  # without stray marks of time
            if tokens and isfinite(logp) and logp > LOWEST_LOGP:
                rows.append(Decoded(tokens=tokens, logp=min(0.0, logp), text=self._tokens.decode(tokens).strip()))
        return _merged(rows)

    def _align(
        self,
        encoded: Any,  # noqa: ANN401 - no types
        questions: Sequence[Question],
        languages: Sequence[str],
        found: Sequence[Sequence[Decoded]],
    ) -> list[tuple[HeardWord, ...]]:
        """Return the words of each row's best reading; one call for each language, as a call knows one only."""
        words: list[tuple[HeardWord, ...]] = [()] * len(questions)
        texts = [list(row[0].tokens) if row else [] for row in found]
        n_frames = [min(question.features.shape[1], FULL_FRAMES) for question in questions]
        for language in sorted({code for code, text in zip(languages, texts, strict=True) if text}):
            results: list[Any] = [None] * len(texts)
            if self._can_align:
                results = self._model.align(encoded, self._tokenizer(language).sot_sequence, texts, n_frames)
            for i, result in enumerate(results):
                if languages[i] == language and texts[i]:
                    words[i] = self._heard(result, texts[i], language=language, heard_s=questions[i].heard_s)
        return words

    def _heard(self, result: Any, tokens: list[int], *, language: str, heard_s: float) -> tuple[HeardWord, ...]:  # noqa: ANN401
        """Return the words of a reading by its alignment, spread over the sound if there is none."""
        pieces, n_tokens = self.pieces(tokens, language=language)
        words = None
        if result is not None:
            words = aligned(pieces, n_tokens, path=result.alignments, probabilities=result.text_token_probs)
        return timed_like(word_texts(pieces), (), heard_s=heard_s) if words is None else words


def load_whisper(path: Path, *, device: str = "auto", compute_type: str = "auto", n_threads: int = 0) -> WhisperModel:
    """Return the model in a directory, ready to decode.

    Args:
        path: made by ct2-transformers-converter, with tokenizer.json.
        device: "auto" takes a GPU where there is one, else "cpu" or "cuda".
        compute_type: of the numbers, a CTranslate2 name; "auto" takes the fastest sound one: float16 on a GPU, int8 on
            a CPU.
        n_threads: of the CPU; 0 leaves it to CTranslate2.

    Raises:
        EngineFailed: no such device or compute type here.
        ModelUnusable: not a Whisper model, incomplete or corrupt.
        OutOfMemory: it does not fit.
    """
    ct2: Any = import_whisper("ctranslate2")
    device = find_device(ct2, device)
    return WhisperModel(
        path, device=device, compute_type=choose_compute_type(ct2, device, compute_type), n_threads=n_threads
    )


def _merged(rows: Sequence[Decoded]) -> list[Decoded]:
    """Return the hypotheses ordered as their merged list will be: those that say most probably the same come first."""
    sums: dict[str, list[float]] = {}
    for row in {row.tokens: row for row in rows}.values():
        sums.setdefault(normalise(row.text), []).append(row.logp)
    totals = {key: log_sum_exp(logps) for key, logps in sums.items()}
    distinct = {row.tokens: row for row in rows}.values()
    return sorted(distinct, key=lambda row: (-totals[normalise(row.text)], normalise(row.text), -row.logp))

"""A model that answers by a script, in place of Whisper's: the engine, the scheduler and the transcriber are real."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from streaming.backends.whisper import WhisperEngine
from streaming.backends.whisper_values import Answer, Decoded, HeardWord
from streaming.batching import SchedulerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streaming.backends.whisper_model import WhisperModel
    from streaming.backends.whisper_values import Question
    from streaming.events import Samples

RATE = 16_000
FILTERS = FeatureExtractor().mel_filters
AT_ONCE = SchedulerSettings(window_s=0.0)
TEXTS: list[str] = []
"""Every word a script has said; its place is its token."""


class ScriptedModel:
    """Answers each question by `script`; while `gate` is shut, the batch it has begun does not end."""

    device, compute_type = "cpu", "float32"
    filters = FILTERS

    def __init__(self, script: Callable[[Question], Answer], *, languages: bool = False) -> None:
        self._script = script
        self.is_multilingual = self.can_detect = languages
        self.asked: list[Question] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)

    def speaks(self, language: str) -> bool:
        return language == "en" or self.is_multilingual

    def pieces(self, tokens: Sequence[int], *, language: str) -> tuple[list[str], list[int]]:
        assert language
        return [f" {TEXTS[token]}" for token in tokens], [1] * len(tokens)

    def decode(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked += questions
        self.begun.release()
        assert self.gate.wait(30)
        return [self._script(question) for question in questions]

    def close(self) -> None:
        self.gate.set()

    def engine(self) -> WhisperEngine:
        return WhisperEngine(cast("WhisperModel", self), scheduler=AT_ONCE)


def answer(
    *texts: str,
    logps: Sequence[float] | None = None,
    each_s: float = 0.3,
    shares: tuple[tuple[str, float], ...] = (),
    p_no_speech: float = 0.0,
) -> Answer:
    """Return an answer with these hypotheses; the words of the first last `each_s` each."""
    hypotheses = [
        Decoded(tokens=tuple(_token(word) for word in text.split()), logp=logp, text=text)
        for text, logp in zip(texts, logps or [-1.0 - i for i in range(len(texts))], strict=True)
    ]
    words = texts[0].split() if texts else []
    return Answer(
        language=shares[0][0] if shares else "en",
        shares=shares,
        p_no_speech=p_no_speech,
        hypotheses=tuple(hypotheses),
        words=tuple(
            HeardWord(text=word, start_s=i * each_s, end_s=(i + 1) * each_s, probability=0.9)
            for i, word in enumerate(words)
        ),
    )


def _token(word: str) -> int:
    if word not in TEXTS:
        TEXTS.append(word)
    return TEXTS.index(word)


def noise(seconds: float, *, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)

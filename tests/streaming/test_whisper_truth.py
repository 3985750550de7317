"""The engine's scores against the model it was converted from, by teacher forcing in 32 bits."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streaming.backends.whisper_features import FULL_FRAMES, MelFrames, padded
from streaming.backends.whisper_model import WhisperModel, load_whisper
from streaming.backends.whisper_values import Answer, Decoded, DecodeOptions, Question
from streaming.files import read_audio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPTIONS = DecodeOptions(n_frames=FULL_FRAMES, n_beams=10)
TEXTS = ("my brother bought a new car yesterday", "the weather is nice and the sun is shining", "no")


@pytest.fixture(scope="module")
def model(tiny_whisper_path: Path) -> WhisperModel:
    return load_whisper(tiny_whisper_path, device="cpu", compute_type="float32", n_threads=1)


@pytest.fixture(scope="module")
def questions(model: WhisperModel, spoken: Callable[..., Path]) -> list[Question]:
    questions: list[Question] = []
    for text in TEXTS:
        mel = MelFrames(model.filters)
        mel.feed(read_audio(spoken(text)))
        questions.append(Question(features=mel.read(), options=OPTIONS))
    return questions


@pytest.fixture(scope="module")
def answers(model: WhisperModel, questions: list[Question]) -> list[Answer]:
    return [model.decode([question])[0] for question in questions]


def forced(path: Path, question: Question, tokens: tuple[int, ...], *, text_only: bool = False) -> list[float]:
    """Return the log-probabilities of the tokens and the end by the Hugging Face model.

    What a search may not say is left out, as CTranslate2 does before it takes probabilities; with `text_only` the end
    too, as alignments have it (its own value then means nothing).
    """
    import torch  # noqa: PLC0415 - only where the truth is asked

    torch.set_num_threads(1)
    config = json.loads((path / "config.json").read_text("utf-8"))
    vocabulary: list[str] = json.loads((path / "vocabulary.json").read_text("utf-8"))
    prompt = [vocabulary.index("<|startoftranscript|>"), vocabulary.index("<|notimestamps|>")]
    said = [*tokens, vocabulary.index("<|endoftext|>")]
    features = torch.from_numpy(padded(question.features, FULL_FRAMES)[None])
    with torch.inference_mode():
        inputs = torch.tensor([[*prompt, *said[:-1]]])
        logits = source(path)(input_features=features, decoder_input_ids=inputs).logits[0, len(prompt) - 1 :]
        logits[:, config["suppress_ids"]] = -torch.inf
        if text_only:
            logits[:, said[-1]] = -torch.inf
        else:
            logits[0, config["suppress_ids_begin"]] = -torch.inf
        logps = torch.log_softmax(logits, -1)
        return [float(logps[i, token]) for i, token in enumerate(said)]


@lru_cache(maxsize=1)
def source(path: Path) -> Any:
    from transformers import WhisperForConditionalGeneration  # noqa: PLC0415 - only where the truth is asked

    return WhisperForConditionalGeneration.from_pretrained(path.parent / "source", local_files_only=True)


def sums(path: Path, question: Question, hypotheses: tuple[Decoded, ...]) -> list[float]:
    return [sum(forced(path, question, hypothesis.tokens)) for hypothesis in hypotheses]


def test_scores_are_sums_of_the_models_log_probabilities(
    tiny_whisper_path: Path, questions: list[Question], answers: list[Answer]
):
    for question, answer in zip(questions, answers, strict=True):
        assert len(answer.hypotheses) == 10
        expected = sums(tiny_whisper_path, question, answer.hypotheses)
        np.testing.assert_allclose([h.logp for h in answer.hypotheses], expected, atol=2e-3)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_scores_are_plain_sums_whatever_the_length_penalty(
    tiny_whisper_path: Path, model: WhisperModel, questions: list[Question], length_penalty: float
):
    question = replace(questions[0], options=replace(OPTIONS, length_penalty=length_penalty, n_beams=4))
    hypotheses = model.decode([question])[0].hypotheses
    expected = sums(tiny_whisper_path, question, hypotheses)
    np.testing.assert_allclose([h.logp for h in hypotheses], expected, atol=2e-3)


def test_drawn_hypotheses_are_scored_on_the_same_scale(
    tiny_whisper_path: Path, model: WhisperModel, questions: list[Question]
):
    options = replace(OPTIONS, n_beams=1, n_samples=4, sampling_temperature=1.3)
    hypotheses = model.decode([replace(questions[0], options=options)])[0].hypotheses
    assert len({h.tokens for h in hypotheses}) == len(hypotheses) > 1
    expected = sums(tiny_whisper_path, questions[0], hypotheses)
    np.testing.assert_allclose([h.logp for h in hypotheses], expected, atol=2e-3)


def test_a_batch_answers_each_as_alone(model: WhisperModel, questions: list[Question], answers: list[Answer]):
    together = model.decode([*questions, questions[0]])
    for alone, batched in zip([*answers, answers[0]], together, strict=True):
        assert [h.text for h in batched.hypotheses] == [h.text for h in alone.hypotheses]
        np.testing.assert_allclose(
            [h.logp for h in batched.hypotheses], [h.logp for h in alone.hypotheses], rtol=1e-3, atol=1e-3
        )
        assert [(w.text, w.start_s) for w in batched.words] == [(w.text, w.start_s) for w in alone.words]
        assert batched.p_no_speech == pytest.approx(alone.p_no_speech, rel=1e-3)


def test_the_sound_decides_the_words(answers: list[Answer]):
    assert len({answer.hypotheses[0].text for answer in answers}) > 1


def test_the_best_readings_words_make_its_text_and_lie_in_the_sound(questions: list[Question], answers: list[Answer]):
    for question, answer in zip(questions, answers, strict=True):
        assert " ".join(word.text for word in answer.words) == answer.hypotheses[0].text
        edges = [edge for word in answer.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert 0.0 <= edges[0] <= edges[-1] <= question.heard_s + 0.02
        assert all(word.probability is not None and 0.0 <= word.probability <= 1.0 for word in answer.words)


def test_word_probabilities_are_the_models(
    tiny_whisper_path: Path, model: WhisperModel, questions: list[Question], answers: list[Answer]
):
    for question, answer in zip(questions, answers, strict=True):
        tokens = answer.hypotheses[0].tokens
        expected = np.exp(forced(tiny_whisper_path, question, tokens, text_only=True))
        _, n_tokens = model.pieces(tokens, language="en")
        assert set(n_tokens) == {1}, "the tiny model is made to say whole words"
        np.testing.assert_allclose([word.probability or 0.0 for word in answer.words], expected[:-1], atol=2e-3)


def test_shorter_windows_are_another_sound_but_the_same_path(model: WhisperModel, questions: list[Question]):
    short = replace(questions[0], options=replace(OPTIONS, n_frames=500))
    answer = model.decode([short])[0]
    assert len(answer.hypotheses) == 10
    assert answer.words

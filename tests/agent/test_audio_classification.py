"""Classifiers of emotion in sound, on models made on the spot: whose labels mean what, and what the estimate says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest
import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    AutoModelForAudioClassification,
    Wav2Vec2ForSequenceClassification,
)

from agent.backends.dims.batched import BatchedSettings
from agent.backends.emotion.audio_classification import (
    METHOD,
    AudioClassificationRecognizer,
    ClassificationSettings,
)
from agent.backends.emotion.label_names import map_labels, plain_name
from agent.conversation import Conversation
from agent.labels import BIG_FOUR, EIGHT, affect_of
from eval.tiny.emotion import tiny_audio_classifier
from streaming.errors import EngineFailed, EngineMissing, ModelUnusable
from streaming.events import Prosody, Transcript, Utterance
from streaming.scheduler import SchedulerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agent.events import EmotionEstimate, EmotionSource
    from agent.ports import EmotionRecognizer
    from streaming.events import Samples

pytestmark = pytest.mark.anyio

SUPERB = ("neu", "hap", "ang", "sad")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_audio_classifier(tmp_path_factory.mktemp("superb"), labels=SUPERB)


@pytest.fixture(scope="module")
def recognizer(model: Path) -> Iterator[AudioClassificationRecognizer]:
    recognizer = AudioClassificationRecognizer.load(model)
    yield recognizer
    recognizer.close()


def noise(n: int, *, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def heard(samples: Samples, *, is_final: bool = True) -> Utterance:
    return Utterance(
        utterance=3,
        start_s=0.0,
        end_s=1.0,
        decided_s=1.5,
        transcript=Transcript(utterance=3, revision=1, at_s=1.5, is_final=True, nbest=()),
        prosody=Prosody(),
        samples=samples,
        is_final=is_final,
    )


async def estimate(
    recognizer: EmotionRecognizer, utterance: Utterance, *, source: EmotionSource = "both"
) -> EmotionEstimate:
    return await recognizer.recognize(utterance, Conversation(session="s"), revision=2, source=source)


def plain_forward(folder: Path, samples: Samples) -> list[float]:
    """The probabilities of one sound, in the model's own order, by transformers alone."""
    loader: Any = AutoModelForAudioClassification
    model = loader.from_pretrained(folder, local_files_only=True).eval()
    normed = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.inference_mode():
        logits = model(torch.from_numpy(normed)[None]).logits[0]
    return [float(p) for p in torch.softmax(logits, dim=-1)]


async def test_the_distribution_is_the_models_own_in_our_order(model: Path, recognizer: AudioClassificationRecognizer):
    found = await estimate(recognizer, heard(noise(16_000)))
    neutral, happy, angry, sad = plain_forward(model, noise(16_000))

    assert found.labels == BIG_FOUR
    assert found.distribution == pytest.approx((angry, happy, neutral, sad), abs=1e-5)
    assert sum(found.distribution) == pytest.approx(1)
    assert found.confidence == max(found.distribution)
    assert found.voice_distribution == found.distribution
    assert found.text_distribution is None
    assert found.conflict is None
    assert (found.utterance, found.revision, found.at_s, found.is_final) == (3, 2, 1.5, True)
    assert found.method == METHOD


async def test_the_dimensions_follow_from_the_distribution(recognizer: AudioClassificationRecognizer):
    found = await estimate(recognizer, heard(noise(16_000)))
    expected = affect_of(found.labels, found.distribution)

    assert (found.arousal, found.dominance, found.valence) == (expected.arousal, expected.dominance, expected.valence)


async def test_another_sound_has_another_distribution(recognizer: AudioClassificationRecognizer):
    time = np.arange(16_000) / 16_000
    tone = (0.1 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    one, other = await recognizer.probabilities(noise(16_000)), await recognizer.probabilities(tone)

    assert max(abs(p - q) for (_, p), (_, q) in zip(one, other, strict=True)) > 0.01


@pytest.mark.parametrize("source", ["off", "text"])
async def test_without_the_voice_it_abstains(recognizer: AudioClassificationRecognizer, source: EmotionSource):
    found = await estimate(recognizer, heard(noise(16_000)), source=source)

    assert found.top is None
    assert found.distribution == (0.25, 0.25, 0.25, 0.25)
    assert (found.arousal, found.dominance, found.valence, found.voice_distribution) == (None, None, None, None)
    assert found.method == ("off" if source == "off" else METHOD)


async def test_a_snapshot_without_sound_abstains(recognizer: AudioClassificationRecognizer):
    found = await estimate(recognizer, heard(np.zeros(0, np.float32), is_final=False))

    assert found.top is None
    assert not found.is_final


async def test_it_names_the_top_only_above_the_threshold(model: Path):
    for threshold, is_named in ((0.0, True), (1.0, False)):
        settings = ClassificationSettings(threshold=threshold)
        recognizer = AudioClassificationRecognizer.load(model, settings=settings)
        found = await estimate(recognizer, heard(noise(16_000)))
        recognizer.close()
        best = found.labels[found.distribution.index(max(found.distribution))]
        assert found.top == (best if is_named else None)


async def test_a_model_of_all_eight_fills_the_eight(tmp_path: Path):
    names = ("Angry", "Sad", "Disgust", "Contempt", "Fear", "Neutral", "Surprise", "Happy")
    recognizer = AudioClassificationRecognizer.load(tiny_audio_classifier(tmp_path, labels=names))
    found = await estimate(recognizer, heard(noise(16_000)))
    recognizer.close()

    assert found.labels == EIGHT
    assert found.eight == tuple(zip(EIGHT, found.distribution, strict=True))


async def test_labels_that_are_none_of_ours_are_left_out(tmp_path: Path):
    path = tiny_audio_classifier(tmp_path, labels=("happy", "sad", "frustrated", "other"))
    recognizer = AudioClassificationRecognizer.load(path, settings=ClassificationSettings(threshold=0.0))
    strict = AudioClassificationRecognizer.load(path, settings=ClassificationSettings(threshold=0.0, known_share=1.0))
    happy, sad, *_ = plain_forward(path, noise(16_000))
    found, unsure = [await estimate(each, heard(noise(16_000))) for each in (recognizer, strict)]
    recognizer.close()
    strict.close()

    assert found.labels == ("sad", "happy")
    assert found.distribution == pytest.approx((sad / (happy + sad), happy / (happy + sad)), abs=1e-5)
    assert unsure.top is None


@pytest.mark.parametrize(
    ("kind", "norm", "is_batched"),
    [("wav2vec2", "layer", True), ("hubert", "layer", True), ("hubert", "group", False), ("sew", "layer", False),
     ("wavlm", "layer", True), ("wavlm", "group", False)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")  # transformers' WavLM
async def test_batched_is_single_for_every_kind(tmp_path: Path, kind: str, norm: str, is_batched: bool):
    path = tiny_audio_classifier(tmp_path, labels=SUPERB, kind=kind, norm=norm)
    batching = BatchedSettings(scheduling=SchedulerSettings(max_batch=4, window_s=1.0 if is_batched else 0.0))
    recognizer = AudioClassificationRecognizer.load(path, batching=batching)
    sounds = [noise(n, seed=n) for n in (12_000, 14_000, 15_999, 16_000)]
    together: dict[int, tuple[float, ...]] = {}

    async def ask(at: int) -> None:
        together[at] = (await estimate(recognizer, heard(sounds[at]))).distribution

    async with anyio.create_task_group() as tasks:
        for at in range(len(sounds)):
            tasks.start_soon(ask, at)
    n_most = recognizer._model._scheduler.stats().largest_batch
    recognizer.close()

    assert (n_most > 1) == is_batched
    for at, sound in enumerate(sounds):
        neutral, happy, angry, sad = plain_forward(path, sound)
        assert together[at] == pytest.approx((angry, happy, neutral, sad), abs=1e-5)


# AST's own filters are that narrow: transformers warns of the published ones too.
@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values:UserWarning")
async def test_a_model_of_spectrograms_will_do(tmp_path: Path):
    torch.manual_seed(0)
    config = ASTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_length=128,
        id2label=dict(enumerate(SUPERB)),
        label2id={name: at for at, name in enumerate(SUPERB)},
    )
    ASTForAudioClassification(config).save_pretrained(tmp_path)
    ASTFeatureExtractor(max_length=128).save_pretrained(tmp_path)
    recognizer = AudioClassificationRecognizer.load(tmp_path)
    found = await estimate(recognizer, heard(noise(16_000)))
    short = await estimate(recognizer, heard(noise(40)))
    recognizer.close()

    assert sum(found.distribution) == pytest.approx(1)
    assert sum(short.distribution) == pytest.approx(1)


async def test_a_model_that_says_no_number_is_an_error(tmp_path: Path):
    path = tiny_audio_classifier(tmp_path, labels=SUPERB)
    damaged = Wav2Vec2ForSequenceClassification.from_pretrained(path, local_files_only=True)
    with torch.no_grad():
        damaged.classifier.bias.fill_(torch.nan)
    damaged.save_pretrained(path)
    recognizer = AudioClassificationRecognizer.load(path)
    with pytest.raises(EngineFailed, match="no number"):
        await estimate(recognizer, heard(noise(16_000)))
    recognizer.close()


# Labels


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (SUPERB, BIG_FOUR),
        (("anger", "happiness", "neutrality", "sadness"), BIG_FOUR),
        (("sad", "happy"), ("sad", "happy")),
        (("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprised"),
         ("angry", "sad", "disgusted", "fearful", "neutral", "surprised", "happy")),
        (("ang", "exc", "hap", "neu", "sad", "fru"), BIG_FOUR),
        (("x/angry", "y/disgusted", "z/fearful", "happy", "neutral", "other", "sad", "surprised", "<unk>"),
         ("angry", "sad", "disgusted", "fearful", "neutral", "surprised", "happy")),
        (("female_angry", "male_angry", "Female-Happy", "male happy"), ("angry", "happy")),
        (("A", "S", "H", "U", "F", "D", "C", "N", "O", "X"), EIGHT),
    ],
)  # fmt: skip
def test_what_models_call_emotions_is_known(names: Sequence[str], labels: Sequence[str]):
    assert map_labels(names, model="m").labels == tuple(labels)


def test_labels_that_mean_the_same_are_added():
    found, share = map_labels(("calm", "neutral", "joy", "other"), model="m").distribution(
        np.array([0.25, 0.25, 0.3, 0.2])
    )
    assert found.tolist() == pytest.approx([0.5 / 0.8, 0.3 / 0.8])
    assert share == pytest.approx(0.8)


def test_nothing_but_unknown_probability_is_uniform():
    found, share = map_labels(("sad", "happy", "other"), model="m").distribution(np.array([0.0, 0.0, 1.0]))
    assert found.tolist() == [0.5, 0.5]
    assert share == 0.0


def test_strange_labels_are_told_in_one_line(tmp_path: Path):
    path = tiny_audio_classifier(tmp_path, labels=("happy", "LABEL_1", "speech"))
    with pytest.raises(ModelUnusable, match="does not know: LABEL_1, speech; expected names of angry, sad,") as told:
        AudioClassificationRecognizer.load(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("names", [("happy", "joy"), ("other", "unknown"), ("happy",)])
def test_a_model_that_tells_nothing_apart_is_told(names: Sequence[str]):
    with pytest.raises(ModelUnusable, match="expected two or more of"):
        map_labels(names, model="m")


def test_every_name_in_the_table_is_written_as_it_is_compared():
    from agent.backends.emotion.label_names import _meanings  # noqa: PLC0415 - private to the module

    assert all(plain_name(name) == name for name in _meanings())
    assert set(_meanings().values()) == {*EIGHT, "none"}


# What a model may lack


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, model: Path):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineMissing, match=r"pip install --editable '\.\[torch\]'"):
        AudioClassificationRecognizer.load(model)


def test_a_wrong_path_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="does not exist"):
        AudioClassificationRecognizer.load(tmp_path / "nowhere")


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_truncated_file_is_told_in_one_line(tmp_path: Path, lost: str):
    file = tiny_audio_classifier(tmp_path, labels=SUPERB) / lost
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ModelUnusable, match="emotion model") as told:
        AudioClassificationRecognizer.load(tmp_path)
    assert "\n" not in str(told.value)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"shares in \[0, 1\]"):
        ClassificationSettings(threshold=1.5)

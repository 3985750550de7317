from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.emotion.voice import (
    AROUSAL_OF,
    CLIP,
    DOMINANCE_OF,
    HEADS,
    SEVEN,
    VALENCE_OF,
    VoiceModel,
    VoiceWeights,
    arrays_of,
    load_voice_model,
    read_voice_weights,
    trust_of,
)
from agent.backends.emotion.voice_cues import CUE_WEIGHT, GROUPS, WORDS, cues_of, group_matrix
from agent.errors import ConfigInvalid
from agent.labels import BIG_FOUR, EIGHT
from eval.training.weights import write_weights
from streaming.acoustics import FEATURE_NAMES
from streaming.events import Acoustics

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

N = len(FEATURE_NAMES)
PITCH = FEATURE_NAMES.index("pitch_mean")
BRIGHT = FEATURE_NAMES.index("alpha_ratio_mean")


def made_up(*, seed: int = 1) -> VoiceWeights:
    rng = np.random.default_rng(seed)
    return VoiceWeights(
        mean=rng.normal(0, 1, N),
        scale=rng.uniform(0.5, 2, (2, N)),
        weights=rng.normal(0, 0.1, (2, N, HEADS[-1].stop)),
        bias=rng.normal(0, 0.1, (2, HEADS[-1].stop)),
        temperature=np.full((2, 3), 0.75),
        provenance="made up",
    )


def heard(weights: VoiceWeights, *, z: float = 0.7, n: int = 0, seed: int = 3) -> Acoustics:
    rng = np.random.default_rng(seed)
    mean = weights.mean + rng.normal(0, 0.5, N) if n else None
    return Acoustics(features=weights.mean + z * rng.normal(0, 1, N), speaker_mean=mean, n_speaker=n)


def save(path: Path, weights: VoiceWeights, *, changed: dict[str, NDArray[np.generic]] | None = None) -> Path:
    write_weights(path, {**arrays_of(weights), **(changed or {})})
    return path


def test_shipped_weights_load_and_say_what_they_were_trained_on():
    model = load_voice_model()
    assert load_voice_model() is model
    assert "EmoDB" in model.provenance


@pytest.mark.parametrize("n", [0, 1, 50])
def test_probabilities_sum_to_one_and_dimensions_lie_between_zero_and_one(n: int):
    rng = np.random.default_rng(n)
    mean = rng.normal(0, 5, N) if n else None
    for spread in (0.1, 3, 100):
        features = rng.normal(0, spread, N)
        estimate = load_voice_model().estimate(Acoustics(features=features, speaker_mean=mean, n_speaker=n))
        assert estimate.big_four.sum() == pytest.approx(1)
        assert estimate.seven.sum() == pytest.approx(1)
        assert sum(estimate.eight.values()) == pytest.approx(1)
        assert all(0 <= value <= 1 for value in (estimate.arousal, estimate.dominance, estimate.valence))
        assert 0 < estimate.trust <= 1


def test_eight_holds_only_classes_that_were_trained():
    estimate = VoiceModel(made_up()).estimate(heard(made_up()))
    assert set(estimate.eight) == set(EIGHT) - {"surprised", "contemptuous"}
    seven = dict(zip(SEVEN, estimate.seven.tolist(), strict=True))
    assert estimate.eight["angry"] / estimate.eight["sad"] == pytest.approx(seven["angry"] / seven["sad"])


def test_dimensions_are_the_expected_level_of_the_classes():
    estimate = VoiceModel(made_up()).estimate(heard(made_up()))
    assert estimate.valence == pytest.approx(float(np.dot(estimate.seven, VALENCE_OF)))
    assert estimate.dominance == pytest.approx(float(np.dot(estimate.seven, DOMINANCE_OF)))


def test_levels_of_arousal_part_high_from_low_at_the_middle():
    level = dict(zip(SEVEN, AROUSAL_OF, strict=True))
    assert min(level[name] for name in ("angry", "disgusted", "fearful", "happy")) > 0.5
    assert max(level[name] for name in ("bored", "neutral", "sad")) < 0.5


@pytest.mark.parametrize("n", [0, 4, 100])
def test_contributions_and_constant_sum_to_the_logits(n: int):
    estimate = VoiceModel(made_up()).estimate(heard(made_up(), n=n))
    logits = estimate.contributions.sum(axis=0) + estimate.constant
    assert estimate.contributions.shape == (len(GROUPS), len(BIG_FOUR))
    np.testing.assert_allclose(logits - logits[0], np.log(estimate.big_four / estimate.big_four[0]), atol=1e-9)


def test_without_earlier_utterances_only_the_cold_weights_count():
    weights = made_up()
    other = replace(weights, weights=np.stack((weights.weights[0], weights.weights[1] * 9)))
    acoustics = heard(weights)
    one, two = VoiceModel(weights).estimate(acoustics), VoiceModel(other).estimate(acoustics)
    np.testing.assert_array_equal(one.big_four, two.big_four)


def test_after_many_utterances_the_speaker_is_what_counts():
    weights, shift = made_up(), np.full(N, 0.8)
    acoustics = heard(weights, n=10**9)
    assert acoustics.speaker_mean is not None
    moved = replace(acoustics, features=acoustics.features + shift, speaker_mean=acoustics.speaker_mean + shift)
    np.testing.assert_allclose(
        VoiceModel(weights).estimate(acoustics).seven, VoiceModel(weights).estimate(moved).seven, rtol=0.05
    )


def test_three_utterances_weigh_speaker_and_others_alike():
    weights = made_up()
    acoustics = heard(weights, n=3)
    assert acoustics.speaker_mean is not None
    between = (weights.mean + acoustics.speaker_mean) / 2
    cold = np.clip((acoustics.features - weights.mean) / weights.scale[0], -CLIP, CLIP)
    warm = np.clip((acoustics.features - between) / weights.scale[1], -CLIP, CLIP)
    logits = (cold @ weights.weights[0] + weights.bias[0] + warm @ weights.weights[1] + weights.bias[1]) / 2
    own = logits[HEADS[0]] / 0.75
    estimate = VoiceModel(weights, caution=1.0).estimate(acoustics)
    np.testing.assert_allclose(
        np.log(estimate.big_four / estimate.big_four[0]), (own - own[0]) * estimate.trust, atol=1e-9
    )


def test_caution_flattens_and_leaves_the_order():
    weights = made_up()
    sure = VoiceModel(weights, caution=1.0).estimate(heard(weights))
    careful = VoiceModel(weights, caution=2.0).estimate(heard(weights))
    assert careful.big_four.max() < sure.big_four.max()
    assert careful.big_four.argsort().tolist() == sure.big_four.argsort().tolist()
    assert careful.arousal == sure.arousal


def test_what_lies_far_from_the_training_speech_is_trusted_less():
    assert trust_of(np.zeros(N)) == 1.0
    assert trust_of(np.full(N, 1.0)) == 1.0
    assert trust_of(np.full(N, 5.0)) == pytest.approx(0.25)


def test_a_feature_off_the_scale_counts_as_the_clip():
    weights = replace(made_up(), scale=np.ones((2, N)))
    features = weights.mean.copy()
    features[PITCH] += CLIP
    same = VoiceModel(weights).estimate(Acoustics(features=features, speaker_mean=None, n_speaker=0))
    features = features.copy()
    features[PITCH] += 2
    far = VoiceModel(weights).estimate(Acoustics(features=features, speaker_mean=None, n_speaker=0))
    np.testing.assert_allclose(far.big_four, same.big_four)


def test_a_wrong_number_of_features_is_an_error():
    with pytest.raises(ConfigInvalid, match="features"):
        load_voice_model().estimate(Acoustics(features=np.zeros(3), speaker_mean=None, n_speaker=0))


def test_weights_read_back_as_they_were_written(tmp_path: Path):
    weights = replace(made_up(), temperature=np.full((2, 3), 0.5))
    read = read_voice_weights(save(tmp_path / "w.npz", weights))
    assert read.provenance == "made up"
    np.testing.assert_allclose(read.weights, weights.weights, atol=1e-3)
    np.testing.assert_allclose(read.mean, weights.mean, rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"version": np.array([99])}, "version"),
        ({"features": np.array(("pitch_mean",))}, "other features"),
        ({"labels": np.array(BIG_FOUR)}, "other labels"),
    ],
)
def test_weights_of_another_kind_are_refused(tmp_path: Path, changed: dict[str, NDArray[np.generic]], reason: str):
    with pytest.raises(ConfigInvalid, match=reason):
        read_voice_weights(save(tmp_path / "w.npz", made_up(), changed=changed))


def test_missing_and_broken_files_are_refused(tmp_path: Path):
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    np.savez(tmp_path / "other.npz", x=np.zeros(1))
    for name in ("missing.npz", "bad.npz", "cut.npz", "other.npz"):
        with pytest.raises(ConfigInvalid, match="holds no emotion weights for voices"):
            read_voice_weights(tmp_path / name)


def test_every_feature_belongs_to_one_group():
    assert group_matrix(FEATURE_NAMES).sum() == N
    with pytest.raises(ValueError, match="unknown_thing"):
        group_matrix((*FEATURE_NAMES, "unknown_thing"))


def test_every_word_rests_on_a_feature_of_its_group():
    assert set(WORDS) <= set(GROUPS)
    for group, (lead, _, _) in WORDS.items():
        row = list(GROUPS).index(group)
        assert group_matrix(FEATURE_NAMES)[row, FEATURE_NAMES.index(lead)] == 1


def test_cues_name_the_direction_and_the_label_strongest_first():
    parts, z = np.zeros((N, 4)), np.zeros(N)
    parts[PITCH, 0], parts[BRIGHT, 0] = 0.5, 0.9
    z[PITCH], z[BRIGHT] = -1, 2
    cues = cues_of(parts, z, label=0)
    assert [(c.cue, c.label) for c in cues] == [("tense, bright voice", "angry"), ("low pitch", "angry")]
    assert cues[0].weight == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("pull", "distance"), [(CUE_WEIGHT - 0.01, 2.0), (1.0, 0.1), (-1.0, 2.0)], ids=["weak", "usual", "against"]
)
def test_a_cue_that_is_weak_unclear_or_contrary_is_not_named(pull: float, distance: float):
    parts, z = np.zeros((N, 4)), np.zeros(N)
    parts[PITCH, 2], z[PITCH] = pull, distance
    assert cues_of(parts, z, label=2) == ()


def test_a_group_is_not_named_after_a_feature_that_pulls_the_other_way():
    parts, z = np.zeros((N, 4)), np.zeros(N)
    parts[BRIGHT, 1], parts[FEATURE_NAMES.index("h1_h2_mean"), 1], z[BRIGHT] = -0.2, 2.0, 1.5
    assert cues_of(parts, z, label=1) == ()

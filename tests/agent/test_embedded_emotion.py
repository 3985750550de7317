"""Words and voice fused: what drives what, when it abstains, what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.emotion.embedded import METHOD, EmbeddedRecognizer
from agent.backends.emotion.fusion import FusionSettings, fuse_eight, fuse_four, voice_expert
from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.conversation import Conversation
from agent.labels import ANCHORS, BIG_FOUR, EIGHT, affect_of
from streaming.acoustics import FEATURE_NAMES
from streaming.events import Acoustics, Hypothesis, Prosody, Transcript, Utterance

if TYPE_CHECKING:
    from agent.events import EmotionEstimate, EmotionSource

ANGRY, HAPPY, NEUTRAL, SAD = range(4)
VOICE = Acoustics(features=np.zeros(len(FEATURE_NAMES)), speaker_mean=None, n_speaker=0)


def said(*texts: str, posteriors: tuple[float, ...] = (), voice: Acoustics | None = None) -> Utterance:
    shares = posteriors or tuple(1 / len(texts) for _ in texts)
    nbest = tuple(
        Hypothesis(text=text, logp=-float(at), posterior=share, source="test")
        for at, (text, share) in enumerate(zip(texts, shares, strict=True))
    )
    return Utterance(
        utterance=3,
        start_s=0.0,
        end_s=1.0,
        decided_s=1.5,
        transcript=Transcript(utterance=3, revision=1, at_s=1.5, is_final=True, nbest=nbest),
        prosody=Prosody(acoustics=voice),
        samples=np.zeros(0, dtype=np.float32),
    )


def estimate(utterance: Utterance, source: EmotionSource = "both") -> EmotionEstimate:
    return EmbeddedRecognizer().estimate(utterance, source=source)


def test_plain_words_give_a_whole_estimate():
    found = estimate(said("i got the job i am so happy"))
    assert found.top == "happy"
    assert found.labels == BIG_FOUR
    assert sum(found.distribution) == pytest.approx(1)
    assert found.confidence == max(found.distribution)
    assert found.method == METHOD
    assert found.valence is not None
    assert found.valence > 0.7
    assert "happy" in [trigger.word for trigger in found.evidence.words]
    assert [label for label, _ in found.eight] == list(EIGHT)
    assert sum(p for _, p in found.eight) == pytest.approx(1)
    assert (found.utterance, found.at_s, found.is_final) == (3, 1.5, True)


def test_without_words_and_voice_it_abstains():
    for found in (estimate(said("")), estimate(said()), estimate(said("i am sad", voice=VOICE), "off")):
        assert found.top is None
        assert found.distribution == (0.25, 0.25, 0.25, 0.25)
        assert (found.arousal, found.valence, found.dominance, found.conflict) == (None, None, None, None)
        assert found.eight == ()


def test_switched_off_it_says_so():
    assert estimate(said("i am so sad", voice=VOICE), "off").method == "off"


def test_the_source_switch_keeps_the_other_side_out():
    utterance = said("i am so sad", voice=VOICE)
    text, voice, both = (estimate(utterance, source) for source in ("text", "voice", "both"))
    assert (text.voice_distribution, voice.text_distribution) == (None, None)
    assert (text.evidence.cues, voice.evidence.words) == ((), ())
    assert both.text_distribution == text.text_distribution
    assert both.voice_distribution == voice.voice_distribution
    assert text == estimate(said("i am so sad"), "text")
    assert text.conflict is None
    assert both.conflict is not None


def test_hypotheses_count_by_their_posteriors():
    sad, glad = estimate(said("i am so sad")), estimate(said("i am so glad"))
    mixed = estimate(said("i am so sad", "i am so glad", posteriors=(0.75, 0.25)))
    expected = 0.75 * np.array(sad.distribution) + 0.25 * np.array(glad.distribution)
    assert mixed.distribution == pytest.approx(expected)
    assert [trigger.word for trigger in mixed.evidence.words] == ["sad"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_counts_as_not_measured(number: float):
    features = np.zeros(len(FEATURE_NAMES))
    features[2] = number
    deaf = estimate(said("i am so sad", voice=Acoustics(features=features, speaker_mean=None, n_speaker=0)))
    unsure = estimate(said("i am so sad", voice=Acoustics(features=VOICE.features, speaker_mean=features, n_speaker=3)))
    words = estimate(said("i am so sad"))
    assert deaf.distribution == unsure.distribution == words.distribution
    assert deaf.voice_distribution is None
    odd = estimate(said("i am so sad", "i am so glad", posteriors=(1.0, number)))
    assert odd.distribution == pytest.approx(words.distribution)


def test_posteriors_of_zero_count_alike():
    found = estimate(said("i am so sad", "i am so glad", posteriors=(0.0, 0.0)))
    even = estimate(said("i am so sad", "i am so glad"))
    assert found.distribution == pytest.approx(even.distribution)


def test_hypotheses_without_known_words_are_passed_over():
    assert estimate(said("i am so sad", "...")).distribution == estimate(said("i am so sad")).distribution


def test_an_unsure_estimate_abstains_but_keeps_its_distribution():
    careful = EmbeddedRecognizer(settings=FusionSettings(threshold=0.999))
    found = careful.estimate(said("i am so sad"))
    assert found.top is None
    assert found.distribution[SAD] > 0.5


def test_neutral_rests_on_no_trigger():
    found = estimate(said("the train leaves from platform two at nine"))
    assert found.top == "neutral"
    assert found.evidence.words == ()


def test_the_same_utterance_gives_the_same_estimate():
    utterance = said("well i do not know", "well i did not know", voice=VOICE)
    assert estimate(utterance) == estimate(utterance) == EmbeddedRecognizer().estimate(utterance)


@pytest.mark.anyio
async def test_the_port_numbers_revisions():
    found = await EmbeddedRecognizer().recognize(
        said("i am so sad"), Conversation(session="s"), revision=4, source="both"
    )
    assert found.revision == 4


def test_voice_decides_excitement_where_words_are_even():
    text = np.array([0.25, 0.25, 0.25, 0.25])
    voice = np.array([0.7, 0.2, 0.05, 0.05])
    fused = fuse_four(text, voice, FusionSettings())
    assert fused[ANGRY] + fused[HAPPY] > 0.7


def test_words_decide_valence_against_the_voice():
    happy_words = np.array([0.03, 0.91, 0.03, 0.03])
    angry_voice = np.array([0.85, 0.08, 0.04, 0.03])
    assert fuse_four(happy_words, angry_voice, FusionSettings()).argmax() == HAPPY


def test_neither_side_drowns_the_other():
    settings = FusionSettings()
    weak_words = np.array([0.2, 0.3, 0.3, 0.2])
    sure_voice = np.array([0.90, 0.04, 0.03, 0.03])
    fused = fuse_four(weak_words, sure_voice, settings)
    assert fused.argmax() == ANGRY
    assert fused[ANGRY] < sure_voice[ANGRY]


def test_agreement_makes_surer_than_either_in_excitement():
    words, voice = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.7, 0.1, 0.1, 0.1])
    assert fuse_four(words, voice, FusionSettings())[ANGRY] > 0.7


def test_an_even_voice_changes_nothing():
    words = np.array([0.1, 0.2, 0.3, 0.4])
    assert fuse_four(words, np.full(4, 0.25), FusionSettings()) == pytest.approx(words)
    assert voice_expert(np.full(4, 0.25), FusionSettings()) == pytest.approx(np.full(4, 0.25))


def test_the_eight_keep_the_proportions_of_the_four():
    four = np.array([0.1, 0.6, 0.2, 0.1])
    eight = fuse_eight(np.full(8, 0.125), {"angry": 0.5, "happy": 0.5}, four=four, settings=FusionSettings())
    kept = eight[[EIGHT.index(label) for label in BIG_FOUR]]
    assert kept / kept.sum() == pytest.approx(four)
    assert eight.sum() == pytest.approx(1)


def test_classes_the_voice_does_not_know_are_left_alone():
    text = np.full(8, 0.125)
    voice = {"angry": 0.3, "sad": 0.3, "fearful": 0.4}
    eight = fuse_eight(text, voice, four=np.full(4, 0.25), settings=FusionSettings())
    assert eight[EIGHT.index("surprised")] == pytest.approx(eight[EIGHT.index("contemptuous")])
    assert eight[EIGHT.index("fearful")] > eight[EIGHT.index("surprised")]


@pytest.mark.parametrize("field", ["text_doubt", "voice_doubt", "threshold", "valence_voice"])
def test_settings_outside_their_range_are_refused(field: str):
    with pytest.raises(ValueError, match=field):
        FusionSettings(**{field: 1.5})


def test_affect_lies_between_its_anchors():
    found = affect_of(("happy", "sad"), (0.5, 0.5))
    assert found.valence == pytest.approx((ANCHORS["happy"].valence + ANCHORS["sad"].valence) / 2)
    assert set(ANCHORS) == set(EIGHT) >= set(BIG_FOUR)


@pytest.mark.anyio
async def test_the_scripted_recogniser_follows_its_script():
    script = ScriptedRecognizer([scripted_estimate("sad"), scripted_estimate("happy")])
    here = Conversation(session="s")
    found = await script.recognize(said("x"), here, revision=2, source="both")
    assert (found.top, found.utterance, found.revision, found.at_s) == ("happy", 3, 2, 1.5)
    assert sum(found.distribution) == pytest.approx(1)
    off = await script.recognize(said("x"), here, revision=2, source="off")
    assert (off.top, off.method) == (None, "off")
    with pytest.raises(ValueError, match="bored"):
        scripted_estimate("bored")

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (parselmouth has no types)
"""A spoken conversation from files, to the end of the line: a sad voice with happy words, a correction, a translation.

Speech is made on the spot (flite), its melody and pace bent by Praat: a sad voice is low, flat, slow and soft, an
excited one high, wide and fast. The language model is one by script: what it is asked is true, what it says is not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import parselmouth
import pytest
from parselmouth.praat import call as run

import agent.backends.choose
from agent.backends.llm.scripted import Asked, ScriptedModel
from agent.translation.compose import compose
from agent.translation.condition import TranslationCondition
from streaming.audio import SAMPLE_RATE
from streaming.files import read_audio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from streaming.events import Samples

    Attune = Callable[..., CompletedProcess[str]]
    Write = Callable[[Path, Samples], Path]
    Events = list[dict[str, Any]]

SETTINGS = """
[profiles.fusing]
emotion = "fused"
language_model = { engine = "openai", url = "http://127.0.0.1:1/v1", model = "by-script" }
"""
PLAIN = "we went to the market and bought some bread"
HAPPY = "i am so happy today"
NEWS = "i got the job today and i am so happy"
CORRECTION = "no i am sad actually"
A_LITTLE_SAD = {
    f" {label}": per_letter * len(f" {label}")
    for label, per_letter in {"angry": -2.0, "happy": -0.9, "neutral": -0.9, "sad": -0.4}.items()
}
"""Log-probabilities of the labels as the model by script would continue with them; its tokens are letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a voice is bent: factors of pitch, of its range, of duration, of loudness."""

    pitch: float
    width: float
    duration: float
    loudness: float


SAD = Manner(pitch=0.75, width=0.3, duration=1.4, loudness=0.3)
EXCITED = Manner(pitch=1.6, width=2.5, duration=0.8, loudness=1.0)


def bent(sound: Samples, manner: Manner) -> Samples:
    """The same words in another manner, resynthesised by overlap-add (PSOLA)."""
    # Praat draws what is unvoiced: without a seed the sound, and now and then a word heard in it, is never the same.
    parselmouth.praat.run("random_initializeWithSeedUnsafelyButPredictably (2)")
    whole = parselmouth.Sound(sound.astype(np.float64), SAMPLE_RATE)
    manipulation = run(whole, "To Manipulation", 0.01, 60, 400)
    tier = run(manipulation, "Extract pitch tier")
    mean = run(tier, "Get mean (points)", 0, 0)
    run(tier, "Formula", f"({mean} + (self - {mean}) * {manner.width}) * {manner.pitch}")
    run([tier, manipulation], "Replace pitch tier")
    pace = run("Create DurationTier", "pace", 0, sound.size / SAMPLE_RATE)
    run(pace, "Add point", 0, manner.duration)
    run([pace, manipulation], "Replace duration tier")
    changed = run(manipulation, "Get resynthesis (overlap-add)")
    return np.asarray(changed.values[0] * manner.loudness, np.float32)


@pytest.fixture(scope="module")
def say(spoken: Callable[..., Path], write_wav: Write, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Voices a text by a man, in a manner."""
    folder = tmp_path_factory.mktemp("manners")

    def voiced(text: str, manner: Manner | None = None) -> Path:
        plain = spoken(text, voice="rms")
        return plain if manner is None else write_wav(folder / plain.name, bent(read_audio(plain), manner))

    return voiced


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ScriptedModel]:
    """The models that were loaded for the profile `fusing`: they find everything a little sad, whatever is said."""
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(SETTINGS, "utf-8")
    loaded: list[ScriptedModel] = []

    def load(*_: object) -> ScriptedModel:
        loaded.append(ScriptedModel(["Bien."], scores=[A_LITTLE_SAD]))
        return loaded[-1]

    monkeypatch.setattr(agent.backends.choose, "_language_model", load)
    return loaded


def held(attune: Attune, *files: Path, options: tuple[str, ...] = ()) -> Events:
    """The events of a conversation over files."""
    audio = [word for file in files for word in ("--audio", file)]
    ran = attune("talk", *audio, "--json", "--no-history", "--no-speech", "--profile", "fusing", *options)
    assert (ran.returncode, ran.stderr) == (0, "")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def of_kind(events: Events, kind: str) -> Events:
    return [event for event in events if event["type"] == kind]


def finals(events: Events) -> Events:
    """The first final estimate of each utterance."""
    first = {event["utterance"]: event for event in reversed(of_kind(events, "emotion.final"))}
    return [first[utterance] for utterance in sorted(first)]


def top(distribution: dict[str, float]) -> str:
    return max(distribution, key=lambda label: distribution[label])


def chats(models: list[ScriptedModel], ending: str) -> list[Asked]:
    """What the last model was asked in the cached conversations of that ending, work ahead of need left out."""
    return [asked for asked in models[-1].asked if asked.conversation.endswith(ending) and asked.call != "prefill"]


def test_happy_words_in_a_sad_voice_are_told_as_a_conflict(
    attune: Attune, say: Callable[..., Path], models: list[ScriptedModel]
):
    events = held(attune, say(PLAIN), say(HAPPY, SAD), say(HAPPY))
    assert [event["text"] for event in of_kind(events, "transcript.final")] == [PLAIN, HAPPY, HAPPY]
    plain, sad, usual = finals(events)
    assert (top(sad["words_only"]), top(sad["voice_only"])) == ("happy", "sad")
    assert top(usual["voice_only"]) != "sad"
    assert plain["conflict"] < 0.3 < sad["conflict"]
    assert sad["conflict"] > usual["conflict"]
    assert sad["hidden"] == "sad"
    assert "hidden" not in plain
    assert chats(models, "/emotion")


def test_estimates_roll_while_somebody_speaks_and_only_the_final_one_asks_the_model(
    attune: Attune, say: Callable[..., Path], models: list[ScriptedModel]
):
    events = held(attune, say(PLAIN), say(HAPPY, SAD))
    for utterance, final in enumerate(finals(events), start=1):
        rolling = [event for event in of_kind(events, "emotion.rolling") if event["utterance"] == utterance]
        assert len(rolling) > 2
        assert not any("model_only" in event for event in rolling)
        assert top(final["model_only"]) == "sad"
        assert final["revision"] > max(event["revision"] for event in rolling)
    scored = [asked for asked in chats(models, "/emotion") if asked.call == "score"]
    assert len(scored) == 2
    first, second = ("\n".join(message.text for message in asked.prompt.messages) for asked in scored)
    assert f'"{PLAIN}"' in first
    assert HAPPY not in first
    assert f'"{HAPPY}"' in second
    assert f'A: "{PLAIN}"' in second, "the turn before is shown"
    assert "low" in second, "the voice is described"


def test_what_the_user_says_of_their_feeling_stands_above_what_was_read(
    attune: Attune, say: Callable[..., Path], models: list[ScriptedModel]
):
    events = held(attune, say(HAPPY, SAD), say(CORRECTION), say(PLAIN))
    assert [event["text"] for event in of_kind(events, "transcript.final")] == [HAPPY, CORRECTION, PLAIN]
    read, *_ = finals(events)
    assert read["top"] == "happy"
    (corrected,) = [event for event in of_kind(events, "emotion.final") if event.get("corrected")]
    assert (corrected["utterance"], corrected["top"]) == (1, "sad")
    assert corrected["revision"] > read["revision"]
    assert corrected["distribution"]["sad"] > 0.9
    last = chats(models, "/emotion")[-1].prompt.messages[-1].text
    assert f'A: "{HAPPY}" (the speaker called this sad)' in last


def test_a_translation_is_asked_for_with_the_arousal_that_was_heard(
    attune: Attune, say: Callable[..., Path], models: list[ScriptedModel]
):
    events = held(attune, say(HAPPY, SAD), say(NEWS, EXCITED), options=("--translate", "fr"))
    texts = [event["text"] for event in of_kind(events, "transcript.final")]
    assert texts == [HAPPY, NEWS]
    heard = [event["arousal"] for event in finals(events)]
    assert heard[0] < 0.5 < heard[1]
    asked = chats(models, "/translation")
    expected = [
        compose(TranslationCondition(target="fr"), text=text, source="en", value=value).prompt
        for text, value in zip(texts, heard, strict=True)
    ]
    assert [[m.text for m in call.prompt.messages] for call in asked] == [
        [m.text for m in p.messages] for p in expected
    ]
    calm, excited = (
        "\n".join(m.text for m in p.messages).replace(text, "") for p, text in zip(expected, texts, strict=True)
    )
    assert calm != excited
    assert [event["text"] for event in of_kind(events, "reply.done")] == ["Bien.", "Bien."]


def test_what_a_model_was_asked_is_explained_beside_the_events(
    attune: Attune, say: Callable[..., Path], models: list[ScriptedModel]
):
    audio = ("--audio", say(HAPPY, SAD))
    options = ("--json", "--no-history", "--no-speech", "--profile", "fusing")
    plain = attune("talk", *audio, *options)
    explained = attune("talk", *audio, *options, "--explain")

    def but_times(ran: CompletedProcess[str]) -> list[str]:
        return [line for line in ran.stdout.splitlines() if '"type": "metrics"' not in line]

    assert but_times(plain) == but_times(explained)
    assert plain.stderr == ""
    asked = chats(models, "/emotion")[-1]
    for line in asked.prompt.messages[-1].text.splitlines():
        assert f"  {line}\n" in explained.stderr
    assert "together" in explained.stderr
    shown = attune("talk", *audio, "--no-history", "--no-speech", "--profile", "fusing", "--explain")
    assert "words happy, voice sad" in shown.stdout
    assert "hidden: sad" in shown.stdout
    assert f'"{HAPPY}"' in shown.stdout

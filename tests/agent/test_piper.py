"""piper on a voice made on the spot: true loading, true phonemes, true ONNX; tones instead of speech."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import numpy as np
import pytest

from agent.backends.tts.piper import PiperSpeech
from agent.errors import SpeechFailed
from agent.ports import SpeakingStyle
from eval.tiny.piper import RATE_HZ, tiny_piper
from streaming.errors import EngineMissing, ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from streaming.events import Samples

pytestmark = pytest.mark.anyio

USUAL = SpeakingStyle()
TEXT = "I am glad. You told me so!"


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_piper(tmp_path_factory.mktemp("piper"))


@pytest.fixture(scope="module")
def speech(voice: Path) -> PiperSpeech:
    return PiperSpeech.load(voice)


async def sound_of(speech: PiperSpeech, text: str, style: SpeakingStyle = USUAL) -> Samples:
    return np.concatenate([np.zeros(0, np.float32), *[block async for block in speech.speak(text, style)]])


def native(voice: Path, text: str) -> Samples:
    """What piper itself makes of a text, at its own rate."""
    import piper  # noqa: PLC0415 - an extra

    made = piper.PiperVoice.load(voice).synthesize(text)
    return np.concatenate([chunk.audio_float_array for chunk in made])


async def test_the_sound_is_pipers_own_at_16_khz(speech: PiperSpeech, voice: Path):
    sound = await sound_of(speech, "I am glad.")
    own = native(voice, "I am glad.")

    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(len(own) * 16_000 / RATE_HZ, abs=2)
    assert np.abs(sound).max() <= 1.0
    spectrum = np.abs(np.fft.rfft(sound))[:2_000]
    expected = np.abs(np.fft.rfft(own, n=round(len(sound) * RATE_HZ / 16_000)))[:2_000]
    assert np.corrcoef(spectrum, expected)[0, 1] > 0.999


async def test_blocks_are_even_and_sentences_come_one_by_one(speech: PiperSpeech):
    lengths = [len(block) async for block in speech.speak(TEXT, USUAL)]

    assert set(lengths[:-1]) > {1_600}
    assert sum(length < 1_600 for length in lengths) == 2  # the end of each sentence


async def test_a_faster_style_is_shorter_and_a_pitch_changes_nothing(speech: PiperSpeech):
    usual = await sound_of(speech, TEXT)
    fast = await sound_of(speech, TEXT, SpeakingStyle(rate=1.25))
    high = await sound_of(speech, TEXT, SpeakingStyle(pitch_st=3.0))

    assert len(fast) == pytest.approx(len(usual) / 1.25, rel=0.01)
    assert np.array_equal(high, usual)


async def test_rates_beyond_reason_are_held_in(speech: PiperSpeech):
    usual = await sound_of(speech, "Hello there.")
    slowest = await sound_of(speech, "Hello there.", SpeakingStyle(rate=0.001))

    assert len(slowest) == pytest.approx(2 * len(usual), rel=0.01)


@pytest.mark.parametrize("text", ["", "   ", "...", "!?", "\N{GRINNING FACE}"])
async def test_what_holds_no_words_makes_no_sound(speech: PiperSpeech, text: str):
    assert not len(await sound_of(speech, text))


async def test_letters_can_be_the_phonemes(tmp_path: Path):
    assert len(await sound_of(PiperSpeech.load(tiny_piper(tmp_path, is_espeak=False)), "hello")) > 1_000


async def test_a_voice_of_another_rate_comes_out_at_16_khz(tmp_path: Path):
    slow = await sound_of(PiperSpeech.load(tiny_piper(tmp_path / "16", rate_hz=16_000, is_espeak=False)), "hello")
    fast = await sound_of(PiperSpeech.load(tiny_piper(tmp_path / "48", rate_hz=48_000, is_espeak=False)), "hello")

    assert len(slow) == pytest.approx(3 * len(fast), abs=6)


async def test_a_folder_with_one_voice_will_do(voice: Path):
    assert len(await sound_of(PiperSpeech.load(voice.parent), "hello"))


class Halting:
    """A voice whose sentences take until they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def synthesize(self, text: str, syn_config: object) -> Iterator[Any]:
        self.begun.append(text)
        self.entered.set()
        assert self.go_on.wait(30)
        yield type("Chunk", (), {"audio_float_array": np.full(8_000, 0.5, np.float32)})


def halting() -> tuple[Halting, PiperSpeech]:
    voice = Halting()
    return voice, PiperSpeech(voice, rate_hz=16_000, settings=dict)


async def test_closing_stops_before_the_next_sentence():
    voice, speech = halting()
    voice.go_on.set()
    async with aclosing(speech.speak("One is here. Two is here. Three is here.", USUAL)) as blocks:
        await anext(blocks)

    assert voice.begun == ["One is here. "]


async def test_a_cancelled_sentence_is_not_waited_for():
    voice, speech = halting()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sound_of, speech, "One is here. Two is here.")
            await anyio.to_thread.run_sync(voice.entered.wait, 30)
            tasks.cancel_scope.cancel()
    voice.go_on.set()

    assert voice.begun == ["One is here. "]


async def test_two_conversations_speak_at_once(speech: PiperSpeech):
    alone = [await sound_of(speech, "I am glad."), await sound_of(speech, "You told me.")]
    together: dict[int, Samples] = {}

    async def say(at: int, text: str) -> None:
        together[at] = await sound_of(speech, text)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(say, 0, "I am glad.")
        tasks.start_soon(say, 1, "You told me.")

    assert all(np.array_equal(alone[at], together[at]) for at in (0, 1))


class Broken:
    def synthesize(self, text: str, syn_config: object) -> Iterator[Any]:
        raise RuntimeError("node 7 broke\nover two lines")
        yield


async def test_a_voice_that_breaks_says_so_in_one_line():
    with pytest.raises(SpeechFailed, match="piper failed on 8 characters of text: RuntimeError: node 7 broke over two"):
        await sound_of(PiperSpeech(Broken(), rate_hz=22_050, settings=dict), "I broke.")


class Mute:
    def synthesize(self, text: str, syn_config: object) -> Iterator[Any]:
        return iter(())


async def test_a_mute_voice_is_an_error():
    with pytest.raises(SpeechFailed, match="gave no sound for 9 characters"):
        await sound_of(PiperSpeech(Mute(), rate_hz=22_050, settings=dict), "I am mute")


class NotANumber:
    def synthesize(self, text: str, syn_config: object) -> Iterator[Any]:
        yield type("Chunk", (), {"audio_float_array": np.full(800, np.nan, np.float32)})


async def test_sound_that_is_no_number_is_an_error():
    with pytest.raises(SpeechFailed, match="not finite"):
        await sound_of(PiperSpeech(NotANumber(), rate_hz=22_050, settings=dict), "nothing")


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, voice: Path):
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(EngineMissing, match=r"pip install --editable '\.\[piper\]'"):
        PiperSpeech.load(voice)


def test_a_wrong_path_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="there is no piper voice at"):
        PiperSpeech.load(tmp_path / "nowhere.onnx")


def test_a_folder_without_a_voice_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="holds 0 ONNX files, expected one"):
        PiperSpeech.load(tmp_path)


def test_a_missing_json_is_told(tmp_path: Path):
    path = tiny_piper(tmp_path)
    path.with_name("voice.onnx.json").unlink()
    with pytest.raises(ModelUnusable, match=r"voice\.onnx\.json is missing beside"):
        PiperSpeech.load(path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"audio": 3}', '{"audio": {"sample_rate": 22050}, "phoneme_id_map": {"a": [1]}}', "\xff"],
)
def test_a_broken_json_is_told_in_one_line(tmp_path: Path, text: str):
    path = tiny_piper(tmp_path)
    path.with_name("voice.onnx.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelUnusable, match=r"does not describe a piper voice") as told:
        PiperSpeech.load(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("key", "value"), [("sample_rate", 100), ("sample_rate", "fast")])
def test_a_rate_that_cannot_be_is_told(tmp_path: Path, key: str, value: object):
    path = tiny_piper(tmp_path)
    beside = path.with_name("voice.onnx.json")
    config = json.loads(beside.read_text("utf-8"))
    config["audio"][key] = value
    beside.write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelUnusable, match="does not describe a piper voice"):
        PiperSpeech.load(path)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_voice_is_told_in_one_line(tmp_path: Path, share: float):
    path = tiny_piper(tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ModelUnusable, match="cannot be loaded by piper") as told:
        PiperSpeech.load(path)
    assert "\n" not in str(told.value)


def test_an_onnx_that_is_no_voice_is_told(tmp_path: Path):
    path = tiny_piper(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"scales", b"sealed"))
    with pytest.raises(ModelUnusable, match="is no piper voice: it lacks the inputs scales"):
        PiperSpeech.load(path)


def test_a_steady_voice_adds_no_noise(voice: Path):
    lively, steady = (PiperSpeech.load(voice, is_steady=how)._settings(length_scale=1.0) for how in (False, True))
    assert (lively.noise_scale, lively.noise_w_scale) == (None, None)
    assert (steady.noise_scale, steady.noise_w_scale) == (0.0, 0.0)

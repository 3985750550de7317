"""Voices: the real programs where they are, and programs made up on the spot for what can go wrong."""

from __future__ import annotations

import os
import shutil
import struct
import sys
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import numpy as np
import parselmouth
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backends.tts import espeak, flite, program
from agent.backends.tts.choose import choose_speech
from agent.backends.tts.espeak import EspeakSpeech
from agent.backends.tts.flite import FliteSpeech, style_options
from agent.backends.tts.none import NoSpeech
from agent.backends.tts.scripted import ScriptedSpeech
from agent.backends.tts.wav import WavDecoder
from agent.errors import SpeechFailed
from agent.ports import SpeakingStyle, Speech

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streaming.events import Samples

pytestmark = pytest.mark.anyio

USUAL = SpeakingStyle()
TEXT = "I am glad that you told me."

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not on PATH (apt install flite)")
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not on PATH")
BOTH = [
    pytest.param(FliteSpeech, marks=needs_flite, id="flite"),
    pytest.param(EspeakSpeech, marks=needs_espeak, id="espeak"),
]


async def sound_of(speech: Speech, text: str, style: SpeakingStyle = USUAL) -> Samples:
    blocks = [block async for block in speech.speak(text, style)]
    assert all(len(block) == 1_600 for block in blocks[:-1]) or len(text) > 100
    return np.concatenate([*blocks, np.zeros(0, np.float32)])


def pitch_of(sound: Samples) -> float:
    """Return the mean pitch, Hz, as Praat hears it."""
    praat: Any = parselmouth  # its stubs leave the arrays' type open
    frequencies: NDArray[np.float64] = (
        praat.Sound(sound.astype(np.float64), 16_000).to_pitch().selected_array["frequency"]
    )
    return float(frequencies[frequencies > 0].mean())


@pytest.mark.parametrize("voice", BOTH)
async def test_a_real_voice_gives_sound_at_16_khz(voice: type[FliteSpeech | EspeakSpeech]):
    sound = await sound_of(voice(), TEXT)

    assert sound.dtype == np.float32
    assert 0.8 < len(sound) / 16_000 < 3.5
    assert 0.01 < float(np.sqrt(np.mean(sound**2))) < 0.5
    assert np.abs(sound).max() <= 1.0


@pytest.mark.parametrize("voice", BOTH)
async def test_the_same_text_gives_the_same_sound(voice: type[FliteSpeech | EspeakSpeech]):
    assert np.array_equal(await sound_of(voice(), TEXT), await sound_of(voice(), TEXT))


@pytest.mark.parametrize("voice", BOTH)
async def test_rate_changes_the_duration_as_much_as_it_says(voice: type[FliteSpeech | EspeakSpeech]):
    slow, usual, fast = [len(await sound_of(voice(), TEXT, SpeakingStyle(rate=r))) for r in (0.8, 1.0, 1.25)]

    assert slow / usual == pytest.approx(1.25, rel=0.12)
    assert fast / usual == pytest.approx(0.8, rel=0.12)


@pytest.mark.parametrize("voice", BOTH)
async def test_pitch_goes_up_and_down_by_about_as_many_semitones(voice: type[FliteSpeech | EspeakSpeech]):
    low, usual, high = [pitch_of(await sound_of(voice(), TEXT, SpeakingStyle(pitch_st=p))) for p in (-3.0, 0.0, 3.0)]

    assert 12 * np.log2(high / usual) == pytest.approx(3.0, abs=1.0)
    assert 12 * np.log2(low / usual) == pytest.approx(-3.0, abs=1.0)


@pytest.mark.parametrize("voice", BOTH)
@pytest.mark.parametrize("text", ["-f /etc/passwd", "--version", "-voice kal", "$(id) ; `id` | cat", "-"])
async def test_text_that_looks_like_options_is_only_spoken(voice: type[FliteSpeech | EspeakSpeech], text: str):
    sound = await sound_of(voice(), text)

    assert len(sound) < 5 * 16_000  # the file named is not read out
    assert len(sound) > 1_600 or text == "-"


@pytest.mark.parametrize("voice", BOTH)
@pytest.mark.parametrize("text", ["", "   ", "\x00\x07", "...", '"'])
async def test_text_without_words_is_no_failure(voice: type[FliteSpeech | EspeakSpeech], text: str):
    assert len(await sound_of(voice(), text)) < 16_000


@pytest.mark.parametrize("voice", BOTH)
async def test_five_thousand_characters_are_spoken_in_pieces(voice: type[FliteSpeech | EspeakSpeech]):
    text = ("many words and no end to them " * 170)[:5_000]

    sound = await sound_of(voice(), text, SpeakingStyle(rate=2.0))

    assert len(sound) > 100 * 16_000


@pytest.mark.parametrize("voice", BOTH)
async def test_phoneme_markup_in_the_text_is_not_obeyed(voice: type[FliteSpeech | EspeakSpeech]):
    assert np.array_equal(await sound_of(voice(), "[[h@l@U]] you"), await sound_of(voice(), "h@l@U you"))


@needs_flite
async def test_letters_with_accents_are_spoken_without_them():
    accented = "caf\N{LATIN SMALL LETTER E WITH ACUTE} na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve"

    assert np.array_equal(await sound_of(FliteSpeech(), accented), await sound_of(FliteSpeech(), "cafe naive"))


@pytest.mark.parametrize("voice", [FliteSpeech, EspeakSpeech])
async def test_a_missing_program_says_what_to_install(voice: type[FliteSpeech | EspeakSpeech]):
    with pytest.raises(SpeechFailed, match=r"install (flite|espeak-ng) \(on Debian"):
        await sound_of(voice(program="/nonexistent/voice"), TEXT)


def made_up(folder: Path, script: str) -> str:
    """Return a speech program that runs `script`, which may use `out`, the path after -o if there is one."""
    path = folder / "voice"
    head = "import os, sys, time\nout = sys.argv[sys.argv.index('-o') + 1] if '-o' in sys.argv else None\n"
    path.write_text(f"#!{sys.executable} -S\n{head}{script}\n", "utf-8")
    path.chmod(0o755)
    return str(path)


def voices(folder: Path, script: str) -> list[Speech]:
    path = made_up(folder, script)
    return [FliteSpeech(program=path, voice="slt"), EspeakSpeech(program=path)]


async def test_a_program_that_dies_tells_why(tmp_path: Path):
    for voice in voices(tmp_path, "sys.exit('out of breath')"):
        with pytest.raises(SpeechFailed, match="failed with status 1: out of breath"):
            await sound_of(voice, TEXT)


async def test_a_program_that_dies_without_reading_or_reason_fails_too(tmp_path: Path):
    for voice in voices(tmp_path, "os.close(0); os._exit(3)"):
        with pytest.raises(SpeechFailed, match="failed with status 3: it gave no reason"):
            await sound_of(voice, TEXT)


async def test_a_program_that_says_nothing_is_a_failure(tmp_path: Path):
    for voice in voices(tmp_path, "sys.stdin.read()"):
        with pytest.raises(SpeechFailed, match="no sound"):
            await sound_of(voice, TEXT)


async def test_sound_that_is_no_wav_is_a_failure(tmp_path: Path):
    script = "open(out or 1, 'wb').write(b'OggS' * 2000)"
    for voice in voices(tmp_path, script):
        with pytest.raises(SpeechFailed, match="expected a RIFF header"):
            await sound_of(voice, TEXT)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


ENDLESS = """
open(PID, 'w').write(str(os.getpid()))
sys.stdin.read()
if out is None:
    sys.stdout.buffer.write(HEAD + bytes(6400))
    sys.stdout.buffer.flush()
open(READY, 'w').close()
time.sleep(60)
"""


def endless(folder: Path) -> str:
    """Return a script that speaks a little, says so in `ready` and never ends; its process id is in `pid`."""
    constants = {"PID": str(folder / "pid"), "READY": str(folder / "ready"), "HEAD": wav(b"")}
    return "\n".join(f"{name} = {value!r}" for name, value in constants.items()) + ENDLESS


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("which", [0, 1], ids=["flite", "espeak"])
async def test_cancelling_kills_the_program_at_once_and_leaves_no_zombie(
    tmp_path: Path, which: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(program, "STOP_WAIT_S", 60.0)  # waiting for its own end would show
    ready, pid = tmp_path / "ready", tmp_path / "pid"
    os.mkfifo(ready)
    voice = voices(tmp_path, endless(tmp_path))[which]

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sound_of, voice, TEXT)
            await anyio.to_thread.run_sync(ready.read_bytes)  # until the program has spoken and sleeps
            tasks.cancel_scope.cancel()

    assert is_gone(int(pid.read_text()))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
async def test_closing_the_iterator_kills_the_program(tmp_path: Path):
    voice = EspeakSpeech(program=made_up(tmp_path, endless(tmp_path)))

    async with aclosing(voice.speak(TEXT, USUAL)) as blocks:
        async for block in blocks:
            assert len(block) == 1_600
            break

    assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("voice", "style", "options"),
    [
        ("slt", USUAL, ["-voice", "slt"]),
        ("", USUAL, []),
        ("rms", SpeakingStyle(rate=0.5, pitch_st=2), ["-voice", "rms", "--setf", "duration_stretch=2.000"]),
        ("kal", SpeakingStyle(pitch_st=12), ["-voice", "kal", "--setf", "int_f0_target_mean=190.0"]),
        ("slt", SpeakingStyle(rate=99), ["-voice", "slt", "--setf", "duration_stretch=0.500"]),
    ],
)
def test_flite_is_asked_only_for_what_its_voice_can_do(voice: str, style: SpeakingStyle, options: list[str]):
    assert style_options(voice, style) == options


async def test_flite_takes_the_best_voice_present_or_its_own(tmp_path: Path):
    script = "if '-lv' in sys.argv:\n    print('Voices available: kal awb rms')\nelse:\n    sys.exit(sys.argv[2])"
    with pytest.raises(SpeechFailed, match="status 1: rms"):
        await sound_of(FliteSpeech(program=made_up(tmp_path, script)), TEXT)

    with pytest.raises(SpeechFailed, match=r"status 1: -$"):
        await sound_of(FliteSpeech(program=made_up(tmp_path, script.replace("kal awb rms", "klingon"))), TEXT)


async def test_no_speech_says_nothing():
    assert len(await sound_of(NoSpeech(), TEXT)) == 0
    assert NoSpeech().name == "none"


async def test_the_scripted_voice_hums_as_long_as_it_takes_and_remembers():
    voice = ScriptedSpeech(s_per_character=0.1)

    usual = await sound_of(voice, "0123456789")
    fast = await sound_of(voice, "0123456789", SpeakingStyle(rate=2.0))

    assert (len(usual), len(fast)) == (16_000, 8_000)
    assert voice.spoken == [("0123456789", USUAL), ("0123456789", SpeakingStyle(rate=2.0))]
    assert voice.name == "scripted"


async def test_the_scripted_voice_fails_on_demand():
    with pytest.raises(SpeechFailed, match="hoarse"):
        await sound_of(ScriptedSpeech(fails="hoarse"), TEXT)


@pytest.mark.parametrize(
    ("present", "name"),
    [({"flite", "espeak-ng"}, "flite"), ({"espeak-ng"}, "espeak"), (set[str](), "none")],
)
def test_the_best_voice_present_is_chosen(present: set[str], name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in present else None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]

    assert choose_speech("auto").name == name


def test_a_voice_asked_for_by_name_must_be_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]

    with pytest.raises(SpeechFailed, match=f"install {flite.INSTALL[:5]}"):
        choose_speech("flite")
    with pytest.raises(SpeechFailed, match=f"install {espeak.INSTALL[:9]}"):
        choose_speech("espeak")
    assert choose_speech("none").name == "none"


def test_an_unknown_voice_is_refused():
    with pytest.raises(SpeechFailed, match="expected auto, flite, espeak or none"):
        choose_speech("siri")


def wav(pcm: bytes, *, rate: int = 22_050, n_channels: int = 1, n_bits: int = 16) -> bytes:
    fmt = struct.pack("<HHIIHH", 1, n_channels, rate, rate * 2, 2, n_bits)
    return b"RIFF\xff\xff\xff\x7fWAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data\xff\xff\xff\x7f" + pcm


PCM = (8_000 * np.sin(np.arange(22_050) * 0.1)).astype("<i2").tobytes()


@given(cuts=st.lists(st.integers(0, 44_200), max_size=8))
def test_a_wav_is_heard_alike_however_it_arrives(cuts: list[int]):
    data = wav(PCM)
    whole = WavDecoder().feed(data, last=True)
    decoder = WavDecoder()
    bounds = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(bounds)]

    sound = np.concatenate([*(decoder.feed(part) for part in parts), decoder.feed(b"", last=True)])

    assert abs(len(sound) - 16_000) <= 2
    assert np.array_equal(sound, whole)


@pytest.mark.parametrize(
    "data",
    [b"ID3", b"RIFF" + bytes(5_000), wav(PCM, n_channels=2), wav(PCM, n_bits=8), wav(PCM, rate=1), b"data" * 20],
)
def test_anything_but_16_bit_mono_wav_is_refused(data: bytes):
    with pytest.raises(SpeechFailed, match="expected"):
        WavDecoder().feed(data, last=True)


def test_no_bytes_are_no_sound():
    assert len(WavDecoder().feed(b"", last=True)) == 0

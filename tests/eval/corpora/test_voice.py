"""Written dialogues made into sound: who speaks, how, the same bytes again, going on after a break."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agent.errors import SpeechFailed
from agent.labels import EIGHT
from eval import commands_voice
from eval.corpora import voice
from eval.corpora.casting import MANNERS, VOICES, Voice, cast, manner_of
from eval.corpora.item import Corpus, Item
from eval.corpora.manifest import READER
from eval.corpora.stock import Stock, stock_of
from eval.tiny.piper import tiny_piper
from streaming.audio import SAMPLE_RATE
from streaming.files import read_audio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from numpy.typing import NDArray

    from agent.ports import SpeakingStyle
    from streaming.events import Samples

pytestmark = pytest.mark.anyio
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not on PATH")
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not on PATH")

CORPUS = Corpus(
    name="scenes",
    items=(
        Item(id="d0/0", dialogue="d0", order=0, speaker="Ann", text="Good morning.", emotion="joy", split="dev"),
        Item(id="d0/1", dialogue="d0", order=1, speaker="Bob", text="What do you want?", emotion="anger", split="dev"),
        Item(id="d0/2", dialogue="d0", order=2, speaker="Ann", text="…!", emotion="odd", split="dev"),
        Item(id="d1/0", dialogue="d1", order=0, speaker="Ann", text="Nothing.", split="dev", votes=(("sad", 2),)),
        Item(id="e", speaker="Cy", text="Well.", split="test"),
    ),
    labels={"joy": "happy", "anger": "angry"},
)


class Tone:
    """A voice that hums: 0.1 s for each character, and remembers how it was asked."""

    asked: list[tuple[str, SpeakingStyle]]

    def __init__(self) -> None:
        self.asked = []
        self.fails_on: set[str] = set()

    @property
    def name(self) -> str:
        return "tone"

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        self.asked.append((text, style))
        if text in self.fails_on:
            raise SpeechFailed("it is hoarse")
        n = len(text) * SAMPLE_RATE // 10
        yield np.sin(2 * np.pi * 200 / SAMPLE_RATE * np.arange(n)).astype(np.float32)


@pytest.fixture
def tone() -> Tone:
    return Tone()


def humming(tone: Tone) -> Stock:
    """The voices of flite, all of which hum."""
    return Stock(engine="flite", names=tuple(VOICES["flite"]), speech=lambda _: tone)


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / voice.MANIFEST).read_text("utf-8").splitlines()]


def digest(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_label_has_a_manner_and_anger_is_not_sadness():
    assert set(MANNERS) == set(EIGHT)
    angry, sad = manner_of("angry"), manner_of("sad")
    assert angry.rate > 1 > sad.rate
    assert angry.pitch_st > 0 > sad.pitch_st
    assert manner_of(None) == manner_of("unheard of") == MANNERS["neutral"]


def test_the_one_who_says_most_gets_the_plainest_voice_and_nobody_shares_one():
    voices = cast(CORPUS.items, "flite", VOICES["flite"])
    assert voices["Ann"] == Voice(engine="flite", name="slt")
    assert [voices[name].name for name in ("Bob", "Cy")] == ["rms", "awb"]
    many = [Item(id=str(n), speaker=str(n), text="a") for n in range(25)]
    assert len(set(cast(many, "flite", VOICES["flite"]).values())) == 25


@given(st.permutations(CORPUS.items))
def test_the_order_of_items_does_not_change_who_speaks(items: list[Item]):
    assert cast(items, "espeak", VOICES["espeak"]) == cast(CORPUS.items, "espeak", VOICES["espeak"])


def test_dialogues_are_chosen_whole():
    assert [item.id for item in voice.chosen(CORPUS, limit=1)] == ["d0/0", "d0/1", "d0/2"]
    assert [item.id for item in voice.chosen(CORPUS, split="test")] == ["e"]
    assert voice.chosen(CORPUS, limit=9) == CORPUS.items


async def test_lines_become_sound_and_a_manifest_that_reads_without_a_problem(tmp_path: Path, tone: Tone):
    spoken = await voice.speak(CORPUS, CORPUS.items, out=tmp_path, stock=humming(tone))
    assert (spoken.n_made, spoken.n_there) == (4, 0)
    assert [problem.where for problem in spoken.problems] == ["d0/2"]
    happy, angry, mute, sad, _ = rows(tmp_path)
    assert (happy["emotion"], angry["emotion"], mute["emotion"]) == ("happy", "angry", "odd")
    assert "audio" not in mute
    assert sad["votes"] == {"sad": 2}
    read = READER.read(tmp_path)
    assert [item.id for item in read.items] == [item.id for item in CORPUS.items]
    assert [problem.where for problem in read.problems if "label" not in problem.why] == ["emotion"]
    sound = read_audio(tmp_path / happy["audio"])
    assert len(sound) == pytest.approx((1.3 + 2 * voice.PAUSE_S) * SAMPLE_RATE, abs=2)
    assert not sound[: round(voice.PAUSE_S * SAMPLE_RATE)].any()


async def test_pitch_comes_from_the_engine_or_from_a_faster_tape(tmp_path: Path, tone: Tone):
    await voice.speak(CORPUS, CORPUS.items[:2], out=tmp_path, stock=humming(tone))
    (_, ann), (_, bob) = tone.asked  # slt takes a pitch, rms does not
    assert (ann.pitch_st, ann.rate) == (MANNERS["happy"].pitch_st, MANNERS["happy"].rate)
    ratio = 2 ** (MANNERS["angry"].pitch_st / 12)
    assert (bob.pitch_st, bob.rate) == (0.0, pytest.approx(MANNERS["angry"].rate / ratio))


async def test_a_broken_off_run_goes_on_and_gives_the_same_bytes(tmp_path: Path, tone: Tone):
    await voice.speak(CORPUS, CORPUS.items, out=tmp_path / "whole", stock=humming(tone))

    class Killed(BaseException):
        pass

    def kill(n_done: int) -> None:
        if n_done == 2:
            raise Killed

    with pytest.raises(Killed):
        await voice.speak(CORPUS, CORPUS.items, out=tmp_path / "broken", stock=humming(tone), note=kill)
    assert not (tmp_path / "broken" / voice.MANIFEST).exists()
    tone.asked.clear()
    spoken = await voice.speak(CORPUS, CORPUS.items, out=tmp_path / "broken", stock=humming(tone))
    assert (spoken.n_made, spoken.n_there) == (2, 2)
    assert len(tone.asked) == 2
    assert digest(tmp_path / "broken") == digest(tmp_path / "whole")


async def test_a_line_the_voice_fails_on_stays_as_words(tmp_path: Path, tone: Tone):
    tone.fails_on = {"Nothing."}
    spoken = await voice.speak(CORPUS, CORPUS.items, out=tmp_path, stock=humming(tone))
    assert [f"{problem.where}: {problem.why}" for problem in spoken.problems][1:] == ["d1/0: it is hoarse"]
    assert rows(tmp_path)[3]["text"] == "Nothing."


async def test_a_voice_that_fails_on_all_lines_is_an_error(tmp_path: Path, tone: Tone):
    tone.fails_on = {item.text or "" for item in CORPUS.items}
    with pytest.raises(SpeechFailed, match="not one of 5 lines could be spoken: it is hoarse"):
        await voice.speak(CORPUS, CORPUS.items, out=tmp_path, stock=humming(tone))
    assert not (tmp_path / voice.MANIFEST).exists()


def test_a_faster_tape_is_higher_and_shorter():
    tone = np.sin(2 * np.pi * 200 / SAMPLE_RATE * np.arange(SAMPLE_RATE)).astype(np.float32)
    up = voice.shifted(tone, 2.0)
    assert len(up) == pytest.approx(SAMPLE_RATE / 2, abs=2)
    spectrum = np.abs(np.fft.rfft(up))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(up) == pytest.approx(400, abs=3)


@given(st.floats(-60, 0), st.floats(1e-3, 1.0))
def test_levels_are_met_unless_they_would_clip(level_db: float, peak: float):
    tone = (peak * np.sin(np.arange(4_000) / 9)).astype(np.float32)
    levelled = voice.levelled(tone, level_db)
    rms_db = 20 * np.log10(np.sqrt(np.mean(np.square(levelled, dtype=np.float64))))
    assert np.abs(levelled).max() <= 1.0
    assert rms_db == pytest.approx(min(level_db, -3.1), abs=0.1)


def pitch_hz(samples: Samples) -> float:
    sound: Any = importlib.import_module("parselmouth").Sound(samples.astype(np.float64), SAMPLE_RATE)
    found: NDArray[np.float64] = sound.to_pitch().selected_array["frequency"]
    return float(np.median(found[found > 0]))


@pytest.mark.parametrize(
    "engine", [pytest.param("flite", marks=needs_flite), pytest.param("espeak", marks=needs_espeak)]
)
async def test_real_voices_make_joy_higher_and_faster_than_sadness(tmp_path: Path, engine: str):
    text = "The men were walking home along the river."
    items = [
        Item(id=f"{speaker}-{emotion}", speaker=speaker, text=text, emotion=emotion)
        for speaker in VOICES[engine][:3]
        for emotion in ("happy", "sad")
    ]
    corpus = Corpus(name="c", items=tuple(items), labels={"happy": "happy", "sad": "sad"})
    for out in ("one", "two"):
        await voice.speak(corpus, items, out=tmp_path / out, stock=stock_of(engine))
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    sounds = {item.id: read_audio(item.audio or "") for item in READER.read(tmp_path / "one").items}
    for speaker in VOICES[engine][:3]:
        happy, sad = sounds[f"{speaker}-happy"], sounds[f"{speaker}-sad"]
        assert len(happy) < 0.9 * len(sad)
        assert pitch_hz(happy) > 1.1 * pitch_hz(sad)


@needs_flite
def test_the_command_speaks_meld(tmp_path: Path):
    app = typer.Typer()
    app.callback()(lambda: None)
    commands_voice.register(app)
    lines = ["Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID"]
    lines += [f"{n},Hello there.,Ann,joy,positive,{n},0" for n in range(3)]
    (tmp_path / "dev.csv").write_text("\n".join(lines))
    asked = ["voice", "meld", str(tmp_path), str(tmp_path / "out"), "--limit", "2", "--engine", "flite"]
    planned = CliRunner().invoke(app, [*asked, "--dry-run"])
    assert planned.output == "Ann: 2 lines, slt +0 st\n2 lines in 2 dialogues by flite\n"
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, asked)
    assert "2 lines spoken by flite, 0 were there, 0 words only" in done.output
    assert len(rows(tmp_path / "out")) == 2
    refused = CliRunner().invoke(app, [*asked, "--split", "tset"])
    assert refused.exit_code == 2
    assert "no split 'tset': dev" in refused.output
    assert isinstance(CliRunner().invoke(app, [*asked[:-1], "siren"]).exception, SpeechFailed)


async def test_voices_of_piper_speak_the_same_twice_and_differ_by_speaker(tmp_path: Path):
    files = [
        tiny_piper(tmp_path / name, rate_hz=rate, is_espeak=False) for name, rate in (("a", 22_050), ("b", 16_000))
    ]
    stock = stock_of("piper", files=files)
    assert [name.partition("@")[0] for name in stock.names] == ["voice", "voice"]
    for out in ("one", "two"):
        spoken = await voice.speak(CORPUS, CORPUS.items, out=tmp_path / out, stock=stock)
        assert (spoken.n_made, len(spoken.problems)) == (4, 1)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert cast(CORPUS.items, "piper", stock.names)["Ann"] != cast(CORPUS.items, "piper", stock.names)["Bob"]


def test_files_are_voices_of_piper_only_and_piper_needs_some(tmp_path: Path):
    with pytest.raises(SpeechFailed, match="name each with --voice"):
        stock_of("piper")
    with pytest.raises(SpeechFailed, match="are piper's, got 1 for flite"):
        stock_of("flite", files=[tmp_path / "voice.onnx"])
    with pytest.raises(SpeechFailed, match="cannot be read"):
        stock_of("auto", files=[tmp_path / "voice.onnx"])

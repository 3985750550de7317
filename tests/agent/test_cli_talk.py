"""`attune talk` and its like with every real engine, on speech made on the spot."""

from __future__ import annotations

import json
import wave
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streaming.audio import SAMPLE_RATE, Resampler, silence, to_pcm16
from streaming.files import read_audio
from streaming.nbest import normalise, word_error_rate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from streaming.events import Samples

    Attune = Callable[..., CompletedProcess[str]]
    Write = Callable[[Path, Samples], Path]

SAID = ("i got the job today and i am so happy", "i miss my brother so much")


def records(ran: CompletedProcess[str], *, kind: str = "") -> list[dict[str, Any]]:
    """The JSON lines of a run, of one type or all but the wall-clock ones."""
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    return [r for r in found if (r["type"] == kind if kind else r["type"] != "metrics")]


def stable_lines(ran: CompletedProcess[str]) -> list[str]:
    return [line for line in ran.stdout.splitlines() if json.loads(line)["type"] != "metrics"]


@pytest.fixture(scope="session")
def conversation(spoken: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, write_wav: Write) -> Path:
    """Two utterances by two voices, a second of silence after each."""
    pause = silence(SAMPLE_RATE)
    first, second = (read_audio(spoken(text, voice=voice)) for text, voice in zip(SAID, ("slt", "rms"), strict=True))
    path = tmp_path_factory.mktemp("talk") / "conversation.wav"
    return write_wav(path, np.concatenate([first, pause, second, pause]))


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "turns.db"


@pytest.fixture(scope="session")
def told(attune: Attune, conversation: Path, database: Path) -> CompletedProcess[str]:
    """One conversation with all engines, its events as JSON."""
    return attune("talk", "--audio", conversation, "--json", "--database", database)


def test_each_utterance_goes_from_speech_to_a_saved_turn(told: CompletedProcess[str]):
    assert (told.returncode, told.stderr) == (0, "")
    events = records(told)
    for utterance in (1, 2):
        kinds = [
            "prosody.final" if e["type"] == "prosody" and e["final"] else e["type"]
            for e in events
            if e["utterance"] == utterance
        ]
        milestones = ["speech.started", "transcript.partial", "speech.paused", "speech.ended", "transcript.final"]
        milestones += ["prosody.final", "emotion.final", "reply.delta", "reply.done", "turn.saved"]
        places = [kinds.index(kind) for kind in milestones]
        assert places == sorted(places), kinds
        assert kinds.index("prosody") < kinds.index("emotion.rolling") < kinds.index("speech.ended")


def test_the_words_are_those_that_were_said(told: CompletedProcess[str]):
    finals = records(told, kind="transcript.final")
    assert sum(word_error_rate(said, f["text"]) for said, f in zip(SAID, finals, strict=True)) / 2 <= 0.1


def test_a_final_is_a_10_best_sorted_distinct_and_weighed(told: CompletedProcess[str]):
    for final in records(told, kind="transcript.final"):
        nbest = final["nbest"]
        assert len(nbest) == 10
        assert len({normalise(h["text"]) for h in nbest}) == 10
        assert [h["logp"] for h in nbest] == sorted((h["logp"] for h in nbest), reverse=True)
        assert sum(h["posterior"] for h in nbest) == pytest.approx(1.0, abs=1e-4)
        assert all(h["source"] == "pocketsphinx" for h in nbest)
        times = [t for w in nbest[0]["words"] for t in (w["start_s"], w["end_s"])]
        assert times == sorted(times)


def test_partials_are_append_only_in_their_stable_part(told: CompletedProcess[str]):
    for utterance in (1, 2):
        stable = [p["stable"] for p in records(told, kind="transcript.partial") if p["utterance"] == utterance]
        assert all(f"{later} ".startswith(f"{earlier} ".lstrip()) for earlier, later in pairwise(stable))


def test_an_emotion_is_a_distribution_with_its_evidence(told: CompletedProcess[str]):
    finals = records(told, kind="emotion.final")
    assert [f["top"] for f in finals] == ["happy", "sad"]
    for estimate in finals + records(told, kind="emotion.rolling"):
        assert sum(estimate["distribution"].values()) == pytest.approx(1.0, abs=1e-3)
        assert set(estimate["distribution"]) == {"angry", "happy", "neutral", "sad"}
        assert all(0 <= estimate[name] <= 1 for name in ("confidence", "arousal", "valence", "dominance"))
    assert "happy" in {w["word"] for w in finals[0]["evidence"]["words"]}


def test_a_reply_is_its_deltas_as_far_as_they_were_heard(told: CompletedProcess[str]):
    deltas = records(told, kind="reply.delta")
    replies = records(told, kind="reply.done")
    for done in replies:
        text = "".join(d["text"] for d in deltas if d["utterance"] == done["utterance"])
        assert text.startswith(done["text"])
        assert done["interrupted"] or text.strip() == done["text"]
    assert not replies[-1]["interrupted"]


def test_each_turn_has_its_times(told: CompletedProcess[str]):
    for metrics in records(told, kind="metrics"):
        assert 200 <= metrics["endpoint_wait_ms"] <= 800
        assert metrics["emotion_was_late"] == 0
        assert metrics["sound_ms"] >= metrics["reply_ms"] > 0


@pytest.mark.parametrize("chunk_ms", [10, 137, 0])
def test_chunks_change_no_byte_and_hearing_it_again_doubles_nothing(
    attune: Attune, told: CompletedProcess[str], conversation: Path, database: Path, chunk_ms: int
):
    again = attune("talk", "--audio", conversation, "--json", "--chunk-ms", str(chunk_ms), "--database", database)
    assert stable_lines(again) == stable_lines(told)
    kept = attune("history", "export", "--database", database).stdout.splitlines()
    assert [(t["seq"], t["utterance"]) for t in map(json.loads, kept)] == [(1, 1), (2, 2)]


def test_silence_and_noise_give_no_words_no_turn_and_no_reply(attune: Attune, tmp_path: Path, write_wav: Write):
    rng = np.random.default_rng(0)
    t = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    clicks = silence(4 * SAMPLE_RATE)
    clicks[:: SAMPLE_RATE // 2] = 0.9
    sounds = {
        "silence": silence(4 * SAMPLE_RATE),
        "white": np.asarray(rng.normal(0, 0.1, t.size), np.float32),
        "loud": np.asarray(np.clip(rng.normal(0, 1.0, t.size), -1, 1), np.float32),
        "rumble": np.asarray(np.clip(np.cumsum(rng.normal(0, 0.01, t.size)) * 0.1, -1, 1), np.float32),
        "hum": np.asarray(0.2 * np.sin(2 * np.pi * 50 * t), np.float32),
        "clicks": clicks,
    }
    # Hiss as a 48 kHz microphone's converter leaves it: now and then it is taken for a voice, but never for words.
    hiss = np.asarray(rng.normal(0, 0.05, 48_000 * 72), np.float32)
    sounds["converted"] = Resampler(source_hz=48_000).feed(hiss)
    files = [write_wav(tmp_path / f"{name}.wav", sound) for name, sound in sounds.items()]
    args = [arg for file in files for arg in ("--audio", file)]
    ran = attune("talk", *args, "--json", "--database", tmp_path / "x.db")
    assert (ran.returncode, ran.stderr) == (0, "")
    kinds = {e["type"] for e in records(ran)}
    assert not kinds & {"transcript.partial", "emotion.rolling", "emotion.final", "reply.delta", "turn.saved"}
    assert all(e["nbest"] == [] for e in records(ran, kind="transcript.final"))


def test_a_recording_in_another_form_is_transcribed_alike(attune: Attune, spoken: Callable[..., Path], tmp_path: Path):
    """48 kHz, stereo, too loud."""
    sound = np.clip(np.repeat(read_audio(spoken(SAID[1], voice="rms")), 3) * 3, -1, 1)
    path = tmp_path / "loud.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(to_pcm16(np.asarray(np.repeat(sound, 2), np.float32)))
    ran = attune("transcribe", path, "--json")
    assert ran.returncode == 0
    (final,) = records(ran, kind="transcript.final")
    assert word_error_rate(SAID[1], final["text"]) <= 0.4
    assert len(final["nbest"]) == 10


def test_rows_of_text_and_recordings_come_back_as_many_as_went_in(
    attune: Attune, spoken: Callable[..., Path], tmp_path: Path
):
    recording = spoken(SAID[1], voice="rms")
    rows = [
        {"id": 1, "text": SAID[0]},
        {"id": "two", "audio": str(recording)},
        {"id": 3, "text": SAID[1], "audio": str(recording)},
        {"id": 4},
        {"id": 5, "audio": "missing.wav"},
        {"id": 6, "text": "a\u2028b \ud800"},
    ]
    lines = [json.dumps(rows[0]), "", "not json", *(json.dumps(row) for row in rows[1:-1])]
    lines.append(json.dumps(rows[-1]).replace("\\u2028", "\u2028"))
    source, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines) + "\n", "utf-8")
    ran = attune("emotion", "--jsonl", source, "--out", out)
    assert ran.returncode == 3
    assert ran.stderr == 'attune: 3 of 7 rows could not be read (see their "error")\n'
    found = [json.loads(line) for line in out.read_text("utf-8").split("\n") if line]
    assert [r["id"] for r in found] == [1, None, "two", 3, 4, 5, 6]
    assert ["error" in r for r in found] == [False, True, False, False, True, True, False]
    assert found[1]["error"].startswith("line 3: not JSON")
    assert "missing.wav does not exist" in found[5]["error"]
    assert word_error_rate(SAID[1], found[2]["text"]) <= 0.4
    assert (found[0]["top"], found[3]["top"]) == ("happy", "sad")
    assert set(found[0]) >= {"distribution", "top", "confidence", "arousal", "valence", "dominance", "evidence"}


def test_segment_tells_each_stretch_of_speech_or_whole_utterances(attune: Attune, conversation: Path):
    ran = attune("segment", conversation, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    stretches = [json.loads(line) for line in ran.stdout.splitlines()]
    whole = [json.loads(line) for line in attune("segment", conversation, "--json", "--utterances").stdout.splitlines()]
    assert len(whole) == 2
    assert len(stretches) >= 2
    for row in stretches + whole:
        assert set(row) == {"start_s", "end_s"}
        assert 0 <= row["start_s"] < row["end_s"]
    assert whole[0]["end_s"] < 3.0 < whole[1]["start_s"]
    assert " to " in attune("segment", conversation).stdout


def test_helplines_that_cannot_be_read_begin_no_session(attune: Attune, tmp_path: Path, write_wav: Write):
    sound = write_wav(tmp_path / "quiet.wav", silence(1600))
    table, database = tmp_path / "helplines.toml", tmp_path / "turns.db"
    table.write_text("no TOML", "utf-8")
    ran = attune("talk", "--audio", sound, "--no-speech", "--helplines", table, "--database", database)
    assert ran.returncode == 2
    assert "helplines in" in ran.stderr
    assert not database.exists()

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from eval.bench.transcribe import fewest_errors, measure, read_recordings, table, utterances_of
from eval.errors import CorpusUnreadable

SPEECH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "speech"

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite, which voices the sentences, is missing")


def voice(folder: Path, name: str, text: str) -> None:
    subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", str(folder / f"{name}.wav")], check=True)
    (folder / f"{name}.txt").write_text(f"{text.capitalize()}.", encoding="utf-8")


def test_fewest_errors_picks_the_best_reading_of_each_utterance():
    readings = [["a x", "a b"], [], ["y", "z", "c"]]
    assert fewest_errors("a b c", [["a x"], [], ["y"]]) == 2
    assert fewest_errors("a b c", readings) == 0
    assert fewest_errors("a b c", []) == 3


@needs_flite
def test_synthetic_speech_is_measured_whole(tmp_path: Path):
    voice(tmp_path, "one", "please turn off the lights before you leave the house")
    voice(tmp_path, "two", "my brother bought a new car yesterday")
    result = measure(tmp_path)
    assert (result.n_recordings, result.n_utterances, result.n_words) == (2, 2, 17)
    assert result.oracle_ours <= result.wer_ours <= 0.12
    assert result.wer_ours <= result.wer_engine
    assert result.cpu_per_s > 0
    assert f"| ours | {result.wer_ours:.3f} | {result.oracle_ours:.3f} |" in table(result)


@needs_flite
def test_words_without_sound_and_sound_without_words_are_passed_over(tmp_path: Path):
    voice(tmp_path, "one", "good morning")
    (tmp_path / "lonely.txt").write_text("no sound", encoding="utf-8")
    shutil.copy(tmp_path / "one.wav", tmp_path / "silent.wav")
    (recording,) = read_recordings(tmp_path)
    assert (recording.name, recording.reference) == ("one", "good morning")
    assert sum(part.size for part in utterances_of(recording.samples)) <= recording.samples.size + 16_000


def test_folder_without_recordings_is_refused(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match="no recordings"):
        measure(tmp_path)


@pytest.mark.data
@pytest.mark.skipif(not SPEECH.is_dir(), reason=f"{SPEECH} is missing")
def test_real_speech_reaches_the_bars_from_a_cold_start(tmp_path: Path):
    for name in ("jfk.flac", "jfk.txt"):
        shutil.copyfile(SPEECH / name, tmp_path / name)
    result = measure(tmp_path)
    assert result.wer_ours <= 0.30
    assert result.wer_ours <= result.wer_engine
    assert result.oracle_ours < result.wer_ours

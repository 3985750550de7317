"""Corpora of the shape they are released in, a few utterances each, made on the spot."""

from __future__ import annotations

import csv
import json
import wave
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

RATE = 16_000
ASR = [
    "hubertlarge",
    "w2v2100",
    "w2v2960",
    "w2v2960large",
    "w2v2960largeself",
    "wavlmplus",
    "whispertiny",
    "whisperbase",
    "whispersmall",
    "whispermedium",
    "whisperlarge",
]


def wav(path: Path, *, seed: int = 0, seconds: float = 0.05) -> Path:
    """Write a little noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(scale=0.05, size=int(RATE * seconds))
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes((noise * 32767).astype("<i2").tobytes())
    return path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def table(path: Path, rows: Iterable[Sequence[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as held:
        csv.writer(held).writerows(rows)
    return path


IEMOCAP_HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
IEMOCAP_BLOCKS = (
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 3.0000, 5.0000]\n"
    "C-E2:\tNeutral;\t()\n"
    "C-E3:\tNeutral; Anger;\t(curious)\n"
    "C-E4:\tExcited;\t(a bit loud)\n"
    "C-F1:\tSadness;\t(my own view)\n"
    "A-E3:\tval 3; act 2; dom  2;\t()\n"
    "A-E4:\tval 2; act 3; dom  3;\t(mildly aggravated)\n\n"
    "[4.0000 - 5.5000]\tSes01F_impro01_M000\txxx\t[1.0000, 5.0000, 1.0000]\n"
    "C-E2:\tNeutral state;\t()\n"
    "A-E3:\tval 1; act 5; dom  1;\t()\n\n"
    "[9.0000 - 11.5000]\tSes01F_impro01_M001\texc\t[4.0000, 4.0000, 3.0000]\n"
    "C-E2:\tFrustration;\t()\n\n"
)
IEMOCAP_WORDS = (
    "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n"
    "Ses01F_impro01_M000 [004.0000-005.5000]: Do you have your forms?\n"
    "Ses01F_impro01_M001 [009.0000-011.5000]: Yeah.\n"
    "Ses01F_impro01_FXX0 [009.0000-009.5000]: both at once\n"
    "Ses01F_impro01_M002 [012.0000-013.0000]: Nobody rated this.\n"
    "M: [BREATHING]\n"
)


def iemocap(root: Path, *, line_end: str = "\n", bom: str = "") -> Path:
    """One dialogue of Session1, one of Session2."""
    for number in (1, 2):
        session = f"Ses0{number}F"
        folder = root / "IEMOCAP_full_release" / f"Session{number}"
        name = f"{session}_impro01"
        evaluation = IEMOCAP_HEAD + IEMOCAP_BLOCKS
        for where, text in (("EmoEvaluation", evaluation), ("transcriptions", IEMOCAP_WORDS)):
            told = bom + text.replace("Ses01F", session).replace("\n", line_end)
            written(folder / "dialog" / where / f"{name}.txt", told)
        written(folder / "dialog" / "EmoEvaluation" / f"._{name}.txt", "\x00\x05\x16\x07")
        for seed, turn in enumerate(("F000", "M000", "M001", "M002")):
            wav(folder / "sentences" / "wav" / name / f"{name}_{turn}.wav", seed=10 * number + seed)
    return root


def entry(name: str, *, emotion: str | None = "ang", wanted: str = "yes", **other: Any) -> dict[str, Any]:
    """One utterance of GenSEC's list."""
    told = {"need_prediction": wanted, "emotion": emotion, "id": name, "speaker": f"{name[:5]}_{name[-4]}"}
    return told | {"groundtruth": f"words of {name}"} | {key: f"{key} heard {name}" for key in ASR} | other


def gensec(path: Path, entries: object = None) -> Path:
    told = entries or [
        entry("Ses01F_impro01_F000", emotion="neu"),
        entry("Ses01F_impro01_M000", emotion="fru", wanted="no", whispertiny=""),
        entry("Ses01F_script02_F000", emotion="exc"),
        entry("Ses02M_impro01_M000", emotion="sad"),
    ]
    return written(path, json.dumps(told))


MSP_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
MSP_ROWS = (
    ("MSP-PODCAST_0001_0008.wav", "N", "4.0", "4.0", "7.0", "127", "Male", "Train"),
    ("MSP-PODCAST_0002_0001.wav", "C", "1.0", "2.5", "4.0", "Unknown", "Unknown", "Test1"),
    ("MSP-PODCAST_0003_0001.wav", "X", "4.0", "4.0", "4.0", "9", "Female", "Development"),
)
MSP_RATINGS = (
    ("MSP-PODCAST_0001_0008.wav", "WORKER1; Neutral; Neutral,Concerned; A:4.000; V:4.000; D:7.000;"),
    ("MSP-PODCAST_0001_0008.wav", "WORKER2; Neutral; A:4.000; V:4.000; D:7.000;"),
    ("MSP-PODCAST_0001_0008.wav", "WORKER3; Other-a bit bored; Neutral; A:4.000; V:4.000; D:7.000;"),
    ("MSP-PODCAST_0002_0001.wav", "WORKER1; Contempt; Other-sly,Annoyed; A:1.000; V:2.500; D:4.000;"),
)


def msp(root: Path) -> Path:
    table(root / "Labels" / "labels_consensus.csv", (MSP_COLUMNS, *MSP_ROWS))
    table(root / "Labels" / "labels_detailed.csv", (("FileName", "EmoDetail"), *MSP_RATINGS))
    for seed, row in enumerate(MSP_ROWS):
        wav(root / "Audios" / row[0], seed=seed)
        written(root / "Transcripts" / row[0].replace(".wav", ".txt"), f"words of\r\n{row[0][:16]} \r\n")
    return root


MELD_COLUMNS = (
    "Sr No.",
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)
TIMES = ("4", "7", "00:20:57,256", "0:21:00,049")
MELD_ROWS = (
    (1, "Oh my God, he\u2019s lost it.", "Phoebe", "sadness", "negative", 0, 0, *TIMES),
    (2, "What?", "Monica", "surprise", "negative", 0, 2, *TIMES),
    (3, "Nothing, “really”.", "Joey", "neutral", "neutral", 0, 1, *TIMES),
    (4, "Fine.", "Monica", "joy", "positive", 3, 0, *TIMES),
)


def meld(root: Path, *, splits: Sequence[str] = ("train", "dev", "test"), clips: bool = True) -> Path:
    for place, split in enumerate(splits):
        table(root / "data" / "MELD" / f"{split}_sent_emo.csv", (MELD_COLUMNS, *MELD_ROWS))
        for row in MELD_ROWS if clips else ():
            folder = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}[
                split
            ]
            wav(root / folder / f"dia{row[5]}_utt{row[6]}.wav", seed=100 * place + row[0])
    return root

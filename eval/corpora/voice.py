"""Speaks a corpus of written dialogues: WAV files and a manifest, so that it can be replayed as sound.

An edge: runs the voices, writes files. Resumable: a line's file is named after all it depends on, written aside and
moved into place, and never spoken twice; the manifest comes last. The same lines and voices give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.errors import SpeechFailed
from agent.ports import SpeakingStyle
from streaming.audio import SAMPLE_RATE, Resampler, silence
from streaming.wav import wav_bytes

from .casting import cast, manner_of
from .item import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.ports import Speech
    from streaming.events import Samples

    from .casting import Manner, Voice
    from .item import Corpus, Item
    from .stock import Stock

RECIPE: Final = "1"
"""Part of every file's name; to be raised when the same line comes to sound different."""
MANIFEST: Final = "manifest.jsonl"
FOLDER: Final = "sound"
LEVEL_DB: Final = -26.0
"""RMS of a plain line, dB relative to full scale."""
PAUSE_S: Final = 0.3
"""Silence before and after each line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What became of the lines: files made now, files that were there, lines nobody could speak."""

    n_made: int
    n_there: int
    problems: tuple[Problem, ...]
    manifest: Path


def chosen(corpus: Corpus, *, split: str | None = None, limit: int | None = None) -> tuple[Item, ...]:
    """Return the items of `split` (None: all) in the first `limit` dialogues, each whole; one alone counts as one."""
    kept: list[Item] = []
    begun: set[tuple[str, str]] = set()
    for item in corpus.items:
        if split is not None and item.split != split:
            continue
        key = ("alone", item.id) if item.dialogue is None else ("dialogue", item.dialogue)
        if key not in begun and len(begun) == limit:
            break
        begun.add(key)
        kept.append(item)
    return tuple(kept)


async def speak(
    corpus: Corpus, items: Sequence[Item], *, out: Path, stock: Stock, note: Callable[[int], None] = lambda _: None
) -> Spoken:
    """Speak `items` of `corpus` into `out` with the voices of `stock`; `note` is told how many are done.

    A line without a word in it, or that the voice fails on, stays in the manifest as words alone.

    Raises:
        OSError: `out` cannot be written.
        SpeechFailed: not one line could be spoken.
    """
    voices = cast(corpus.items, stock.engine, stock.names)
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    n_made = n_there = 0
    for n_done, item in enumerate(items, start=1):
        label = corpus.labels.get(item.emotion or "")
        voice, manner = voices[item.speaker], manner_of(label)
        path = out / FOLDER / _file_name(item, voice=voice, manner=manner)
        if path.is_file():
            n_there += 1
        else:
            try:
                speech = stock.speech(voice.name)
                _write(path, wav_bytes(await _said(item.text or "", speech, voice=voice, manner=manner)))
                n_made += 1
            except SpeechFailed as error:
                problems.append(Problem(where=item.id, why=str(error)))
        rows.append(_row(item, label=label or item.emotion, audio=path if path.is_file() else None))
        note(n_done)
    if rows and not n_made + n_there:
        raise SpeechFailed(f"not one of {len(rows)} lines could be spoken: {problems[0].why}")
    lines = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    _write(out / MANIFEST, lines.encode())
    return Spoken(n_made=n_made, n_there=n_there, problems=tuple(problems), manifest=out / MANIFEST)


def _file_name(item: Item, *, voice: Voice, manner: Manner) -> str:
    depends = json.dumps([RECIPE, item.id, item.text, asdict(voice), asdict(manner), LEVEL_DB, PAUSE_S])
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", item.id)[:80]
    return f"{plain}-{hashlib.sha256(depends.encode()).hexdigest()[:10]}.wav"


def _row(item: Item, *, label: str | None, audio: Path | None) -> dict[str, Any]:
    told: Mapping[str, Any] = {
        "id": item.id,
        "dialogue": item.dialogue,
        "order": item.order,
        "speaker": item.speaker,
        "audio": audio and f"{FOLDER}/{audio.name}",
        "text": item.text,
        "emotion": label,
        "votes": dict(item.votes) or None,
        "arousal": item.arousal,
        "dominance": item.dominance,
        "valence": item.valence,
        "split": item.split or None,
        "scored": None if item.is_to_be_scored else False,
        "language": item.language,
    }
    return {name: value for name, value in told.items() if value is not None}


async def _said(text: str, speech: Speech, *, voice: Voice, manner: Manner) -> Samples:
    """Return one line as it is said, between two pauses.

    Raises:
        SpeechFailed: there is no word in it, or the voice failed.
    """
    if not any(map(str.isalnum, text)):
        raise SpeechFailed("there is no word in it to be spoken")
    shift_st = voice.shift_st + (0.0 if voice.takes_pitch else manner.pitch_st)
    ratio = 2.0 ** (shift_st / 12)
    style = SpeakingStyle(rate=manner.rate / ratio, pitch_st=manner.pitch_st if voice.takes_pitch else 0.0)
    async with aclosing(speech.speak(text, style)) as blocks:
        sound = np.concatenate([silence(0), *[block async for block in blocks]])
    if not np.any(sound):
        raise SpeechFailed("the voice gave no sound")
    pause = silence(round(PAUSE_S * SAMPLE_RATE))
    return np.concatenate([pause, levelled(shifted(sound, ratio), LEVEL_DB + manner.gain_db), pause])


def shifted(samples: Samples, ratio: float) -> Samples:
    """Return sound `ratio` times as high and as fast, as a tape that runs faster."""
    resampler = Resampler(source_hz=round(SAMPLE_RATE * ratio))
    return np.concatenate([resampler.feed(samples), resampler.flush()]).astype(np.float32)


def levelled(samples: Samples, level_db: float) -> Samples:
    """Return sound of this RMS, less where its peak would pass full scale."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    gain = min(10 ** (level_db / 20) / rms, 0.99 / float(np.max(np.abs(samples))))
    return (samples * gain).astype(np.float32)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it."""
    handle, aside = tempfile.mkstemp(prefix=".attune-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
# (parselmouth's commands are looked up by name at run time and have no types)
"""What rolling prosody costs and how well it agrees with Praat: ours beside Praat, on the same sound, in one run.

Cost is processor time of one thread per second of sound. Ours is everything a live session does: 20 ms blocks, a
reading each 260 ms, finish and commit. Praat's is recomputing the last 3 s each 250 ms (pitch, intensity, periods,
jitter, shimmer, HNR), the common way, over the sounds one after another. Agreement is per 10 ms frame: gross errors are
pitches more than 20 % off among the frames voiced in both, voicing agreement the share of frames called alike. Sounds
are cut by up to 10 ms at the end so that both grids of frames coincide.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import parselmouth
from parselmouth.praat import call

from streaming.audio import FRAME, SAMPLE_RATE
from streaming.pitch import HOP, PitchTrack, PitchTracker
from streaming.prosody import ProsodyTracker

from ..signature import sign
from .machine import VERSION, machine
from .sounds import read_sounds, voiced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from streaming.events import Samples

    Pitches: TypeAlias = NDArray[np.float64]

TICK = SAMPLE_RATE // 4
WINDOW = 3 * SAMPLE_RATE
READ_BLOCKS = 13
GROSS = 0.2

SENTENCES = (
    "the quick brown fox jumps over the lazy dog near the river bank",
    "i am so happy that you came to see me this morning",
    "we never thought that it would end like this",
    "please tell me what time the train leaves tomorrow",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProsodyBench:
    """One run; ratios first, for they do not depend on the machine.

    Attributes:
        times_cheaper: Praat's cost over ours. Budget: at least 30.
        p_gross: share of gross pitch errors. Budget: at most 0.03.
        p_voicing: voicing agreement. Budget: at least 0.95.
        core_share: ours as a share of a core. Budget: at most 0.005.
        ours_ms_per_s, praat_ms_per_s: processor time per second of sound.
        cents: median deviation between the pitches that are no gross errors.
        seconds, praat_seconds: how much sound the agreement and ours, and Praat's cost, rest on.
        n_files, n_frames, signature: what it was measured on.
    """

    times_cheaper: float
    p_gross: float
    p_voicing: float
    core_share: float
    ours_ms_per_s: float
    praat_ms_per_s: float
    cents: float
    seconds: float
    praat_seconds: float
    n_files: int
    n_frames: int
    signature: str


def measure(directory: Path | None = None, *, praat_s: float = 20.0) -> ProsodyBench:
    """Measure on the sound files of `directory`, or on sentences voiced with flite when there is none.

    Args:
        directory: searched for sound files, not its folders.
        praat_s: about how many seconds of the sound Praat's cost is taken on, spread evenly over the files.

    Raises:
        CorpusUnreadable: no sound files there, or no flite to voice any.
        AudioUnreadable: a file cannot be heard.
    """
    name = "flite" if directory is None else directory.name
    sounds = _said() if directory is None else read_sounds(directory)
    seconds = sum(map(len, sounds)) / SAMPLE_RATE
    _roll(sounds[:1])  # the first run pays for what numpy loads late
    ours_s = _cpu_s(lambda: _roll(sounds)) / seconds
    some = sounds[:: max(1, round(seconds / praat_s))]
    praat_seconds = sum(map(len, some)) / SAMPLE_RATE
    theirs_s = _cpu_s(lambda: _recompute(some)) / praat_seconds
    p_gross, p_voicing, cents, n_frames = _agreement(*_pitches(sounds))
    digest = hashlib.sha256(b"".join(s.tobytes() for s in sounds)).hexdigest()
    fields = {
        "data": f"{name}#{digest[:8]}",
        "n": len(sounds),
        "praat": parselmouth.PRAAT_VERSION,
        "f0": "75-500",
        "hop": "10ms",
        "machine": machine(),
    }
    return ProsodyBench(
        times_cheaper=theirs_s / ours_s,
        p_gross=p_gross,
        p_voicing=p_voicing,
        core_share=ours_s,
        ours_ms_per_s=1000 * ours_s,
        praat_ms_per_s=1000 * theirs_s,
        cents=cents,
        seconds=seconds,
        praat_seconds=praat_seconds,
        n_files=len(sounds),
        n_frames=n_frames,
        signature=str(sign(fields, version=VERSION)),
    )


def _agreement(ours: Pitches, praats: Pitches) -> tuple[float, float, float, int]:
    """Gross errors, voicing agreement, median deviation of the rest in cents, number of frames."""
    both = (ours > 0) & (praats > 0)
    off = np.abs(ours[both] / praats[both] - 1)
    fine = np.abs(np.log2(ours[both] / praats[both]))[off <= GROSS]
    p_voicing = float(np.mean((ours > 0) == (praats > 0)))
    return float(np.mean(off > GROSS)), p_voicing, float(1200 * np.median(fine)), len(ours)


def table(result: ProsodyBench) -> str:
    """The figures as a Markdown table beside their budgets, the signature below."""
    rows = (
        ("cost, Praat's 3 s window each 250 ms over ours", f"{result.times_cheaper:.0f}x", ">= 30x"),
        ("gross pitch errors against Praat", f"{100 * result.p_gross:.2f} %", "<= 3 %"),
        ("voicing agreement with Praat", f"{100 * result.p_voicing:.2f} %", ">= 95 %"),
        ("pitch deviation otherwise (median)", f"{result.cents:.1f} cents", ""),
        ("one session, share of a core", f"{100 * result.core_share:.2f} %", "<= 0.5 %"),
        ("ours, CPU ms per second of sound", f"{result.ours_ms_per_s:.2f}", ""),
        ("Praat, CPU ms per second of sound", f"{result.praat_ms_per_s:.1f}", ""),
    )
    lines = ["| measure | here | budget |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    amount = f"{result.n_files} sounds, {result.seconds:.0f} s, {result.n_frames} frames"
    return "\n".join(
        [*lines, "", f"{amount}; Praat's cost on {result.praat_seconds:.0f} s", "", f"`{result.signature}`"]
    )


def _said() -> list[Samples]:
    return voiced((voice, text) for voice in ("slt", "rms") for text in SENTENCES)


def _cpu_s(work: Callable[[], None]) -> float:
    start_s = time.process_time()
    work()
    return time.process_time() - start_s


def _roll(sounds: Sequence[Samples]) -> None:
    """All that a live session asks of rolling prosody."""
    tracker = ProsodyTracker()
    for sound in sounds:
        tracker.start(0.0)
        for i, start in enumerate(range(0, len(sound), FRAME), start=1):
            tracker.feed(sound[start : start + FRAME])
            if i % READ_BLOCKS == 0:
                tracker.read()
        tracker.finish()
        tracker.commit()


def _recompute(sounds: Sequence[Samples]) -> None:
    """The common way: all measures of the last 3 s by Praat, at every tick."""
    stream = np.concatenate(sounds).astype(np.float64)
    for end in range(TICK, len(stream) + 1, TICK):
        praat = parselmouth.Sound(stream[max(0, end - WINDOW) : end], SAMPLE_RATE)
        pitch = _praat_pitch(praat)
        praat.to_intensity(minimum_pitch=75.0)
        periods = call([praat, pitch], "To PointProcess (cc)")
        call(periods, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3)
        call([praat, periods], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6)
        praat.to_harmonicity_cc(time_step=0.01, minimum_pitch=75.0)


def _praat_pitch(sound: parselmouth.Sound) -> parselmouth.Pitch:
    return sound.to_pitch_ac(time_step=0.01, pitch_floor=75.0, pitch_ceiling=500.0)


def _pitches(sounds: Sequence[Samples]) -> tuple[Pitches, Pitches]:
    """Ours and Praat's pitch per frame, 0 where unvoiced, over all sounds."""
    ours: list[Pitches] = []
    praats: list[Pitches] = []
    for sound in sounds:
        # Praat centres its frames on the sound; with 159 samples over a whole number of hops they lie on ours.
        cut = sound[: (len(sound) - HOP + 1) // HOP * HOP + HOP - 1]
        pitch = _praat_pitch(parselmouth.Sound(cut.astype(np.float64), SAMPLE_RATE))
        tracker = PitchTracker()
        track = PitchTrack.joined([tracker.feed(cut), tracker.flush()])
        first = round((float(pitch.xs()[0]) - float(track.at_s[0])) * SAMPLE_RATE / HOP)
        n = len(pitch.xs())
        ours.append(track.f0_hz[first : first + n].astype(np.float64))
        praats.append(pitch.selected_array["frequency"])
    return np.concatenate(ours), np.concatenate(praats)

"""How well voice activity is heard: hand-labelled clips, 10 ms frames, ours beside its parts, in one run.

Frames are pooled over the clips. A labelled pause is a silence of at least 300 ms between two stretches of speech; it
counts as heard when at least 200 ms of it on end are called silence. False alarms are the share of the silent frames
that are called speech. Intervals are percentiles of a bootstrap over clips. Nothing here is fitted.
"""

from __future__ import annotations

import csv
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from streaming.audio import SAMPLE_RATE, VAD_FRAME, padded
from streaming.backends.silero import WINDOW, SileroWindows, probability
from streaming.backends.voice_activity import FusedActivity
from streaming.backends.webrtc import WebrtcActivity
from streaming.files import read_audio
from streaming.stretches import StretchSettings, VoiceTrack

from ..errors import CorpusUnreadable
from ..signature import sign
from .machine import VERSION, machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from streaming.events import Samples

    Flags: TypeAlias = NDArray[np.bool_]
    Ratios: TypeAlias = NDArray[np.float64]
    Judge: TypeAlias = Callable[[Samples], list[float]]

PAUSE_FRAMES = 30
HEARD_FRAMES = 20
N_BOOTSTRAP = 2_000
SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """One labelled recording; `speech` holds the label at the middle of each 10 ms frame."""

    name: str
    samples: Samples
    speech: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A value in [0, 1] with its 95 % interval; all None where it is not defined (nothing to count)."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VadScore:
    """Figures of one detector; `rtf` is processor time over sound time, on one thread."""

    name: str
    f1: Share
    precision: Share
    recall: Share
    false_alarms: Share
    pauses_heard: Share
    n_pauses: int
    auc: float | None
    rtf: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VadResult:
    """One run over a directory: the detectors' figures and what they were measured on.

    `f1_gain` and `false_alarms_gain` are ours less Silero's, paired by clip: values in [-1, 1].
    """

    scores: tuple[VadScore, ...]
    f1_gain: Share
    false_alarms_gain: Share
    n_clips: int
    n_frames: int
    signature: str


def measure(directory: Path, *, n_bootstrap: int = N_BOOTSTRAP, seed: int = SEED) -> VadResult:
    """Return the figures of webrtcvad alone, Silero v6 alone and ours on the clips of `directory`.

    Each sound file needs a CSV of the same name beside it: `start_s,end_s,speech` (1 or 0).

    Raises:
        CorpusUnreadable: no clips, a missing or malformed label file.
        AudioUnreadable: a clip cannot be heard.
    """
    clips = read_clips(directory)
    scores = [
        _score("webrtcvad (mode 3)", clips, _webrtc, settings=None, draw=(n_bootstrap, seed)),
        _score("Silero v6", clips, _silero, settings=None, draw=(n_bootstrap, seed)),
        _score("ours", clips, _ours, settings=StretchSettings(), draw=(n_bootstrap, seed)),
    ]
    gains = [_share(scores[2][1][0] - scores[1][1][0], scores[2][1][1] - scores[1][1][1], column=i) for i in (0, 3)]
    digest = hashlib.sha256(b"".join(clip.samples.tobytes() + clip.speech.tobytes() for clip in clips)).hexdigest()
    fields = {
        "frame": "10ms",
        "data": f"{directory.name}#{digest[:8]}",
        "n": len(clips),
        "blocks": "clip",
        "bs": n_bootstrap,
        "seed": seed,
        "machine": machine(),
    }
    n_frames = sum(clip.speech.size for clip in clips)
    return VadResult(
        scores=tuple(score for score, _ in scores),
        f1_gain=gains[0],
        false_alarms_gain=gains[1],
        n_clips=len(clips),
        n_frames=n_frames,
        signature=str(sign(fields, version=VERSION)),
    )


def table(result: VadResult) -> str:
    """Return the figures as a Markdown table with the signature below."""
    lines = [
        "| detector | F1 | precision | recall | false alarms | pauses heard | AUC | RTF |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for score in result.scores:
        shares = (score.f1, score.precision, score.recall, score.false_alarms)
        pauses = f"{_text(score.pauses_heard)} of {score.n_pauses}"
        auc = "n/a" if score.auc is None else f"{score.auc:.3f}"
        cells = [score.name, *(_text(share) for share in shares), pauses, auc, f"{score.rtf:.4f}"]
        lines.append(f"| {' | '.join(cells)} |")
    gain = f"ours less Silero: F1 {_text(result.f1_gain)}, false alarms {_text(result.false_alarms_gain)}"
    return "\n".join([*lines, "", gain, "", f"`{result.signature}`"])


def read_clips(directory: Path) -> list[Clip]:
    """Return the labelled clips of a directory, by name.

    Raises:
        CorpusUnreadable: see `measure`.
    """
    labels = sorted(directory.glob("*.csv"))
    if not labels:
        message = f"{directory} holds no label files (*.csv with start_s,end_s,speech beside each sound file)"
        raise CorpusUnreadable(message)
    return [_read_clip(path) for path in labels]


def _read_clip(path: Path) -> Clip:
    sound = next((other for other in sorted(path.parent.glob(f"{path.stem}.*")) if other.suffix != ".csv"), None)
    if sound is None:
        message = f"{path} has no sound file of the same name beside it"
        raise CorpusUnreadable(message)
    samples = read_audio(sound)
    middles_s = (np.arange(samples.size // VAD_FRAME) + 0.5) * VAD_FRAME / SAMPLE_RATE
    speech = np.zeros(middles_s.size, dtype=np.bool_)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.DictReader(lines):
                inside = (middles_s >= float(row["start_s"])) & (middles_s < float(row["end_s"]))
                speech[inside] = bool(int(row["speech"]))
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path} is not start_s,end_s,speech with numbers in every row: {error}"
        raise CorpusUnreadable(message) from error
    return Clip(name=path.stem, samples=samples, speech=speech)


def _webrtc(samples: Samples) -> list[float]:
    activity = WebrtcActivity()
    return [*activity.feed(samples), *activity.flush()]


def _silero(samples: Samples) -> list[float]:
    """Return what Silero says by itself: each frame has the probability of the window its middle lies in."""
    windows = SileroWindows()
    judged = [windows.judge(padded(samples[i : i + WINDOW], WINDOW)) for i in range(0, samples.size, WINDOW)]
    middles = np.arange(samples.size // VAD_FRAME) * VAD_FRAME + VAD_FRAME // 2
    return [probability(judged[middle // WINDOW]) for middle in middles.tolist()]


def _ours(samples: Samples) -> list[float]:
    activity = FusedActivity()
    return [*activity.feed(samples), *activity.flush()]


def _score(
    name: str, clips: list[Clip], judge: Judge, *, settings: StretchSettings | None, draw: tuple[int, int]
) -> tuple[VadScore, tuple[Ratios, Ratios]]:
    """Return a detector's figures, and its ratios on the clips as they are and as they were drawn."""
    began = time.process_time()
    frames = [np.array(judge(clip.samples)[: clip.speech.size]) for clip in clips]
    spent_s = time.process_time() - began
    counts = np.array(
        [_counts(called_speech(p, settings=settings), clip.speech) for p, clip in zip(frames, clips, strict=True)]
    )
    rng = np.random.default_rng(draw[1])
    drawn = counts[rng.integers(len(clips), size=(draw[0], len(clips)))].sum(axis=1)
    ratios = (_ratios(counts.sum(axis=0)[None]), _ratios(drawn))
    shares = [_share(*ratios, column=column) for column in range(5)]
    score = VadScore(
        name=name,
        f1=shares[0],
        precision=shares[1],
        recall=shares[2],
        false_alarms=shares[3],
        pauses_heard=shares[4],
        n_pauses=int(counts[:, 5].sum()),
        auc=area_under_roc(np.concatenate(frames), np.concatenate([clip.speech for clip in clips])),
        rtf=spent_s / (sum(clip.samples.size for clip in clips) / SAMPLE_RATE),
    )
    return score, ratios


def called_speech(probabilities: NDArray[np.float64], *, settings: StretchSettings | None) -> Flags:
    """Return which frames are called speech: those within stretches, or without settings those of at least .5."""
    if settings is None:
        return probabilities >= 0.5
    track = VoiceTrack(settings)
    called = np.zeros(probabilities.size, dtype=np.bool_)
    for p in probabilities.tolist():
        if track.step(p) == "ended":
            called[track.begin : track.end] = True
    if track.stop() == "ended":
        called[track.begin : track.end] = True
    return called


def pauses(speech: Flags) -> list[tuple[int, int]]:
    """Return first frame and end of each labelled silence of at least 300 ms between two stretches of speech."""
    edges = np.flatnonzero(np.diff(speech.astype(np.int8))) + 1
    spans = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return [(begin, end) for begin, end in spans if not speech[begin] and end - begin >= PAUSE_FRAMES]


def area_under_roc(probabilities: NDArray[np.float64], speech: Flags) -> float | None:
    """Return the chance that a frame of speech has a higher probability than a silent one, ties counting half."""
    values, of_frame = np.unique(probabilities, return_inverse=True)
    n_speech = np.bincount(of_frame[speech], minlength=values.size)
    n_silent = np.bincount(of_frame[~speech], minlength=values.size)
    if not n_speech.any() or not n_silent.any():
        return None
    below = np.cumsum(n_silent) - n_silent
    return float((n_speech * (below + n_silent / 2)).sum() / (n_speech.sum() * n_silent.sum()))


def _counts(called: Flags, speech: Flags) -> list[int]:
    """Return true positives, false positives, false negatives, silent frames, pauses heard, pauses."""
    spans = pauses(speech)
    heard = sum(_longest_silence(called[begin:end]) >= HEARD_FRAMES for begin, end in spans)
    both = int((called & speech).sum())
    return [both, int(called.sum()) - both, int(speech.sum()) - both, int((~speech).sum()), heard, len(spans)]


def _longest_silence(called: Flags) -> int:
    longest = run = 0
    for voice in called.tolist():
        run = 0 if voice else run + 1
        longest = max(longest, run)
    return longest


def _ratios(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return F1, precision, recall, false alarms and pauses heard for each row of counts; NaN where undefined."""
    both, false, missed, silent, heard, n_pauses = counts.T.astype(np.float64)
    over = np.stack([2 * both, both, both, false, heard])
    under = np.stack([2 * both + false + missed, both + false, both + missed, silent, n_pauses])
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0).T


def _share(exact: NDArray[np.float64], drawn: NDArray[np.float64], *, column: int) -> Share:
    value = float(exact[0, column])
    kept = drawn[:, column][np.isfinite(drawn[:, column])]
    if not np.isfinite(value) or kept.size == 0:
        return Share(value=None)
    low, high = np.percentile(kept, [2.5, 97.5])
    return Share(value=value, low=float(low), high=float(high))


def _text(share: Share) -> str:
    if share.value is None:
        return "n/a"
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]"

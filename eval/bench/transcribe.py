"""How well speech is read: word error rates of the best reading and of the best of ten, ours beside the engine's own.

Every recording is one session that starts cold and is cut into utterances by the product's own segmenter; each is heard
up to its last pause, as in life. The oracle picks the best reading of each utterance (utterance by utterance until
nothing gets better, so it is an upper bound of the true oracle). Cost is processor time of one thread.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jiwer
import numpy as np

from streaming.audio import FRAME, SAMPLE_RATE
from streaming.backends.pocketsphinx_decode import Decoding, in_child, load_decoder
from streaming.backends.pocketsphinx_settings import Mean, PocketSphinxSettings
from streaming.backends.voice_activity import FusedActivity
from streaming.events import SpeechAudio, SpeechPaused, SpeechResumed, SpeechStarted
from streaming.files import read_audio
from streaming.nbest import normalise
from streaming.segmenter import Segmenter

from ..errors import CorpusUnreadable
from ..signature import sign
from .line import SENTENCES
from .machine import VERSION, machine
from .sounds import voiced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streaming.events import Samples

PARTIAL_BLOCKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording and what is said in it."""

    name: str
    samples: Samples
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeBench:
    """One run. Word error rates are pooled over all words.

    Attributes:
        wer_engine: of the engine's own best reading.
        wer_ours: of the first of ours.
        oracle_ours: of the best of ten of ours. Budget: below `wer_ours`.
        oracle_engine: of the best of ten of the engine's own n-best.
        cpu_per_s: processor seconds per second of sound, while the speaker talks (partials included).
        final_ms: median and worst processor milliseconds from the question to the final.
        n_recordings, n_utterances, n_words, signature: what it was measured on.
    """

    wer_engine: float
    wer_ours: float
    oracle_ours: float
    oracle_engine: float
    cpu_per_s: float
    final_ms: tuple[float, float]
    n_recordings: int
    n_utterances: int
    n_words: int
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What came of one utterance."""

    engine: str
    engine_nbest: list[str]
    ours: list[str]
    mean: Mean | None
    search_s: float
    final_s: float
    sound_s: float


def measure(directory: Path | None = None) -> TranscribeBench:
    """Return the figures on the recordings of `directory` that have a .txt of the same name beside them.

    Without a folder flite voices sentences, which are far easier to read than people are.

    Raises:
        CorpusUnreadable: there are none, or no flite to voice any.
        AudioUnreadable: a recording cannot be heard.
    """
    recordings = _said() if directory is None else read_recordings(directory)
    name = "flite-slt-rms" if directory is None else directory.name
    settings = PocketSphinxSettings()
    decoder = load_decoder()
    sessions = [(recording.reference, _listen(decoder, recording.samples, settings)) for recording in recordings]
    heard = [utterance for _, session in sessions for utterance in session]
    finals_ms = [utterance.final_s * 1e3 for utterance in heard] or [0.0]
    digest = hashlib.sha256(b"".join(item.samples.tobytes() + item.reference.encode() for item in recordings))
    fields = {
        "asr": "pocketsphinx",
        "nbest": settings.n_best,
        "data": f"{name}#{digest.hexdigest()[:8]}",
        "n": len(recordings),
        "machine": machine(),
    }
    return TranscribeBench(
        wer_engine=_pooled([(reference, [[item.engine] for item in session]) for reference, session in sessions]),
        wer_ours=_pooled([(reference, [item.ours[:1] for item in session]) for reference, session in sessions]),
        oracle_ours=_pooled([(reference, [item.ours for item in session]) for reference, session in sessions]),
        oracle_engine=_pooled(
            [(reference, [item.engine_nbest for item in session]) for reference, session in sessions]
        ),
        cpu_per_s=sum(item.search_s for item in heard) / max(1e-9, sum(item.sound_s for item in heard)),
        final_ms=(float(np.median(finals_ms)), max(finals_ms)),
        n_recordings=len(recordings),
        n_utterances=len(heard),
        n_words=sum(len(reference.split()) for reference, _ in sessions),
        signature=str(sign(fields, version=VERSION)),
    )


def table(result: TranscribeBench) -> str:
    """Return the figures as a Markdown table with the signature below."""
    cost = (
        f"{result.n_recordings} recordings, {result.n_utterances} utterances; processor time per second of sound "
        f"{result.cpu_per_s:.2f}; from question to final {result.final_ms[0]:.0f} ms (median), "
        f"{result.final_ms[1]:.0f} ms (worst)"
    )
    lines = [
        f"| word error rate, {result.n_words} words | 1-best | oracle of 10 |",
        "|---|---|---|",
        f"| engine's own | {result.wer_engine:.3f} | {result.oracle_engine:.3f} |",
        f"| ours | {result.wer_ours:.3f} | {result.oracle_ours:.3f} |",
    ]
    return "\n".join([*lines, "", cost, "", f"`{result.signature}`"])


def read_recordings(directory: Path) -> list[Recording]:
    """Return the recordings of a directory that come with their words, by name.

    Raises:
        CorpusUnreadable: see `measure`.
    """
    found: list[Recording] = []
    for words in sorted(directory.glob("*.txt")):
        sound = next((other for other in sorted(directory.glob(f"{words.stem}.*")) if other.suffix != ".txt"), None)
        reference = normalise(words.read_text(encoding="utf-8"))
        if sound is not None and reference:
            found.append(Recording(name=words.stem, samples=read_audio(sound), reference=reference))
    if not found:
        raise CorpusUnreadable(f"{directory} holds no recordings with their words in a .txt of the same name")
    return found


def _said() -> list[Recording]:
    """Return the sentences, two voices taking turns."""
    voices = [("slt", "rms")[index % 2] for index in range(len(SENTENCES))]
    sounds = voiced(zip(voices, SENTENCES, strict=True))
    return [
        Recording(name=f"{n}", samples=sound, reference=normalise(text))
        for n, (sound, text) in enumerate(zip(sounds, SENTENCES, strict=True))
    ]


def utterances_of(samples: Samples) -> list[Samples]:
    """Return what the recogniser is asked for a final of: each utterance up to its last pause."""
    segmenter = Segmenter(FusedActivity())
    blocks: list[list[Samples]] = []
    until: list[int] = []
    for event in [*segmenter.feed(samples), *segmenter.flush()]:
        match event:
            case SpeechStarted():
                blocks.append([])
                until.append(0)
            case SpeechAudio():
                blocks[-1].append(event.samples)
            case SpeechPaused():
                until[-1] = len(blocks[-1])
            case SpeechResumed():
                until[-1] = 0
            case _:
                pass
    return [np.concatenate(each[:end] if end else each) for each, end in zip(blocks, until, strict=True) if each]


def _listen(decoder: Any, samples: Samples, settings: PocketSphinxSettings) -> list[_Heard]:  # noqa: ANN401 (untyped)
    mean: Mean | None = None
    out: list[_Heard] = []
    for utterance in utterances_of(samples):
        answer = in_child(lambda heard=utterance, known=mean: _decode(decoder, heard, settings=settings, mean=known))
        new = None if answer["mean"] is None else Mean(**answer.pop("mean"))
        out.append(_Heard(mean=new, **answer))
        if new is not None and out[-1].ours:
            mean = new if mean is None else mean.blended(new)
    return out


def _decode(decoder: Any, samples: Samples, *, settings: PocketSphinxSettings, mean: Mean | None) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields of `_Heard`. Runs in a child: it uses the decoder up."""
    decoding = Decoding(decoder, settings=settings, mean=mean)
    pcm = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")
    began = time.process_time()
    for i, start in enumerate(range(0, pcm.size, FRAME), start=1):
        decoding.accept(pcm[start : start + FRAME].tobytes())
        if i % PARTIAL_BLOCKS == 0:
            decoding.partial()
    asked = time.process_time()
    readings = decoding.end()
    answered = time.process_time()
    best = decoder.hyp()
    return {
        "engine": "" if best is None else normalise(best.hypstr),
        "engine_nbest": _engine_nbest(decoder, settings.n_best),
        "ours": [" ".join(word[0] for word in words) for _, words in readings[: settings.n_best]],
        "mean": decoding.mean(),
        "search_s": asked - began,
        "final_s": answered - asked,
        "sound_s": pcm.size / SAMPLE_RATE,
    }


def _engine_nbest(decoder: Any, n_best: int) -> list[str]:  # noqa: ANN401 (untyped package)
    """Return the engine's first distinct readings."""
    if decoder.hyp() is None:
        return []
    found: dict[str, None] = {}
    for reading in decoder.nbest():
        if reading is None or len(found) == n_best:
            break
        found.setdefault(normalise(reading.hypstr))
    return list(found)


def _pooled(sessions: Sequence[tuple[str, list[list[str]]]]) -> float:
    """Return the word error rate over all sessions, each utterance read the best way its readings allow."""
    errors = words = 0
    for reference, readings in sessions:
        errors += fewest_errors(reference, readings)
        words += len(reference.split())
    return errors / max(1, words)


def fewest_errors(reference: str, readings: Sequence[Sequence[str]]) -> int:
    """Return the errors left when each utterance's reading is chosen to make the fewest, one after another."""
    chosen = [options[0] if options else "" for options in readings]
    best, previous = _errors(reference, chosen), None
    while best != previous:
        previous = best
        for i, options in enumerate(readings):
            for option in options:
                tried = [*chosen[:i], option, *chosen[i + 1 :]]
                errors = _errors(reference, tried)
                if errors < best:
                    best, chosen = errors, tried
    return best


def _errors(reference: str, texts: Sequence[str]) -> int:
    counts = jiwer.process_words(reference, " ".join(filter(None, texts)))
    return counts.substitutions + counts.deletions + counts.insertions

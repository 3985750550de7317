"""All benches: what each is called, how it is run by itself, and with what effort it is run among all of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..errors import EvalError
from . import cache, emotion, hearing, labels, line, prosody, replayed, scheduler, summary, transcribe, vad
from .models import Subject
from .service import measure as service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .measure import Measure
    from .service.measure import Kind

    Made: TypeAlias = tuple[tuple[Measure, ...], str, str]
    """Measures, signature and the bench's own table."""


class LeftOut(EvalError):
    """A bench is not run, since what it needs was not given; the message says what that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How all benches are run.

    Attributes:
        data: a folder with `speech/` (recordings, their words in a .txt beside each) and `vad/` (clips with labels);
            None: sentences voiced by flite, and no voice activity.
        is_quick: as little as still says something; figures for the README are made without.
        device: of language models and recognisers that may have one.
    """

    data: Path | None = None
    is_quick: bool = False
    device: str = "auto"

    @property
    def speech(self) -> Path | None:
        """Recordings with their words, None where there are none."""
        return self.below("speech")

    @property
    def clips(self) -> Path | None:
        """Clips with labels of voice activity, None where there are none."""
        return self.below("vad")

    def below(self, name: str) -> Path | None:
        """Return a folder of the data, None where it is not there."""
        place = None if self.data is None else self.data / name
        return place if place is not None and place.is_dir() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One bench among all.

    Attributes:
        name: as the table calls it.
        run: stands at the top of a module, for it is called in a process of its own.
        folder: which of the data it takes, where they are there.
        options: of its command.
    """

    name: str
    run: Callable[[Effort], Made]
    folder: Literal["", "speech", "vad"] = ""
    options: str = ""

    def command(self, effort: Effort) -> str:
        """Return how it is run by itself; only the effort may differ."""
        place = effort.below(self.folder) if self.folder else None
        data = "" if place is None else f"--data {'/'.join(filter(None, (place.parent.name, place.name)))}"
        return " ".join(part for part in ("attune-eval bench", self.name.partition(",")[0], data, self.options) if part)


def _line(effort: Effort) -> Made:
    made = line.measure(sentences=line.SENTENCES[:4] if effort.is_quick else line.SENTENCES)
    return summary.of_line(made), made.signature, line.table(made)


def _prosody(effort: Effort) -> Made:
    made = prosody.measure(effort.speech)
    return summary.of_prosody(made), made.signature, prosody.table(made)


def _hearing(effort: Effort) -> Made:
    made = hearing.measure(n_sessions=4, n_runs=1) if effort.is_quick else hearing.measure()
    return summary.of_hearing(made), made.signature, hearing.table(made)


def _vad(effort: Effort) -> Made:
    if effort.clips is None:
        raise LeftOut("labelled clips are needed, in vad/ of the folder that --data names")
    made = vad.measure(effort.clips)
    return summary.of_vad(made), made.signature, vad.table(made)


def _transcribe(effort: Effort) -> Made:
    made = transcribe.measure(effort.speech)
    return summary.of_transcribe(made), made.signature, transcribe.table(made)


def _labels(effort: Effort) -> Made:
    made = (
        labels.measure(device=effort.device, sizes=labels.SIZES[:1], prompts=labels.PROMPTS[:2], repeats=3)
        if effort.is_quick
        else labels.measure(device=effort.device)
    )
    return summary.of_labels(made), made.signature, labels.table(made)


def _cache(effort: Effort) -> Made:
    made = cache.measure(device=effort.device, n_turns=cache.WINDOW + 10 if effort.is_quick else cache.N_TURNS)
    return summary.of_cache(made), made.signature, cache.table(made)


def _emotion(effort: Effort) -> Made:
    made = emotion.measure(n_turns=emotion.WINDOW + 10 if effort.is_quick else emotion.N_TURNS)
    return summary.of_emotion(made), made.signature, emotion.table(made)


def _scheduler(effort: Effort) -> Made:
    quick = scheduler.Load(n_sessions=4, max_batch=4, n_rounds=1, n_turns=1, pad_s=6.0)
    made = scheduler.measure(device=effort.device, load=quick if effort.is_quick else None)
    return summary.of_scheduler(made), made.signature, scheduler.table(made)


def _scripted_service(effort: Effort) -> Made:
    return _service("scripted", sessions=(100,) if effort.is_quick else (150, 200, 250, 300), effort=effort)


def _real_service(effort: Effort) -> Made:
    if effort.is_quick:
        raise LeftOut("it takes minutes; without --quick it is run")
    return _service("real", sessions=(50, 75, 100, 150, 200), effort=effort)


def _service(kind: Kind, *, sessions: tuple[int, ...], effort: Effort) -> Made:
    made = service.measure(kind, sessions=sessions, seconds=4.0 if effort.is_quick else 20.0, note=_note)
    return summary.of_service(made), made.signature, service.table(made)


def _replay(effort: Effort) -> Made:
    from . import replay  # noqa: PLC0415 - brings all commands, of no use to the other benches

    subject = Subject(engine="transformers", device=effort.device)
    n_dialogues = 8 if effort.is_quick else replay.N_DIALOGUES
    made = replay.measure(n_dialogues=n_dialogues, subject=subject, note=_note)
    return summary.of_replay(made), made.signature, replayed.table(made)


def _note(text: str) -> None:
    sys.stderr.write(f"attune-eval: {text}\n")


BENCHES: Final = (
    Bench(name="line", run=_line),
    Bench(name="prosody", run=_prosody, folder="speech"),
    Bench(name="hearing", run=_hearing),
    Bench(name="vad", run=_vad, folder="vad"),
    Bench(name="transcribe", run=_transcribe, folder="speech"),
    Bench(name="emotion", run=_emotion),
    Bench(name="labels", run=_labels),
    Bench(name="cache", run=_cache),
    Bench(name="scheduler", run=_scheduler),
    Bench(name="service", run=_scripted_service),
    Bench(name="service, real", run=_real_service, options="--kind real"),
    Bench(name="replay", run=_replay),
)

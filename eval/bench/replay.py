"""How fast corpora are replayed: beside real time, by one worker and several, asking a model and finding its answers.

Rates are taken in the steady state: over the second half of the pieces, when every worker has long begun (starting
processes and loading engines does not count), to where the first may run out of work. What starting costs is told
apart. All arms go through the same code as `attune-eval replay`, and arms of the same run must write the same bytes.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streaming.errors import EngineFailed

from ..errors import MeasureFailed
from ..replay.plan import ReplaySettings
from ..replay.run import plan_of
from ..replay.run import replay as replay_all
from ..signature import sign
from .dialogues import spoken, written
from .machine import VERSION, machine
from .models import Subject, random_weights
from .replayed import Arm, ReplayBench

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ..corpora.item import Corpus
    from ..replay.run import Plan

N_DIALOGUES: Final = 24
LIGHT: Final = 6
"""So many times the dialogues where words are given: a piece is done in a fraction of a second."""
N_ASKED: Final = 8
"""Dialogues that a language model is asked about."""
CONDITION: Final = "live"
PROFILE: Final = "bench"


def measure(
    data: Path | None = None,
    *,
    workers: int = 2,
    n_dialogues: int = N_DIALOGUES,
    subject: Subject | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> ReplayBench:
    """Return the figures of a run over the recordings of `data`, or over sentences flite voices.

    Args:
        data: a folder of recordings, an utterance each; sentences of ours stand in for its words where words are given.
        workers: processes of the second arm of each kind.
        n_dialogues: of two utterances each; recordings are used again where there are fewer.
        subject: the language model; a small one with random weights unless given.
        note: told what is under way.

    Raises:
        CorpusUnreadable: no recordings, or no flite to voice the sentences.
        EngineFailed: an engine died.
        MeasureFailed: there are too few dialogues for so many workers, the model is not there, or not the same rows
            were written.
    """
    subject = subject or Subject(engine="transformers")
    _check(subject, n_dialogues=n_dialogues, n_workers=workers)
    told = ReplaySettings(hypotheses="text")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        recordings = spoken(data, folder)
        bench = _Runs(folder=folder, audio_s=recordings.audio_s, note=note)
        heard = bench.by_workers("hear", recordings.corpus(n_dialogues), ReplaySettings(), workers=workers)
        given = bench.by_workers("words given", recordings.corpus(LIGHT * n_dialogues), told, workers=workers)
        asked, found, why = _asked(bench, subject, n_dialogues=min(N_ASKED, n_dialogues))
    fields: dict[str, object] = {"data": recordings.name, "n": heard[0].n_items, "workers": workers}
    if asked:
        fields |= {"model": subject.name.replace(" ", "-"), "condition": CONDITION}
    signature = str(sign(fields | {"machine": machine()}, version=VERSION))
    return ReplayBench(
        heard=heard, given=given, asked=asked, found=found, why_not_asked=why, model=subject.name, signature=signature
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runs:
    """Replays plans below a folder; `audio_s`: tells how long the sound of a corpus is."""

    folder: Path
    audio_s: Callable[[Corpus], float]
    note: Callable[[str], None]

    def by_workers(self, name: str, corpus: Corpus, settings: ReplaySettings, *, workers: int) -> tuple[Arm, Arm]:
        """Replay a corpus by one worker and by several."""
        out = self.folder / name.replace(" ", "-")
        plan = plan_of(corpus, settings, out=out)
        audio_s = self.audio_s(corpus)
        alone, together = (
            self.timed(name, _into(plan, out / str(n)), n_workers=n, audio_s=audio_s) for n in (1, workers)
        )
        _check_same(alone, together)
        return alone, together

    def timed(self, name: str, plan: Plan, *, n_workers: int = 1, audio_s: float = 0.0) -> Arm:
        """Replay the whole of a plan."""
        self.note(f"replay: {name}, {plan.n_items} items, workers: {n_workers}")
        done: list[tuple[float, int]] = []
        began = time.perf_counter()
        summary = replay_all(
            plan,
            workers=n_workers,
            progress=lambda n: done.append((time.perf_counter(), n)),
            note=self.note,
        )
        wall_s = time.perf_counter() - began
        return Arm(
            name=name,
            n_workers=n_workers,
            n_items=plan.n_items,
            audio_s=audio_s,
            items_per_s=steady_rate(done, n_workers=n_workers),
            wall_s=wall_s,
            rows_sha256=summary["rows_sha256"],
        )


def steady_rate(done: Sequence[tuple[float, int]], *, n_workers: int) -> float:
    """Return items per second in the second half, as long as all workers had work.

    Args:
        done: when each piece was done, in seconds, and of how many items it was, in order of time.
        n_workers: how many did them; they need not have begun at once.

    Raises:
        MeasureFailed: there are too few pieces to tell.
    """
    first, last = max(n_workers, len(done) // 2) - 1, len(done) - n_workers
    if last <= first or done[last][0] <= done[first][0]:
        raise MeasureFailed(_too_few(len(done), n_workers=n_workers))
    return sum(n for _, n in done[first + 1 : last + 1]) / (done[last][0] - done[first][0])


def _check(subject: Subject, *, n_dialogues: int, n_workers: int) -> None:
    """Refuse what would tell no rate, and a model that is not there, before anything is replayed."""
    if subject.path is not None and not subject.path.exists():
        raise MeasureFailed(f"the model {subject.path} does not exist; expected a folder of one, or a GGUF file")
    if n_dialogues < 2 * n_workers:
        raise MeasureFailed(_too_few(n_dialogues, n_workers=n_workers))


def _too_few(n_dialogues: int, *, n_workers: int) -> str:
    return f"{n_dialogues} dialogues are too few for {n_workers} workers, expected {2 * n_workers} or more"


def _asked(bench: _Runs, subject: Subject, *, n_dialogues: int) -> tuple[Arm | None, Arm | None, str]:
    """Ask a language model about written dialogues, then again with its answers on the shelf."""
    settings = ReplaySettings(emotion="text", hypotheses="text", profile=PROFILE, condition=CONDITION)
    try:
        path = subject.path or random_weights(subject, bench.folder / "model")
        with _profile(subject, path.resolve(), bench.folder):
            plan = plan_of(written(n_dialogues), settings, out=bench.folder / "asked")
            asked = bench.timed("ask the model", plan)
            for part in (bench.folder / "asked" / "parts").iterdir():
                part.unlink()
            found = bench.timed("find its answers", plan)
    except EngineFailed as trouble:
        return None, None, str(trouble)
    _check_same(asked, found)
    return asked, found, ""


@contextmanager
def _profile(subject: Subject, path: Path, folder: Path) -> Generator[None]:
    """Have a profile with the language model, as a user would write it."""
    config = folder / "config.toml"
    choice = f'engine = "{subject.engine}", model = "{path}", device = "{subject.device}"'
    config.write_text(f"[profiles.{PROFILE}]\nlanguage_model = {{ {choice} }}\n", "utf-8")
    before = os.environ.get("ATTUNE_CONFIG")
    os.environ["ATTUNE_CONFIG"] = str(config)
    try:
        yield
    finally:
        del os.environ["ATTUNE_CONFIG"]
        if before is not None:
            os.environ["ATTUNE_CONFIG"] = before


def _into(plan: Plan, out: Path) -> Plan:
    return replace(plan, job=replace(plan.job, out=out))


def _check_same(one: Arm, other: Arm) -> None:
    if one.rows_sha256 != other.rows_sha256:
        raise MeasureFailed(f"{other.name} by {other.n_workers} did not write the rows that {one.name} by 1 wrote")

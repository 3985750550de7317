"""A whole run: what is missing of a plan is replayed, by one process or several, and put together in corpus order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .calls import CallShelf
from .dialogue import replay_dialogue
from .engines import open_bench, provenance_here
from .ledger import RunFolder, part_of
from .plan import check_settings, digest_of_items, pieces_of, run_of
from .provenance import model_identity
from .rows import line_of, row_of, times_of
from .told import pool_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..corpora.item import Corpus, Item
    from .dialogue import Bench
    from .ledger import Part
    from .plan import Piece, ReplaySettings
    from .rows import Outcome
    from .told import Pool


Spread: TypeAlias = Literal["processes", "ray"]
"""How pieces are spread over workers: by processes of this machine, or by Ray, here or on a cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all pieces of a run have in common; goes to each worker.

    `model`: what tells language models apart; `calls`: where their answers are kept, None: in the folder of the run;
    `pool`: what worked examples are taken from, where a condition shows any.
    """

    corpus: str
    run: str
    labels: Mapping[str, str]
    settings: ReplaySettings
    out: Path
    model: str = ""
    keeps_calls: bool = True
    calls: Path | None = None
    pool: Pool | None = None

    @property
    def shelf(self) -> CallShelf:
        """Where answers of language models are kept."""
        return CallShelf((self.calls or RunFolder(self.out).calls) if self.keeps_calls else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run before it is made: its pieces, those that are missing, and the header that names it."""

    job: Job
    pieces: tuple[Piece, ...]
    missing: tuple[Piece, ...]
    header: Mapping[str, Any]
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def n_items(self) -> int:
        """How many items there are in all."""
        return sum(len(piece.items) for piece in self.pieces)

    @property
    def n_missing(self) -> int:
        """How many of them are still to be replayed."""
        return sum(len(piece.items) for piece in self.missing)


def plan_of(
    corpus: Corpus,
    settings: ReplaySettings,
    *,
    out: Path,
    limit: int | None = None,
    keeps_calls: bool = True,
    calls: Path | None = None,
) -> Plan:
    """Return what a run would do; nothing is written. `calls`: where answers are kept that runs share (see `Job`).

    Raises:
        CorpusUnreadable: the corpus is empty or not in order.
        ConfigInvalid, EngineFailed: there is no such profile or condition, or something it needs is not here.
    """
    check_settings(corpus, settings)
    provenance = provenance_here(settings)
    run = run_of(provenance)
    pieces = pieces_of(corpus, run=run, limit=limit)
    folder = RunFolder(out)
    return Plan(
        job=Job(
            corpus=corpus.name,
            run=run,
            labels=dict(corpus.labels),
            settings=settings,
            out=out,
            model=model_identity(provenance),
            keeps_calls=keeps_calls,
            calls=calls,
            pool=pool_of(corpus, settings),
        ),
        pieces=pieces,
        missing=tuple(piece for piece in pieces if not folder.has(piece)),
        header={
            "corpus": corpus.name,
            "items_sha256": digest_of_items(corpus.items),
            "labels": dict(sorted(corpus.labels.items())),
            "run": run,
            "provenance": provenance,
        },
        problems=tuple((problem.where, problem.why) for problem in corpus.problems),
    )


def replay(
    plan: Plan,
    *,
    workers: int = 1,
    spread: Spread = "processes",
    progress: Callable[[int], None] = lambda _: None,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Replay what is missing and put all rows together; return the summary.

    Args:
        plan: what to do.
        workers: how many work at once; one of "processes" works in this process.
        spread: how pieces come to workers; it changes no byte.
        progress: told of each piece that is done, by the number of its items.
        note: told what the user should know.

    Raises:
        RunRefused: the folder holds another run, or one is under way there.
        EngineFailed, AgentError: an engine cannot be had, or a worker died; what was done stays done.
        OSError: the folder cannot be written.
    """
    folder = RunFolder(plan.job.out)
    with folder.taken(plan.header):
        n_workers = min(workers, len(plan.missing))
        if plan.missing and spread == "ray":
            from .backends.ray_engine import work_on_ray  # noqa: PLC0415 - imports this module

            work_on_ray(plan.job, plan.missing, n_workers=n_workers, progress=progress)
        elif n_workers > 1:
            from .workers import work_in_parallel  # noqa: PLC0415 - imports this module

            work_in_parallel(plan.job, plan.missing, n_workers=n_workers, progress=progress)
        elif plan.missing:
            _work_here(plan, progress=progress, note=note)
        return folder.finish(plan.pieces, problems=plan.problems)


def _work_here(plan: Plan, *, progress: Callable[[int], None], note: Callable[[str], None]) -> None:
    job = plan.job
    with open_bench(job.settings, shelf=job.shelf, identity=job.model, note=note) as bench:
        for piece in plan.missing:
            work(job, piece, bench)
            progress(len(piece.items))


def work(job: Job, piece: Piece, bench: Bench) -> None:
    """Replay a piece and keep its part."""
    RunFolder(job.out).keep(piece, made(job, piece, bench))


def made(job: Job, piece: Piece, bench: Bench) -> Part:
    """Replay a piece; return what came of it."""
    outcomes = [outcome for items in _conversations(piece) for outcome in _replayed(job, items, bench)]
    reads = job.settings.emotion != "off"
    rows = [row_of(one, corpus=job.corpus, run=job.run, labels=job.labels, reads=reads) for one in outcomes]
    return part_of(map(line_of, rows), times=map(times_of, outcomes))


def _replayed(job: Job, items: Sequence[Item], bench: Bench) -> list[Outcome]:
    name = items[0].dialogue or items[0].id
    bench.told.show(job.pool.shots(items) if job.pool is not None else None)
    return replay_dialogue(items, session=f"{job.corpus}/{name}", bench=bench, settings=job.settings)


def _conversations(piece: Piece) -> list[tuple[Item, ...]]:
    if piece.items[0].dialogue is None:
        return [(item,) for item in piece.items]
    return [piece.items]

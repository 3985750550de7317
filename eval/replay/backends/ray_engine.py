"""Pieces spread by Ray Data: over this machine, or over the cluster that RAY_ADDRESS names.

A worker keeps its engines loaded and sends back what came of a piece; only this process writes, so that no machine
needs the folder of the run. Where they work they must find what the rows depend on: the corpus at the same place, and
the same code, weights and settings. Each worker looks, and refuses what differs rather than give other rows.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import sys
import traceback
import warnings
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from streaming.backends.extras import need
from streaming.errors import EngineFailed

from ..calls import CallShelf
from ..engines import open_bench, provenance_here
from ..ledger import Part, RunFolder
from ..plan import key_of, run_of
from ..run import made
from ..workers import raise_told, told

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from types import ModuleType

    from ..dialogue import Bench
    from ..plan import Piece
    from ..run import Job

ADDRESS: Final = "RAY_ADDRESS"
"""Where a cluster is, as everywhere in Ray; without it one is started here, for as long as the run takes."""

_STORE_BYTES: Final = 100 << 20
_MOST_BLOCKS: Final = 4000
_REACH_S: Final = 5.0
_AGAIN: Final = "run the same again, it goes on where it stood"


def work_on_ray(job: Job, pieces: Sequence[Piece], *, n_workers: int, progress: Callable[[int], None]) -> None:
    """Have `pieces` replayed by `n_workers` workers of Ray (fewer where the cluster has no more), and keep their parts.

    Raises:
        EngineMissing: Ray is not installed.
        EngineFailed, ConfigInvalid: Ray does not start, a worker died, or cannot do the same as this machine would;
            pieces that are done stay done.
    """
    folder = RunFolder(job.out)
    # A worker of another machine need not see the folder: it keeps no calls there then.
    away = replace(job, out=job.out.resolve(), calls=job.calls and job.calls.resolve())
    with _ray(n_workers=n_workers) as ray, _told_as_ours(ray), closing(_done(ray, away, pieces, n_workers)) as done:
        for one in done:
            raise_told(one["code"], one["message"])
            piece = pieces[int(one["at"])]
            folder.keep(piece, Part(rows=one["rows"], times=one["times"]))
            progress(len(piece.items))


@contextmanager
def _told_as_ours(ray: ModuleType) -> Generator[None]:
    """Turn errors of Ray into ours, and have what it still runs end before Ray itself does.

    Its threads hang on the frames an error came through; one that asks Ray for something later ends the process.
    """
    try:
        yield
    except BaseException as trouble:
        traceback.clear_frames(trouble.__traceback__)
        gc.collect()
        if isinstance(trouble, ray.exceptions.RayTaskError):
            # A fault of ours: told as it would be without Ray.
            raise getattr(trouble, "cause", trouble) from None
        if isinstance(trouble, ray.exceptions.RayError):
            raise EngineFailed(f"a worker of Ray died ({_line(trouble)}): {_AGAIN}") from None
        raise


def _done(ray: ModuleType, job: Job, pieces: Sequence[Piece], n_workers: int) -> Generator[dict[str, Any]]:
    given = [{"at": at, "piece": piece} for at, piece in enumerate(pieces)]
    with warnings.catch_warnings():
        # How a worker is told not to start again is to change in Ray 2.64; the new way is not there yet.
        warnings.filterwarnings("ignore", message="`ray_remote_args", category=DeprecationWarning)
        work = ray.data.from_items(given, override_num_blocks=min(len(given), _MOST_BLOCKS)).map_batches(
            Worker,
            fn_constructor_args=(job,),
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=n_workers),
            num_cpus=1,
            ray_remote_args_fn=_once,
        )
    yield from work.iter_rows()


def _once() -> dict[str, Any]:
    """A piece that a worker died of would kill the next one, too."""
    return {"max_restarts": 0, "max_task_retries": 0}


class Worker:
    """Replays pieces of one job; Ray makes one in each of its processes, and its engines stay loaded."""

    def __init__(self, job: Job) -> None:
        here = RunFolder(job.out).has_run(job.run)
        self._job = job
        self._shelf = job.shelf if here else CallShelf(None)
        self._stack = ExitStack()
        self._bench: Bench | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Return what came of the one piece of `batch`; what cannot be done comes back in words."""
        at, piece = int(batch["at"][0]), batch["piece"][0]
        part, code, message = Part(rows=b"", times=b""), 0, ""
        try:
            _same_here(self._job, piece)
            part = made(self._job, piece, self._loaded())
        except (Exception, BaseExceptionGroup) as trouble:  # the boundary of the process, as in `workers`
            known = told(trouble)
            if known is None:
                raise
            code, message = known
        return {"at": [at], "rows": [part.rows], "times": [part.times], "code": [code], "message": [message]}

    def _loaded(self) -> Bench:
        if self._bench is None:
            job = self._job
            _same_run(job)
            bench = open_bench(job.settings, shelf=self._shelf, identity=job.model, note=_note)
            self._bench = self._stack.enter_context(bench)
        return self._bench


def _same_here(job: Job, piece: Piece) -> None:
    """Raise unless the recordings of a piece are the ones that were planned with.

    Raises:
        EngineFailed: they are not.
    """
    if key_of(job.run, piece.items) != piece.key:
        audio = next((item.audio for item in piece.items if item.audio is not None), None)
        raise EngineFailed(
            f"a worker of Ray does not find {audio} as it was when the run was planned: "
            "every machine of the cluster must see the corpus at the same place"
        )


def _same_run(job: Job) -> None:
    """Raise unless rows made here would be those of the run.

    Raises:
        EngineFailed: they would not.
    """
    if run_of(provenance_here(job.settings)) != job.run:
        raise EngineFailed(
            "a worker of Ray has other code, packages, weights or profiles than this machine, and would give other "
            "rows: set the machines of the cluster up alike"
        )


@contextmanager
def _ray(*, n_workers: int) -> Generator[ModuleType]:
    """Give Ray, connected to a cluster, or started on the spot and ended with all it made."""
    with ExitStack() as stack:
        address = os.environ.get(ADDRESS, "local")
        if is_ours := address == "local":
            # Before Ray is imported: it looks at them only then.
            stack.enter_context(_environment(_ALONE | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}))
        else:
            _reach(address)
        ray = need("ray", extra="ray")
        need("ray.data", extra="ray")
        stack.enter_context(_quiet())
        temporary = stack.enter_context(_temporary())
        ours = _LOCAL | {"num_cpus": n_workers, "_temp_dir": temporary}
        stack.callback(ray.shutdown)
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False, **(ours if is_ours else {}))
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as trouble:
            message = f"Ray does not start ({_line(trouble)}): see {ADDRESS}, or leave --engine out"
            raise EngineFailed(message) from trouble
        shown = ray.data.DataContext.get_current()
        shown.enable_progress_bars = False
        shown.print_on_execution_start = False
        yield ray


def _reach(address: str) -> None:
    """Look whether somebody listens at the address of a cluster: Ray itself would try for a quarter of an hour.

    Raises:
        EngineFailed: nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return  # "auto" and the like: Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError) as trouble:
        raise EngineFailed(
            f"no cluster of Ray answers at {address} ({trouble}): start one there, or unset {ADDRESS}"
        ) from trouble


_LOCAL: Final[dict[str, Any]] = {
    "address": "local",
    "include_dashboard": False,
    "object_store_memory": _STORE_BYTES,
}
_ALONE: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A cluster of this run alone: by a token that is kept nowhere.
    "RAY_AUTH_MODE": "token",
}


def _temporary() -> TemporaryDirectory[str]:
    # What Ray's processes still write while they end is no fault.
    return TemporaryDirectory(prefix="attune-ray-", ignore_cleanup_errors=True)


@contextmanager
def _environment(names: dict[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Generator[None]:
    """Have Ray say what goes wrong, and nothing of how it works."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _line(trouble: BaseException) -> str:
    return next(iter(str(trouble).strip().splitlines()), type(trouble).__name__)


def _note(text: str) -> None:
    sys.stderr.write(f"attune-eval: {text}\n")

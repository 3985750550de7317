"""Several processes that replay pieces, each with engines of its own; which one gets which piece changes no byte.

A worker that loses its parent ends after its piece: the pipe between them is closed with the parent, however it died.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from contextlib import ExitStack, suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final, cast

from agent.cli.boundary import USAGE, exit_code, root_cause
from agent.errors import ConfigInvalid
from streaming.errors import EngineFailed

from .engines import open_bench
from .run import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from .plan import Piece
    from .run import Job

LEAVE_S: Final = 10.0
"""A worker that is told to leave and has not by then is killed."""


def work_in_parallel(job: Job, pieces: Iterable[Piece], *, n_workers: int, progress: Callable[[int], None]) -> None:
    """Have `pieces` replayed by worker processes.

    Raises:
        EngineFailed, ConfigInvalid: an engine cannot be had, or a worker died; pieces that are done stay done.
    """
    with ExitStack() as stack:
        pool = [stack.enter_context(_Worker(job)) for _ in range(n_workers)]
        left = iter(pieces)
        idle, busy = pool, dict[Any, _Worker]()
        while True:
            for worker, piece in zip(idle, left, strict=False):
                worker.give(piece)
                busy[worker.pipe] = worker
            if not busy:
                return
            idle = [busy.pop(pipe) for pipe in wait(list(busy))]
            for worker in idle:
                progress(worker.collect())


class _Worker:
    """One process and the piece it has."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs, job))
        self._process.start()
        theirs.close()
        self._piece: Piece | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.close()
        if self._piece is not None:
            self._process.terminate()
        self._process.join(LEAVE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def give(self, piece: Piece) -> None:
        """Give it a piece to replay."""
        self._piece = piece
        with suppress(BrokenPipeError):  # it has died: `collect` says so
            self.pipe.send(piece)

    def collect(self) -> int:
        """Return of how many items its piece was, that is done.

        Raises:
            EngineFailed, ConfigInvalid: it is not.
        """
        piece = self._piece
        assert piece is not None
        try:
            code, message = cast("tuple[int, str]", self.pipe.recv())
        except (EOFError, ConnectionResetError):
            self._process.join(LEAVE_S)
            raise EngineFailed(
                f"a worker died (exit code {self._process.exitcode}) over {piece.items[0].id}: "
                "run the same again, it goes on where it stood"
            ) from None
        self._piece = None
        raise_told(code, message)
        return len(piece.items)


def _serve(pipe: Connection, job: Job) -> None:
    """Replay pieces until there are no more, or nobody is there to give them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, too, and ends us
    try:
        pieces = _given(pipe)
        with open_bench(job.settings, shelf=job.shelf, identity=job.model, note=_note) as bench:
            for piece in pieces:
                work(job, piece, bench)
                pipe.send((0, ""))
    except (Exception, BaseExceptionGroup) as trouble:  # the boundary of the process: what we know of is told in words
        known = told(trouble)
        if known is None:
            raise
        with suppress(BrokenPipeError):
            pipe.send(known)


def told(trouble: BaseException) -> tuple[int, str] | None:
    """Return the exit code and the words of an error that users are told of, None for one that is a fault of ours."""
    cause = root_cause(trouble)
    code = exit_code(cause)
    return None if code is None else (code or 1, str(cause))


def raise_told(code: int, message: str) -> None:
    """Raise what `told` told of in another process, if anything: a code other than 0.

    Raises:
        ConfigInvalid, EngineFailed: by its code.
    """
    if code:
        raise (ConfigInvalid if code == USAGE else EngineFailed)(message)


def _given(pipe: Connection) -> Iterator[Piece]:
    with suppress(EOFError, ConnectionResetError):
        while True:
            yield pipe.recv()


def _note(text: str) -> None:
    sys.stderr.write(f"attune-eval: {text}\n")

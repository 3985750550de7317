"""Engines in processes of their own: ask with bytes, get bytes, survive their death.

For engines that hold the interpreter's lock, are not thread-safe, or may crash. The parent starts a module as a
program and speaks to it through its standard pipes: a length and that many bytes, either way; an answer's first byte
says whether it went well. The program ends when its input closes, so it never outlives the parent. Nothing is
forked, so parents with threads are safe.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Generic, TypeVar

from ..errors import EngineFailed
from .program import start_program

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LENGTH = struct.Struct("<I")
_GOOD, _BAD = b"\0", b"\1"


class PendingReply(Generic[T]):
    """An answer under way in a pool; satisfies `streaming.ports.Pending`."""

    def __init__(self, future: Future[bytes], *, parse: Callable[[bytes], T]) -> None:
        self._future = future
        self._parse = parse

    def result(self) -> T:
        """Wait for the answer and return it.

        Raises:
            EngineFailed: the worker died twice, complained, answered nonsense, was closed; or the answer was cancelled.
        """
        try:
            return self._parse(self._future.result())
        except CancelledError:
            msg = "the answer was cancelled, or its worker closed before it came; ask again, before closing"
            raise EngineFailed(msg) from None
        except (ValueError, KeyError, TypeError) as e:
            msg = f"the worker's answer cannot be read: {e}"
            raise EngineFailed(msg) from e

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        return self._future.done()

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Work that has begun runs to its end, unheard."""
        self._future.cancel()


class WorkerPool:
    """`n` processes that run the same module, started at once, restarted when they die; thread-safe."""

    def __init__(self, module: str, *, n: int = 1, timeout_s: float = 30.0) -> None:
        self._workers = [_Worker(module, timeout_s=timeout_s) for _ in range(n)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(max_workers=n, thread_name_prefix=module.rpartition(".")[2])

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are running."""
        return [pid for pid in (worker.pid for worker in self._workers) if pid is not None]

    def submit(self, request: bytes, *, parse: Callable[[bytes], T]) -> PendingReply[T]:
        """Queue a request and return at once; `parse` reads the answer in the caller's thread.

        Raises:
            EngineFailed: the pool is closed.
        """
        try:
            return PendingReply(self._threads.submit(self._ask, request), parse=parse)
        except RuntimeError:
            msg = "the worker pool is closed; make a new one"
            raise EngineFailed(msg) from None

    def close(self) -> None:
        """End the workers; answers under way fail. Idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=True)

    def _ask(self, request: bytes) -> bytes:
        worker = self._idle.get()
        try:
            return worker.ask(request)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, one question at a time."""

    def __init__(self, module: str, *, timeout_s: float) -> None:
        self._module = module
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._is_closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._running()

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def ask(self, request: bytes) -> bytes:
        """Send a request and wait for the answer; a worker that dies or hangs is replaced and asked once more."""
        trouble: OSError | None = None
        for _ in range(2):
            process = self._running()
            try:
                return self._exchange(process, request)
            except OSError as e:
                trouble = e
                _end(process)
        msg = f"{self._module} died twice on the same request ({trouble}); expected an answer"
        raise EngineFailed(msg) from trouble

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                _end(self._process)

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_closed:
                msg = f"{self._module} was closed before it answered; ask before closing"
                raise EngineFailed(msg)
            if self._process is None or self._process.poll() is not None:
                if self._process is not None:
                    _end(self._process)
                self._process = start_program(
                    self._module, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            return self._process

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        # Writing can hang as well as reading, and no timeout exists for either: past the time the process is ended,
        # which closes both pipes.
        watch = threading.Timer(self._timeout_s, process.kill)
        watch.start()
        try:
            write_block(process.stdin, request)
            answer = read_block(process.stdout)
        except ValueError as e:  # a pipe that `close` has shut
            raise BrokenPipeError(str(e)) from e
        finally:
            watch.cancel()
        if answer is None:
            raise BrokenPipeError(f"exit status {process.wait()}")
        if answer[:1] != _GOOD:
            raise EngineFailed(answer[1:].decode(errors="replace"))
        return answer[1:]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        try:
            assert pipe is not None
            pipe.close()
        except BrokenPipeError:  # what was still buffered is for nobody
            continue


def write_block(pipe: IO[bytes], block: bytes) -> None:
    """Write a length and that many bytes."""
    pipe.write(_LENGTH.pack(len(block)))
    pipe.write(block)
    pipe.flush()


def read_block(pipe: IO[bytes]) -> bytes | None:
    """Read what `write_block` wrote; None when the pipe was closed, be it in the middle."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    block = pipe.read(size)
    return block if len(block) == size else None


def serve(answer: Callable[[bytes], bytes]) -> None:
    """The worker's side: answer requests from standard input until it closes.

    An exception is told to the asker in one line, and the worker goes on.
    """
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever an engine prints, be it in C, must not get between the answers
    while (request := read_block(source)) is not None:
        try:
            reply = _GOOD + answer(request)
        except Exception as e:  # noqa: BLE001 - the border of the process: the asker must hear of everything
            reply = _BAD + f"{type(e).__name__}: {e}".encode()
        try:
            write_block(sink, reply)
        except BrokenPipeError:
            return

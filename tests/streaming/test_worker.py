"""Worker processes: answers, complaints, death, hanging, closing."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from streaming.backends.worker import WorkerPool
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKER = """
import os, pathlib, signal
from streaming.backends.worker import serve

def answer(request):
    word, _, mark = request.decode().partition(" ")
    if word == "die":
        os._exit(7)
    if word == "die-once" and not pathlib.Path(mark).exists():
        pathlib.Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "hang":
        signal.pause()
    if word == "complain":
        raise ValueError("do not like it")
    print("chatter that must not reach the asker", flush=True)
    os.write(1, b"nor must that of a library in C")
    return request.upper()

serve(answer)
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    (tmp_path / "odd_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool("odd_worker")
    yield pool
    pool.close()


def ask(pool: WorkerPool, request: str) -> str:
    return pool.submit(request.encode(), parse=bytes.decode).result()


def test_answers_come_back_in_order(pool: WorkerPool):
    pending = [pool.submit(f"hello {i}".encode(), parse=bytes.decode) for i in range(5)]
    assert [p.result() for p in pending] == [f"HELLO {i}" for i in range(5)]


def test_a_request_longer_than_a_pipe_holds_arrives_whole(pool: WorkerPool):
    assert ask(pool, "a" * 2_000_000) == "A" * 2_000_000


def test_a_worker_that_is_killed_is_replaced(pool: WorkerPool):
    assert ask(pool, "one") == "ONE"
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    assert ask(pool, "two") == "TWO"
    assert pool.pids != [pid]


def test_a_worker_that_dies_at_work_is_asked_once_more(pool: WorkerPool, tmp_path: Path):
    assert ask(pool, f"die-once {tmp_path / 'mark'}").startswith("DIE-ONCE")


def test_a_worker_that_dies_twice_has_failed_and_the_next_request_is_served(pool: WorkerPool):
    with pytest.raises(EngineFailed, match="died twice"):
        ask(pool, "die")
    assert ask(pool, "next") == "NEXT"


def test_a_complaint_is_passed_on_without_another_try(pool: WorkerPool):
    ask(pool, "warm")
    pids = pool.pids
    with pytest.raises(EngineFailed, match="do not like it"):
        ask(pool, "complain")
    assert pool.pids == pids


def test_an_answer_that_cannot_be_read_is_a_failure(pool: WorkerPool):
    with pytest.raises(EngineFailed, match="cannot be read"):
        pool.submit(b"word", parse=int).result()


def test_a_worker_that_hangs_is_given_up():
    pool = WorkerPool("odd_worker", timeout_s=0.3)
    try:
        with pytest.raises(EngineFailed, match="died twice"):
            ask(pool, "hang")
    finally:
        pool.close()


def test_closing_fails_what_is_under_way_and_may_be_repeated(pool: WorkerPool):
    hanging, waiting = (pool.submit(b"hang", parse=bytes.decode) for _ in range(2))
    pool.close()
    pool.close()
    for pending in (hanging, waiting):
        with pytest.raises(EngineFailed, match="closed"):
            pending.result()
    with pytest.raises(EngineFailed, match="closed"):
        pool.submit(b"late", parse=bytes.decode)
    assert pool.pids == []


def test_cancelled_requests_are_not_worked_on(pool: WorkerPool, tmp_path: Path):
    first = pool.submit(b"hello", parse=bytes.decode)
    mark = tmp_path / "mark"
    second = pool.submit(f"die-once {mark}".encode(), parse=bytes.decode)
    second.cancel()
    second.cancel()
    assert first.result() == "HELLO"
    assert ask(pool, "after") == "AFTER"
    assert not mark.exists()


def test_several_workers_serve_several_threads():
    pool = WorkerPool("odd_worker", n=2)
    answers: list[str] = []

    def work(i: int) -> None:
        answers.append(ask(pool, f"t{i}"))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [f"T{i}" for i in range(6)]
    assert len(pool.pids) == 2
    pool.close()

"""Steps the number of speakers up until the server is late, and says what each step cost it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio
import numpy as np

from streaming.audio import SAMPLE_RATE, silence

from ...errors import MeasureFailed
from ...signature import sign
from ..machine import VERSION, machine
from ..sounds import voiced
from .load import Load, Schedule, run_load
from .speaker import WORDS, appends_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

LOOP_S: Final = 6.0
"""One utterance and the silence in which it is answered."""

BUDGET_MS: Final = 20.0

Kind: TypeAlias = Literal["scripted", "real"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One number of speakers: what they measured, the server's share of its core, and its memory in MB."""

    load: Load
    core_share: float
    rss_mb: float

    @property
    def holds(self) -> bool:
        """Whether the budget was kept and nothing was lost."""
        load = self.load
        return not (load.n_lost or load.n_refused or load.n_missed) and load.percentile(99) <= BUDGET_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBench:
    """All steps of one kind of server."""

    kind: str
    steps: tuple[Step, ...]
    signature: str

    @property
    def knee(self) -> int:
        """The most speakers within the budget, 0 if none."""
        return max((step.load.n for step in self.steps if step.holds and not step.load.is_void), default=0)


def steps_of(written: str) -> list[int]:
    """Return the numbers of sessions in a text such as "100,200".

    Raises:
        MeasureFailed: it holds something else.
    """
    parts = [part.strip() for part in written.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise MeasureFailed(f"--sessions is {written!r}, expected numbers such as 100,200,300")
    return [int(part) for part in parts]


def measure(
    kind: Kind,
    *,
    sessions: Sequence[int],
    seconds: float = 20.0,
    n_deaf: int = 0,
    note: Callable[[str], None] = lambda _: None,
) -> ServiceBench:
    """Return what a server of `kind` carries, at each number of `sessions`, beside `n_deaf` clients that never read.

    Raises:
        MeasureFailed: the server did not start.
        CorpusUnreadable: flite is missing, which voices what is said.
    """
    frames = appends_of(_said())
    # Server and load each get a core of their own, where there are two.
    cores = sorted(os.sched_getaffinity(0))
    with _gateway(kind, core=cores[0]) as (process, port):
        os.sched_setaffinity(0, {cores[-1]})
        try:
            steps = _steps(process.pid, port, frames, sessions=sessions, load=(seconds, n_deaf), note=note)
        finally:
            os.sched_setaffinity(0, set(cores))
    fields = {
        "kind": kind,
        "append_ms": 100,
        "seconds": f"{seconds:g}",
        "deaf": n_deaf or None,
        "loop": "open",
        "machine": machine(),
    }
    return ServiceBench(kind=kind, steps=tuple(steps), signature=str(sign(fields, version=VERSION)))


def table(result: ServiceBench) -> str:
    """Return the steps as a Markdown table, the knee and the signature below."""
    lines = [
        f"| sessions ({result.kind}) | frame → event p50 / p99 / max | server's core | memory | load late p99 | |",
        "|---|---|---|---|---|---|",
    ]
    for step in result.steps:
        load = step.load
        p50, p99, most = (load.percentile(q) for q in (50, 99, 100))
        late = float(np.percentile(load.late_ms, 99))
        said = "void: the load was late" if load.is_void else "" if step.holds else "over budget"
        gone = f", {load.n_missed} missed, {load.n_lost} lost" if load.n_missed or load.n_lost else ""
        lines.append(
            f"| {load.n} | {p50:.1f} / {p99:.1f} / {most:.1f} ms{gone} | {100 * step.core_share:.0f} % "
            f"| {step.rss_mb:.0f} MB | {late:.1f} ms | {said} |"
        )
    return "\n".join(
        [*lines, "", f"knee: {result.knee} sessions on one core at p99 ≤ {BUDGET_MS:g} ms", "", f"`{result.signature}`"]
    )


def _steps(
    pid: int,
    port: int,
    frames: Sequence[bytes],
    *,
    sessions: Sequence[int],
    load: tuple[float, int],
    note: Callable[[str], None],
) -> list[Step]:
    seconds, n_deaf = load
    spread_s = 2 * LOOP_S
    note(f"finding out which frame leads to which event ({spread_s + seconds:.0f} s)")
    alone = Schedule(frames=frames, seconds=seconds, spread_s=spread_s)
    _, reference = anyio.run(_load, port, (1, 0), alone, None, backend_options={"use_uvloop": True})
    steps: list[Step] = []
    for n in sessions:
        note(f"{n} sessions ({spread_s + seconds:.0f} s)")
        schedule = Schedule(frames=frames, seconds=seconds, spread_s=spread_s)
        cpu_s = _cpu_s(pid)
        measured, _ = anyio.run(_load, port, (n, n_deaf), schedule, reference, backend_options={"use_uvloop": True})
        share = (_cpu_s(pid) - cpu_s) / (seconds + spread_s)
        steps.append(Step(load=measured, core_share=share, rss_mb=_rss_mb(pid)))
    return steps


async def _load(
    port: int, n: tuple[int, int], schedule: Schedule, reference: dict[tuple[str, int], int] | None
) -> tuple[Load, dict[tuple[str, int], int]]:
    return await run_load(port, n=n[0], n_deaf=n[1], schedule=schedule, reference=reference)


def _said() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return two utterances by flite, each with silence up to the length of a loop."""
    parts: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    for sound in voiced((("slt", "rms")[i % 2], text) for i, text in enumerate(WORDS)):
        n = round(LOOP_S * SAMPLE_RATE)
        parts.append(np.concatenate([sound, silence(n - len(sound))])[:n])
    return np.concatenate(parts)


@contextmanager
def _gateway(kind: str, *, core: int) -> Generator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "eval.bench.service.gateway", kind]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        os.sched_setaffinity(process.pid, {core})
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.isdigit():
            raise MeasureFailed(f"the server ({kind}) did not start: see its message above")
        yield process, int(line)
    finally:
        process.terminate()
        process.wait(15)
        if process.stdout is not None:
            process.stdout.close()


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process and its threads so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

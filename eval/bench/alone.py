"""Runs one bench in a process of its own: what one leaves behind slows no other, and what ends one ends no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from ..errors import EvalError
from .every import LeftOut
from .measure import BenchReport

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from .every import Bench, Effort

LIMIT_S: Final = 3600.0
LEAVE_S: Final = 15.0
"""A bench past its time may still end the programs it started; then it is killed."""


def run_alone(bench: Bench, effort: Effort, *, limit_s: float = LIMIT_S) -> BenchReport:
    """Return what came of a bench; whatever goes wrong in it is the report's problem.

    Raises:
        KeyboardInterrupt: the user wants no more.
    """
    began = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, bench, effort))
    process.start()
    theirs.close()
    try:
        report = _collected(ours, bench, effort, limit_s=limit_s)
    finally:
        _ended(process)
        ours.close()
    if report is not None:
        return report
    died = f"it died (exit code {process.exitcode})"
    return BenchReport(
        name=bench.name, command=bench.command(effort), seconds=time.perf_counter() - began, problem=died
    )


def _collected(pipe: Connection, bench: Bench, effort: Effort, *, limit_s: float) -> BenchReport | None:
    """Wait for the report; None where the process has gone without one."""
    if not pipe.poll(limit_s):
        late = f"it was not done after {limit_s:g} s"
        return BenchReport(name=bench.name, command=bench.command(effort), seconds=limit_s, problem=late)
    with suppress(EOFError, ConnectionResetError):
        return cast("BenchReport", pipe.recv())
    return None


def _ended(process: SpawnProcess) -> None:
    """End the process: a bench that is done leaves by itself, one that is not is interrupted first."""
    process.join(1.0)
    if process.is_alive() and process.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
        process.join(LEAVE_S)
    if process.is_alive():
        process.kill()
        process.join()


def _serve(pipe: Connection, bench: Bench, effort: Effort) -> None:
    with suppress(BrokenPipeError, KeyboardInterrupt):
        pipe.send(run_here(bench, effort))


def run_here(bench: Bench, effort: Effort) -> BenchReport:
    """Run a bench in this process and return what came of it, what went wrong included."""
    began = time.perf_counter()
    report = BenchReport(name=bench.name, command=bench.command(effort))
    try:
        measures, signature, text = bench.run(effort)
    except (Exception, BaseExceptionGroup) as trouble:  # noqa: BLE001 - the boundary of a bench: others come after it
        return _after(report, began, problem=_told(trouble), is_left_out=isinstance(trouble, LeftOut))
    return _after(report, began, measures=measures, signature=signature, text=text)


def _told(trouble: BaseException) -> str:
    """Return in one line what went wrong; a bug of ours is printed with all of it."""
    from agent.cli.boundary import exit_code, root_cause  # noqa: PLC0415 - brings all commands, of no use to a bench

    cause = root_cause(trouble)
    if not isinstance(cause, EvalError) and exit_code(cause) is None:
        traceback.print_exception(trouble, file=sys.stderr)
        return " ".join(f"{type(cause).__name__}: {cause}".split())
    return " ".join(str(cause).split()) or type(cause).__name__


def _after(report: BenchReport, began: float, **changes: object) -> BenchReport:
    return replace(report, seconds=time.perf_counter() - began, **changes)  # pyright: ignore[reportArgumentType]

"""What the machine has, as its system tells it; also when it tells nonsense or nothing."""

from __future__ import annotations

import os
import platform
import stat
from typing import TYPE_CHECKING

import pytest

from streaming import hardware
from streaming.hardware import GIB, Gpu, Hardware, detect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[[str, str], None]


def _eight_cores(_: int) -> set[int]:
    return set(range(8))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that says nothing: no programs, no system files."""
    (tmp_path / "cgroup").mkdir()
    monkeypatch.setattr(hardware, "_PROC", tmp_path / "meminfo")
    monkeypatch.setattr(hardware, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", _eight_cores, raising=False)
    return tmp_path


@pytest.fixture
def install(bare: Path) -> Install:
    """Puts a shell script on PATH."""

    def put(name: str, script: str) -> None:
        path = bare / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return put


def test_this_machine_has_something():
    found = detect()
    assert found.cores >= 1
    assert found.memory_bytes > 0


def test_memory_and_cores_are_those_of_the_system(bare: Path):
    (bare / "meminfo").write_text("MemTotal:       16384000 kB\nMemFree: 1 kB\n")
    assert detect() == Hardware(cores=8, memory_bytes=16384000 * 1024)


def test_a_container_has_what_it_was_given(bare: Path):
    (bare / "meminfo").write_text("MemTotal:       16384000 kB\n")
    (bare / "cgroup" / "memory.max").write_text("1073741824\n")
    (bare / "cgroup" / "cpu.max").write_text("150000 100000\n")
    assert detect() == Hardware(cores=2, memory_bytes=GIB)
    (bare / "cgroup" / "memory.max").write_text("max\n")
    (bare / "cgroup" / "cpu.max").write_text("max 100000\n")
    assert detect() == Hardware(cores=8, memory_bytes=16384000 * 1024)


@pytest.mark.parametrize("told", ["", "MemTotal:\n", "MemTotal: many kB\n", "\x00\xff"])
def test_a_system_that_tells_nonsense_still_gives_an_answer(bare: Path, told: str):
    (bare / "meminfo").write_text(told)
    assert detect().memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.usefixtures("bare")
def test_where_nothing_is_told_memory_is_unknown(monkeypatch: pytest.MonkeyPatch):
    def silent(_: object) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", silent)
    found = detect()
    assert found.memory_bytes == 0
    assert "memory unknown" in str(found)


def test_a_mac_tells_its_memory(install: Install, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert detect().memory_bytes == 0
    install("sysctl", "echo 17179869184")
    assert detect() == Hardware(cores=10, memory_bytes=16 * GIB)


def test_cards_are_listed_with_what_is_free(install: Install):
    install("nvidia-smi", 'echo "NVIDIA RTX A5000, 24564, 20000"; echo "Tesla T4, 15360, 15000"')
    gpus = detect().gpus
    assert gpus[0] == Gpu(name="NVIDIA RTX A5000", memory_bytes=24564 * 2**20, free=20000 * 2**20)
    assert [gpu.name for gpu in gpus] == ["NVIDIA RTX A5000", "Tesla T4"]
    assert detect().gpu_memory_bytes == 24564 * 2**20
    assert "NVIDIA RTX A5000 (24 GiB)" in str(detect())


@pytest.mark.parametrize(
    "script",
    [
        "exit 9",
        'echo "NVIDIA-SMI has failed because it could not communicate with the driver."',
        'echo "GB10, [N/A], [N/A]"',
        "printf '\\377, 1, 2, 3\\n, 4, 5\\n'",
    ],
)
def test_a_card_that_cannot_be_read_is_none(install: Install, script: str):
    install("nvidia-smi", script)
    assert [gpu for gpu in detect().gpus if gpu.memory_bytes > 10 * 2**20] == []


def test_a_program_that_hangs_is_given_up(install: Install, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hardware, "_PATIENCE_S", 0.05)
    install("nvidia-smi", "exec /bin/sleep 60")
    assert detect().gpus == ()


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_cards_are_not_there(install: Install, monkeypatch: pytest.MonkeyPatch, hidden: str):
    install("nvidia-smi", 'echo "Tesla T4, 15360, 15000"')
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert detect().gpus == ()
    assert "no CUDA card" in str(detect())

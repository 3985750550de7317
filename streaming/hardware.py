"""What this machine can carry: cores, memory, graphics cards. Knows nothing of engines and imports none."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
_PROC = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_NVIDIA = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
_MEMORY_OF_A_MAC = ("sysctl", "-n", "hw.memsize")
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A CUDA card; sizes in bytes. `free` is what other programs have left of it."""

    name: str
    memory_bytes: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What there is to compute with.

    Attributes:
        cores: those this process may run on.
        memory_bytes: main memory, or the limit of the container; 0 when the system does not tell.
        gpus: CUDA cards that may be used, none where CUDA_VISIBLE_DEVICES hides them.
    """

    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...] = ()

    @property
    def gpu_memory_bytes(self) -> int:
        """Memory of the largest card, 0 without one."""
        return max((gpu.memory_bytes for gpu in self.gpus), default=0)

    def __str__(self) -> str:
        memory = f"{self.memory_bytes / GIB:.0f} GiB memory" if self.memory_bytes else "memory unknown"
        cards = ", ".join(f"{gpu.name} ({gpu.memory_bytes / GIB:.0f} GiB)" for gpu in self.gpus)
        return f"{self.cores} core{'s' if self.cores > 1 else ''}, {memory}, {cards or 'no CUDA card'}"


def detect() -> Hardware:
    """Return what this machine has. Never raises: what cannot be found out is 0 or not there."""
    return Hardware(cores=_cores(), memory_bytes=_memory(), gpus=_gpus())


def _cores() -> int:
    try:
        n = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        n = os.cpu_count() or 1
    limit, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if limit.isdigit() and period.isdigit() and int(period):
        n = min(n, -(-int(limit) // int(period)))
    return max(n, 1)


def _memory() -> int:
    limit = _read(_CGROUP / "memory.max")
    found = [size for size in (_installed(), int(limit) if limit.isdigit() else 0) if size]
    return min(found, default=0)


def _installed() -> int:
    for line in _read(_PROC).splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal" and value.split()[:1] and value.split()[0].isdigit():
            return int(value.split()[0]) * 1024
    if platform.system() == "Darwin":
        told = _said(_MEMORY_OF_A_MAC)
        return int(told) if told.isdigit() else 0
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _gpus() -> tuple[Gpu, ...]:
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in {"", "-1"}:
        return ()
    return tuple(gpu for line in _said(_NVIDIA).splitlines() if (gpu := _gpu(line)) is not None)


def _gpu(line: str) -> Gpu | None:
    """Return a line "name, total MiB, free MiB" as a card, None for anything else (a card without memory, a moan)."""
    name, *sizes = (part.strip() for part in line.rsplit(",", maxsplit=2))
    if not name or len(sizes) != 2 or not all(size.isdigit() for size in sizes):
        return None
    total, free = (int(size) * 2**20 for size in sizes)
    return Gpu(name=name, memory_bytes=total, free=free)


def _said(command: tuple[str, ...]) -> str:
    """Return what a program printed, nothing when it is missing, fails or does not come to an end."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""

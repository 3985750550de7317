"""What a figure that depends on the machine was measured on, and by which version."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

VERSION = version("attune")
CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """Return the number and kind of the processors, such as "2x86_64"."""
    return f"{os.cpu_count()}x{platform.machine()}"


def described(cpuinfo: Path = CPUINFO) -> str:
    """Return the machine for people: processors with their name where the system tells it, and its memory."""
    try:
        lines = [line.partition(":") for line in cpuinfo.read_text("utf-8", "replace").splitlines()]
    except OSError:
        lines = []
    names = (value.strip() for key, _, value in lines if key.strip() == "model name")
    name = next(names, platform.machine())
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} processors ({name}), {memory_gb:.0f} GB of memory, {platform.system()}, Python " + (
        platform.python_version()
    )

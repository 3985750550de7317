"""What a figure that depends on the machine was measured on, and by which version."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

VERSION = version("attune")


def machine() -> str:
    """Return the number and kind of the processors, such as "2x86_64"."""
    return f"{os.cpu_count()}x{platform.machine()}"

"""Where a fault of ours happened, for logs: never its message, which may hold what was said, or a secret."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import cast


def blame(trouble: BaseException) -> str:
    """Return the kind of an error and the line that raised it; of a group, the first of its errors."""
    while isinstance(trouble, BaseExceptionGroup):
        trouble = cast("BaseExceptionGroup[BaseException]", trouble).exceptions[0]
    frames = traceback.extract_tb(trouble.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(trouble).__name__}{place}"

"""The `attune-eval` command's door: without its extra it says so in one line."""

from __future__ import annotations

import importlib.util
import sys

EXTRA = ("jiwer", "sacrebleu", "scipy", "sklearn")


def main() -> None:
    """Run `attune-eval`."""
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(f"attune-eval: {', '.join(missing)} not installed: pip install -e '.[eval]'\n")
        sys.exit(4)
    from .commands import run  # noqa: PLC0415 - what it imports may not be installed

    run()

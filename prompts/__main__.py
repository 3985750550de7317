"""`python -m prompts release NAME`: write down what a new version hashes to, and make it the current one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .release import ReleaseRefused, released

FOLDER = Path(__file__).parent


def main(arguments: list[str] | None = None) -> int:
    """Release every version on disk that the index does not hold yet; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m prompts", description=__doc__)
    parser.add_argument("command", choices=["release"])
    parser.add_argument("names", nargs="+", help="folders with a new version")
    chosen = parser.parse_args(arguments)
    index = FOLDER / "index.toml"
    try:
        index.write_text(released(FOLDER, chosen.names), "utf-8")
    except ReleaseRefused as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

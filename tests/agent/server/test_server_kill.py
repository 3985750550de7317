"""Servers killed in every phase under sessions (fault 80): what a client was told is kept is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_two_dozen_killed_servers_lose_no_acknowledged_turn_and_keep_none_by_half(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.agent.server.server_kills", str(tmp_path), "24", "7"],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    tally = json.loads(done.stdout)
    assert tally["faults"] == []
    assert tally["n_kills"] == 24
    assert tally["n_told"] > 10
    assert tally["n_kept"] > 5
    assert len(tally["phases"]) >= 3

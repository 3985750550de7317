import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("turnlog_kills.py")
ROOT = Path(__file__).resolve().parents[2]


def test_two_hundred_kills_lose_no_acknowledged_turn_and_double_none(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path), "200", "11"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)

    assert tally["faults"] == []
    assert tally["n_kills"] == 200
    # Else the kills all came too early or too late to mean anything.
    assert tally["n_acknowledged"] > 200
    assert tally["n_without_tables"] >= 3
    assert tally["n_after_an_answer"] >= 20

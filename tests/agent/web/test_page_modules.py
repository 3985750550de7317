"""The page's own modules without a browser: `modules/*.mjs` under node's test runner."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WEB = HERE.parents[2] / "agent" / "web"
MAX_LINES = 300


@pytest.mark.parametrize("name", sorted(path.name for path in (HERE / "modules").glob("*.mjs")))
def test_modules_do_what_they_say(node: str, name: str):
    ran = subprocess.run(
        [node, "--test", "--test-reporter=tap", str(HERE / "modules" / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "# pass 0" not in ran.stdout


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.*")), ids=lambda path: str(path.relative_to(WEB)))
def test_files_stay_small_and_take_nothing_from_elsewhere(path: Path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= MAX_LINES
    assert "innerHTML" not in text
    assert "https://" not in text
    assert " style=" not in text  # the server's content policy takes none
    assert path.suffix != ".html" or "<script>" not in text

"""The page with the real server behind it: speech goes in at a microphone, words, a feeling and an answer come out."""

from __future__ import annotations

import subprocess
import sys
import wave
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.agent.web.browser import CHROMIUM, Browser

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

SERVE = "import typer; from agent.cli.serve import serve; typer.run(serve)"
WORDS = "i got the job today and i am so happy"


@pytest.fixture
def speech(spoken: Callable[..., Path], tmp_path: Path) -> Path:
    """Somebody says something, after a second of silence and before many more."""
    path = tmp_path / "speech.wav"
    with wave.open(str(spoken(WORDS)), "rb") as voice, wave.open(str(path), "wb") as file:
        file.setparams(voice.getparams())
        file.writeframes(bytes(2 * voice.getframerate()))
        file.writeframes(voice.readframes(voice.getnframes()))
        file.writeframes(bytes(2 * 8 * voice.getframerate()))
    return path


@contextmanager
def serving(database: Path) -> Generator[str]:
    """A server process with the embedded engines; gives the address of its page."""
    words = [sys.executable, "-c", SERVE, "--port", "0", "--database", str(database), "--locale", "en-US"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        told: list[str] = []
        try:
            for line in process.stdout:
                told.append(line)
                if line.startswith("the page:"):
                    break
            else:
                raise AssertionError("".join(told))
            yield told[-1].partition(":")[2].strip()
        finally:
            process.terminate()
            process.communicate(timeout=30)
        assert process.returncode == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: the page cannot be tried (apt install chromium)")
def test_somebody_talks_to_the_page(speech: Path, tmp_path: Path):
    with (
        serving(tmp_path / "turns.db") as url,
        Browser(microphone=f"{speech}%noloop") as browser,
        browser.page(url) as page,
    ):
        page.click("#agree")
        page.wait_text("#connection", "connected")
        page.click("#microphone")
        page.wait("document.querySelector('.said .hearing')")
        page.wait("!document.querySelector('.said .hearing') && document.querySelector('.said .words')")
        assert {"job", "happy"} <= set(page.text(".said .words").split())
        page.wait_text(".headline", "happy")
        page.wait("document.querySelector('.answer p')?.innerText.length > 20")
        page.press("Escape")
        page.wait_text(".answer", "interrupted")
        assert page.run("[...document.querySelectorAll('.bar')].map(bar => bar.dataset.label)") == [
            "angry",
            "happy",
            "neutral",
            "sad",
        ]
        assert page.run("document.querySelector('.said mark').textContent") == "happy"
        assert page.run("document.querySelectorAll('.trail .place').length") > 0
        page.wait_text("#latency", "after your last word")
        page.click("#open-history")
        page.wait_text("#sessions", "1 turn")
        assert page.complaints == []

"""A browser for all tests of the page, a scripted server and a page for each."""

from __future__ import annotations

import shutil
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.agent.web.browser import CHROMIUM, Browser, Page
from tests.agent.web.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file of two seconds: what the browser's fake microphone hears, and a file to play."""
    path = tmp_path_factory.mktemp("sound") / "tone.wav"
    times = np.arange(2 * 48_000) / 48_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((12_000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def browser(tone: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH: the page cannot be tried (apt install chromium)")
    with Browser(microphone=tone) as started:
        yield started


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not on PATH: the page's modules cannot be tried without a browser (apt install nodejs)")
    return found


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server; what a real one would refuse of what the page says fails the test."""
    with ScriptedServer() as started:
        yield started
    assert started.faults == []


@pytest.fixture(scope="session")
def tab(browser: Browser) -> Iterator[Page]:
    """One tab for all: the page keeps nothing, and every test has a server, so an origin, of its own."""
    with browser.page("about:blank") as opened:
        yield opened


@pytest.fixture
def page(tab: Page, server: ScriptedServer) -> Iterator[Page]:
    """The page before consent; whatever it complains of fails the test."""
    tab.forget_complaints()
    tab.open(server.url)
    yield tab
    tab.open("about:blank")
    assert tab.complaints == []


@pytest.fixture
def talk(page: Page, server: ScriptedServer) -> Page:
    """The page after consent, connected."""
    page.click("#agree")
    server.wait_for("session.update")
    page.wait_text("#connection", "connected")
    return page

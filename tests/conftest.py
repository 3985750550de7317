"""Fixtures for every test: a home of its own, the commands in this process, speech made on the spot."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import wave
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, cast

import pytest

from streaming.audio import SAMPLE_RATE, to_pcm16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streaming.events import Samples
    from tests.openai_server import OpenAiServer

HOMES = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")


@pytest.fixture(scope="session", autouse=True)
def _no_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Nothing is read from or written to the developer's home, by fixtures of the whole session either."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in HOMES:
            patch.setenv(name, str(home / name.lower()))
        for name in ("ATTUNE_DATABASE", "ATTUNE_LOCALE", "ATTUNE_CONFIG"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    for name in HOMES:
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def attune() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs an `attune` command in this process, its error boundary included; `stdin` is what it may read."""
    from agent.cli import app  # noqa: PLC0415 - most tests do without it
    from agent.cli.boundary import run_command  # noqa: PLC0415 - as above

    def run(*args: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        words = [str(arg) for arg in args]
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            try:
                run_command(lambda: app(words, prog_name="attune"), program="attune")
            except SystemExit as left:
                code = cast("int", left.code or 0)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Voices a text by flite, once, and gives the 16 kHz file."""
    if shutil.which("flite") is None:
        pytest.skip("flite is not on PATH: speech cannot be made on the spot (apt install flite)")
    folder = tmp_path_factory.mktemp("spoken")

    def speak(text: str, *, voice: str = "slt") -> Path:
        path = folder / f"{voice}-{text.replace(' ', '-')}.wav"
        if not path.exists():
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=60)
        return path

    return speak


@pytest.fixture(scope="session")
def write_wav() -> Callable[[Path, Samples], Path]:
    """Writes mono 16 kHz sound to a file and gives its path."""

    def write(path: Path, sound: Samples) -> Path:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(to_pcm16(sound))
        return path

    return write


@pytest.fixture
def openai_server() -> Iterator[OpenAiServer]:
    """A server that speaks the OpenAI protocol, well or badly on command (see `tests.openai_server`)."""
    from tests.openai_server import OpenAiServer  # noqa: PLC0415 - most tests do without it

    with OpenAiServer() as server:
        yield server

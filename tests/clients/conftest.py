"""What clients talk to, and what they say: the real server (`realtime`), or one that follows a script (`scripted`)."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.audio import SAMPLE_RATE, Resampler, silence, to_pcm16
from streaming.files import read_audio
from tests.clients.real_server import RealServer
from tests.clients.scripted_dialogue import RATE, SAID
from tests.clients.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A 24 kHz file, and where voice is in it, seconds."""

    path: Path
    spans: tuple[tuple[float, float], ...]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, its key beside it (`key.pem`)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH: a certificate cannot be made on the spot")
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.fixture(scope="module")
def realtime(
    tls: ssl.SSLContext, interrupting: Speech, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    database = tmp_path_factory.mktemp("kept") / "attune.db"
    with RealServer(spans=interrupting.spans, tls=tls, database=database) as server:
        yield server


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def interrupting(tmp_path_factory: pytest.TempPathFactory, spoken: Callable[..., Path]) -> Speech:
    """Somebody speaks, gets a second of an answer, and speaks over it."""
    first, second = (read_audio(spoken(text)) for text in SAID)
    parts = [silence(SAMPLE_RATE // 4), first, silence(SAMPLE_RATE * 3 // 2), second]
    ends = np.cumsum([part.size for part in parts]) / SAMPLE_RATE
    resampler = Resampler(source_hz=SAMPLE_RATE, target_hz=RATE)
    sound = np.concatenate([resampler.feed(np.concatenate(parts)), resampler.flush()])
    path = tmp_path_factory.mktemp("said") / "interrupting.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(to_pcm16(np.clip(sound, -1.0, 1.0)))
    return Speech(path=path, spans=((float(ends[0]), float(ends[1])), (float(ends[2]), float(ends[3]))))

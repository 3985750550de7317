"""`attune doctor`: what this machine has, what Attune would use, and what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streaming.backends.silero import model_path
from streaming.errors import StreamingError
from streaming.hardware import detect
from streaming.microphone import input_devices

from ..backends.emotion.embedded import EmbeddedRecognizer
from ..backends.tts.choose import choose_speech
from ..config import Config, load_config
from ..errors import AgentError
from ..history import reading
from ..loudspeaker import output_devices
from ..models import user_store
from ..profiles import gaps, take
from .servers import trouble_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streaming.hardware import Hardware

    from ..profiles import Profile

PACKAGES = (
    "numpy",
    "onnxruntime",
    "webrtcvad-wheels",
    "pocketsphinx",
    "praat-parselmouth",
    "sounddevice",
    "sqlite-utils",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: `ok` False means Attune does without it."""

    what: str
    ok: bool
    said: str


def doctor() -> None:
    """Look at this machine: what is there, which profile would be used and why, what is missing and how to get it."""
    table = Table("", "what", "found", box=None)
    for finding in findings():
        mark = Text("ok", style="green") if finding.ok else Text("--", style="yellow")
        table.add_row(mark, finding.what, Text(finding.said))
    Console().print(table)


def findings() -> Iterator[Finding]:
    """Yield what there is, in the order of the line."""
    version = importlib.metadata.version("attune")
    yield Finding(what="Attune", ok=True, said=f"{version}, Python {platform.python_version()}, {platform.machine()}")
    hardware = detect()
    yield Finding(what="hardware", ok=True, said=str(hardware))
    yield _tried("settings", _settings)
    yield _tried("microphone", lambda: _first(input_devices()))
    yield _tried("loudspeaker", lambda: _first(output_devices()))
    for package in PACKAGES:
        yield _package(package)
    yield _tried("voice activity", lambda: f"webrtcvad, level and Silero ({model_path().name})")
    yield _tried("emotion", _emotion)
    yield _tried("voice", _voice)
    yield _tried("turn log", _turn_log)
    yield from _profiles(hardware)


def _profiles(hardware: Hardware) -> Iterator[Finding]:
    """Yield each profile with what it lacks, then the one that would be used and why."""
    try:
        config = load_config()
    except AgentError:
        # It was told of under "settings".
        config = Config()
    for profile in config.profiles.values():
        yield _profile(profile, hardware)
    taken = take(config.profile, profiles=config.profiles, store=user_store(), hardware=lambda: hardware)
    engines = ", ".join(f"{port} {choice}" for port, choice in taken.profile.choices())
    yield Finding(what="would be used", ok=True, said=f"{taken.profile.name}, because {taken.reason}: {engines}")


def _profile(profile: Profile, hardware: Hardware) -> Finding:
    missing = [str(gap) for gap in gaps(profile, store=user_store(), hardware=lambda: hardware)]
    missing += trouble_with(profile)
    slow = profile.wants.lacking(hardware)
    said = "; ".join(missing) or "usable" + (f", but may be slow: {'; '.join(slow)}" if slow else "")
    return Finding(what=f"profile {profile.name}", ok=not missing, said=said)


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        said = look()
    except (StreamingError, AgentError) as trouble:
        return Finding(what=what, ok=False, said=str(trouble))
    return Finding(what=what, ok=bool(said), said=said or _MISSING[what])


_MISSING = {
    "microphone": "none: talk from files with `attune talk --audio FILE`, or see `attune demo`",
    "loudspeaker": "none: answers are written",
    "voice": "none: install flite or espeak-ng; answers are written until then",
}


def _settings() -> str:
    config = load_config()
    return (
        f"locale {config.locale}, duplex {config.duplex}, emotion {config.emotion}, voice {config.voice}, "
        f"profile {config.profile or 'not named'}"
    )


def _first(names: list[str]) -> str:
    return names[0] if names else ""


def _package(name: str) -> Finding:
    try:
        return Finding(what=name, ok=True, said=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(what=name, ok=False, said=f"not installed: pip install {name}")


def _emotion() -> str:
    EmbeddedRecognizer()
    return "embedded: words and voice, weights in the package"


def _voice() -> str:
    name = choose_speech("auto").name
    return "" if name == "none" else name


def _turn_log() -> str:
    path = load_config().database
    if not path.exists():
        return f"{path} (made with the first turn)"
    with reading(path) as log:
        sessions = log.sessions()
    return f"{path}: {len(sessions)} sessions, {shutil.disk_usage(path.parent).free / 2**30:.0f} GiB free"

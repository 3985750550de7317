"""Reads a recording back: as far as it is whole, which after a kill is up to its last whole entry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from streaming.errors import AudioUnreadable

from .recorder import VERSION, Place
from .values import from_json
from .writer import HEADER, LOG, SOUND, WAV_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from streaming.events import Samples
    from streaming.sources import Sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment of `agent.timing`, and where it was; `value` is what a loudspeaker said."""

    kind: str
    utterance: int
    place: Place
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is known of a conversation.

    Attributes:
        about: the header: `session`, `profile`, `config` and more.
        sound: float32, shape (n,), 16 kHz.
        controls: what stood among it, each with the samples before it.
        moments: in order.
        stopped_after: what the loudspeaker said each time an answer was stopped, samples.
        hurried: where the listener began, or ceased, to be behind, samples.
        partials: those that were taken though nobody waited for them, as (utterance, samples heard of it).
        voids: those that were void by then.
        targets: languages to translate to, each with its place.
        events: as told, in the form of `agent.jsonl`.
        has_ended: the conversation came to its end; else the recording ended before it.
    """

    about: Mapping[str, Any]
    sound: Samples
    controls: tuple[tuple[int, Any], ...]
    moments: tuple[Moment, ...]
    stopped_after: tuple[int, ...]
    hurried: tuple[tuple[int, bool], ...]
    partials: frozenset[tuple[int, int]]
    voids: frozenset[tuple[int, int]]
    targets: tuple[tuple[Place, str], ...]
    events: tuple[Mapping[str, Any], ...]
    has_ended: bool

    @property
    def session(self) -> str:
        """The session's id."""
        return str(self.about["session"])

    def stream(self, *, step: int) -> Iterator[Sound]:
        """Give the sound, at most `step` samples at once, and what stood among it."""
        given = 0
        for at, control in (*self.controls, (len(self.sound), None)):
            while given < at:
                piece = self.sound[given : min(at, given + step)]
                given += len(piece)
                yield piece
            if control is not None:
                yield control


def read_recording(folder: Path) -> Recording:
    """Return what a folder holds; what was written half is left out.

    Raises:
        AudioUnreadable: it holds no recording, one of another version, or one that is damaged before its end.
    """
    try:
        about: Any = json.loads((folder / HEADER).read_bytes())
        raw = (folder / SOUND).read_bytes()[WAV_HEADER.size :]
        entries = list(_entries((folder / LOG).read_bytes()))
    except OSError as trouble:
        told = f"{folder} holds no recording ({trouble.strerror}: {trouble.filename}): give a folder made by --record"
        raise AudioUnreadable(told) from None
    except (ValueError, TypeError) as trouble:
        raise AudioUnreadable(f"the recording {folder} is damaged: {trouble}") from None
    header = cast("dict[str, Any]", about) if isinstance(about, dict) else {}
    if header.get("version") != VERSION:
        raise AudioUnreadable(f"{folder} is not a recording of version {VERSION}, which is all this version reads")
    if not isinstance(header.get("session"), str):
        raise AudioUnreadable(f"the recording {folder} is damaged: its header names no session")
    try:
        sound = np.frombuffer(raw[: len(raw) // 4 * 4], "<f4").astype(np.float32)
        return _recording(header, sound, entries)
    except (KeyError, TypeError, ValueError) as trouble:
        raise AudioUnreadable(f"the log of the recording {folder} is damaged: {trouble!r}") from None


def _recording(about: Mapping[str, Any], sound: Samples, entries: list[dict[str, Any]]) -> Recording:
    def of(kind: str) -> list[dict[str, Any]]:
        return [entry for entry in entries if kind in entry]

    return Recording(
        about=about,
        sound=sound,
        controls=tuple((min(entry["at"], len(sound)), from_json(entry["control"])) for entry in of("control")),
        moments=tuple(
            Moment(kind=e["moment"], utterance=e["utterance"], place=_place(e["at"]), value=e.get("value"))
            for e in of("moment")
        ),
        stopped_after=tuple(entry["stopped_after"] for entry in of("stopped_after")),
        hurried=tuple((entry["at"], entry["hurried"]) for entry in of("hurried")),
        partials=frozenset((entry["partial"], entry["after"]) for entry in of("partial")),
        voids=frozenset((entry["void"], entry["after"]) for entry in of("void")),
        targets=tuple((_place(entry["at"]), entry["target"]) for entry in of("target")),
        events=tuple(entry["event"] for entry in of("event")),
        has_ended=any(entry["end"] for entry in of("end")) or any(e["moment"] == "cancelled" for e in of("moment")),
    )


def _place(numbers: list[int]) -> Place:
    n_samples, n_controls, n_told = numbers
    return Place(n_samples=n_samples, n_controls=n_controls, n_told=n_told)


def _entries(data: bytes) -> Iterator[dict[str, Any]]:
    """Give the whole lines; what follows the last line end was being written."""
    for line in data.split(b"\n")[:-1]:
        yield json.loads(line)

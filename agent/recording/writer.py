"""Writes a recording, by a thread behind the conversation: whoever gives it something never waits for a disk."""

from __future__ import annotations

import json
import os
import struct
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streaming.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from streaming.events import Samples

HEADER: Final = "recording.json"
SOUND: Final = "sound.wav"
LOG: Final = "log.jsonl"

WAV_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")
MOST: Final = 0xFFFFFFFF
MOST_WAITING: Final = 64 * 2**20
"""Bytes that may wait for a slow disk, about 17 minutes of sound: then the recording ends."""
CLOSE_S: Final = 5.0
"""How long the end of a conversation waits for what is still to be written."""


class RecordingWriter:
    """Writes into a folder of its own, in the order given; after the first trouble nothing more."""

    def __init__(self, folder: Path, header: Mapping[str, Any], *, trouble: Callable[[str], None]) -> None:
        """Make the folder.

        Args:
            folder: must not be there yet.
            header: what is written first.
            trouble: told once, from any thread, why the recording ended early.

        Raises:
            OSError: the folder cannot be made or written.
        """
        folder.mkdir(mode=0o700, parents=True)
        with open_private(folder / HEADER) as file:
            whole(file, encoded(json.dumps(header, ensure_ascii=False, indent=2) + "\n"))
        self._folder = folder
        self._trouble = trouble
        self._sound = open_private(folder / SOUND)
        self._log = open_private(folder / LOG)
        self._queue: SimpleQueue[bytes | str | None] = SimpleQueue()
        self._lock = Lock()
        self._n_waiting = 0
        self._has_failed = self._has_ended = self._is_closed = False
        self._thread = Thread(target=self._work, name=f"recording {folder.name}", daemon=True)
        self._thread.start()

    def sound(self, samples: Samples) -> None:
        """Add sound."""
        self._put(samples.astype("<f4", copy=False).tobytes())

    def entry(self, entry: Mapping[str, Any]) -> None:
        """Add an entry of the log, after the sound given so far; one that is no JSON ends it. From any thread."""
        try:
            line = json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n"
        except (TypeError, ValueError) as trouble:
            self.give_up(f"what happened cannot be written as JSON ({trouble})")
            return
        self._put(line)

    def give_up(self, why: str) -> None:
        """End the recording here: what was given so far is still written. From any thread."""
        with self._lock:
            told = self._has_failed or self._has_ended or self._is_closed
            self._has_ended = True
        if not told:
            self._trouble(f"{why}: {self._folder}")

    def close(self, *, within_s: float = CLOSE_S) -> None:
        """Write what waits and close the files; a disk that takes longer than `within_s` ends it there. Idempotent."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._queue.put(None)
        self._thread.join(within_s)
        if self._thread.is_alive():
            self._fail("the disk is too slow")

    def _put(self, piece: bytes | str) -> None:
        with self._lock:
            if self._has_failed or self._has_ended or self._is_closed:
                return
            self._n_waiting += len(piece)
            # Told of later, but set here: nothing may follow what is left out.
            self._has_failed = is_too_much = self._n_waiting > MOST_WAITING
        if is_too_much:
            self._trouble(f"the disk is too slow: {self._folder}")
        else:
            self._queue.put(piece)

    def _fail(self, why: str) -> None:
        """Write nothing more, and tell of the first trouble."""
        with self._lock:
            told, self._has_failed = self._has_failed or self._has_ended, True
        if not told:
            self._trouble(f"{why}: {self._folder}")

    def _work(self) -> None:
        with self._sound, self._log:
            try:
                whole(self._sound, wav_header(None))
                while (piece := self._queue.get()) is not None:
                    self._write(piece)
                self._seal()
            except OSError as trouble:
                self._fail(trouble.strerror or str(trouble))

    def _write(self, piece: bytes | str) -> None:
        with self._lock:
            self._n_waiting -= len(piece)
            if self._has_failed:
                return
        if isinstance(piece, str):
            whole(self._log, encoded(piece))
        else:
            whole(self._sound, piece)

    def _seal(self) -> None:
        n_bytes = self._sound.tell() - WAV_HEADER.size
        self._sound.seek(0)
        whole(self._sound, wav_header(n_bytes))


def encoded(text: str) -> bytes:
    """Return JSON as bytes; half a surrogate pair, which a program may send, comes back as it is (`json.loads`)."""
    return text.encode("utf-8", "surrogatepass")


def whole(file: BinaryIO, data: bytes) -> None:
    """Write all of `data`: a file without a buffer may take only part of it."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def open_private(path: Path) -> BinaryIO:
    """Open a new file that only its owner may read, without a buffer: a kill loses nothing that was written."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb", 0)


def wav_header(n_bytes: int | None) -> bytes:
    """Return the header of a mono WAV file of 32-bit floats at 16 kHz; None: nobody knows yet how long it will be."""
    size = MOST if n_bytes is None else min(MOST, n_bytes)
    width = np.dtype("<f4").itemsize
    rate, is_float, n_channels = SAMPLE_RATE, 3, 1
    return WAV_HEADER.pack(
        b"RIFF",
        min(MOST, size + WAV_HEADER.size - 8),
        b"WAVE",
        b"fmt ",
        18,
        is_float,
        n_channels,
        rate,
        rate * width,
        width,
        8 * width,
        0,
        b"fact",
        4,
        size // width,
        b"data",
        size,
    )

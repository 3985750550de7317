"""Where the turn log lies and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLogConfig:
    """How the turn log is written.

    Attributes:
        busy_timeout_s: how long another program's lock is waited for, on the writer's thread.
        capacity: turns held in memory at most while they are not on disk; the next one is refused.
        checkpoint_pages: pages (4 KiB) in the write-ahead log before it is moved into the file; 0: only at closing.
    """

    busy_timeout_s: float = 5.0
    capacity: int = 1024
    checkpoint_pages: int = 1000

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ConfigInvalid: a value is out of range.
        """
        if not 0 <= self.busy_timeout_s <= 3600:
            raise ConfigInvalid(f"busy_timeout_s is {self.busy_timeout_s}, expected 0 to 3600 seconds")
        if self.capacity < 1:
            raise ConfigInvalid(f"capacity is {self.capacity}, expected at least 1 turn")
        if self.checkpoint_pages < 0:
            raise ConfigInvalid(f"checkpoint_pages is {self.checkpoint_pages}, expected 0 or more")


def default_path(environ: Mapping[str, str]) -> Path:
    """Return the turn log's place: ATTUNE_DATABASE, else attune/attune.db under XDG_DATA_HOME or ~/.local/share.

    A relative XDG_DATA_HOME is ignored, as the XDG base directory specification asks.
    """
    if chosen := environ.get("ATTUNE_DATABASE"):
        return Path(chosen).expanduser()
    data = Path(environ.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():
        data = Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    return data / "attune" / "attune.db"

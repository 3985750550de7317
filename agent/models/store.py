"""Where models lie on this machine, and which of them are whole.

`<data>/attune/models/<name>` is there only when every file of it is there and has been checked: a download happens
beside it, in `<name>.part`, and is moved in place at its end by one rename.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streaming.errors import ModelUnusable

from ..errors import AgentError
from ..turnlog import default_path

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

MARKER = ".attune.json"
"""Says of a folder that it is whole, and where it came from."""


class ModelsFailed(AgentError):
    """A model cannot be fetched, kept or removed; what was fetched so far is kept and goes on next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A whole model: where it lies, where it came from, its size in bytes."""

    path: Path
    repository: str
    commit: str
    licence: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The models of one user, in `root`."""

    root: Path

    def path(self, name: str) -> Path:
        """Return where the model lies, or would lie."""
        return self.root / name

    def part(self, name: str) -> Path:
        """Return where it lies while it is being fetched."""
        return self.root / f"{name}.part"

    def installed(self, name: str) -> Installed | None:
        """Return the model if it is whole, else None."""
        path = self.path(name)
        try:
            told: dict[str, Any] = json.loads((path / MARKER).read_text("utf-8"))
            return Installed(
                path=path,
                repository=str(told["repository"]),
                commit=str(told["commit"]),
                licence=str(told["licence"]),
                n_bytes=int(told["n_bytes"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def require(self, name: str) -> Path:
        """Return where the model lies.

        Raises:
            ModelUnusable: it is not here, or was never fetched to its end.
        """
        found = self.installed(name)
        if found is None:
            raise ModelUnusable(f"the model {name} is not here: attune models pull {name}")
        return found.path

    def complete(self, name: str, *, origin: Mapping[str, object]) -> Path:
        """Say that what lies in `part(name)` is whole; return its final place."""
        part, path = self.part(name), self.path(name)
        with (part / MARKER).open("w", encoding="utf-8") as file:
            json.dump(dict(origin), file)
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(path, ignore_errors=True)
        part.replace(path)
        return path

    def remove(self, name: str) -> int:
        """Remove the model, also a part of it; return how many bytes that frees."""
        freed = 0
        with self.locked(name):
            for folder in (self.path(name), self.part(name)):
                freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                if folder.exists():
                    shutil.rmtree(folder)
        return freed

    @contextmanager
    def locked(self, name: str) -> Generator[None]:
        """Keep other programs off the model meanwhile.

        Raises:
            ModelsFailed: another one is at it, or the folder cannot be written.
        """
        import fcntl  # noqa: PLC0415 - only where there is something to lock

        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / f"{name}.lock").open("w")
        except OSError as trouble:
            raise ModelsFailed(f"cannot write {self.root}: {(trouble.strerror or str(trouble)).lower()}") from trouble
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as trouble:
                message = f"another program is fetching or removing {name}: wait for it, or stop it, and try again"
                raise ModelsFailed(message) from trouble
            yield


def user_store(environ: Mapping[str, str] | None = None) -> ModelStore:
    """Return the user's models: `attune/models` under XDG_DATA_HOME or ~/.local/share."""
    given = os.environ if environ is None else environ
    place = {name: value for name, value in given.items() if name != "ATTUNE_DATABASE"}
    return ModelStore(default_path(place).parent / "models")

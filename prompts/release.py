"""Releasing versions of prompts: what is on disk goes into the index, what is there already must not have changed."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from .loader import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class ReleaseRefused(ValueError):
    """There is nothing to release, or a released version was changed."""


def released(folder: Path, names: Iterable[str]) -> str:
    """Return the text of `index.toml` with every version of `names` that is on disk; the newest becomes current.

    Args:
        folder: where the prompts and their index are.
        names: the prompts to release.

    Raises:
        ReleaseRefused: a prompt has no version on disk, or a released version hashes to something else.
    """
    text = (folder / "index.toml").read_text("utf-8")
    index: dict[str, Any] = tomllib.loads(text)
    for name in names:
        index[name] = _entry(folder / name, index.get(name, {"sha256": {}}))
    head = text[: text.find("[")] if "[" in text else text
    return head + "\n".join(_written(name, index[name]) for name in sorted(index))


def _entry(folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    versions = {int(path.name[1:]): digest_of(path) for path in folder.glob("v*") if path.name[1:].isdigit()}
    if not versions:
        raise ReleaseRefused(f"{folder.name} has no version on disk, expected a folder {folder.name}/v1")
    for version, sha256 in before["sha256"].items():
        if versions.get(int(version)) != sha256:
            raise ReleaseRefused(f"{folder.name}/v{version} was released and must not change: add a new version")
    newest = max(versions)
    current = before["current"] if str(newest) in before["sha256"] else newest
    return {"current": current, "sha256": {str(version): versions[version] for version in sorted(versions)}}


def _written(name: str, entry: dict[str, Any]) -> str:
    hashes = "".join(f'{version} = "{sha256}"\n' for version, sha256 in entry["sha256"].items())
    return f"[{name}]\ncurrent = {entry['current']}\n\n[{name}.sha256]\n{hashes}"

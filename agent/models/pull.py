"""Fetches a model: resumes where it stopped, checks each file against the hub's checksum, and is whole or not there.

The hub's own package fetches without keeping what an interrupted transfer has brought; so the transfer is ours, and
addresses, login and file lists are its.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from .hub import endpoint, refusal, unreachable
from .store import ModelsFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    import httpx

    from .hub import Offer, RemoteFile
    from .store import ModelStore

CHUNK = 2**20
TRIES = 5
"""How often in a row a transfer may bring nothing new."""
CONNECT_S, READ_S = 20.0, 60.0
"""How long the hub may take to be reached, and to send the next piece."""
SPARE_BYTES = 100 * 10**6
"""What is left free on the disk."""


def _unheard(_file: str, _n_bytes: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is told how a transfer goes, and how it waits.

    Attributes:
        progress: told of each file and of how many more bytes of it are here, also those of an earlier time.
        sleep: waits some seconds before a transfer that broke off is tried again.
    """

    progress: Callable[[str, int], None] = _unheard
    sleep: Callable[[float], None] = time.sleep


def pull(offer: Offer, *, store: ModelStore, told: Told | None = None) -> Path:
    """Fetch what the hub offered; return where it lies.

    Raises:
        ModelsFailed: no room, another pull, a hub that breaks off or refuses, content that is not what was offered.
            What has been fetched is kept for the next time, unless it is wrong.
    """
    name = offer.model.name
    with store.locked(name):
        done = store.installed(name)
        if done is not None and done.commit == offer.commit:
            return done.path
        part = store.part(name)
        try:
            part.mkdir(parents=True, exist_ok=True)
            _check_room(offer, part)
            _fetch_all(offer, part, told or Told())
            _drop_strangers(offer, part)
            origin = {
                "repository": offer.model.repository,
                "commit": offer.commit,
                "licence": offer.licence,
                "n_bytes": offer.n_bytes,
            }
            return store.complete(name, origin=origin)
        except OSError as trouble:
            reason = (trouble.strerror or str(trouble)).lower()
            message = f"cannot keep {name} in {part.parent}: {reason}; what is here so far is kept"
            raise ModelsFailed(message) from trouble


def _check_room(offer: Offer, part: Path) -> None:
    needed = offer.n_bytes - sum(_here(file, part) for file in offer.files)
    free = shutil.disk_usage(part).free
    if needed + SPARE_BYTES > free:
        message = f"{offer.model.name} needs {needed / 1e9:.1f} GB more, {part.parent} has {free / 1e9:.1f} GB free: "
        raise ModelsFailed(message + "make room, or set XDG_DATA_HOME to a larger disk")


def _here(file: RemoteFile, part: Path) -> int:
    for path in (part / file.path, _unfinished(file, part)):
        if path.exists():
            return path.stat().st_size
    return 0


def _unfinished(file: RemoteFile, part: Path) -> Path:
    """Return where a file lies before it is checked; its name tells the content, so that another starts anew."""
    return part / f"{file.path}.{file.digest[:12]}.unfinished"


def _drop_strangers(offer: Offer, part: Path) -> None:
    """Remove what an earlier commit left in the folder."""
    wanted = {part / file.path for file in offer.files}
    for path in [path for path in part.rglob("*") if path.is_file()]:
        if path not in wanted:
            path.unlink()


def _fetch_all(offer: Offer, part: Path, told: Told) -> None:
    import httpx  # noqa: PLC0415 - only for what is fetched
    from huggingface_hub import utils  # noqa: PLC0415 - as above

    # Compressed on the way, a file could not be resumed in its middle.
    login = cast("Callable[..., dict[str, str]]", getattr(utils, "build_hf_headers"))  # noqa: B009 - untyped
    headers = login(library_name="attune") | {"accept-encoding": "identity"}
    with httpx.Client(headers=headers, follow_redirects=True, timeout=httpx.Timeout(CONNECT_S, read=READ_S)) as client:
        for file in offer.files:
            place = part / file.path
            if not place.resolve().is_relative_to(part.resolve()):
                raise ModelsFailed(f"{offer.model.repository} names a file outside its folder: {file.path}")
            if place.exists() and _is_right(place, file):
                told.progress(file.path, file.n_bytes)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            _fetch(file, offer, client=client, part=part, told=told)


def _fetch(file: RemoteFile, offer: Offer, *, client: httpx.Client, part: Path, told: Told) -> None:
    unfinished = _unfinished(file, part)
    with unfinished.open("ab") as sink:
        told.progress(file.path, sink.tell())
        n_failed = 0
        while sink.tell() < file.n_bytes:
            before = sink.tell()
            trouble = _transfer(file, offer, client=client, sink=sink, told=told)
            n_failed = 0 if sink.tell() > before else n_failed + 1
            if n_failed >= TRIES:
                raise ModelsFailed(f"{trouble}; what is here so far is kept")
            if n_failed:
                told.sleep(2.0**n_failed)
    if not _is_right(unfinished, file):
        unfinished.unlink()
        message = f"{file.path} of {offer.model.name} came damaged: its checksum is not the hub's; pull it again"
        raise ModelsFailed(message)
    unfinished.replace(part / file.path)


def _transfer(file: RemoteFile, offer: Offer, *, client: httpx.Client, sink: BinaryIO, told: Told) -> str:
    """Append what is missing of a file, as far as one answer goes; return why it went no further."""
    import httpx  # noqa: PLC0415 - as above
    from huggingface_hub import hf_hub_url  # noqa: PLC0415 - as above

    n_here = sink.tell()
    url = hf_hub_url(offer.model.repository, file.path, revision=offer.commit, endpoint=endpoint())
    try:
        with client.stream("GET", url, headers={"range": f"bytes={n_here}-"} if n_here else {}) as answer:
            if answer.status_code >= 500:
                return refusal(offer.model, answer.status_code)
            if answer.status_code not in {200, 206}:
                code = answer.headers.get("x-error-code", "")
                raise ModelsFailed(refusal(offer.model, answer.status_code, code=code))
            if n_here and answer.status_code == 200:
                # The server does not do ranges: from the start.
                told.progress(file.path, -n_here)
                sink.truncate(sink.seek(0))
            # As it comes: what is gathered for a larger piece would be lost with the connection.
            for chunk in answer.iter_raw():
                sink.write(chunk)
                told.progress(file.path, len(chunk))
                if sink.tell() > file.n_bytes:
                    break
    except httpx.HTTPError as trouble:
        return unreachable(trouble)
    return f"the hub at {endpoint()} ended {file.path} too early: try again"


def _is_right(path: Path, file: RemoteFile) -> bool:
    """Return whether the content is what the hub offered; where it gives no checksum, its length must do."""
    if not file.digest:
        return path.stat().st_size == file.n_bytes
    # Git's choice for small files; it guards against damage, not against an enemy.
    digest = hashlib.sha256() if file.is_large else hashlib.sha1(usedforsecurity=False)
    if not file.is_large:
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as content:
        while block := content.read(CHUNK):
            digest.update(block)
    return digest.hexdigest() == file.digest

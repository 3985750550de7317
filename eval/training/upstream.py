"""What a light head reads a voice from: features of whole utterances that are computed once, and kept. An edge.

Chunks of utterances are written whole, so that a run that was broken off goes on; they are found by what they are made
of: the upstream, the items, and their recordings' names and sizes.
"""

from __future__ import annotations

import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Protocol
from zipfile import BadZipFile

import numpy as np

from streaming.audio import SAMPLE_RATE
from streaming.errors import AudioUnreadable, EngineFailed
from streaming.voice_sums import FEATURE_NAMES

from ..replay.ledger import write_whole
from ..replay.plan import digest, record_of
from ..replay.sound import Recordings
from ..signature import fingerprint
from .voice_table import features_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streaming.events import Samples

    from ..corpora.item import Item
    from ..metrics import Floats

LONGEST_S: Final = 10.0
"""More of an utterance is not heard (paper 003)."""
CHUNK: Final = 64
LEAST_S: Final = 0.1


class Upstream(Protocol):
    """Turns an utterance into features, and never learns."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    @property
    def identity(self) -> str:
        """What tells it from others, weights included."""
        ...

    @property
    def is_light(self) -> bool:
        """Whether each of several processes may have one of its own."""
        ...

    def features(self, samples: Samples) -> Floats | None:
        """Return the features of an utterance, shape (layers, size), always the same; None: nothing is heard in it.

        Raises:
            EngineFailed: it cannot be had, or cannot answer.
        """
        ...


class VoiceFeatures:
    """The features of the embedded voice model, as the live line measures them: one layer."""

    name: str = "Attune voice features"
    is_light: bool = True

    @property
    def identity(self) -> str:
        """See `Upstream`."""
        return f"voice:{len(FEATURE_NAMES)}:{_code()}"

    def features(self, samples: Samples) -> Floats | None:
        """See `Upstream`."""
        found = features_of(samples)
        return None if found is None else found[None]


@cache
def _code() -> str:
    """Return a hash of the code that hears."""
    sources = sorted((path for path in files("streaming").iterdir() if path.name.endswith(".py")), key=lambda p: p.name)
    return fingerprint([path.read_bytes() for path in sources])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardItems:
    """Features of items, float32, shape (n, layers, size), NaN in a row that nothing was heard in.

    `problems`: recordings that cannot be heard, one line each, also of what was kept from before.
    """

    features: Floats
    problems: tuple[str, ...] = ()


def hear(
    items: Sequence[Item],
    upstream: Upstream,
    *,
    folder: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> HeardItems:
    """Return the features of `items` in their order, from `folder` as far as they are kept there.

    `workers`: processes that hear, where the upstream is light; they change nothing.

    Raises:
        EngineFailed: the upstream cannot be had, a worker died, nothing was heard in any of the items, or what was
            heard was not kept.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [_Chunk(items=tuple(items[at : at + CHUNK]), folder=folder) for at in range(0, len(items), CHUNK)]
    missing = [chunk for chunk in chunks if chunk.kept(upstream) is None]
    n_done = len(items) - sum(len(chunk.items) for chunk in missing)
    for chunk in _all_made(missing, upstream, workers=workers):
        n_done += len(chunk.items)
        progress(n_done, len(items))
    kept = [chunk.kept(upstream) for chunk in chunks]
    whole = [each for each in kept if each is not None]
    if len(whole) < len(kept):
        raise EngineFailed(f"what was heard cannot be read again from {folder}: is the disk full?")
    found = [row for rows, _ in whole for row in rows]
    return HeardItems(
        features=_stacked(found, upstream), problems=tuple(problem for _, told in whole for problem in told)
    )


def _all_made(chunks: Sequence[_Chunk], upstream: Upstream, *, workers: int) -> Iterator[_Chunk]:
    """Make chunks, and yield each in order when it is there."""
    n_workers = min(workers, len(chunks)) if upstream.is_light else 1
    if n_workers < 2:
        yield from (chunk.make(upstream) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(n_workers, mp_context=context) as pool:
            yield from pool.map(partial(_Chunk.make, upstream=upstream), chunks)
    except BrokenProcessPool as trouble:
        raise EngineFailed(f"a process that hears died ({trouble}): run it again, it goes on") from trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Items whose features stand in one file."""

    items: tuple[Item, ...]
    folder: Path

    def make(self, upstream: Upstream) -> _Chunk:
        """Hear the items and keep their features, and what could not be heard."""
        recordings, problems = Recordings(), list[str]()
        found = [_heard(item, upstream, recordings, problems) for item in self.items]
        _keep(self._place(upstream), found, problems)
        return self

    def kept(self, upstream: Upstream) -> tuple[list[Floats | None], list[str]] | None:
        """Return the rows and problems that are kept, None where there is nothing, or nothing that can be read."""
        try:
            # Opened here: np.load leaves a file open that is no whole archive.
            with self._place(upstream).open("rb") as file, np.load(file) as arrays:
                heard, features, problems = arrays["heard"], arrays["features"], arrays["problems"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        if heard.shape != (len(self.items),) or int(heard.sum()) != len(features):
            return None
        rows = iter(features)
        return [next(rows) if is_heard else None for is_heard in heard.tolist()], problems.tolist()

    def _place(self, upstream: Upstream) -> Path:
        records = [record_of(item, heard=True) for item in self.items]
        return self.folder / f"{digest([upstream.identity, records])[:32]}.npz"


def _heard(item: Item, upstream: Upstream, recordings: Recordings, problems: list[str]) -> Floats | None:
    if item.audio is None:
        return None
    try:
        samples = recordings.read(item).samples[: round(LONGEST_S * SAMPLE_RATE)]
    except AudioUnreadable as trouble:
        problems.append(f"{item.id}: {trouble}")
        return None
    if len(samples) < LEAST_S * SAMPLE_RATE:
        return None
    return upstream.features(samples)


def _stacked(found: Sequence[Floats | None], upstream: Upstream) -> Floats:
    known = [each for each in found if each is not None]
    if not known:
        raise EngineFailed(
            f"{upstream.name} heard nothing in any of {len(found)} utterances: are the recordings there?"
        )
    nothing = np.full(known[0].shape, np.nan, known[0].dtype)
    return np.stack([nothing if each is None else each for each in found])


def _keep(place: Path, found: Sequence[Floats | None], problems: Sequence[str]) -> None:
    known = [each for each in found if each is not None]
    content = io.BytesIO()
    features = np.stack(known).astype(np.float32) if known else np.zeros((0, 0, 0), np.float32)
    heard = np.array([each is not None for each in found])
    np.savez(content, heard=heard, features=features, problems=np.array(problems, np.str_))
    write_whole(place, content.getvalue())

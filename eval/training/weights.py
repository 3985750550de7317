"""Writes weights files whose bytes depend on the numbers in them only."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The date every member bears: the earliest a zip can hold."""


def write_weights(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write `arrays` as an npz file that `numpy.load` reads; the same arrays give the same bytes.

    Members are sorted by name, bear a fixed date and are stored as they are: how well zlib packs differs by version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w", compression=ZIP_STORED) as archive:
        for name in sorted(arrays):
            held = io.BytesIO()
            np.lib.format.write_array(held, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(ZipInfo(f"{name}.npy", date_time=EPOCH), held.getvalue())

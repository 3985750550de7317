"""The values in the header of a GGUF file, read fast: the format's own reader takes 20 s for a large vocabulary."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gguf import GGUFValueType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS: Final = {
    GGUFValueType.UINT8: "<B",
    GGUFValueType.INT8: "<b",
    GGUFValueType.UINT16: "<H",
    GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I",
    GGUFValueType.INT32: "<i",
    GGUFValueType.FLOAT32: "<f",
    GGUFValueType.BOOL: "<?",
    GGUFValueType.UINT64: "<Q",
    GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT64: "<d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value of the header: `items` is the type of an array's items, None for single values."""

    key: str
    kind: GGUFValueType
    items: GGUFValueType | None
    content: Any


def header_values(path: Path) -> Iterator[Value]:
    """Yield the values in the header of a file of version 2 or 3, little-endian.

    Raises:
        ValueError: it is none.
    """
    data = path.read_bytes()
    magic, version, _, n_values = struct.unpack_from("<4sIQQ", data)
    if magic != b"GGUF" or version not in {2, 3}:
        raise ValueError(f"{path} is no GGUF file of version 2 or 3")
    at = 24
    for _ in range(n_values):
        key, at = _text(data, at)
        kind = GGUFValueType(struct.unpack_from("<I", data, at)[0])
        at += 4
        if kind == GGUFValueType.ARRAY:
            number, n_items = struct.unpack_from("<IQ", data, at)
            items = GGUFValueType(number)
            content, at = _items(data, at + 12, items, n_items)
            yield Value(key=key, kind=kind, items=items, content=content)
        else:
            content, at = _items(data, at, kind, 1)
            yield Value(key=key, kind=kind, items=None, content=content[0])


def _items(data: bytes, at: int, kind: GGUFValueType, n: int) -> tuple[list[Any], int]:
    if kind != GGUFValueType.STRING:
        form = f"<{n}{FORMATS[kind][1]}"
        return list(struct.unpack_from(form, data, at)), at + struct.calcsize(form)
    texts: list[str] = []
    for _ in range(n):
        text, at = _text(data, at)
        texts.append(text)
    return texts, at


def _text(data: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<Q", data, at)
    return data[at + 8 : at + 8 + size].decode(), at + 8 + size

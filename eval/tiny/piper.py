"""A tiny piper voice, made on the spot: real ONNX, real loading code, a tone per phoneme instead of speech.

Every phoneme id sounds for `SAMPLES_PER_ID` samples, times the length scale, at a pitch of its own. The few messages of
ONNX that this takes are written by hand, so that the package `onnx` is not needed.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Final

from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SAMPLES_PER_ID: Final = 500
RATE_HZ: Final = 22_050

_FLOAT, _INT64 = 1, 7
_LOWEST_HZ, _STEP_HZ = 120.0, 2.0


def tiny_piper(folder: Path, *, rate_hz: int = RATE_HZ, is_espeak: bool = True) -> Path:
    """Write `voice.onnx` and `voice.onnx.json` into `folder` and return the path of the first.

    Args:
        folder: is made if it is missing.
        rate_hz: sample rate of the voice.
        is_espeak: take phonemes from piper's own espeak-ng, as true voices do; else letters are phonemes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "voice.onnx"
    path.write_bytes(_model(rate_hz))
    config = {
        "audio": {"sample_rate": rate_hz},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak" if is_espeak else "text",
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "num_symbols": len(DEFAULT_PHONEME_ID_MAP),
        "num_speakers": 1,
        "speaker_id_map": {},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }
    path.with_name("voice.onnx.json").write_text(json.dumps(config), "utf-8")
    return path


def _model(rate_hz: int) -> bytes:
    """Return the voice: at sample i, sin(2 pi i hz(id[i / samples per id]) / rate)."""
    constants = [
        _tensor("one", _INT64, struct.pack("<q", 1)),
        _tensor("zero_f", _FLOAT, struct.pack("<f", 0.0), is_scalar=True),
        _tensor("one_f", _FLOAT, struct.pack("<f", 1.0), is_scalar=True),
        _tensor("per_id", _FLOAT, struct.pack("<f", SAMPLES_PER_ID)),
        _tensor("per_hz", _FLOAT, struct.pack("<f", 6.283185307 / rate_hz)),
        _tensor("lowest_hz", _FLOAT, struct.pack("<f", _LOWEST_HZ)),
        _tensor("step_hz", _FLOAT, struct.pack("<f", _STEP_HZ)),
        _tensor("flat", _INT64, struct.pack("<q", -1)),
        _tensor("row", _INT64, struct.pack("<3q", 1, 1, -1), size=3),
        _tensor("none", _INT64, b"", size=0),
    ]
    nodes = [
        _node("Gather", ("scales", "one"), "length_scale"),
        _node("Mul", ("length_scale", "per_id"), "n_per_id"),
        _node("Cast", ("input_lengths",), "n_ids", to=_FLOAT),
        _node("Mul", ("n_per_id", "n_ids"), "n_many"),
        _node("Reshape", ("n_many", "none"), "n"),
        _node("Range", ("zero_f", "n", "one_f"), "i"),
        _node("Div", ("i", "n_per_id"), "at_exact"),
        _node("Cast", ("at_exact",), "at", to=_INT64),
        _node("Reshape", ("input", "flat"), "ids"),
        _node("Gather", ("ids", "at"), "id"),
        _node("Cast", ("id",), "id_f", to=_FLOAT),
        _node("Mul", ("id_f", "step_hz"), "above_hz"),
        _node("Add", ("above_hz", "lowest_hz"), "hz"),
        _node("Mul", ("hz", "i"), "turns"),
        _node("Mul", ("turns", "per_hz"), "phase"),
        _node("Sin", ("phase",), "tone"),
        _node("Reshape", ("tone", "row"), "output"),
    ]
    inputs = [_value("input", _INT64, (1, "n")), _value("input_lengths", _INT64, (1,)), _value("scales", _FLOAT, (3,))]
    outputs = [_value("output", _FLOAT, (1, 1, "samples"))]
    graph = (
        b"".join(_bytes(1, node) for node in nodes)
        + _bytes(2, b"tone")
        + b"".join(_bytes(5, constant) for constant in constants)
        + b"".join(_bytes(11, value) for value in inputs)
        + b"".join(_bytes(12, value) for value in outputs)
    )
    return _int(1, 8) + _bytes(8, _int(2, 15)) + _bytes(7, graph)


def _node(kind: str, inputs: Sequence[str], output: str, *, to: int | None = None) -> bytes:
    attribute = b"" if to is None else _bytes(5, _bytes(1, b"to") + _int(3, to) + _int(20, 2))
    names = b"".join(_bytes(1, name.encode()) for name in inputs)
    return names + _bytes(2, output.encode()) + _bytes(4, kind.encode()) + attribute


def _tensor(name: str, kind: int, data: bytes, *, size: int = 1, is_scalar: bool = False) -> bytes:
    dims = b"" if is_scalar else _int(1, size)
    return dims + _int(2, kind) + _bytes(8, name.encode()) + _bytes(9, data)


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(_bytes(1, _bytes(2, d.encode()) if isinstance(d, str) else _int(1, d)) for d in shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _int(1, kind) + _bytes(2, dims)))


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Return a number as protobuf writes it: seven bits a byte, lowest first."""
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])

"""What a run took: latencies from times.jsonl, and calls and tokens of language models. Pure.

Times are wall-clock: they say something only of the machine and the load they were taken on. An item for which an
answer of a model was taken from the cache says nothing of latency: it is counted and left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..replay.row import Row

PERCENTILES: Final = (50, 90, 95, 99)
HEARD: Final = "heard_ms"
AUDIO: Final = "audio_s"
REAL_TIME: Final = "heard, seconds per second of sound"


def latencies(times: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return n, mean, percentiles and the worst of each field that ends in _ms, of items and of calls by kind."""
    found: dict[str, list[float]] = {}
    for line in times:
        calls = _calls(line)
        for call in calls:
            if not call.get("from_cache"):
                _note(found, call, before=f"{call.get('call', 'call')} ")
        if not any(call.get("from_cache") for call in calls):
            _note(found, line)
            heard, audio = line.get(HEARD), line.get(AUDIO)
            if isinstance(heard, int | float) and isinstance(audio, int | float) and audio > 0:
                found.setdefault(REAL_TIME, []).append(heard / 1000 / audio)
    return {name: _spread(values) for name, values in sorted(found.items())}


def cost(rows: Sequence[Row], times: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return calls of language models, how many the cache answered, and the tokens they tell of (`n_...`)."""
    calls = [call for row in rows for call in row.model]
    timed = [call for line in times for call in _calls(line)]
    found: dict[str, int] = {"calls": len(calls), "from_cache": sum(bool(call.get("from_cache")) for call in timed)}
    for call in (*calls, *timed):
        for name, value in call.items():
            if name.startswith("n_") and isinstance(value, int):
                found[name] = found.get(name, 0) + value
    return found


def _calls(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    held = line.get("model")
    if not isinstance(held, list):
        return []
    return [cast("dict[str, Any]", call) for call in cast("list[object]", held) if isinstance(call, dict)]


def _note(found: dict[str, list[float]], line: Mapping[str, Any], *, before: str = "") -> None:
    for name, value in line.items():
        if name.endswith("_ms") and isinstance(value, int | float):
            found.setdefault(before + name, []).append(float(value))


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "n": len(values),
        "mean": float(np.mean(values)),
        **{f"p{at}": float(np.percentile(values, at)) for at in PERCENTILES},
        "max": max(values),
    }

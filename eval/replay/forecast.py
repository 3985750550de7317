"""What a run would do, and about how long it would take, before it is started."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Any, Final

from .counted import calls_of
from .ledger import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..corpora.item import Item
    from .run import Plan

_MINUTE: Final = 60
_HOUR: Final = 3600


def forecast(plan: Plan, *, workers: int) -> str:
    """Return what would run, how much of it is there already, how many calls of a model it takes, and the time."""
    missing = [item for piece in plan.missing for item in piece.items]
    n_heard = sum(item.audio is not None for item in missing)
    sound = _Lengths().of(missing)
    heard = f"{n_heard} of them heard" + (f" ({_spoken(sound)} of sound)" if sound else "")
    lines = [
        f"{plan.job.corpus}: {plan.n_items} items in {len(plan.pieces)} pieces, run {plan.job.run}",
        f"already there: {plan.n_items - plan.n_missing}; to be replayed: {plan.n_missing}, {heard}",
        f"{_what(plan)}, {_engines(plan)}",
        f"calls of a language model: {_calls(plan)}",
        f"time: {_time(plan, missing, sound, n_workers=min(workers, max(1, len(plan.missing))))}",
    ]
    lines += [f"problem: {where}: {why}" for where, why in plan.problems]
    return "\n".join(lines)


def _what(plan: Plan) -> str:
    settings = plan.job.settings
    told = [
        f"emotion from {settings.emotion}",
        f"words by {settings.hypotheses}" + (f" ({', '.join(settings.readings)})" if settings.readings else ""),
        None if settings.n_best is None else f"of {settings.n_best} readings",
        None if settings.context is None else f"after {settings.context} turns",
        "answered" if settings.answers else None,
        None if settings.translate is None else f"translated into {settings.translate} ({settings.translate_as})",
    ]
    return ", ".join(part for part in told if part)


def _engines(plan: Plan) -> str:
    engines = plan.header["provenance"]["engines"]
    return "embedded engine" if not engines else ", ".join(f"{port} {one['engine']}" for port, one in engines.items())


def _calls(plan: Plan) -> str:
    """Return how many calls the missing utterances may take, each one's kinds, and how many answers are kept."""
    calls = calls_of(plan.job.settings, plan.header["provenance"]["engines"])
    if not calls.most:
        return "none"
    kinds = (("emotion", calls.reading), ("its reasons", calls.reasons), ("answer", calls.words))
    each = " + ".join(f"{n} for {kind}" for kind, n in kinds if n)
    shelf = plan.job.calls or RunFolder(plan.job.out).calls
    n_kept = sum(1 for _ in shelf.glob("*/*.json")) if plan.job.keeps_calls else 0
    kept = f"; answers kept, which are not asked for again: {n_kept}" if n_kept else ""
    return f"up to {calls.most * plan.n_missing} ({each}, for each utterance with words){kept}"


def _time(plan: Plan, missing: Sequence[Item], sound: float | None, *, n_workers: int) -> str:
    """Return how long it would take at the pace of what is there: sound by its length, the rest by the item."""
    if not missing:
        return "nothing is left to do"
    to_do = {piece.key for piece in plan.missing}
    told = RunFolder(plan.job.out).times([piece for piece in plan.pieces if piece.key not in to_do])
    if not told:
        return "not known before some of it was done (--limit 20)"
    seconds = _seconds(told, missing, sound) / n_workers
    return f"about {_spoken(seconds)} by {n_workers} worker{'s' if n_workers > 1 else ''}"


def _seconds(told: Sequence[dict[str, Any]], missing: Sequence[Item], sound: float | None) -> float:
    heard = [one for one in told if one["audio_s"]]
    written = [one for one in told if not one["audio_s"]]
    n_heard = sum(item.audio is not None for item in missing)
    if not heard or not sound:
        return len(missing) * _took(told) / len(told)
    by_sound = sound * _took(heard) / sum(one["audio_s"] for one in heard)
    n_written = len(missing) - n_heard
    return by_sound + (n_written * _took(written) / len(written) if written else 0.0)


def _took(told: Sequence[dict[str, Any]]) -> float:
    return sum(one["took_ms"] for one in told) / 1000


class _Lengths:
    """Lengths of recordings, each looked at once: of WAV files by their header, of others not at all."""

    def __init__(self) -> None:
        self._known: dict[Path, float | None] = {}

    def of(self, items: Sequence[Item]) -> float | None:
        """Return how much sound the items have, seconds; those of unknown length count as the mean of the others."""
        told = [self._length(item) for item in items if item.audio is not None]
        known = [seconds for seconds in told if seconds is not None]
        return sum(known) / len(known) * len(told) if known else None

    def _length(self, item: Item) -> float | None:
        if item.end_s is not None:
            return item.end_s - item.start_s
        assert item.audio is not None
        if item.audio not in self._known:
            self._known[item.audio] = _wav_s(item.audio)
        whole = self._known[item.audio]
        return None if whole is None else max(0.0, whole - item.start_s)


def _wav_s(path: Path) -> float | None:
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() / file.getframerate()
    except (OSError, EOFError, wave.Error):
        return None


def _spoken(seconds: float) -> str:
    """Return a length of time as it is said."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h"

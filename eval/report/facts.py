"""What a ledger's folder tells of its run: settings, engines, versions, faults of the corpus. An edge: reads files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from ..replay.ledger import RUN, SUMMARY
from .values import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HASHES: Final = ("code_sha256", "prompts_sha256", "weights_sha256", "condition")
_WHOSE: Final = {"asr": "our recogniser", "corpus": "the corpus's recognisers", "text": "the transcript"}
_FROM: Final = {"off": "off", "text": "words", "voice": "voice", "both": "words and voice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a run besides its rows; all empty where only rows are there."""

    header: Mapping[str, Any] = field(default_factory=dict[str, Any])
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What its rows depend on besides the items."""
        return _object(self.header.get("provenance"))

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it was replayed."""
        return _object(self.provenance.get("settings"))


def about(ledgers: Sequence[Path]) -> About:
    """Return what the folders of ledgers tell; of several the first one's settings, and all faults."""
    folders = [path if path.is_dir() else path.parent for path in ledgers]
    headers = [found for folder in folders if (found := _read(folder / RUN))]
    faults = [
        (str(fault.get("where", "")), str(fault.get("why", "")))
        for folder in folders
        for fault in _list(_read(folder / SUMMARY).get("problems"))
    ]
    return About(header=headers[0] if headers else {}, problems=tuple(faults))


def facts(*runs: About) -> tuple[Fact, ...]:
    """Return what runs depend on, line by line; of two runs each line tells both."""
    told = [_told(run) for run in runs]
    names = dict.fromkeys(name for one in told for name in one)
    return tuple(Fact(name=name, texts=tuple(one.get(name, "not told") for one in told)) for name in names)


def differing(a: About, b: About) -> tuple[Fact, ...]:
    """Return the lines in which two runs are not alike."""
    return tuple(each for each in facts(a, b) if len(set(each.texts)) > 1)


def how(run: About) -> str:
    """Return in a line how a run was made; "" where that is not told."""
    settings = run.settings
    if not settings:
        return ""
    whose, read = str(settings.get("hypotheses")), str(settings.get("emotion"))
    parts = [
        f"Words by {_WHOSE.get(whose, whose)}",
        f"feeling from {_FROM.get(read, read)}" if read != "off" else "no feeling read",
        f"profile {settings['profile']}" if settings.get("profile") else "embedded engines",
        f"condition {settings['condition']}" if settings.get("condition") else "",
    ]
    return ", ".join(part for part in parts if part)


def _told(run: About) -> dict[str, str]:
    provenance = run.provenance
    found = {"corpus": _text(run.header.get("corpus")), "items": _short(run.header.get("items_sha256"))}
    found |= {name.replace("_", " "): _text(value) for name, value in run.settings.items()}
    found |= {
        f"{port.replace('_', ' ')} engine": _text(value) for port, value in _object(provenance.get("engines")).items()
    }
    found |= {name.replace("_sha256", ""): _short(provenance.get(name)) for name in HASHES if provenance.get(name)}
    found |= {"Attune": _text(provenance.get("attune"))}
    found |= {name: _text(value) for name, value in _object(provenance.get("packages")).items()}
    return {name: text for name, text in found.items() if text} if run.header else {}


def _text(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    if not value:
        return "none"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _short(value: object) -> str:
    return value[:16] if isinstance(value, str) else ""


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [_object(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def _read(file: Path) -> dict[str, Any]:
    """The object in a file; what is missing or no JSON tells nothing: the rows are what counts."""
    try:
        return _object(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}

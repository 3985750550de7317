"""The answer to a crisis: calm, short, with the numbers of the place from `helplines.toml` and from nowhere else."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..errors import ConfigInvalid
from ..phrases import Pool, pool_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from .crisis import CrisisFinding

INTERNATIONAL = "international"


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpline:
    """Who helps in one place; each text follows "you can" or "please"."""

    reach: str
    emergency: str
    abuse: str


def read_helplines(path: Path | None = None) -> Mapping[str, Helpline]:
    """Return who helps where: the shipped table, with the places of `path` (same format) over it.

    Raises:
        ConfigInvalid: the file cannot be read, is not TOML, or a place lacks `reach` or `emergency`.
    """
    if path is None:
        return _helplines()
    try:
        return {**_helplines(), **_table_of(tomllib.loads(path.read_text(encoding="utf-8")))}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        raise ConfigInvalid(f"cannot read the helplines in {path}: {trouble}") from trouble
    except (KeyError, TypeError, AttributeError) as trouble:
        message = f"the helplines in {path} need a table per locale with the texts reach and emergency: {trouble}"
        raise ConfigInvalid(message) from trouble


def helpline(locale: str, table: Mapping[str, Helpline] | None = None) -> Helpline:
    """Return who helps in the place of a BCP 47 tag such as "en-GB"; the international entry where none is listed."""
    table = _helplines() if table is None else table
    parts = re.split(r"[-_]", locale.split(".", maxsplit=1)[0])
    region = next((part.upper() for part in parts[1:] if re.fullmatch(r"[A-Za-z]{2}", part)), "")
    return table.get(f"{parts[0].lower()}-{region}") or table.get(f"en-{region}") or table[INTERNATIONAL]


def answer(
    finding: CrisisFinding, *, session: str, turn: int, avoid: Collection[str] = (), place: Helpline | None = None
) -> str:
    """Return what to say to a finding, varied from turn to turn.

    `avoid` holds answers or sentences already said; without a `place` the shipped one of the finding's locale is
    named. The same arguments give the same answer.
    """
    place = place or helpline(finding.locale)
    slots = {"reach": place.reach, "emergency": place.emergency, "abuse": place.abuse}
    pools = _answers()[finding.kind]
    key = _key(finding)
    said = " ".join(avoid)  # a phrase may be a part of an answer: looked for in the whole text
    return " ".join(
        _pool(pools[part], key).pick(turn, session=session, slots=slots, avoid=said)
        for part in ("hear", "help", "stay")
    )


def for_speech(text: str) -> str:
    """Return the text with telephone numbers spelled digit by digit, for a voice: "988" becomes "9 8 8"."""
    return re.sub(r"\b\d[\d -]*\d\b", lambda found: " ".join(re.sub(r"\D", "", found[0])), text)


def _key(finding: CrisisFinding) -> str:
    if not finding.certain:
        return "maybe"
    if finding.when == "past":
        return "bereaved" if finding.who == "other" else "past"
    if finding.who == "other":
        return "other"
    return "urgent" if finding.urgent else "now"


def _pool(pools: Mapping[str, Pool], key: str) -> Pool:
    """Return the pool for the case, or the nearest that the file has."""
    fallback = {"bereaved": "past", "urgent": "now", "other": "now", "past": "now", "maybe": "now"}
    while key not in pools:
        key = fallback[key]
    return pools[key]


@cache
def _helplines() -> Mapping[str, Helpline]:
    return _table_of(_read("helplines.toml"))


def _table_of(table: Mapping[str, Mapping[str, str]]) -> dict[str, Helpline]:
    return {
        locale: Helpline(reach=row["reach"], emergency=row["emergency"], abuse=row.get("abuse") or row["reach"])
        for locale, row in table.items()
    }


@cache
def _answers() -> Mapping[str, Mapping[str, Mapping[str, Pool]]]:
    table: dict[str, dict[str, dict[str, list[str]]]] = _read("answers.toml")
    return {
        kind: {
            part: {key: pool_of(f"{kind}.{part}.{key}", phrases) for key, phrases in pools.items()}
            for part, pools in parts.items()
        }
        for kind, parts in table.items()
    }


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("agent.safety").joinpath(name).read_text(encoding="utf-8"))

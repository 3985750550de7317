"""The listener's phrases, and what it answers in a way of its own, read once from `phrases.toml` and `acts.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..phrases import Pool, pool_of
from ..safety.crisis import normalised

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something people say that has an answer of its own; `ask` may follow `say`, `then` names what else may."""

    name: str
    heard: re.Pattern[str]
    say: Pool
    ask: Pool | None
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that can be said: `pools` by "group.name", acts in the order they are tried, words by family and arousal."""

    pools: Mapping[str, Pool]
    acts: tuple[Act, ...]
    words: Mapping[str, Mapping[str, tuple[str, ...]]]
    said: Mapping[str, tuple[str, ...]]
    heard: Mapping[str, tuple[str, ...]]


@cache
def script() -> Script:
    """Return the script, read once."""
    phrases, acts = _read("phrases.toml"), _read("acts.toml")
    words: dict[str, dict[str, list[str]]] = phrases.pop("words")
    said: dict[str, list[str]] = phrases.pop("said")
    heard: dict[str, list[str]] = phrases.pop("heard")
    groups: dict[str, dict[str, list[str]]] = {**phrases, "other": {k: v["say"] for k, v in acts["other"].items()}}
    return Script(
        pools={
            f"{group}.{name}": pool_of(f"{group}.{name}", lines)
            for group, pools in groups.items()
            for name, lines in pools.items()
        },
        acts=tuple(_act(row, acts["parts"]) for row in acts["act"]),
        words={family: {level: tuple(texts) for level, texts in levels.items()} for family, levels in words.items()},
        said={family: tuple(texts) for family, texts in said.items()},
        heard={family: tuple(texts) for family, texts in heard.items()},
    )


def act_of(text: str) -> Act | None:
    """Return the first act that the text is, None for a plain statement."""
    plain = " ".join(normalised(text).replace(".", " ").split())
    return next((act for act in script().acts if act.heard.search(plain)), None) if plain else None


def _act(row: dict[str, Any], parts: Mapping[str, str]) -> Act:
    name: str = row["name"]
    heard = "|".join(f"(?:{pattern})" for pattern in row["heard"])
    for part, written in reversed(tuple(parts.items())):  # a part may name those above it
        heard = heard.replace(f"<{part}>", written)
    return Act(
        name=name,
        heard=re.compile(heard),
        say=pool_of(f"{name}.say", row["say"]),
        ask=pool_of(f"{name}.ask", row["ask"]) if "ask" in row else None,
        then=row.get("then", ""),
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("agent.reply").joinpath(name).read_text(encoding="utf-8"))

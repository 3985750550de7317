"""Where papers contradict themselves or leave something open, and how that is settled: named options with defaults."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ..errors import EvalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SettlementInvalid(EvalError):
    """What is to be settled is not open, or not in that way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One open point.

    Attributes:
        name: as it is settled by: "ua".
        paper, where: whose it is ("all": several), and which place of it.
        observed: what stands there.
        choices: what can be chosen, and what each means; none: nothing can.
        default: what is chosen unless said otherwise.
    """

    name: str
    paper: str
    where: str
    observed: str
    choices: Mapping[str, str] = field(default_factory=dict[str, str])
    default: str = ""


@cache
def discrepancies() -> tuple[Discrepancy, ...]:
    """Return all of them, paper by paper."""
    text = (files(__package__ or "eval.papers") / "discrepancies.toml").read_text("utf-8")
    return tuple(Discrepancy(name=name, **told) for name, told in tomllib.loads(text).items())


def settle(chosen: Sequence[str], *, paper: str | None = None) -> dict[str, str]:
    """Return what is chosen of each open point, the default where `chosen` ("ua=accuracy") says nothing.

    `paper`: only its points may be settled; None: any.

    Raises:
        SettlementInvalid: a point or a choice is not known, or a point is settled twice in different ways.
    """
    open_points = {one.name: one for one in discrepancies() if one.choices and paper in {None, one.paper}}
    settled = {name: one.default for name, one in open_points.items()}
    said: dict[str, str] = {}
    for text in chosen:
        name, _, choice = (part.strip() for part in text.partition("="))
        if name not in open_points:
            raise SettlementInvalid(f"nothing called {name!r} is open, expected one of {', '.join(open_points)}")
        choices = open_points[name].choices
        if choice not in choices:
            raise SettlementInvalid(f"{name} cannot be {choice!r}, expected one of {', '.join(choices)}")
        if said.setdefault(name, choice) != choice:
            raise SettlementInvalid(f"{name} is settled twice, as {said[name]} and as {choice}")
    return settled | said


def discrepancy_table() -> str:
    """Return all open points as Markdown; what is chosen unless said otherwise stands first."""
    lines = ["| name | paper | where | what stands there | choices, the default first |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_told(one))} |" for one in discrepancies()]
    return "\n".join(lines)


def _told(point: Discrepancy) -> tuple[str, ...]:
    names = sorted(point.choices, key=lambda name: name != point.default)
    choices = "; ".join(f"`{name}` {point.choices[name]}" for name in names) or "none"
    return tuple(text.replace("|", "\\|") for text in (point.name, point.paper, point.where, point.observed, choices))

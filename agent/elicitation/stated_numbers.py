"""A probability asked for each label on its own: as two digits, or after reasoning (folktexts' other two modes)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..distribution import normalise
from .values import Elicited, uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NUMERIC_START: Final = "0."
"""Already written for the model, so that the two tokens after it are the digits."""

_DIGITS: Final = re.compile(r"\d{1,2}(?!\d)")
_WHOLE: Final = re.compile(r"(?P<value>[01](?:\.\d+)?|\.\d+)(?![\d.])(?!\s?%)")
_PERCENT: Final = re.compile(r"(?P<value>\d{1,3}(?:\.\d+)?)\s?%")
_LAST: Final = re.compile(
    r"probability\W{0,6}(?:(?:is|of)\s+)?(?:about\s+|approximately\s+|~\s?)?"
    r"(?:(?P<percent>\d{1,3}(?:\.\d+)?)\s?(?:%|percent)|(?P<share>[01]?\.\d+|[01](?![\d.])))",
    re.IGNORECASE,
)


def from_numeric(answers: Mapping[str, str], labels: Sequence[str]) -> Elicited:
    """Return the distribution of numbers written after "0.", one for each label, divided by their sum.

    An answer is the digits alone ("65"); of a model that begins the number anew ("0.65", "65%") that is taken.
    """
    return _together(answers, labels, read=_numeric)


def from_chain(answers: Mapping[str, str], labels: Sequence[str]) -> Elicited:
    """Return the distribution of what reasoning ends in: the last "Probability: 65%" of the answer for each label."""
    return _together(answers, labels, read=_concluded)


def _together(answers: Mapping[str, str], labels: Sequence[str], *, read: Callable[[str], float | None]) -> Elicited:
    said = {label: read(answers[label]) if label in answers else None for label in labels}
    known = {label: value for label, value in said.items() if value is not None}
    lost = [label for label in labels if label not in known]
    if not known:
        return Elicited(distribution=uniform(max(1, len(labels))), problem="no answer holds a probability")
    if not any(known.values()):
        return Elicited(distribution=uniform(len(labels)), problem="all probabilities are 0")
    warning = f"no probability for {', '.join(lost)}, counted 0" if lost else None
    return Elicited(distribution=normalise([known.get(label, 0.0) for label in labels]), warning=warning)


def _numeric(text: str) -> float | None:
    text = text.strip()
    if found := _PERCENT.match(text):
        return _share(float(found["value"]) / 100)
    if "." in text[:2] and (found := _WHOLE.match(text)):
        return _share(float(found["value"]))
    digits = _DIGITS.match(text)
    return float(NUMERIC_START + digits[0]) if digits else None


def _concluded(text: str) -> float | None:
    found = list(_LAST.finditer(text))
    if not found:
        return None
    last = found[-1]
    return _share(float(last["percent"]) / 100 if last["percent"] else float(last["share"]))


def _share(value: float) -> float | None:
    return value if 0 <= value <= 1 else None

"""GoEmotions: Reddit comments with 27 emotions or neutral (Demszky et al. 2020), read from its split files.

A file has one comment per line: text, comma-joined label ids, comment id, separated by tabs, without a header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.backends.emotion.spoken import listed
from agent.labels import BIG_FOUR, EIGHT

from ..errors import CorpusUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LABELS: Final = listed(
    "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval "
    "disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief "
    "remorse sadness surprise neutral"
)
NEUTRAL: Final = "neutral"

NARROW: Final[Mapping[str, str]] = {
    "anger": "angry",
    "annoyance": "angry",
    "joy": "happy",
    "amusement": "happy",
    "excitement": "happy",
    "love": "happy",
    "sadness": "sad",
    "grief": "sad",
    "disappointment": "sad",
    "remorse": "sad",
    NEUTRAL: "neutral",
}
"""Big Four, the unmistakable labels only: what figures are given for."""

WIDE: Final[Mapping[str, str]] = {
    **NARROW,
    **dict.fromkeys(listed("admiration approval caring desire gratitude optimism pride relief"), "happy"),
    "disapproval": "angry",
    "embarrassment": "sad",
}
"""Big Four, with the neighbours the corpus' authors group with them: a weak second opinion in training."""

EIGHT_OF: Final[Mapping[str, str]] = {
    **WIDE,
    "disgust": "disgusted",
    "disapproval": "contemptuous",
    **dict.fromkeys(listed("fear nervousness"), "fearful"),
    **dict.fromkeys(listed("surprise realization confusion curiosity"), "surprised"),
}
"""The eight MSP classes. GoEmotions has no contempt: disapproval stands in for it, a proxy and a poor one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment as written, with the labels its raters agreed on (at least one)."""

    text: str
    labels: tuple[str, ...]


def read_goemotions(directory: Path, *, split: str) -> list[Comment]:
    """Return the comments of `split` ("train", "dev", "test") in file order.

    Raises:
        CorpusUnreadable: the file is missing or a line is not text, ids, comment id.
    """
    path = directory / f"{split}.tsv"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusUnreadable(
            f"{path} cannot be read ({error}): expected GoEmotions' {split}.tsv in the folder given"
        ) from error
    return [_comment(line, where=f"{path}:{at}") for at, line in enumerate(lines, 1) if line]


def _comment(line: str, *, where: str) -> Comment:
    try:
        text, ids, _ = line.rstrip("\r").split("\t")
        return Comment(text=text, labels=tuple(LABELS[int(part)] for part in ids.split(",")))
    except (ValueError, IndexError) as error:
        raise CorpusUnreadable(f"{where} is not text, label ids and comment id separated by tabs ({error})") from error


def target_of(labels: Sequence[str], groups: Mapping[str, str]) -> str | None:
    """Return the one group all of `labels` fall in (neutral beside another counts as that), None without one."""
    found = {groups.get(label) for label in labels}
    if len(found) > 1:
        found.discard(NEUTRAL)
    return found.pop() if len(found) == 1 else None


def soft_targets(comments: Sequence[Comment], groups: Mapping[str, str], order: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of each comment's labels in each group, shape (n, n groups).

    Labels in no group take their share away. Neutral beside another label does not count.
    """
    targets = np.zeros((len(comments), len(order)))
    for row, comment in enumerate(comments):
        told = [label for label in comment.labels if label != NEUTRAL] or [NEUTRAL]
        for label in told:
            if label in groups:
                targets[row, order.index(groups[label])] += 1.0 / len(told)
    return targets


def hard_targets(comments: Sequence[Comment], groups: Mapping[str, str], order: Sequence[str]) -> NDArray[np.intp]:
    """Return the index in `order` of each comment's one group, -1 where it has none. Shape (n,)."""
    found = [target_of(comment.labels, groups) for comment in comments]
    return np.array([-1 if name is None else order.index(name) for name in found], dtype=np.intp)


def big_four_targets(comments: Sequence[Comment]) -> NDArray[np.intp]:
    """Return the narrow Big Four class of each comment, -1 where it has none."""
    return hard_targets(comments, NARROW, BIG_FOUR)


def eight_targets(comments: Sequence[Comment]) -> NDArray[np.intp]:
    """Return the class of each comment among the eight, -1 where it has none."""
    return hard_targets(comments, EIGHT_OF, EIGHT)

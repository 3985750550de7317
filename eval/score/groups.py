"""What rows can be grouped by. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import ScoreImpossible
from .said import own_label, true_label
from .words import word_error_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..replay.row import Row
    from .measure import ScoreSettings

UNTOLD: Final = "untold"
WER_BANDS: Final = ((0.0, "0"), (0.1, "to 10 %"), (0.25, "to 25 %"), (0.5, "to 50 %"), (1.0, "to 100 %"))
CONTEXT_BANDS: Final = ((0, "00"), (4, "01-04"), (9, "05-09"), (24, "10-24"))


def _wer_band(row: Row, settings: ScoreSettings) -> str:
    rate = word_error_rate(row, settings.normaliser)
    if rate is None:
        return UNTOLD
    return next((f"{at} {name}" for at, (most, name) in enumerate(WER_BANDS) if rate <= most), "5 above 100 %")


def _context_band(row: Row, settings: ScoreSettings) -> str:
    if row.dialogue is None:
        return UNTOLD
    return next((name for most, name in CONTEXT_BANDS if row.order <= most), "25 or more")


GROUPS: Final[dict[str, Callable[[Row, ScoreSettings], str]]] = {
    "emotion": lambda row, settings: true_label(row, settings) or own_label(row) or UNTOLD,
    "split": lambda row, _: row.split or UNTOLD,
    "speaker": lambda row, _: row.speaker or UNTOLD,
    "dialogue": lambda row, _: row.dialogue or UNTOLD,
    "corpus": lambda row, _: row.corpus,
    "status": lambda row, _: row.status,
    "wer": _wer_band,
    "context": _context_band,
}
"""By name: true label, split or fold, speaker, dialogue, corpus, status, word error rate, turns before in dialogue."""


def group_of(row: Row, name: str, settings: ScoreSettings) -> str:
    """Return the group of a row, "untold" where the corpus does not tell it.

    Raises:
        ScoreImpossible: nothing is called so.
    """
    if name not in GROUPS:
        raise ScoreImpossible(f"rows cannot be grouped by {name!r}, only by {', '.join(GROUPS)}")
    return GROUPS[name](row, settings)

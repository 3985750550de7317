"""A distribution over labels out of what a language model says, or how likely it holds it.

All is pure, but for `calibration_file`. What comes from a model may be anything: nothing here fails on it. An answer
that says nothing gives a uniform distribution with the `problem`.
"""

from __future__ import annotations

from .ambiguity import Ambiguity, ambiguity
from .calibration import Calibration
from .calibration_file import read_calibration
from .choices import Choice, Chosen, from_choices, key_orders, keyed
from .label_scores import from_scores
from .stated_numbers import NUMERIC_START, from_chain, from_numeric
from .text_level import Stated, Tally, from_percentages, tally
from .token_level import TokenLevel, from_trace
from .values import Elicited
from .voting import Vote, ensemble, vote
from .words import word_for, words_of

__all__ = [
    "NUMERIC_START",
    "Ambiguity",
    "Calibration",
    "Choice",
    "Chosen",
    "Elicited",
    "Stated",
    "Tally",
    "TokenLevel",
    "Vote",
    "ambiguity",
    "ensemble",
    "from_chain",
    "from_choices",
    "from_numeric",
    "from_percentages",
    "from_scores",
    "from_trace",
    "key_orders",
    "keyed",
    "read_calibration",
    "tally",
    "vote",
    "word_for",
    "words_of",
]

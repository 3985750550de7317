"""Errors of scoring.

EvalError
├── LedgerInvalid    a ledger is missing, or a line of it is no row
└── ScoreImpossible  what is asked of the rows cannot be had from them
"""

from __future__ import annotations

from ..errors import EvalError


class LedgerInvalid(EvalError):
    """A ledger is missing, or a line of it is no row, or an item stands in it twice."""


class ScoreImpossible(EvalError):
    """What is asked of the rows cannot be had from them; the message says what can."""

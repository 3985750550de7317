"""Errors of the evaluation.

EvalError
├── CorpusUnreadable  a corpus is missing or not in the format expected
├── MeasureFailed     what was to be measured did not run
└── SignatureInvalid  a signature does not parse
"""

from __future__ import annotations


class EvalError(Exception):
    """Something in an evaluation went wrong; the message says what was wrong, what was expected and what to do."""


class CorpusUnreadable(EvalError):
    """A corpus is missing, or a line of it is not in the format expected."""


class MeasureFailed(EvalError):
    """What was to be measured did not start or did not last."""


class SignatureInvalid(EvalError):
    """A signature does not parse."""

"""Crisis check, crisis answer, and the check of everything the agent is about to say. No model, no network."""

from .answer import Helpline, answer, for_speech, helpline
from .check import CrisisFinding, CrisisKind, check
from .vet import Fault, faults, vet

__all__ = [
    "CrisisFinding",
    "CrisisKind",
    "Fault",
    "Helpline",
    "answer",
    "check",
    "faults",
    "for_speech",
    "helpline",
    "vet",
]

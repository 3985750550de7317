"""Crisis check, crisis answer, and the check of everything the agent is about to say. No model, no network."""

from .answering import Helpline, answer, for_speech, helpline, read_helplines
from .crisis import CrisisFinding, CrisisKind, check
from .vetting import Fault, faults, vet

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
    "read_helplines",
    "vet",
]

"""Profiles: which engines are used together, what they need, which one is taken."""

from __future__ import annotations

from .read import DEFAULT, read_profiles, shipped_profiles
from .usable import Gap, Taken, extras_of, gaps, models_of, propose, take
from .values import PORTS, Choice, Profile, Wants

__all__ = [
    "DEFAULT",
    "PORTS",
    "Choice",
    "Gap",
    "Profile",
    "Taken",
    "Wants",
    "extras_of",
    "gaps",
    "models_of",
    "propose",
    "read_profiles",
    "shipped_profiles",
    "take",
]

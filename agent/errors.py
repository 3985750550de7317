"""Errors of the agent.

AgentError
├── SpeechFailed     the voice is missing or died
├── TurnLogFailed    the turn log cannot be written or read (read-only, locked, corrupt, full)
└── ConfigInvalid    a setting or a command's argument makes no sense
"""

from __future__ import annotations


class AgentError(Exception):
    """Something in the agent went wrong; the message says what was wrong, what was expected and what to do."""


class SpeechFailed(AgentError):
    """Text could not be turned into sound."""


class TurnLogFailed(AgentError):
    """The turn log is unusable; nothing that was acknowledged is lost."""


class ConfigInvalid(AgentError):
    """A setting is not one of those that make sense."""

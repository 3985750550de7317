"""Talking to servers that speak the OpenAI protocol over HTTP: addresses, patience, retries, what can go wrong.

Imports nothing of ours but `streaming.errors`, and httpx only when a server is first talked to.
"""

from .breaker import Breaker, BreakerSettings
from .endpoint import Endpoint, Patience
from .retry import RetrySettings

__all__ = ["Breaker", "BreakerSettings", "Endpoint", "Patience", "RetrySettings"]

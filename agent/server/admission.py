"""Who gets a session: total, per address, per token, and none while the process is at its limits.

A refusal is an answer at once, never a wait. What is measured of the process (loop lag, open files) comes from outside.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import ServerSettings

RefusalCode: TypeAlias = Literal[
    "session_limit", "address_limit", "token_limit", "overloaded", "too_many_files", "draining", "not_found"
]

RETRY_AFTER_S: Final = {
    "session_limit": 15.0,
    "address_limit": 15.0,
    "token_limit": 15.0,
    "overloaded": 5.0,
    "too_many_files": 10.0,
    "draining": 5.0,
}
"""When it makes sense to ask again; nothing for `not_found`, which never becomes true."""

FILES_SPARED: Final = 32
"""Open files kept free for the log, for health checks and for answering refusals."""

MAX_LATENESS: Final = 0.5
"""Lateness of the loop above which nobody new comes in: those inside would hear it."""

LAG_TICK_S: Final = 0.05
LAG_WINDOW_S: Final = 10.0


class Refused(Exception):
    """No session for this client: `code` says why, `retry_after_s` when to ask again (None: no use)."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        """Say why, and what to do."""
        super().__init__(message)
        self.code: RefusalCode = code
        self.message = message
        self.retry_after_s = RETRY_AFTER_S.get(code)

    @property
    def http_status(self) -> int:
        """404 for a session that is not there, 429 for a client that has enough of them, else 503."""
        if self.code == "not_found":
            return 404
        return 429 if self.code in {"address_limit", "token_limit"} else 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Whom a session counts for: its network address and the name (not the secret) of its token, "" without."""

    address: str
    token: str = ""


class Admission:
    """Counts who is in, and says who may come in."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        lateness: Callable[[], float] = lambda: 0.0,
        files_left: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Begin with nobody.

        Args:
            settings: how many may be in.
            lateness: of the loop (`LoopLag`); above `MAX_LATENESS` nobody new comes in.
            files_left: how many more files may be opened, None where that is not known.
        """
        self._settings = settings
        self._lateness, self._files_left = lateness, files_left
        self._n = 0
        self._by_address: Counter[str] = Counter()
        self._by_token: Counter[str] = Counter()
        self.is_draining = False

    @property
    def n(self) -> int:
        """How many are in."""
        return self._n

    def refusal(self, client: Client) -> Refused | None:
        """Return why a client may not come in now, None where it may."""
        return self._full(client) or self.general_refusal()

    def general_refusal(self) -> Refused | None:
        """Return why nobody may come in now, None where somebody may."""
        if self.is_draining:
            return Refused("draining", "the server is shutting down: connect again, another process answers")
        if self._n >= self._settings.max_sessions:
            return Refused("session_limit", f"all {self._n} sessions are in use: try again later")
        if self._lateness() > MAX_LATENESS:
            return Refused("overloaded", "the server is overloaded and keeps to its present sessions: try again later")
        left = self._files_left()
        if left is not None and left < FILES_SPARED:
            return Refused("too_many_files", "the server is at its limit of open files: try again later")
        return None

    def enter(self, client: Client) -> None:
        """Count a client in.

        Raises:
            Refused: it may not come in now.
        """
        if (refused := self.refusal(client)) is not None:
            raise refused
        self._n += 1
        self._by_address[client.address] += 1
        self._by_token[client.token] += 1

    def leave(self, client: Client) -> None:
        """Count a client out that was in."""
        self._n -= 1
        for counter, key in ((self._by_address, client.address), (self._by_token, client.token)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def _full(self, client: Client) -> Refused | None:
        per_address, per_token = self._settings.max_sessions_per_address, self._settings.max_sessions_per_token
        if self._by_address[client.address] >= per_address:
            return Refused("address_limit", f"{per_address} sessions from one address are open: close one")
        if client.token and self._by_token[client.token] >= per_token:
            return Refused("token_limit", f"{per_token} sessions of this token are open: close one")
        return None


class LoopLag:
    """How late this process's event loop runs, from a short sleep that is measured over and over.

    What counts is not the worst moment (a model is loaded, the machine does something else) but how much of the time
    the loop is behind: a loop 50 ms late at every turn is as late as it is not.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without lag."""
        self._clock = clock
        self._lags: deque[tuple[float, float]] = deque()
        self._sum_s = 0.0

    @property
    def lateness(self) -> float:
        """Share of the last ten seconds that a sleep was overdue, in [0, 1]."""
        return min(1.0, max(0.0, self._sum_s / LAG_WINDOW_S))

    async def watch(self, observe: Callable[[float], object]) -> None:
        """Measure until cancelled; `observe` gets each measurement too."""
        while True:
            before = self._clock()
            await anyio.sleep(LAG_TICK_S)
            lag_s = max(0.0, self._clock() - before - LAG_TICK_S)
            self.add(lag_s)
            observe(lag_s)

    def add(self, lag_s: float) -> None:
        """Take one measurement, in seconds, that has just ended."""
        now_s = self._clock()
        self._lags.append((now_s, lag_s))
        self._sum_s += lag_s
        while self._lags and now_s - self._lags[0][0] > LAG_WINDOW_S:
            self._sum_s -= self._lags.popleft()[1]


def files_left() -> int | None:
    """Return how many more files this process may open; None where the system does not tell."""
    try:
        import resource  # noqa: PLC0415 - there is none on Windows

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        return limit - sum(1 for _ in Path("/dev/fd").iterdir())
    except (ImportError, OSError):
        return None

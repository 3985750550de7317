"""One job at a time in a task; of what is asked for meanwhile only the newest is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

T = TypeVar("T")


class Newest(Generic[T]):
    """Keeps slow work from holding up whoever asks for it: what is under way ends, then the newest is next.

    Work that took longer than the time between two requests would never end if each cancelled the one before.
    """

    def __init__(
        self, work: Callable[[T], Awaitable[None]], *, begins: Callable[[T], Awaitable[None]] | None = None
    ) -> None:
        """Have `work` done; `begins` is told before, and may put it off: by then another may be the newest."""
        self._work = work
        self._begins = begins
        self._waiting: list[T] = []
        self._scope: anyio.CancelScope | None = None

    def offer(self, request: T, *, tasks: TaskGroup) -> None:
        """Have `request` done as soon as what is under way is; it takes the place of one that still waits."""
        self._waiting = [request]
        if self._scope is None:
            self._scope = anyio.CancelScope()
            tasks.start_soon(self._run, self._scope)

    def drop(self) -> None:
        """Stop what is under way and forget what waits. Idempotent."""
        self._waiting = []
        if self._scope is not None:
            self._scope.cancel()
            self._scope = None

    async def _run(self, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                while self._scope is scope and self._waiting:
                    if self._begins is not None:
                        await self._begins(self._waiting[-1])
                    await self._work(self._waiting.pop())
        finally:
            if self._scope is scope:
                self._scope = None

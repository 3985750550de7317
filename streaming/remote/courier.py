"""An event loop on a thread of its own, that all talk with one server runs on.

So callers may live on any loop or thread, a request that nobody wants any more is really cancelled (its connection
closes and the server stops), and `close` leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")


class Courier:
    """Runs coroutines for callers elsewhere. The thread starts with the first and ends with `close`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Start `work` and return its future; cancelling that cancels the work.

        Raises:
            EngineFailed: the courier is closed.
        """
        with self._lock:
            if self._is_closed:
                raise self.closed()
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._work, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    async def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` returns; being cancelled cancels it.

        Raises:
            EngineFailed: the courier is closed, or was before the work was done; besides, whatever the work raises.
        """
        try:
            return await asyncio.wrap_future(self.submit(work))
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
            raise self.closed() from None

    async def stream(self, work: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield what `work` yields. Closing this generator closes that one, which ends its request.

        Raises:
            EngineFailed: as `call`.
        """
        told: asyncio.Queue[tuple[T, ...] | BaseException] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(item: tuple[T, ...] | BaseException) -> None:
            loop.call_soon_threadsafe(told.put_nowait, item)

        def ended(future: Future[None]) -> None:
            trouble = self.closed() if future.cancelled() else future.exception()
            with suppress(RuntimeError):  # the caller's loop is gone: nobody wants to know
                tell(() if trouble is None else trouble)

        async def pump() -> None:
            async with aclosing(work()) as items:
                async for item in items:
                    tell((item,))

        future = self.submit(pump)
        future.add_done_callback(ended)
        try:
            while item := await told.get():
                if isinstance(item, BaseException):
                    raise item
                yield item[0]
        finally:
            future.cancel()

    def closed(self) -> EngineFailed:
        """Return the error for work that ended, or was wanted, after `close`."""
        return EngineFailed(f"{self._name} was closed; make a new one")

    def close(self, last: Callable[[], Awaitable[object]] | None = None) -> None:
        """Cancel all work, run `last` on the loop, and wait for the thread. Idempotent."""
        with self._lock:
            self._is_closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.create_task, self._finish(loop, last))
        if thread is not threading.current_thread():
            thread.join()

    async def _finish(self, loop: asyncio.AbstractEventLoop, last: Callable[[], Awaitable[object]] | None) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if last is not None:
            await last()
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()
        loop.stop()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            asyncio.set_event_loop(None)
            loop.close()

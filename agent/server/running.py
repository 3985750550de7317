"""A server process from start to end: it serves until a signal (or the loss of its supervisor), drains, and leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from .app import serve
from .collector import collect_ended, come_seldom
from .draining import stop_signals
from .metrics import ServerMetrics
from .relay import Relay
from .workers import Place, orphaned

if TYPE_CHECKING:
    from collections.abc import Callable

    from .app import Server
    from .draining import Stopping
    from .ports import Dialogues
    from .settings import ServerSettings


class SharedMetrics(ServerMetrics):
    """What one worker counts, told together with what all others count: whichever is asked says the same.

    Counters and histograms are sums; gauges carry the process id of their worker. The library shares them through
    files, in a process that found `METRICS` in its environment (`Place.environment`) when it was imported.
    """

    def __init__(self, folder: str) -> None:
        """Count for a worker whose metrics are shared in a folder."""
        super().__init__()
        self._folder = folder

    def exposition(self) -> bytes:
        """Return everything that all workers have counted."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._folder)  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
        return generate_latest(registry)


def metrics_of(place: Place | None) -> ServerMetrics:
    """Return what counts for a process that is alone, or for one of several workers."""
    return ServerMetrics() if place is None else SharedMetrics(place.folder)


async def run_server(
    settings: ServerSettings,
    dialogues: Dialogues,
    *,
    announce: Callable[[Server], None],
    place: Place | None = None,
    metrics: ServerMetrics | None = None,
) -> None:
    """Serve until asked to stop, then drain; in the main thread.

    While it drains, the port stays open and answers: `/ready` and whoever wants a session get 503.

    Args:
        settings: where, for whom, how much.
        dialogues: makes the conversations.
        announce: called once the port is open.
        place: which of several workers this process is; None: it is alone.
        metrics: what is counted, by `metrics_of` the same place.

    Raises:
        OSError: the port is taken, or may not be had.
    """
    come_seldom()
    mine = settings if place is None else replace(settings, port=place.port)
    number = None if place is None else place.number
    relay = None if place is None else Relay(place)
    async with (
        stop_signals() as stopping,
        serve(
            mine,
            dialogues,
            metrics=metrics or metrics_of(place),
            worker=number,
            reuse_port=place is not None,
            relay=relay,
        ) as server,
        anyio.create_task_group() as tasks,
    ):
        if place is not None:
            tasks.start_soon(orphaned, stopping)
        tasks.start_soon(collect_ended, server.seats)
        announce(server)
        await until_drained(server, stopping)
        tasks.cancel_scope.cancel()


async def until_drained(server: Server, stopping: Stopping) -> bool:
    """Wait until asked to stop, and drain; asked again, give that up. Returns whether every session came to its end."""
    await stopping.asked()
    return await stopping.unless_urged(server.seats.drain)

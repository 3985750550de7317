"""What a server counts: numbers only, never what was said, by whom, or with which secret. One registry per server."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

LATENCIES_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ServerMetrics:
    """Counters, gauges and histograms of one server."""

    content_type: Final = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.sessions_open = Gauge(
            "attune_sessions_open",
            "Sessions held, with a connection or without",
            registry=registry,
            multiprocess_mode="liveall",
        )
        self.connections_open = Gauge(
            "attune_connections_open", "WebSocket connections", registry=registry, multiprocess_mode="liveall"
        )
        self.sessions = Counter("attune_sessions", "Sessions begun, by endpoint", ["endpoint"], registry=registry)
        self.refused = Counter(
            "attune_refused", "Requests for a session not granted, by reason", ["reason"], registry=registry
        )
        self.resumed = Counter("attune_resumed", "Sessions taken up again after a lost connection", registry=registry)
        self.http = Counter("attune_http_responses", "HTTP answers, by status", ["status"], registry=registry)
        self.messages = Counter("attune_messages", "Messages, by direction", ["direction"], registry=registry)
        self.audio_s = Counter("attune_audio_seconds", "Sound received, seconds", registry=registry)
        self.faults = Counter(
            "attune_faults", "Messages that made no sense, by fault code", ["code"], registry=registry
        )
        self.closes = Counter("attune_closes", "Connections closed, by code", ["code"], registry=registry)
        self.slow_readers = Counter(
            "attune_slow_readers", "Clients dropped because they did not read", registry=registry
        )
        self.crises = Counter(
            "attune_crisis_answers", "Answers that named a crisis line (a number only)", registry=registry
        )
        self.loop_lag_s = Histogram(
            "attune_loop_lag_seconds", "How late the event loop runs", buckets=LATENCIES_S, registry=registry
        )
        self.frame_to_event_s = Histogram(
            "attune_frame_to_event_seconds",
            "From a message to the event that answers it at once, sent",
            buckets=LATENCIES_S,
            registry=registry,
        )

    def exposition(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)

"""Attune over WebSocket: sockets, limits, admission, workers. Decisions about the protocol live in `agent.wire`."""

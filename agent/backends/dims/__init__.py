"""Adapters of `agent.ports.DimensionsReader`."""

"""Adapters of packages that only some replays need, imported when they are asked for."""

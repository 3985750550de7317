"""Replay, train and score. The top layer: nothing imports it but tests and its own command."""

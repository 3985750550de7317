"""Replay: corpora through the same listener and session as live, one JSON line for each utterance."""

"""Corpora: what they hold, read from the formats they come in."""

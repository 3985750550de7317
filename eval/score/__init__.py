"""Figures from ledgers: reads only what replay wrote."""

"""The papers' tables: what they print, beside what a corpus and a model give here."""

"""A small corpus: dialogues of three and items that stand alone, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eval.corpora.item import Corpus, Item, Problem
from streaming.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from streaming.events import Samples

LABELS = {"hap": "happy", "sad": "sad"}
SAID = ("I am so happy today", "this is terrible and I hate it", "okay then")


def toy_corpus(*, n_dialogues: int = 3, n_alone: int = 2) -> Corpus:
    """Return a corpus; its dialogues come first."""
    talked = [
        Item(
            id=f"d{dialogue}_{order}",
            dialogue=f"d{dialogue}",
            order=order,
            speaker="AB"[order % 2],
            text=f"{text} {dialogue}",
            hypotheses=(("one", text), ("two", " "), ("three", text.upper())),
            emotion="hap",
            votes=(("hap", 2), ("fru", 1)),
        )
        for dialogue in range(n_dialogues)
        for order, text in enumerate(SAID)
    ]
    alone = [Item(id=f"a{number}", text=f"so sad {number}", emotion="fru", split="test") for number in range(n_alone)]
    problems = (Problem(where="d9", why="no label"),)
    return Corpus(name="toy", items=(*talked, *alone), labels=LABELS, problems=problems)


def voice(seconds: float = 1.0, *, hz: float = 150.0) -> Samples:
    """Return a tone that swells four times a second."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    swell = 1 + 0.5 * np.sin(2 * np.pi * 4 * at)
    return (0.2 * np.sin(2 * np.pi * hz * at) * swell).astype(np.float32)

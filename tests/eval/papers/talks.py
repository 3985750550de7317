"""A small corpus of conversations that ten recognisers heard, as paper 000's data are; some of it with sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.corpora.gensec import BY_WER
from eval.corpora.item import Corpus, Item

if TYPE_CHECKING:
    from pathlib import Path

LABELS = {"ang": "angry", "hap": "happy", "neu": "neutral", "sad": "sad"}
SAID = ("ang", "hap", "neu", "sad")


def talks(*, n_sessions: int = 3, name: str = "talks", audio: Path | None = None) -> Corpus:
    """Sessions of two speakers who say four things, one of each feeling; each recogniser hears its own words."""
    items = [
        Item(
            id=f"Ses0{session}_{order}",
            dialogue=f"Ses0{session}",
            order=order,
            speaker=f"Ses0{session}_{'FM'[order % 2]}",
            gender="FM"[order % 2],
            audio=audio,
            text=f"true words {session} {order}",
            hypotheses=tuple((who, f"{who} heard {session} {order}") for who in (*BY_WER, "whispermedium")),
            emotion=emotion,
            split=f"Ses0{session}",
        )
        for session in range(1, n_sessions + 1)
        for order, emotion in enumerate(SAID)
    ]
    return Corpus(name=name, items=tuple(items), labels=LABELS)

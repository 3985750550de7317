"""Label sets and the ways between them. The one place where emotion names are written down."""

from __future__ import annotations

from typing import Final

BIG_FOUR: Final = ("angry", "happy", "neutral", "sad")
"""The four classes of paper 000 (IEMOCAP, excited merged into happy)."""

EIGHT: Final = ("angry", "sad", "disgusted", "contemptuous", "fearful", "neutral", "surprised", "happy")
"""The eight primary classes of MSP-Podcast (paper 003), in its order."""

FALLBACK: Final = "neutral"
"""What paper 000 scores when an answer holds no label. Live, such an estimate abstains instead."""

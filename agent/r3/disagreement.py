"""Where the hypotheses of an utterance differ, in words. Pure."""

from __future__ import annotations

from collections import defaultdict
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from streaming.nbest import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_WORDS = 400
"""Words of each hypothesis that are compared; aligning takes time that grows with their product."""


def spots(hypotheses: Sequence[str], *, most: int = 6) -> tuple[tuple[str, ...], ...]:
    """Return the places where the hypotheses hold other words than the best one, as its words and theirs.

    In the order of the best hypothesis, at most `most`; "" stands for no word. Two hypotheses that differ from the best
    in the same words make one place, and case and punctuation make none.
    """
    if not hypotheses:
        return ()
    best = normalise(hypotheses[0]).split()[:MAX_WORDS]
    found: dict[tuple[int, int], dict[str, None]] = defaultdict(dict)
    for other in hypotheses[1:]:
        words = normalise(other).split()[:MAX_WORDS]
        for kind, i, j, k, m in SequenceMatcher(None, best, words, autojunk=False).get_opcodes():
            if kind != "equal":
                found[i, j][" ".join(words[k:m])] = None
    return tuple((" ".join(best[i:j]), *found[i, j]) for i, j in sorted(found)[:most])

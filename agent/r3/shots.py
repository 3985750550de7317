"""Worked examples from a pool: balanced over labels, never from who is under test. Pure; the same seed, the same shots.

The paper does not say how its examples were chosen; this is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import zip_longest
from typing import TYPE_CHECKING

from .untrusted import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .condition import Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """An utterance that may become an example.

    Attributes:
        key: its id, unlike all others.
        speaker, dialogue: who said it and where, as the corpus names them.
        shot: what was heard and the right answer.
    """

    key: str
    speaker: str
    dialogue: str
    shot: Shot


def chosen(
    pool: Iterable[Pooled],
    labels: Sequence[str],
    *,
    n: int,
    seed: int = 0,
    speakers: Iterable[str] = (),
    dialogues: Iterable[str] = (),
) -> tuple[Shot, ...]:
    """Return at most `n` examples, taken from the labels in turn, so that no label has more than one beyond another.

    A label that runs out is passed over. Which examples a label gives depends on the seed and on nothing but the ids:
    not on the order of the pool. More examples begin with the fewer. Text is cleaned.

    Args:
        pool: utterances with known labels; those of other labels are left out.
        labels: the label set, in the order in which they take turns.
        n: how many examples.
        seed: other seeds give other examples.
        speakers: who may not be an example: those under test.
        dialogues: likewise.
    """
    out_speakers, out_dialogues = frozenset(speakers), frozenset(dialogues)
    may = [one for one in pool if one.speaker not in out_speakers and one.dialogue not in out_dialogues]
    ranked = sorted(may, key=lambda one: (sha256(f"{seed}:{one.key}".encode()).digest(), one.key))
    by_label = ([one.shot for one in ranked if one.shot.label == label] for label in labels)
    in_turn = (shot for row in zip_longest(*by_label) for shot in row if shot is not None)
    return tuple(_cleaned(shot) for shot, _ in zip(in_turn, range(n), strict=False))


def _cleaned(shot: Shot) -> Shot:
    return replace(
        shot,
        hypotheses=tuple(text for hypothesis in shot.hypotheses if (text := cleaned(hypothesis))),
        transcript=cleaned(shot.transcript),
        reason=cleaned(shot.reason),
    )

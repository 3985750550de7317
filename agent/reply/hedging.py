"""Doubt in the first person: "you are angry" becomes "I'm not sure, but you sound angry". Pure; knows no model.

After "I'm not sure, but..." (Kim et al. 2024): doubt said in the first person makes people rely less on what a machine
got wrong. A model is told to hedge; this sees to it where it did not. English only: other languages stay as written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..phrases import stable_hash

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..events import EmotionEstimate

HEDGES: Final = ("I'm not sure, but", "I may be wrong, but", "My impression is that", "It seems to me that")

_WORDS: Final = """
    afraid alone amused angry annoyed anxious ashamed bitter calm cheerful content crushed delighted desperate
    devastated disappointed discouraged disgusted distressed down ecstatic embarrassed enraged excited exhausted fearful
    frightened frustrated furious glad grieving guilty happy heartbroken helpless hopeful hopeless hurt irritated
    jealous joyful lonely low mad miserable moved nervous numb outraged overwhelmed panicked pleased proud relieved sad
    scared shaken shocked stressed surprised tense terrified thrilled torn troubled uneasy unhappy upset worried
"""
FEELINGS: Final = frozenset(_WORDS.split())
"""What a user may be told to feel."""

_INTENSIFIERS = (
    "a bit|a little|also|absolutely|certainly|clearly|completely|deeply|definitely|extremely|feeling|genuinely|"
    "incredibly|just|kind of|obviously|plainly|pretty|quite|rather|really|so|somewhat|still|such|terribly|truly|"
    "understandably|utterly|very|pretty much|both"
)
_SURE = re.compile(r"\b(?:absolutely|certainly|clearly|definitely|obviously|plainly|understandably) ", re.IGNORECASE)
_CLAIM = re.compile(
    r"^(?P<opener>(?:(?:ah|and|but|hm+|oh|okay|right|so|well|wow|yes|yeah)[,.!]? )*)"
    r"(?P<claim>you(?:'re| are| feel| sound| seem| look| must be| must feel| must sound)"
    rf"(?: (?:{_INTENSIFIERS}))* (?P<feeling>[a-z]+)\b.*)$",
    re.IGNORECASE | re.DOTALL,
)
_DOUBT = re.compile(
    r"\b(?:maybe|perhaps|might|may be|could be|possibly|not sure|i think|i guess|i wonder|i may|i could|i take it|"
    r"to me|my impression|as if|if you|you (?:say|said|told|mentioned)|if i|am i|do i)\b"
)
_NOT_FELT = re.compile(r"\b(?:alone in|moved (?:in|out|to|from|away)|down (?:to|the|here)|low on)\b")


def is_unsure(estimate: EmotionEstimate | None, *, below: float) -> bool:
    """Tell whether a feeling may only be spoken of with doubt: nothing was read, or with a confidence under `below`.

    What the user corrected is sure.
    """
    if estimate is None:
        return True
    if estimate.is_corrected:
        return False
    return estimate.top is None or not estimate.confidence >= below


def hedged(sentence: str, *, own_words: Collection[str] = (), seed: str = "") -> str:
    """Return a sentence that tells the user what they feel with first-person doubt put before it; others as they are.

    A question, a sentence that has its doubt already, and a feeling among `own_words` (which the user said) are let be.
    The same sentence and `seed` give the same doubt.
    """
    plain = sentence.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    found = _CLAIM.match(plain)
    if found is None or plain.rstrip().endswith("?") or _DOUBT.search(plain.casefold()):
        return sentence
    feeling = found["feeling"].casefold()
    if feeling not in FEELINGS or feeling in own_words or _NOT_FELT.search(found["claim"].casefold()):
        return sentence
    hedge = HEDGES[stable_hash(seed, feeling) % len(HEDGES)]
    claim = _SURE.sub("", found["claim"])
    claim = claim[:1].lower() + claim[1:]
    return f"{_joined(found['opener'], hedge)} {claim}"


def _joined(opener: str, hedge: str) -> str:
    """Return the doubt after what the sentence opens with, in small letters unless it begins one or with "I"."""
    if not opener or opener.rstrip().endswith((".", "!")) or hedge.startswith(("I ", "I'")):
        return opener + hedge
    return opener + hedge[:1].lower() + hedge[1:]

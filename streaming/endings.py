"""Words that cannot be an end: how surely somebody who pauses after them has more to say. Pure.

Only the last word is looked at, and the sign after it where the engine writes signs. English; in other languages the
signs alone count.
"""

from __future__ import annotations

from typing import Final

_FILLERS = "um uh er erm uhm"
_CONJUNCTIONS = "and but or nor because cause cuz although though unless until whereas while if whether"
_DETERMINERS = "the a an my your our their every"
_SUBJECT_AND_VERB = """
    i'm i've i'd i'll you're you've you'd you'll he'd he'll she'd she'll it'll we're we've we'd we'll they're they've
    they'd they'll that'll there's there're who's what's
"""
CANNOT_END: Final = frozenset(" ".join((_FILLERS, _CONJUNCTIONS, _DETERMINERS, _SUBJECT_AND_VERB)).split())
"""After these more is to come."""

# Each of them can be an end: "what are you looking for", "so do I", "yes it is", "I think so".
_PREPOSITIONS = """
    about after against among around as at before between by during for from in into like near of off on onto over
    since than through to toward towards under upon via with within without
"""
_SUBJECTS = "i we they he she who which it's he's she's that's"
_VERBS = """
    am is are was were be been has have had do does did will would shall should can could may might must gonna wanna
"""
_OTHERS = "so that then when where how why what well his her its this these those some any very"
MAY_GO_ON: Final = frozenset(" ".join((_PREPOSITIONS, _SUBJECTS, _VERBS, _OTHERS)).split())
"""After these more is as likely as not."""

_DASHES: Final = "-\u2013\u2014"
_OPEN_SIGNS: Final = ("...", "…", ",", ":", ";", *_DASHES)
_EDGES: Final = f" .,;:!?…\"'()[]{_DASHES}"
_APOSTROPHE: Final = "\u2019"


def openness(text: str, *, language: str | None = None) -> float:
    """Return how surely `text`, as far as it was said, goes on: 1 (it has to), 0.5 (it may), 0 (not known).

    Args:
        text: words, with or without signs.
        language: code of what was recognised, None where the engine does not tell (taken for English).
    """
    text = text.strip().replace(_APOSTROPHE, "'")
    if text.endswith("?"):
        return 0.0
    if text.endswith(_OPEN_SIGNS):
        return 1.0
    if language is not None and not language.lower().startswith("en"):
        return 0.0
    words = text.lower().split()
    last = words[-1].strip(_EDGES) if words else ""
    if last in CANNOT_END:
        return 1.0
    return 0.5 if last in MAY_GO_ON else 0.0

"""What keeps a cell of paper 000 from being made with a corpus, and what is to be known of those that are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..corpora.gensec import BY_WER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..corpora.item import Corpus

_VOICE: Final = ("paraling",)
"""How conditions begin that say nothing but what is heard of the voice."""
TEST1: Final = "test1"
_SOME_VOICE: Final = {"2", "4", "5"}
"""Tables in which the voice is part of what is said."""
_WHOSE: Final = {
    "text": "the corpus's transcript",
    "own": "what the profile's own recogniser hears",
    "ten": "ten recognisers' readings that come with the corpus",
    "eleven": "all readings that come with the corpus",
}


def why_not(corpus: Corpus, *, condition: str, words: str) -> str:
    """Return why a condition cannot be asked over these words of a corpus; empty: it can."""
    return _no_words(corpus, words) or _nothing_to_say(corpus, condition)


def _no_words(corpus: Corpus, words: str) -> str:
    if words == "own":
        return "" if _has_sound(corpus) else f"{corpus.name} has no sound that could be recognised"
    if words == "text":
        return "" if any(item.text for item in corpus.items) else f"{corpus.name} tells no transcripts"
    brought = {name for item in corpus.items for name, _ in item.hypotheses}
    if words == "eleven":
        return "" if brought else f"{corpus.name} brings no readings of recognisers"
    lacking = [name for name in (BY_WER if words == "ten" else (words,)) if name not in brought]
    return f"{corpus.name} brings no readings by {', '.join(lacking)}" if lacking else ""


def _nothing_to_say(corpus: Corpus, condition: str) -> str:
    """A block that nothing is known for is left out of a prompt, which would then be that of another cell."""
    if condition.startswith(_VOICE) and not _has_sound(corpus):
        return f"{corpus.name} has no sound: the prompt would be the baseline's"
    if condition == "gender" and not any(item.gender for item in corpus.items):
        return f"{corpus.name} tells no gender: the prompt would be the baseline's"
    return ""


def measured_splits(corpus: Corpus) -> tuple[str, ...]:
    """Return the splits of MSP-Podcast the paper measures on: Test1; where there is none (), all there is."""
    return (TEST1,) if any(item.split == TEST1 for item in corpus.items) else ()


def notes_of(
    number: str, *, corpus: Corpus, settled: Mapping[str, str], words: Sequence[str], is_eight: bool = False
) -> tuple[str, ...]:
    """Return what differs from the paper, and how its open points were settled.

    `is_eight`: the paper's second corpus is measured on, over its eight labels.
    """
    told = dict.fromkeys(_WHOSE.get(one, f"readings by {one}") for one in words)
    part = "" if not is_eight else ", split test1" if measured_splits(corpus) else ", all of it: no split test1"
    notes = [
        f"corpus {corpus.name}{part}: the paper's figures are of IEMOCAP"
        + (" and MSP-Podcast Test1" if number == "3" else "")
        + (", here over eight labels" if is_eight else ", four labels with excited as happy")
        + "; an answer that names none counts as neutral",
        f"words: {'; '.join(told)}" if number != "1" else "words: the transcript, then one recogniser's readings",
        "ua: "
        + ("mean recall over the labels" if settled["ua"] == "macro-recall" else "share of right decisions (accuracy)"),
        "prompts: the paper prints core texts only, knowledge blocks are stand-ins with the contents it names",
    ]
    if number in _SOME_VOICE and not _has_sound(corpus):
        notes.append(f"{corpus.name} has no sound: what block 4 says of the voice is missing from every prompt")
    if number == "5":
        notes += [
            "earlier turns are shown by their best reading, never with a gold label",
            "worked examples: utterances of the corpus by other speakers in other conversations, in turn by label",
            "PEFT: trained on all splits but one, each left out in turn; items without a split are in none",
            "PEFT learns transcript and label, no reason; all rows are scored as one set, the paper averages five sets",
        ]
    return tuple(notes)


def _has_sound(corpus: Corpus) -> bool:
    return any(item.audio is not None for item in corpus.items)

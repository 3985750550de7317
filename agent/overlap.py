"""What words said over the agent mean: a turn, a back-channel, a stop, or the agent's own echo.

Pure functions over words; English. Knows nothing of time, sound or replies: `agent.bargein` weighs what is found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

# fmt: off
FILLERS: Final = frozenset((
    "ah", "aha", "er", "erm", "ha", "haha", "hah", "hm", "hmm", "huh", "m", "mhm", "mm", "mmhm", "mmhmm", "mmm", "oh",
    "ooh", "uh", "uhhuh", "um",
))
"""Sounds that hold no turn, as recognisers write them; any number of them stays a back-channel."""

BACK_CHANNELS: Final = (
    "absolutely", "all right", "alright", "exactly", "fair enough", "for sure", "go on", "good", "got it",
    "gotcha", "great", "i know", "i see", "i understand", "indeed", "interesting", "makes sense", "my god", "nice",
    "of course", "oh no", "ok", "okay", "really", "right", "sure", "thank you", "thanks", "that's right",
    "that's true", "true", "uh huh", "wow", "yea", "yeah", "yep", "yes", "yup",
)
"""Phrases of a listener (Yngve 1970): they ask the speaker to go on."""

STOPS: Final = (
    "be quiet", "enough", "excuse me", "hang on", "hold on", "just a minute", "just a second", "no no", "no stop",
    "no wait", "pause", "please stop", "quiet", "shut up", "stop", "that's enough", "wait",
)
"""Phrases that stop the agent at once when an utterance begins with them."""

# fmt: on

_SHORTEST_ECHO = 2
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_BACK_CHANNELS = frozenset(tuple(phrase.split()) for phrase in BACK_CHANNELS)
_STOPS = frozenset(tuple(phrase.split()) for phrase in STOPS)
_LONGEST = max(len(phrase) for phrase in _BACK_CHANNELS | _STOPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What was found in words said over the agent.

    Attributes:
        n_words: words in all; 0 when nothing was recognised.
        n_real: words that take the turn: neither back-channel nor echo.
        is_stop: the words begin with a stop phrase.
        is_echo: most of them are what the agent has just said.
    """

    n_words: int = 0
    n_real: int = 0
    is_stop: bool = False
    is_echo: bool = False


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of `text`, lower case, without punctuation; hyphens part words ("mm-hmm" is two)."""
    return tuple(_WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


def overlap(words: tuple[str, ...], *, agent: tuple[str, ...], max_back_channels: int, echo_share: float) -> Overlap:
    """Return what `words` mean, said over an agent whose last words were `agent` (empty: no echo is looked for).

    More than `max_back_channels` back-channels are a bid for the turn. Echo: words in runs of two or more that the
    agent said in the same order; from `echo_share` of the words on, all of them are taken for echo, since a recogniser
    garbles some of what it hears through a loudspeaker.
    """
    echoed = _echoed(words, agent)
    if words and len(echoed) >= echo_share * len(words):
        return Overlap(n_words=len(words), is_echo=True)
    own = tuple(word for at, word in enumerate(words) if at not in echoed)
    n_real, n_back_channels = _real_words(own)
    if n_back_channels > max_back_channels:
        n_real = len(own)
    return Overlap(n_words=len(words), n_real=n_real, is_stop=_begins_with_stop(own))


def _echoed(words: tuple[str, ...], agent: tuple[str, ...]) -> frozenset[int]:
    """Return the places in `words` that repeat the agent."""
    if not agent:
        return frozenset()
    blocks = SequenceMatcher(None, agent, words, autojunk=False).get_matching_blocks()
    return frozenset(
        at for block in blocks if block.size >= _SHORTEST_ECHO for at in range(block.b, block.b + block.size)
    )


def _real_words(words: tuple[str, ...]) -> tuple[int, int]:
    """Return how many of `words` belong to no filler or back-channel, and how many back-channels there are."""
    n_real = n_back_channels = at = 0
    while at < len(words):
        length = _phrase_at(words, at, _BACK_CHANNELS)
        if length:
            n_back_channels += 1
        elif words[at] not in FILLERS:
            n_real += 1
        at += max(1, length)
    return n_real, n_back_channels


def _begins_with_stop(words: tuple[str, ...]) -> bool:
    """Tell whether a stop phrase comes first, fillers and back-channels aside ("okay wait")."""
    at = 0
    while at < len(words):
        if _phrase_at(words, at, _STOPS):
            return True
        length = _phrase_at(words, at, _BACK_CHANNELS) or int(words[at] in FILLERS)
        if not length:
            return False
        at += length
    return False


def _phrase_at(words: tuple[str, ...], at: int, phrases: frozenset[tuple[str, ...]]) -> int:
    """Return the length of the longest of `phrases` that stands at `at`, 0 when none does."""
    return next((n for n in range(_LONGEST, 0, -1) if len(words) >= at + n and words[at : at + n] in phrases), 0)

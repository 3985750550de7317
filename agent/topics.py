"""What an utterance is about, and how to say it back: its words, a noun phrase, a clause with the persons turned round.

Recognised speech has no case, no punctuation and errors, so everything here works on bare words, prefers nothing to
something wrong, and never hands back a character that is not a letter, a space, an apostrophe or a hyphen. It knows
English only, through the word lists of `lexicon.toml`; it knows nothing of emotions.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streaming.events import Utterance

MAX_WORDS: Final = 2000
"""Words of an utterance that are looked at; longer ones are cut at the front, what was said last counts."""

_MARKUP = re.compile(r"<[^<>]{0,80}>|\[/?\w{1,20}\]|&\w{2,8};|\{\{.{0,80}?\}\}")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+")
_BREAK = re.compile(r"[.!?;:,\n]+")
_LETTERS = re.compile(r"[a-z]+(?:['-][a-z]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Word lists: what each is for stands beside it in `lexicon.toml`."""

    nouns: frozenset[str]
    bare: frozenset[str]
    verbs: frozenset[str]
    adjectives: frozenset[str]
    fillers: frozenset[str]
    glue: frozenset[str]
    dangling: frozenset[str]
    starters: frozenset[str]
    conjunctions: frozenset[str]
    joints: frozenset[str]
    prefixes: frozenset[str]
    unspoken: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """What can be said back: a noun phrase ("your boss") and a clause ("your boss shouted at you"), None if unsafe."""

    phrase: str | None = None
    clause: str | None = None


@cache
def lexicon() -> Lexicon:
    """Return the word lists, read once."""
    text = files("agent").joinpath("lexicon.toml").read_text(encoding="utf-8")
    table = {name: [lines] if isinstance(lines, str) else lines for name, lines in tomllib.loads(text).items()}
    lists = {name: frozenset(" ".join(lines).split()) for name, lines in table.items() if name != "prefixes"}
    return Lexicon(**lists, prefixes=frozenset(table["prefixes"]))


def words_of(text: str) -> tuple[str, ...]:
    """Return the words in lower case: no markup, no template tokens, no control or bidirectional characters."""
    return tuple(_WORD.findall(_cleaned(text))[-MAX_WORDS:])


def flip(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words with the persons turned round: "my boss shouted at me" is "your boss shouted at you"."""
    return tuple(_flipped(words, place) for place in range(len(words)))


def topics_of(utterance: Utterance, *, min_posterior: float = 0.5, max_cross_wer: float = 0.4) -> Topics:
    """Return what of the utterance may be said back; nothing where the recogniser was unsure of its words."""
    transcript = utterance.transcript
    if utterance.cross_wer is not None and utterance.cross_wer > max_cross_wer:
        return Topics()
    doubtful: frozenset[str] = frozenset()
    if transcript.nbest:
        doubtful = frozenset(
            part
            for word in transcript.nbest[0].words
            if word.posterior is not None and word.posterior < min_posterior
            for part in words_of(word.text)
        )
    return topics_in(transcript.text, doubtful=doubtful)


def topics_in(text: str, *, doubtful: frozenset[str] = frozenset()) -> Topics:
    """Return what of a text may be said back; words in `doubtful` never are."""
    barred = doubtful | lexicon().unspoken
    clauses = _clauses(text)
    return Topics(phrase=_best_phrase(clauses, barred), clause=_best_clause(clauses, barred))


def _cleaned(text: str) -> str:
    text = unicodedata.normalize("NFKC", text[-40 * MAX_WORDS :]).replace("\u2019", "'").replace("\u02bc", "'")
    text = "".join(" " if unicodedata.category(character)[0] == "C" else character for character in text)
    return _MARKUP.sub(" ", text).casefold()


def _clauses(text: str) -> tuple[tuple[str, ...], ...]:
    """Cut the text at punctuation and conjunctions and strip what people say while thinking."""
    lists = lexicon()
    clauses: list[tuple[str, ...]] = []
    for stretch in _BREAK.split(_cleaned(text)):
        clause: list[str] = []
        words = _WORD.findall(stretch)[-MAX_WORDS:]
        for word, following in zip(words, [*words[1:], ""], strict=False):
            joins = word in lists.conjunctions and not (word == "so" and following not in lists.starters)
            if joins or _begins_anew(word, clause):
                clauses.append(_stripped(clause))
                clause = []
            if not joins:
                clause.append(word)
        clauses.append(_stripped(clause))
    return tuple(clause for clause in clauses if clause)


def _begins_anew(word: str, clause: list[str]) -> bool:
    """Tell whether a subject starts a new clause without a conjunction, as in "it was okay i went there"."""
    return (
        len(clause) >= 3
        and word.split("'", maxsplit=1)[0] in {"i", "he", "she", "we", "they"}
        and clause[-1] not in lexicon().joints
    )


def _stripped(clause: list[str]) -> tuple[str, ...]:
    lists = lexicon()
    words = tuple(clause)
    changed = True
    while changed and words:
        before = words
        if words[0] in lists.fillers:
            words = words[1:]
        if words and words[-1] in lists.fillers:
            words = words[:-1]
        for prefix in lists.prefixes:
            head = tuple(prefix.split())
            if words[: len(head)] == head:
                words = words[len(head) :]
        changed = words != before
    return words


def _best_clause(clauses: tuple[tuple[str, ...], ...], barred: frozenset[str]) -> str | None:
    """Return the clause most worth saying back, turned round: about the speaker, whole, and short."""
    fitting = [clause for clause in clauses if _is_sayable(clause, barred)]
    if not fitting:
        return None
    best = max(enumerate(fitting), key=lambda item: (_weight(item[1]), item[0]))[1]
    return _written(flip(best))


def _is_sayable(clause: tuple[str, ...], barred: frozenset[str]) -> bool:
    lists = lexicon()
    return (
        3 <= len(clause) <= 9
        and clause[0] in lists.starters
        and clause[-1] not in lists.dangling
        and not any(word in barred or word.startswith("you") or not _LETTERS.fullmatch(word) for word in clause)
        and any(_is_verb(word) for word in clause)
        and len(set(clause)) > len(clause) // 2
    )


def _written(words: tuple[str, ...]) -> str:
    """Join the words as one writes them, days and months with a capital."""
    return " ".join(word.capitalize() if word in _NAMES else word for word in words)


def _weight(clause: tuple[str, ...]) -> int:
    own = sum(word in {"i", "my", "me", "i'm", "i've", "we", "our", "us"} for word in clause)
    return 2 * min(own, 2) + sum(word in lexicon().nouns for word in clause) + (len(clause) > 3)


def _is_verb(word: str) -> bool:
    lists = lexicon()
    ending = len(word) > 4 and word.endswith(("ed", "ing")) and word not in lists.nouns
    return word in lists.verbs or ending or "'" in word


def _best_phrase(clauses: tuple[tuple[str, ...], ...], barred: frozenset[str]) -> str | None:
    """Return the noun phrase most worth saying back, turned round; the last of equals."""
    found: list[tuple[int, int, tuple[str, ...]]] = []
    for clause in clauses:
        for place in range(len(clause)):
            phrase = _phrase_at(clause, place)
            if phrase and not any(word in barred or not _LETTERS.fullmatch(word) for word in phrase):
                found.append((_phrase_weight(phrase), len(found), phrase))
    return _written(flip(max(found)[2])) if found else None


def _phrase_weight(phrase: tuple[str, ...]) -> int:
    lists = lexicon()
    return 2 * (phrase[0] in {"my", "our"}) + 2 * (phrase[-1] in lists.nouns) + (phrase[-1] not in lists.bare)


def _phrase_at(clause: tuple[str, ...], place: int) -> tuple[str, ...] | None:
    """Return the noun phrase whose head is the word at this place, None if it is not the head of one."""
    lists = lexicon()
    head = clause[place]
    following = clause[place + 1] if place + 1 < len(clause) else ""
    if place and (clause[place - 1] in _NO_NOUN_AFTER or (clause[place - 1] == "to" and head in lists.verbs)):
        return None
    if following in lists.nouns or (head not in lists.nouns and not _looks_like_a_head(clause, place)):
        return None
    start = place
    while start > 0 and (clause[start - 1] in lists.adjectives or clause[start - 1] in lists.nouns):
        start -= 1
    inner = clause[start : place + 1]
    before = clause[start - 1] if start else ""
    if before in {"my", "our", "his", "her", "their"}:
        return (before, *inner)
    if before in {"your", "no", "every", "one"}:
        return None
    if before in {"a", "an", "the", "this", "that"}:
        return ("the", *inner)
    return inner if head in lists.bare or head.endswith("s") else ("the", *inner)


_NO_NOUN_AFTER: Final = frozenset(
    {"i", "we", "they", "can", "can't", "don't", "didn't", "will", "won't", "would", "not"}
)


def _looks_like_a_head(clause: tuple[str, ...], place: int) -> bool:
    """Tell whether a word of no list is a noun: after "my" or "our" and before the end, a verb or a small word."""
    lists = lexicon()
    head = clause[place]
    if place == 0 or clause[place - 1] not in {"my", "our"} or len(head) < 3 or head in lists.glue:
        return False
    if _is_verb(head) or head in lists.adjectives or head in lists.fillers:
        return False
    following = clause[place + 1] if place + 1 < len(clause) else ""
    return not following or following in lists.glue or _is_verb(following)


_NAMES: Final = frozenset(
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "april",
     "june", "july", "august", "september", "october", "november", "december", "christmas", "english")
)  # fmt: skip
_TURNED: Final = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "i'm": "you're", "i've": "you've",
    "i'd": "you'd", "i'll": "you'll", "we": "you", "us": "you", "our": "your", "ours": "yours",
    "ourselves": "yourselves", "we're": "you're", "we've": "you've", "we'd": "you'd", "we'll": "you'll",
    "your": "my", "yours": "mine", "yourself": "myself", "you're": "I'm", "you've": "I've", "you'd": "I'd",
    "you'll": "I'll",
}  # fmt: skip
_AFTER_I: Final = {"am": "are", "was": "were", "wasn't": "weren't"}
_AFTER_YOU: Final = {"are": "am", "were": "was", "weren't": "wasn't"}


def _flipped(words: tuple[str, ...], place: int) -> str:
    word = words[place]
    before = words[place - 1] if place else ""
    after = words[place + 1] if place + 1 < len(words) else ""
    if word == "you":
        return "I" if _is_subject(before, after) else "me"
    if "i" in {before, after} and word in _AFTER_I and (before == "i" or not before or after == "i"):
        return _AFTER_I[word]
    if before == "you" and word in _AFTER_YOU:
        return _AFTER_YOU[word]
    return _TURNED.get(word, word)


def _is_subject(before: str, after: str) -> bool:
    starts = not before or before in lexicon().conjunctions or before in {"if", "when", "that", "think", "what", "how"}
    return bool(after) and (starts or after in {"are", "were", "have", "had", "do", "did", "can", "will", "would"})

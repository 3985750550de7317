"""What a recogniser would have returned for a text, and the n-grams the word model counts in it.

Pure. The model never sees case, punctuation, digits or emoji: speech has none, recognisers invent them differently, and
models that lean on them lose most of their worth on speech.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32


def listed(words: str) -> tuple[str, ...]:
    """Return the words of a list written as running text."""
    return tuple(words.split())


ONES = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = listed("- ten twenty thirty forty fifty sixty seventy eighty ninety")
CONTRACTIONS = listed(
    "don't can't won't isn't aren't wasn't weren't doesn't didn't haven't hasn't hadn't couldn't wouldn't shouldn't "
    "ain't i'm i've you're they're that's what's there's he's she's"
)
WITHOUT_APOSTROPHE = {word.replace("'", ""): word for word in CONTRACTIONS}
NEGATORS = frozenset(listed("not no never nothing nobody none neither nor without cannot hardly barely"))
SCOPE_ENDS = frozenset(listed("but and because so though although except if when however than"))
PRONOUNS = frozenset(listed("i i'm i've you you're he he's she she's it it's we they they're that that's this"))
CANCELS = frozenset(listed("stop resist"))
"""Negated, these affirm what follows: "can't stop crying"."""
SCOPE = 3
"""How many words after a negator are read as negated, unless the clause ends first."""
FUNCTION_WORDS = frozenset(
    listed(
        "a about after again all also am an and any are aren't as at be because been before being but by can can't "
        "cannot could couldn't did didn't do does doesn't doing don't down for from get gets getting go goes going "
        "gonna got gotta had hadn't has hasn't have haven't having he he'd he'll he's her here hers herself him "
        "himself his how i i'd i'll i'm i've if in into is isn't it it'd it'll it's its itself just know let let's "
        "like made make makes may maybe me might mine more most much must my myself no nor not now of off oh on once "
        "one only or other our ours out over own really same say see shall she she'd she'll she's should shouldn't so "
        "some someone something still such take tell than that that'd that'll that's the their theirs them then there "
        "there's these they they'd they'll they're they've thing things think this those though to too um uh up us "
        "very wanna want was wasn't we we'd we'll we're we've well were weren't what what's when where which while "
        "who whole whom why will with won't would wouldn't yeah yes yet you you'd you'll you're you've your yours "
        "yourself"
    )
)
"""Words that are never shown as evidence: alone they tell nobody anything."""

TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*")
DROPPED = re.compile(r"\[(?:name|religion)\]|https?\S+|/?\b[ru]/\w+|<[^>]*>")
STRETCHED = re.compile(r"([a-z])\1{2,}")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
PIECE_SIZES = (3, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A spoken word; `negation` holds the words from its negator up to it ("don't feel"), empty where there is none."""

    word: str
    negation: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The word as evidence shows it: with its negation, so that "not happy" never reads as "happy"."""
        return " ".join((*self.negation, self.word))

    @property
    def is_telling(self) -> bool:
        """Whether it can be evidence: a content word, and no other between it and its negator ("not sad anymore")."""
        return self.word not in FUNCTION_WORDS and FUNCTION_WORDS.issuperset(self.negation[1:])


def spell_number(number: int) -> str:
    """Return `number` (0 or more) in words, "many" from a million on."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    for size, name in ((100, "hundred"), (1000, "thousand")):
        if number < size * (10 if size == 100 else 1000):
            rest = f" {spell_number(number % size)}" if number % size else ""
            return f"{spell_number(number // size)} {name}{rest}"
    return "many"


def words_of(text: str) -> list[str]:
    """Return the words a recogniser would have heard: lower case, apostrophes kept, numbers spelt, the rest dropped."""
    plain = text.lower().replace("\u2019", "'").replace("\u2018", "'").replace("`", "'")
    plain = THOUSANDS.sub("", DROPPED.sub(" ", plain))
    plain = re.sub(r"\d+", lambda found: f" {spell_number(int(found.group()[:7]))} ", plain)
    plain = plain.replace("&", " and ").replace("%", " percent ")
    found: list[str] = TOKEN.findall(STRETCHED.sub(r"\1\1", plain))
    return [WITHOUT_APOSTROPHE.get(word, word) for word in found]


def tokens_of(text: str) -> list[Token]:
    """Return the words of `text` with the reach of negators marked: up to three words, no further than the clause."""
    tokens: list[Token] = []
    negation: tuple[str, ...] = ()
    for word in words_of(text):
        if word in NEGATORS or word.endswith("n't"):
            tokens.append(Token(word=word))
            negation = (word,)
            continue
        if len(negation) > SCOPE or (negation and _ends_scope(word, negator=negation[0])):
            negation = ()
        tokens.append(Token(word=word, negation=negation))
        negation = (*negation, word) if negation else ()
    return tokens


def _ends_scope(word: str, *, negator: str) -> bool:
    # "no i love it": the no answers something, it negates nothing in what follows.
    return word in SCOPE_ENDS or word in CANCELS or (negator == "no" and word in PRONOUNS)


@lru_cache(maxsize=65536)
def word_key(word: str, *, is_negated: bool) -> bytes:
    """Return the key of a word, 4 bytes little-endian; a negated word is another word."""
    return _key(f"{'!' if is_negated else 'w'} {word}")


@lru_cache(maxsize=65536)
def pair_key(first: str, second: str) -> bytes:
    """Return the key of two neighbouring words; "<" and ">" stand for the ends of the text."""
    return _key(f"b {first} {second}")


@lru_cache(maxsize=65536)
def piece_keys(word: str) -> bytes:
    """Return the keys of the 3- to 5-letter pieces of a word, its edges marked by "_", one after another."""
    edged = f"_{word}_"
    return b"".join(_key(f"c {edged[at : at + size]}") for size in PIECE_SIZES for at in range(len(edged) - size + 1))


def _key(n_gram: str) -> bytes:
    return crc32(n_gram.encode()).to_bytes(4, "little")

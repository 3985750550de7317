"""The words around a dangerous phrase: whom it is about, when it was, and whether it is danger at all. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

CrisisKind: TypeAlias = Literal["self_harm", "medical", "abuse", "threat"]
Who: TypeAlias = Literal["self", "other"]
When: TypeAlias = Literal["now", "past"]

_DENIAL = re.compile(
    r"\b(?:not|never|nor|no|without|stopped|no longer)"
    r"(?: (?:really|actually|ever|even|at all|any|anything like|one bit|saying|say|said|i|feel|feeling|like|have|"
    r"having|had|been|being|going|want|wanted|wants|to|am|intend|intending|plan|plans|planning|thinking|think|"
    r"thoughts?|about|of|dream|desire|intention|wish|would|do|that|try|trying))* $"
)
_UNDENIED = re.compile(r"\bwhy\b|\b(?:can|could) not (?:help|stop|be)|\b(?:know|sure|care)\b")
_MEDIA = re.compile(
    r"\b(?:movies?|film|films|show|series|episode|season|book|novel|song|songs|lyrics?|story|play|opera|musical|"
    r"character|anime|documentary|podcast|game|romeo|juliet|hamlet|poem|fiction|plot|scene|chapter|ending|villain|"
    r"hero|soap|drama|myth|legend|wrestl\w+|history|ophelia|king|queen|emperor|netflix)\b"
)
_QUOTED = re.compile(
    r"\b(?:movies?|film|show|book|novel|song|lyrics?|chorus|line|band|album|track|poem|character|singer|title|story|"
    r"quote|essay|article|headline)(?: \w+){0,3} (?:says?|said|goes|went|called|titled|named|is|about|like|where|was|"
    r"on|sings?|reads?)(?: (?:it|that|i|he|she|just|like|is|was|called|the|named))* $"
)
_PLAYED = re.compile(
    r"(?: by accident| again| twice| \w+ times)? (?:in|on|at) (?:(?:the|this|that|my|our|a) )?"
    r"(?:last |final |video |first )?(?:game|level|match|round|boss|server|minecraft|fortnite|zelda|dark souls|"
    r"elden ring|mario|sims|call of duty)\b"
)
_TOLD_AFTER = re.compile(r" (?:in|on|from|at the end of) (?:the|that|this|a) ")
_YOU = re.compile(r"\b(?:do|did|would|will|could|can|are|if|have) you(?: \w+){0,3} $|\byou(?: \w+){0,4} $")

_RELATIVES = (
    r"friend|friends|brother|sister|mom|mum|mother|dad|father|son|daughter|wife|husband|partner|boyfriend|girlfriend|"
    r"neighbou?r|boss|cousin|uncle|aunt|roommate|flatmate|kid|child|teacher|student|colleague|coworker|classmate|ex|"
    r"man|woman|guy|girl|boy|niece|nephew|grandma|grandpa|grandfather|grandmother|baby|patient|stranger|bestie|mate|"
    r"stepdad|stepson|character|hero|actor|singer"
)
_SUBJECT = re.compile(
    r"\b(?:(?P<self>i|we)|(?P<other>he|she|they|who|someone|somebody|people|"
    rf"(?:my|his|her|our|the|a|that|this) (?:\w+ )?(?:{_RELATIVES})s?))\b"
)
_ABOUT_OTHERS = re.compile(r"\b(?:himself|herself|themselves|his|her life|their|without (?:him|her))\b")
_ABOUT_ME = re.compile(r"\b(?:i|me|my|myself)\b")

_AGES = r"\d+|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty"
_LONG_AGO = re.compile(
    r"\b(?:used to|years? ago|months? ago|last (?:year|summer|winter|spring|fall|autumn)|back then|back in|"
    r"decades? ago|"
    r"when (?:i|he|she|they|we) (?:was|were) (?:\w+ )?(?:a |an )?(?:kid|child|teenager|teen|young|younger|little|"
    rf"student|in|at|growing|{_AGES})|in (?:high school|college|the past|my (?:twenties|teens|past)|19\d\d|20\d\d)|"
    r"as a (?:kid|child|teenager|teen)|once upon|long (?:time )?ago|in (?:two thousand|nineteen)|growing up)\b"
)
_STILL = re.compile(r"\b(?:now|again|still|today|tonight|these days|lately|right now|every (?:day|night)|recently)\b")
_ENDED = re.compile(
    r"\b(?:committed suicide|died by suicide|(?:killed|hanged|hung|shot|drowned) (?:himself|herself|themselves)|"
    r"(?:took|ended) (?:his|her|their) (?:own )?li)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """A match of a rule of `kind` with the normalised words before and after it."""

    kind: CrisisKind
    match: str
    before: str
    after: str

    def who(self) -> Who:
        """Return whom the match is about: told by its own words, else by the nearest subject before it."""
        if self.kind == "abuse":
            return "self"
        if self.kind == "self_harm" and _ABOUT_OTHERS.search(self.match):
            return "other"
        if _ABOUT_ME.search(self.match):
            return "self"
        if found := _SUBJECT.match(self.match):
            return "self" if found["self"] else "other"
        subjects = list(_SUBJECT.finditer(self._clause))
        return "other" if subjects and subjects[-1]["other"] else "self"

    def when(self) -> When:
        """Return "past" when a word of long ago stands nearby and none of now, or when somebody has died of it."""
        around = f"{self.before[-80:]} {self.match} {self.after[:80]}"
        if _ENDED.search(self.match) and not re.search(r"\b(?:trying|tried) to $", self.before):
            return "past"
        if "used to" in around and " now" not in around:
            return "past"
        return "past" if _LONG_AGO.search(around) and not _STILL.search(around) else "now"

    def is_harmless(self, who: Who) -> bool:
        """Tell whether the match is denied, quoted, played, told of a story, or meant for the agent."""
        return (
            self._is_denied
            or bool(_QUOTED.search(self._clause) or _PLAYED.match(self.after))
            or (who == "other" and self._is_told)
            or self._is_for_the_agent
        )

    @property
    def _clause(self) -> str:
        """The words just before the match, in its own sentence."""
        return self.before[-200:].rsplit(" . ", 1)[-1]

    @property
    def _is_denied(self) -> bool:
        if self.kind not in {"self_harm", "threat"} or not _DENIAL.search(self._clause):
            return False
        return not _UNDENIED.search(self._clause[-40:])

    @property
    def _is_told(self) -> bool:
        after = bool(_TOLD_AFTER.match(self.after) and _MEDIA.search(self.after[:40]))
        return after or bool(_MEDIA.search(self._clause[-70:]))

    @property
    def _is_for_the_agent(self) -> bool:
        if self.kind == "abuse" or "told me" in self._clause or "me" in self.match.split():
            return False
        return bool(_YOU.search(self._clause[-30:]))

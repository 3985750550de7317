"""The crisis check: words that mean danger, found by rules before anything else looks at an utterance.

It works on what recognisers write (no case, no punctuation, odd spellings) and looks at the other readings of the
n-best list as well. It is deterministic, needs no model, looks at no emotion estimate and never diagnoses. A saying
("this traffic is killing me"), a story told of a film or a song, and a plain denial ("I don't want to kill myself") are
no crisis. A friend in danger is one, and so is a past attempt, each with an answer of its own. Danger that stands only
in a lower reading of the recogniser is a question, not a certainty. The rules are read once.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from .surroundings import CrisisKind, Surroundings, When, Who

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CHARACTERS: Final = 20_000
MAX_ALTERNATIVES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CrisisFinding:
    """What kind of danger was heard; it holds none of the words, so that it may be counted and logged.

    Attributes:
        who: the speaker, or somebody the speaker talks about.
        when: "past" for what lies behind ("I tried to kill myself years ago").
        urgent: it is happening now: the emergency number comes first.
        certain: False when only a lower reading of the recogniser says so: ask.
    """

    kind: CrisisKind
    who: Who
    when: When
    urgent: bool
    certain: bool
    locale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    kind: CrisisKind
    urgent: bool
    self_only: bool
    about: Who | None
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    respell: tuple[tuple[re.Pattern[str], str], ...]
    idioms: re.Pattern[str]
    rules: tuple[_Rule, ...]


def check(text: str, *, alternatives: Sequence[str] = (), locale: str = "en") -> CrisisFinding | None:
    """Return the gravest danger in the utterance, None when there is none.

    `alternatives` are the recogniser's readings, best first; the best one may be among them.
    """
    if findings := list(_findings(text, locale=locale, certain=True)):
        return min(findings, key=_gravity)
    readings = [reading for reading in alternatives[:MAX_ALTERNATIVES] if reading != text]
    doubtful = [found for reading in readings for found in _findings(reading, locale=locale, certain=False)]
    return min(doubtful, key=_gravity, default=None)


def normalised(text: str) -> str:
    """Return the text as the rules see it: lower case, contractions written out, spellings put right."""
    text = unicodedata.normalize("NFKD", text[-MAX_CHARACTERS:]).replace("\u2019", "'").casefold()
    text = "".join(character for character in text if not unicodedata.combining(character))
    text = re.sub(r"[.!?;:\n]+", " . ", text)
    for pattern, written in _CONTRACTIONS:
        text = pattern.sub(written, text)
    text = " ".join(re.sub(r"[^a-z0-9 .]+", " ", text).split())
    for pattern, written in _rules().respell:
        text = pattern.sub(written, text)
    return text


_CONTRACTIONS: Final = tuple(
    (re.compile(pattern), written)
    for pattern, written in (
        (r"[\u0000-\u0008\u200b-\u200f\u202a-\u202e\u2066-\u2069]", ""),
        (r"\b(?:can'?t|cannot)\b", "can not"),
        (r"\bwon'?t\b", "will not"),
        (r"\bain'?t\b", "am not"),
        (r"\b(do|does|did|is|are|was|were|could|should|would|have|has|had|must|need)n'?t\b", r"\1 not"),
        (r"\bi'?m\b", "i am"),
        (r"\bi'?ve\b", "i have"),
        (r"\bi'll\b", "i will"),
        (r"\bi'?d\b", "i would"),
        (r"\b(he|she|it|that|this|there|what|who)'s\b", r"\1 is"),
        (r"\b(you|they|we)'re\b", r"\1 are"),
        (r"\b(you|they|we)'ve\b", r"\1 have"),
        (r"\b(he|she|it|you|they|we)'ll\b", r"\1 will"),
        (r"\b(he|she|you|they|we)'d\b", r"\1 would"),
        (r"\b(how|what|who|where|why)'re\b", r"\1 are"),
        (r"\b(how|where|why|when|let)'s\b", r"\1 is"),
        (r"\b(?:wanna|wan na)\b", "want to"),
        (r"\bwannabe\b", "want to be"),
        (r"\b(?:gonna|gon na|imma|i'mma)\b", "going to"),
        (r"\bgotta\b", "got to"),
        (r"\b(?:dunno)\b", "do not know"),
        (r"\b(?:cos|cuz|'cause)\b", "because"),
        (r"'s\b", "s"),
    )
)


@cache
def _rules() -> _Rules:
    """Read and compile the rules, once."""
    table = tomllib.loads(files("agent.safety").joinpath("rules.toml").read_text(encoding="utf-8"))
    parts: dict[str, str] = {name: str(part) for name, part in table["parts"].items()}

    def compiled(patterns: list[str]) -> re.Pattern[str]:
        joined = "|".join(f"(?:{pattern})" for pattern in patterns)
        for name, part in (*parts.items(), *parts.items()):
            joined = joined.replace(f"<{name}>", part)
        return re.compile(rf"\b(?:{joined})(?!\w)")

    return _Rules(
        respell=tuple((re.compile(rf"\b(?:{pattern})\b"), str(written)) for pattern, written in table["respell"]),
        idioms=compiled(table["idioms"]),
        rules=tuple(
            _Rule(
                kind=rule["kind"],
                urgent=rule.get("urgent", False),
                self_only=rule.get("self_only", False),
                about=rule.get("about"),
                pattern=compiled(rule["patterns"]),
            )
            for rule in table["rule"]
        ),
    )


def _findings(text: str, *, locale: str, certain: bool) -> Iterator[CrisisFinding]:
    plain = normalised(text)
    if not any(rule.pattern.search(plain) for rule in _rules().rules):
        return  # most speech ends here: looking for the sayings costs far more than looking for danger
    plain = _rules().idioms.sub(" _ ", plain)
    for rule in _rules().rules:
        for found in rule.pattern.finditer(plain):
            place = Surroundings(
                kind=rule.kind, match=found[0], before=plain[: found.start()], after=plain[found.end() :]
            )
            who = rule.about or place.who()
            if place.is_harmless(who) or (rule.self_only and who == "other"):
                continue
            when = place.when() if rule.kind in {"self_harm", "abuse"} else "now"
            urgent = rule.urgent and when == "now"
            yield CrisisFinding(kind=rule.kind, who=who, when=when, urgent=urgent, certain=certain, locale=locale)


_ORDER: Final = {"self_harm": 0, "medical": 0, "abuse": 1, "threat": 2}


def _gravity(finding: CrisisFinding) -> tuple[bool, bool, int, bool]:
    """Sort key: now before past, urgent first, then by kind, the speaker before others."""
    return (finding.when == "past", not finding.urgent, _ORDER[finding.kind], finding.who == "other")

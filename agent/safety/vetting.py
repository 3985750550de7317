"""The check of everything the agent is about to say, whether a language model or a template wrote it.

It takes out what must never be said: encouragement to harm, diagnoses, claims to feel or to be human, feelings told
as facts. It is a list of patterns, so it contains rather than proves; politeness such as "I'm sorry" is let be.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias

from ..phrases import stable_hash
from .answering import Helpline, helpline

Fault: TypeAlias = Literal["harm", "diagnosis", "feeling", "certainty"]

_FAULTS: Final[tuple[Fault, ...]] = ("harm", "diagnosis", "feeling", "certainty")
_SENTENCE = re.compile(r"[^.!?]+[.!?]*[\"')\]]*\s*|[.!?]+\s*")
_TOKENS = re.compile(r"<\|[^|<>]{0,40}\|>|</?[a-zA-Z][^<>]{0,80}>|\[/?(?:INST|SYS|ASSISTANT|USER)\]|<</?SYS>>")
_CONTROL = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_NEGATED = re.compile(r"(?:not|n't|never|no|whether|if|without) (?:\w+ ){0,3}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    faults: dict[Fault, re.Pattern[str]]
    attributed: re.Pattern[str]
    safe: tuple[str, ...]
    harm_safe: str


def vet(reply: str, *, locale: str = "en", place: Helpline | None = None) -> str:
    """Return the reply without the sentences that must not be said, or something safe where nothing is left.

    A reply that is fine comes back as it was, but for control characters, markup and template tokens.
    """
    cleaned = _TOKENS.sub("", _CONTROL.sub("", reply))
    found = faults(cleaned)
    if "harm" in found:
        place = place or helpline(locale)
        return _space_of(reply) + _rules().harm_safe.format(reach=place.reach, emergency=place.emergency)
    if found:
        cleaned = "".join(sentence for sentence in _SENTENCE.findall(cleaned) if not faults(sentence))
    return cleaned if cleaned.strip() else _space_of(reply) + _safe(reply)


def faults(reply: str) -> tuple[Fault, ...]:
    """Return what is wrong with a reply, gravest first; empty when it may be said."""
    sentences = [_plain(sentence) for sentence in _SENTENCE.findall(reply)]
    return tuple(fault for fault in _FAULTS if any(_breaks(fault, sentence) for sentence in sentences))


def _breaks(fault: Fault, sentence: str) -> bool:
    matches = _rules().faults[fault].finditer(sentence)
    return any(not _is_meant_otherwise(fault, sentence[: found.start()]) for found in matches)


def _is_meant_otherwise(fault: Fault, before: str) -> bool:
    """Tell whether the words before a match deny it or, of a diagnosis, say that it is somebody else's."""
    if _NEGATED.search(before):
        return True
    return fault == "diagnosis" and bool(_rules().attributed.search(before))


def _plain(sentence: str) -> str:
    return " ".join(sentence.replace("\u2019", "'").casefold().split())


def _space_of(reply: str) -> str:
    """Return a space where the reply began with one: it is a later piece of an answer."""
    return " " if reply[:1].isspace() and reply.strip() else ""


def _safe(reply: str) -> str:
    choices = _rules().safe
    return choices[stable_hash(reply) % len(choices)]


@cache
def _rules() -> _Rules:
    table = tomllib.loads(files("agent.safety").joinpath("output.toml").read_text(encoding="utf-8"))
    condition = f"(?:{'|'.join(table['conditions'])})\\b"
    patterns: dict[Fault, str] = {fault: "|".join(f"(?:{one})" for one in table[fault]) for fault in _FAULTS}
    return _Rules(
        faults={fault: re.compile(pattern.replace("CONDITION", condition)) for fault, pattern in patterns.items()},
        attributed=re.compile(table["attributed"]),
        safe=tuple(table["safe"]),
        harm_safe=table["harm_safe"],
    )

"""The user says what they feel: it stands above what was read. Pure.

Two ways to say it: by hand (`EmotionCorrection`: a label, or words typed freely), or in passing, which is believed only
where it plainly answers the reading of the turn before (`spoken_correction`): missing one costs little, taking "I'm not
angry enough" for one puts words into somebody's mouth.

What becomes of the reading: a label named takes it over (`NAMED`); one denied goes out, the rest shares what it had;
a description adjusts it as in paper 003, 25 % description and 75 % reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from .distribution import decide, normalise
from .labels import ANCHORS, EIGHT, affect_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .distribution import Distribution
    from .events import EmotionEstimate

DESCRIPTION_SHARE: Final = 0.25
"""Paper 003: "focus 25 % on the descriptions and 75 % on the reference distributions"."""

SMOOTHING: Final = 0.05
"""Label smoothing of paper 003's label files: a label that was named gets 1 - 0.05, the others share the rest."""

THRESHOLD: Final = 1.6
"""A label is called when it is so many times likelier than by chance, as in `agent.fusion.experts`."""

FEELINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "angry": ("angry", "mad", "furious", "annoyed", "irritated", "pissed", "pissed off"),
    "sad": ("sad", "unhappy", "depressed", "disappointed", "heartbroken"),
    "happy": ("happy", "glad", "excited", "thrilled", "delighted"),
    "neutral": ("fine", "okay", "ok", "alright", "all right", "good", "calm", "neutral", "tired"),
    "fearful": ("scared", "afraid", "frightened", "worried", "anxious", "nervous"),
    "disgusted": ("disgusted",),
    "surprised": ("surprised", "shocked"),
}
"""How people call what they feel. "Upset" is not here: it may be two of them."""

_LABEL_OF: Final = {word: label for label, words in FEELINGS.items() for word in words}
_WORD: Final = "|".join(sorted(_LABEL_OF, key=len, reverse=True))
_LEAD: Final = r"(?:(?:no|nope|nah|hey|oh|well|um|uh|but|wait|sorry|actually|honestly|look|listen) )*"
_SOFT: Final = r"(?:(?:really|actually|even|just|only|all|that|so|very|quite|pretty|a bit|kind of) )*"
_SOFT_NOT: Final = r"(?:(?:really|actually|even|all|that|so|very|quite|pretty|a bit|kind of) )*"
"""After "not": "I'm not just angry" takes nothing back."""
_END: Final = r"(?: (?:really|actually|at all|though|you know|i promise|i swear|that's all))*"
_JOKE: Final = rf"i(?:'m| was) (?:just |only )?(?:joking|kidding)|just (?:joking|kidding){_END}"
_CLAIM: Final = rf"(?:i'm|i am|i feel|i was) {_SOFT}(?P<said>{_WORD})"
_DENIAL: Final = (
    rf"(?:i'm|i am) {_SOFT}not {_SOFT_NOT}(?P<now>{_WORD})|i (?:wasn't|was not) {_SOFT_NOT}(?P<then>{_WORD})"
)
_INSTEAD: Final = rf"(?: (?:i'm|i am|i was)?(?: ?(?:just|only|more|more like))* ?(?P<instead>{_WORD}))?"
_WRONG: Final = (
    r"(?:that's (?:not it|not right|wrong|not true|not how i feel|not what i feel)|you(?:'re| are| got me) wrong)"
)

_DENIED: Final = re.compile(rf"{_LEAD}(?:{_DENIAL}){_END}(?: (?:{_JOKE}))?(?: but)?{_INSTEAD}{_END}")
_JOKED: Final = re.compile(rf"{_LEAD}(?:{_JOKE})(?: (?:{_CLAIM}))?{_END}")
_REFUTED: Final = re.compile(rf"{_LEAD}{_WRONG}{_END}(?: {_CLAIM})?{_END}")
_CLAIMED: Final = re.compile(
    rf"(?:no|nope|nah) (?:i'm|i am) {_SOFT}(?P<no>{_WORD})(?: actually)?{_END}"
    rf"|{_LEAD}actually (?:no )?(?:i'm|i am) {_SOFT}(?P<actually>{_WORD}){_END}"
)
_MAX_WORDS: Final = 14
_PLEASANT: Final = frozenset({"neutral", "happy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionCorrection:
    """What the user says about the feeling in one of their utterances.

    Attributes:
        utterance: which one.
        label: what it was, in the name of a label.
        denied: what it was not.
        text: their own words, typed or spoken.
        is_spoken: it was said in passing, not given by hand.
    """

    utterance: int
    label: str | None = None
    denied: tuple[str, ...] = ()
    text: str | None = None
    is_spoken: bool = False

    def __post_init__(self) -> None:
        """Refuse one that says nothing, a label that nobody knows, and one that denies what it names.

        Raises:
            ValueError: as above.
        """
        if self.label is None and not self.denied and not (self.text or "").strip():
            raise ValueError("a correction needs a label, a denial or a description")
        named = {self.label, *self.denied} - {None}
        if unknown := sorted(str(label) for label in named - ANCHORS.keys()):
            raise ValueError(f"there is no label {', '.join(unknown)}, expected one of {', '.join(EIGHT)}")
        if self.label in self.denied:
            raise ValueError(f"{self.label} is both named and denied")


def spoken_correction(text: str, last: EmotionEstimate | None) -> EmotionCorrection | None:
    """Return the correction of the last reading that `text` plainly is, as a whole; None mostly.

    A denial counts only where the denied label was the reading; a feeling named only where it differs from it; that
    it was a joke only where the reading was unpleasant. Somebody else's words, conditions and questions never count.
    """
    if last is None or last.top is None or "?" in text:
        return None
    words = _plain(text)
    if words.count(" ") >= _MAX_WORDS:
        return None
    found = _denied(words, last.top) or _joked(words, last.top) or _claimed(words, last.top)
    if found is None:
        return None
    label, denied = found
    return EmotionCorrection(utterance=last.utterance, label=label, denied=denied, text=text.strip(), is_spoken=True)


def corrected(
    estimate: EmotionEstimate, correction: EmotionCorrection, *, description: Sequence[float] | None = None
) -> EmotionEstimate:
    """Return the estimate as the user would have it, with the next revision.

    Args:
        estimate: what was read; of the utterance that the correction is of.
        correction: what the user says.
        description: what their words express, over the estimate's labels; None leaves the words out.

    A label that is not in the estimate's set (fearful among the Big Four) shows in `eight` and the dimensions, and the
    top is unclear: none of the set is right.
    """
    labels = estimate.labels
    shares = _blended(estimate.distribution, description)
    outside = correction.label is not None and correction.label not in labels
    if correction.label in labels:
        shares = _named(labels, correction.label)
    elif outside:
        shares = normalise([1.0] * len(labels))
    else:
        shares = _without(labels, shares, correction.denied)
    top = None if outside else decide(shares, threshold=min(0.6, THRESHOLD / len(labels)))
    eight = _eight(estimate, correction, shares)
    return _placed(
        replace(
            estimate,
            revision=estimate.revision + 1,
            distribution=tuple(shares.tolist()),
            top=None if top is None else labels[top],
            confidence=float(shares.max()),
            eight=eight,
            compound=(),
            hidden=None,
            reason=None,
            is_corrected=True,
        )
    )


def _placed(estimate: EmotionEstimate) -> EmotionEstimate:
    """Move the dimensions to where the corrected labels lie: what was measured is what the user says is wrong."""
    shares = dict(estimate.eight) or dict(zip(estimate.labels, estimate.distribution, strict=True))
    if not ANCHORS.keys() >= shares.keys():
        return estimate
    place = affect_of(tuple(shares), tuple(shares.values()))
    return replace(estimate, arousal=place.arousal, dominance=place.dominance, valence=place.valence)


def _blended(reference: Sequence[float], description: Sequence[float] | None) -> Distribution:
    held = np.array(reference, dtype=np.float64)
    shares = normalise(np.where(np.isfinite(held) & (held > 0), held, 0.0))
    if description is None:
        return shares
    return (1 - DESCRIPTION_SHARE) * shares + DESCRIPTION_SHARE * normalise(description)


def _named(labels: Sequence[str], label: str | None) -> Distribution:
    return np.array([1 - SMOOTHING if each == label else SMOOTHING / (len(labels) - 1) for each in labels])


def _without(labels: Sequence[str], shares: Distribution, denied: Sequence[str]) -> Distribution:
    """Return the distribution with the denied labels out; what they had goes to the others alike.

    Not in proportion: where one label had nearly everything, the odds among the rest are noise.
    """
    stays = np.array([label not in denied for label in labels])
    if stays.all() or not stays.any():
        return shares
    kept = np.where(stays, shares, 0.0)
    return normalise(kept + stays * (1 - kept.sum()) / stays.sum())


def _eight(
    estimate: EmotionEstimate, correction: EmotionCorrection, shares: Distribution
) -> tuple[tuple[str, float], ...]:
    if not estimate.eight and (correction.label is None or correction.label in estimate.labels):
        return ()
    if correction.label is not None:
        return tuple(zip(EIGHT, _named(EIGHT, correction.label).tolist(), strict=True))
    held = dict(estimate.eight)
    mass = sum(held.get(label, 0.0) for label in estimate.labels)
    held |= {label: mass * float(p) for label, p in zip(estimate.labels, shares, strict=True) if label in held}
    names = tuple(held)
    eight = _without(names, normalise(list(held.values())), correction.denied)
    return tuple(zip(names, eight.tolist(), strict=True))


def _denied(words: str, top: str) -> tuple[str | None, tuple[str, ...]] | None:
    match = _DENIED.fullmatch(words)
    # "I'm not okay" tells something new; it is no answer to "neutral".
    if match is None or top == "neutral" or _LABEL_OF[match["now"] or match["then"]] != top:
        return None
    instead = _LABEL_OF[match["instead"]] if match["instead"] else None
    # "I'm not angry, I'm furious" takes nothing back.
    return None if instead == top else (instead, (top,))


def _joked(words: str, top: str) -> tuple[str | None, tuple[str, ...]] | None:
    match = _JOKED.fullmatch(words)
    if match is None or top in _PLEASANT:
        return None
    said = _LABEL_OF[match["said"]] if match["said"] else None
    return None if said == top else (said, (top,))


def _claimed(words: str, top: str) -> tuple[str | None, tuple[str, ...]] | None:
    refuted = _REFUTED.fullmatch(words)
    if refuted is not None:
        said = _LABEL_OF[refuted["said"]] if refuted["said"] else None
        return None if said is None or said == top else (said, (top,))
    match = _CLAIMED.fullmatch(words)
    if match is None:
        return None
    said = _LABEL_OF[match["no"] or match["actually"]]
    # "No, I'm fine" and "actually I'm good" decline an offer as a rule.
    return None if said in {top, "neutral"} else (said, (top,))


def _plain(text: str) -> str:
    """Return the words as a recogniser without punctuation writes them."""
    words = re.sub(r"[^a-z' ]+", " ", text.lower().replace("\u2019", "'"))
    return re.sub(r"\bim\b", "i'm", " ".join(words.split()))

"""What a translator is asked, as a value: every model of paper 002's tables is one, so is what is asked live. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

Template: TypeAlias = Literal[1, 2, 3, 4, 5]
"""Templates by the paper's equations: 1 plain, 2 an instruction, 3 emotion before the source, 4 before the target, 5 as
a token at the start of the source."""

Dimension: TypeAlias = Literal["arousal", "dominance", "valence"]

Style: TypeAlias = Literal["base", "instruct", "chat"]
"""How the model takes it: a text to go on with, as printed; equation 2 by the model's own chat template; or a chat
that says what to do and holds the paper's template."""

MIDDLE: Final = 0.5

FROM_MIDDLE: Final = "-from-middle"

_NAME = re.compile(rf"(?P<style>[a-z]+)-(?P<dimension>[a-z]*)(?P<template>\d)(?P<middle>{FROM_MIDDLE})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationCondition:
    """One way to ask for a translation.

    Attributes:
        template: see `Template`; 3, 4 and 5 carry emotion.
        dimension: which one they carry; has no meaning for 1 and 2.
        style: see `Style`.
        target: language to translate into, as a BCP 47 tag.
        from_middle: exactly the middle counts as above it ("with", "positive"), else as below.
    """

    # Live: equation 3 with arousal has the paper's best COMET, which its authors trust more than BLEU.
    template: Template = 3
    dimension: Dimension = "arousal"
    style: Style = "chat"
    target: str = "fr"
    from_middle: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if self.template not in get_args(Template) or self.dimension not in get_args(Dimension):
            raise ValueError(f"there is no template {self.template} with {self.dimension}; expected 1 to 5 with one of "
                             f"{', '.join(get_args(Dimension))}")  # fmt: skip
        if self.style not in get_args(Style):
            raise ValueError(f"there is no style {self.style!r}, expected one of {', '.join(get_args(Style))}")
        if (self.template == 2) != (self.style == "instruct") and not (self.template == 2 and self.style == "base"):
            raise ValueError(f"template {self.template} does not go with {self.style}: instruct goes with 2 only, chat "
                             "with all but 2, base with all")  # fmt: skip

    @property
    def has_emotion(self) -> bool:
        """Whether the template has a place for it."""
        return self.template >= 3

    @property
    def name(self) -> str:
        """Its name, as in signatures and `--translate-as`: "chat-arousal3", "base-1"."""
        what = f"{self.dimension}{self.template}" if self.has_emotion else str(self.template)
        return f"{self.style}-{what}{FROM_MIDDLE if self.from_middle else ''}"


def read_condition(name: str, *, target: str) -> TranslationCondition:
    """Return the condition of a name such as "chat-arousal3", "base-valence5", "base-1" or "instruct-2".

    Raises:
        ValueError: there is none of that name.
    """
    found = _NAME.fullmatch(name)
    has_emotion = found is not None and found["template"] >= "3"
    if found is None or bool(found["dimension"]) != has_emotion or (found["middle"] and not has_emotion):
        raise ValueError(f"there is no way to translate called {name!r}, expected one such as {', '.join(_EXAMPLES)}")
    return TranslationCondition(
        template=cast("Template", int(found["template"])),
        dimension=cast("Dimension", found["dimension"] or "arousal"),
        style=cast("Style", found["style"]),
        target=target,
        from_middle=bool(found["middle"]),
    )


def is_above_middle(value: float | None, *, from_middle: bool = False) -> bool | None:
    """Return whether a dimension counts as present: "with", "positive".

    The paper says "higher or lower than 0.5" and nothing of 0.5 itself: that counts as below, with `from_middle` as
    above. None for a value that is not known, or is no number.
    """
    if value is None or not math.isfinite(value):
        return None
    return value >= MIDDLE if from_middle else value > MIDDLE


_EXAMPLES: Final = ("chat-arousal3", "chat-valence5", "base-arousal4", "base-1", "instruct-2")

"""Who estimates: a reader by itself, a language model, or both; with measured dimensions where they are read.

An adapter is imported only when it is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .embedded import EmbeddedRecognizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...ports import DimensionsReader, EmotionRecognizer, LanguageModel
    from ...profiles import Choice
    from .r3_settings import SpeakerFacts

LIVE_PATIENCE_S = 0.2
"""How long a live estimate waits for the language model: less than an answer waits for the estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a language model is asked.

    Attributes:
        note: told, in one line, when older turns do not fit into the model's window.
        is_live: somebody waits: an estimate comes in two steps where the model is late, and writing a reason has a time
            limit. Else nothing depends on the clock.
        facts: what is known of whoever speaks now; None: nothing.
    """

    note: Callable[[str], None]
    is_live: bool = False
    facts: Callable[[], SpeakerFacts] | None = None


def choose_recognizer(
    choice: Choice,
    reader: EmotionRecognizer,
    *,
    dimensions: DimensionsReader | None,
    model: LanguageModel | None,
    asking: Asking,
) -> EmotionRecognizer:
    """Return who estimates; without a model it is `reader`, whatever was chosen.

    Raises:
        ConfigInvalid: there is no such condition.
    """
    if model is None or choice.engine not in {"r3", "fused"}:
        return _measured(reader, dimensions)
    r3 = recognizer_of_condition(model, choice.option("condition", "live"), asking=asking)
    if choice.engine == "r3":
        return _measured(r3, dimensions)
    from .fused import FusedRecognizer, FusedSettings  # noqa: PLC0415 - only when chosen

    settings = FusedSettings(patience_s=LIVE_PATIENCE_S) if asking.is_live else None
    return FusedRecognizer(reader, r3, dimensions=dimensions, settings=settings)


def recognizer_of_condition(model: LanguageModel, condition: str, *, asking: Asking) -> EmotionRecognizer:
    """Return R3 over a model, asked in the way called `condition`, or in all ways of an ensemble, which then vote.

    While somebody still speaks the embedded engine answers.

    Raises:
        ConfigInvalid: there is no such condition.
    """
    from ...r3.conditions import condition as named  # noqa: PLC0415 - only where a language model is asked
    from ...r3.conditions import ensemble, ensembles  # noqa: PLC0415 - as above
    from .r3 import R3Recognizer  # noqa: PLC0415 - as above
    from .r3_ensemble import EnsembleRecognizer  # noqa: PLC0415 - as above
    from .r3_settings import R3Settings  # noqa: PLC0415 - as above

    names = ensemble(condition) if condition in ensembles() else (condition,)
    small = EmbeddedRecognizer()
    settings = R3Settings(note=asking.note) if asking.is_live else R3Settings(note=asking.note, explain_s=math.inf)
    members = [
        R3Recognizer(model, condition=named(name), small=small, settings=settings, facts=asking.facts) for name in names
    ]
    return members[0] if len(members) == 1 else EnsembleRecognizer(members)


def _measured(recognizer: EmotionRecognizer, dimensions: DimensionsReader | None) -> EmotionRecognizer:
    if dimensions is None:
        return recognizer
    from .measured import MeasuredRecognizer  # noqa: PLC0415 - only when chosen

    return MeasuredRecognizer(recognizer, dimensions)

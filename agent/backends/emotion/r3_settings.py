"""What an R3 recogniser goes by besides its condition."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...r3.asr_relation import Findings
    from ...r3.condition import Shot

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerFacts:
    """What the user, or a corpus, has told of the speaker. Nothing of it is ever guessed from the voice.

    `shots`: worked examples by others than this speaker; None: those of the settings.
    """

    gender: str | None = None
    shots: tuple[Shot, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class R3Settings:
    """How answers become estimates.

    Attributes:
        threshold: least probability of the top label; below it the estimate abstains.
        fallback: what an answer without a label counts as: "unclear" live, "neutral" to score as paper 000 does.
        explain_s: seconds that writing a reason may take.
        shots: worked examples, for conditions that show some.
        findings: what block 6 tells of the recogniser; None gives the direction alone.
        note: told, once a conversation, that older turns did not fit.
    """

    threshold: float = 0.4
    fallback: Literal["unclear", "neutral"] = "unclear"
    explain_s: float = 10.0
    shots: tuple[Shot, ...] = ()
    findings: Findings | None = None
    note: Callable[[str], None] = _LOG.warning

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not 0 <= self.threshold <= 1 or not self.explain_s > 0:
            raise ValueError(f"expected a threshold in [0, 1] and time above 0, got {self.threshold}, {self.explain_s}")

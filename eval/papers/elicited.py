"""Cells of paper 001: a condition is replayed over the utterances the paper takes, and scored as its group does.

Utterances whose raters chose other labels than the four stay context for those around them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from ..bench.machine import VERSION
from ..corpora.labels import label_table
from ..distances import METRICS
from ..replay.plan import ReplaySettings
from ..score.emotion import decision_measures, distribution_measures
from ..score.errors import ScoreImpossible
from ..score.ledger import Ledger
from ..score.measure import ScoreSettings, blocks_of, final_of, is_scored
from ..score.report import ALL, Drawn, figure
from ..score.said import said
from ..signature import sign
from .replayed import Replayed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..corpora.item import Corpus, Item
    from ..replay.plan import Hypotheses
    from ..replay.row import Row
    from ..score.measure import Measure
    from ..score.report import Figure
    from .cell import PaperRun

LABELS: Final = ("neutral", "happy", "angry", "sad")
"""In the order of that group's code: of labels with as many votes the first is the truth."""
MOVED: Final = "not all logits are above 0"
"""How the reason of a token-level estimate begins where equation 2 did not apply as it stands."""
_WORDS: Final[Mapping[str, Hypotheses]] = {
    "recogniser": "asr",
    "corpus": "corpus",
    "transcript": "text",
    "none": "corpus",
}
"""Without words the corpus's still tell that somebody speaks; they are not shown."""
_EXCITED: Final = frozenset({"exc", "excited", "excitement"})


def utterances(corpus: Corpus, settled: Mapping[str, str]) -> Corpus:
    """Return the corpus with those utterances scored that the paper takes; all others are context.

    What has no votes stays as it is: there is no saying what its raters chose.
    """
    labels = dict(corpus.labels)
    if settled["excitement"] == "dropped":
        labels = {own: label for own, label in labels.items() if own not in _dropped(corpus.name)}
    is_whole = settled["ambiguous-utterances"] == "four-only"
    items = (
        replace(item, is_to_be_scored=item.is_to_be_scored and _is_taken(item, labels, is_whole=is_whole))
        for item in corpus.items
    )
    return replace(corpus, items=tuple(items), labels=labels)


def _is_taken(item: Item, labels: Mapping[str, str], *, is_whole: bool) -> bool:
    held = [labels.get(label, label) in LABELS for label, n in item.votes if n > 0]
    return not held or (all(held) if is_whole else any(held))


def _dropped(corpus: str) -> set[str]:
    """Return the corpus's own names for excitement."""
    known: set[str] = set()
    with suppress(KeyError):
        known = set(label_table(corpus.replace("-", "_")).to)
    return {own for own in known | _EXCITED if own.lower() in _EXCITED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Elicited:
    """`cell.Source`: a figure of one way to ask, over the paper's utterances.

    Attributes:
        condition: how the model is asked.
        name: of the figure, as scoring names it.
        settled: what was chosen where the paper leaves something open.
        profile: whose language model.
    """

    condition: str
    name: str
    settled: Mapping[str, str]
    profile: str | None = None

    def forecast(self, run: PaperRun) -> str:
        """Return what would be replayed. Raises as `cell.Source.forecast`."""
        return self._replayed.forecast(self._narrowed(run))

    def figure(self, run: PaperRun) -> Figure:
        """Return the figure; its signature tells which utterances and answers are left out.

        Raises:
            EvalError, AgentError, EngineFailed: as `cell.Source.figure`.
        """
        asked = self._asked(run)
        rows = self._kept(asked)
        found = _figure(self._measure(rows, asked=asked), rows, run=asked.run)
        signature = sign(self._replayed.told(run) | dict(found.signature.fields), version=VERSION)
        found = replace(found, signature=signature)
        if asked.rows and not rows:
            found = replace(found, reason=f"none of {len(asked.rows)} answers states anything")
        # The paper gives accuracy in percent, and F1 as a share.
        return replace(found, scale=1.0, decimals=2) if self.name.endswith("F1") else found

    @property
    def score(self) -> ScoreSettings:
        """How rows are scored, for comparisons."""
        return SCORED

    def ledger(self, run: PaperRun) -> Ledger:
        """Return the rows that count, for comparisons, which take what both ways to ask have.

        Raises:
            ScoreImpossible: no answer states anything, or it is a distance to votes that are not rounded, which
                comparisons do not know.
            EvalError, AgentError, EngineFailed: as `figure`.
        """
        if self.name in METRICS and self.settled["ambiguous-votes"] == "exact":
            raise ScoreImpossible("distances are compared with votes of two decimals only (ambiguous-votes=rounded)")
        asked = self._asked(run)
        rows = self._kept(asked)
        if not rows:
            raise ScoreImpossible(f"none of {len(asked.rows)} answers to {self.condition} states anything")
        return Ledger(rows=tuple(rows))

    def _asked(self, run: PaperRun) -> Ledger:
        """Replay what is missing, and return the rows of the paper's utterances."""
        rows = self._replayed.ledger(self._narrowed(run)).rows
        return Ledger(rows=tuple(row for row in rows if is_scored(row)))

    def _kept(self, asked: Ledger) -> list[Row]:
        kept = _valid(asked.rows) if self.settled["invalid-answers"] == "left-out" else list(asked.rows)
        return [_by_votes(row) for row in kept] if self.settled["ambiguous-truth"] == "votes" else kept

    def _measure(self, rows: Sequence[Row], *, asked: Ledger) -> Measure:
        heard = said(rows, labels=LABELS, settings=SCORED)
        is_exact = self.settled["ambiguous-votes"] == "exact"
        if is_exact:
            heard = replace(heard, votes=heard.shares)
        measures = [*decision_measures(heard, SCORED), *distribution_measures(heard, SCORED)]
        (found,) = (each for each in measures if each.name == self.name)
        how: dict[str, Any] = {"condition": self.condition, **found.how}
        if "votes" in how:
            how["votes"] = "not rounded" if is_exact else how["votes"]
        told = {name: self.settled[f"ambiguous-{name}"] for name in ("utterances", "words", "truth")}
        told["excitement"] = self.settled["excitement"]
        valid = _valid(asked.rows)
        told["invalid"] = f"{len(asked.rows) - len(valid)} {self.settled['invalid-answers']}"
        if "-token" in self.condition:
            moved = sum(str(final_of(row).get("reason")).startswith(MOVED) for row in valid)
            told["moved before equation 2"] = f"{moved} of {len(valid)}"
        return replace(found, how=how | told)

    @property
    def _replayed(self) -> Replayed:
        words = self.settled["ambiguous-words"]
        settings = ReplaySettings(
            emotion="voice" if words == "none" else "both",
            hypotheses=_WORDS[words],
            profile=self.profile,
            condition=self.condition,
        )
        return Replayed(settings=settings, name=self.name, score=SCORED)

    def _narrowed(self, run: PaperRun) -> PaperRun:
        return replace(run, corpus=utterances(run.corpus, self.settled))


SCORED: Final = ScoreSettings(labels=LABELS, decide="argmax")


def _figure(measure: Measure, rows: Sequence[Row], *, run: str) -> Figure:
    kind, blocks = blocks_of(rows, SCORED.blocks)
    drawn = Drawn(kind=kind, blocks=tuple(blocks), run=run, settings=SCORED)
    return figure(measure, np.arange(len(rows)), group=ALL, drawn=drawn)


def _valid(rows: Sequence[Row]) -> list[Row]:
    """Return the rows the model said something usable of."""
    return [row for row in rows if final_of(row).get("model_only") is not None]


def _by_votes(row: Row) -> Row:
    """Return the row with the label most raters chose for its truth; without votes for the four as it is."""
    votes = cast("Mapping[str, int]", row.truth.get("votes") or {})
    most = max(LABELS, key=lambda label: votes.get(label, 0))
    return replace(row, truth=row.truth | {"emotion": most, "label": most}) if votes.get(most) else row

"""The page of two runs on the same items: what differs, by how much, and in which items. Pure but for the sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..score.compare import compare
from ..score.ledger import Ledger
from ..score.measure import PERCENT
from ..score.paired import TRIALS
from ..score.report import score
from .cases import agreement, changed
from .facts import About, differing, facts, how
from .feelings import SAID, matrix_of, planes_of, reliability_of
from .run import Showing, chance_of, corpora_of, grouped, heard_of, recall_bars, split_bars
from .shown import Signatures, difference_families, undefined
from .spent import pace_of, reach_of, spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ..score.compare import Comparison
    from ..score.measure import ScoreSettings
    from ..score.report import Figure, ScoreReport
    from .cases import Heard
    from .values import Bar, Case, CaseList, Fact, Family, Matrix, Plane, Reliability, Span, Undefined

SIDES = ("A", "B")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPage:
    """What the page of a comparison shows."""

    title: str
    hows: tuple[str, str]
    counts: dict[str, int]
    different: tuple[Fact, ...]
    headlines: tuple[Bar, ...]
    families: tuple[Family, ...]
    undefined: tuple[Undefined, ...]
    level: str
    agreement: tuple[tuple[int, int], tuple[int, int]] | None
    recalls: tuple[Bar, ...]
    by_emotion: tuple[Bar, ...]
    by_wer: tuple[Bar, ...]
    by_context: tuple[Bar, ...]
    planes: tuple[Plane, ...]
    times: tuple[tuple[str, tuple[Span, ...], str], ...]
    """Side, its steps, how long a second of sound takes."""
    matrices: tuple[Matrix, ...]
    reliabilities: tuple[Reliability, ...]
    lists: tuple[CaseList, ...]
    facts: tuple[Fact, ...]
    signatures: tuple[tuple[str, ...], ...]
    chance: str = ""

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases of all lists."""
        return tuple(case for some in self.lists for case in some.cases)


HEADLINES = ("UA", "WA", "macro F1", "WER", "ECE", "CCC valence", "BLEU")
N_HEADLINES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One of two runs, on the items that both have."""

    name: str
    report: ScoreReport
    heard: Heard
    groups: tuple[Figure, ...]
    times: tuple[Mapping[str, Any], ...]
    signatures: Signatures

    def recalls(self) -> tuple[Bar, ...]:
        return recall_bars(self.report, self.signatures, side=self.name)

    def split(self, by: str, figure: str) -> tuple[Bar, ...]:
        return split_bars(self.groups, by, figure=figure, signatures=self.signatures, side=self.name)


def pair_page(
    a: Ledger,
    b: Ledger,
    settings: ScoreSettings,
    *,
    abouts: tuple[About, About] | None = None,
    trials: int = TRIALS,
    showing: Showing | None = None,
) -> PairPage:
    """Return the page of a comparison; everything in it is about the items that both have, but for times.

    Raises:
        ScoreImpossible: no item is in both, or they tell different truths.
    """
    shows, known = showing or Showing(), abouts or (About(), About())
    comparison = compare(a, b, settings, trials=trials)
    level = settings.resampling.level
    signatures = Signatures()
    found = difference_families(comparison.differences, signatures, level=level)
    ledgers = _shared(a, b)
    same = replace(settings, labels=comparison.labels)
    sides = [_side(name, ledger, same, signatures) for name, ledger in zip(SIDES, ledgers, strict=True)]
    heard = sides[0].heard, sides[1].heard
    return PairPage(
        title=shows.title or corpora_of(ledgers[0]),
        hows=(how(known[0]), how(known[1])),
        counts=_counts(comparison),
        different=differing(*known),
        headlines=_headlines(found),
        families=found,
        undefined=undefined((each.name, each.reason) for each in comparison.differences if each.reason),
        level=f"{PERCENT * level:g} %",
        agreement=agreement(*heard),
        recalls=_paired(side.recalls() for side in sides),
        by_emotion=_paired(side.split("emotion", "WER") for side in sides),
        by_wer=_paired(side.split("wer", "WA") for side in sides),
        by_context=_paired(side.split("context", "WA") for side in sides),
        planes=planes_of({f"{SAID} by {side.name}": side.heard.rows for side in sides}, same),
        times=_times(sides),
        matrices=tuple(matrix for side in sides if (matrix := matrix_of(side.report, title=side.name))),
        reliabilities=tuple(reliability_of(side.report, side.heard.said, title=side.name) for side in sides),
        lists=changed(*heard, most=shows.worst, sounding=shows.sounding),
        facts=facts(*known),
        signatures=signatures.lines,
        chance=chance_of(heard[0]),
    )


def _times(sides: Sequence[_Side]) -> tuple[tuple[str, tuple[Span, ...], str], ...]:
    reach = max(reach_of(side.report, side.times) for side in sides)
    return tuple((side.name, spans_of(side.report, side.times, reach=reach), pace_of(side.report)) for side in sides)


def _counts(comparison: Comparison) -> dict[str, int]:
    only = {"only in A, left out": comparison.n_only_a, "only in B, left out": comparison.n_only_b}
    return {"in both": comparison.n_items, **only}


def _side(name: str, ledger: Ledger, settings: ScoreSettings, signatures: Signatures) -> _Side:
    report = score(ledger, settings)
    return _Side(
        name=name,
        report=report,
        heard=heard_of(ledger, report, settings, name=name),
        groups=grouped(ledger, settings, report),
        times=ledger.times,
        signatures=signatures,
    )


def _shared(a: Ledger, b: Ledger) -> tuple[Ledger, Ledger]:
    """The rows of both that are about the same items, in A's order."""
    of = {(row.corpus, row.item): row for row in b.rows}
    first = tuple(row for row in a.rows if (row.corpus, row.item) in of)
    second = tuple(of[row.corpus, row.item] for row in first)
    return Ledger(rows=first, times=a.times), Ledger(rows=second, times=b.times)


def _paired(found: Iterable[tuple[Bar, ...]]) -> tuple[Bar, ...]:
    """The bars of both sides, those of one name next to each other."""
    sides = list(found)
    names = dict.fromkeys(bar.name for bars in sides for bar in bars)
    return tuple(bar for name in names for bars in sides for bar in bars if bar.name == name)


def _headlines(found: tuple[Family, ...]) -> tuple[Bar, ...]:
    known = {bar.name: bar for family in found for bar in family.bars}
    return tuple(known[name] for name in HEADLINES if name in known)[:N_HEADLINES]

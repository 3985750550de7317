"""The page of one run: everything it shows, from a ledger. Pure but for the sound it is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..score.measure import PERCENT
from ..score.report import ALL, score
from ..score.said import said
from .cases import Heard, not_done, worst_feelings, worst_words
from .facts import About, facts, how
from .feelings import SAID, commonest, matrix_of, planes_of, reliability_of
from .shown import Signatures, families, figure_bar, undefined
from .sound import silent
from .spent import pace_of, spans_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..score.ledger import Ledger
    from ..score.measure import ScoreSettings
    from ..score.report import Figure, ScoreReport
    from .cases import Sounding
    from .values import Bar, Case, CaseList, Fact, Family, Matrix, Plane, Reliability, Span, Undefined

HEADLINES: Final = ("UA", "WA", "macro F1", "WER", "ECE", "CCC valence", "CCC arousal", "BLEU", "chrF2")
N_HEADLINES: Final = 6
BY: Final = ("emotion", "wer", "context")
"""What figures are split by in the pictures."""
NONE_WRONG: Final = "wer=0 0"
"""The group without a word error, as `score.groups` names it."""
WORST: Final = 10
LISTS: Final = (worst_feelings, worst_words, not_done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What people choose of a page: its title ("": the corpus), items in each list of cases, where sound comes from."""

    title: str = ""
    worst: int = WORST
    sounding: Sounding = silent


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """What the page of a run shows; see the templates for where."""

    title: str
    how: str
    labels: tuple[str, ...]
    counts: Mapping[str, int]
    headlines: tuple[Bar, ...]
    families: tuple[Family, ...]
    undefined: tuple[Undefined, ...]
    level: str
    recalls: tuple[Bar, ...]
    matrices: tuple[Matrix, ...]
    reliabilities: tuple[Reliability, ...]
    by_emotion: tuple[Bar, ...]
    by_wer: tuple[Bar, ...]
    by_context: tuple[Bar, ...]
    planes: tuple[Plane, ...]
    spans: tuple[Span, ...]
    pace: str
    cost: Mapping[str, float]
    lists: tuple[CaseList, ...]
    facts: tuple[Fact, ...]
    problems: tuple[tuple[str, str], ...]
    signatures: tuple[tuple[str, ...], ...]
    chance: str = ""
    """What guessing would get, in words."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases of all lists."""
        return tuple(case for some in self.lists for case in some.cases)


def run_page(
    ledger: Ledger,
    settings: ScoreSettings,
    *,
    about: About | None = None,
    showing: Showing | None = None,
) -> RunPage:
    """Return the page of a run.

    Raises:
        ScoreImpossible: the rows have no one label set.
    """
    shows, known = showing or Showing(), about or About()
    report = score(ledger, settings)
    heard = heard_of(ledger, report, settings)
    groups = grouped(ledger, settings, report)
    signatures = Signatures()
    headlines = tuple(figure_bar(each, signatures) for each in _headlines(report))
    return RunPage(
        title=shows.title or corpora_of(ledger),
        how=how(known),
        labels=report.labels,
        counts=dict(report.counts),
        headlines=headlines,
        families=families(report.figures, signatures),
        undefined=undefined((each.name, each.reason) for each in report.figures if each.value is None),
        level=f"{PERCENT * settings.resampling.level:g} %",
        recalls=recall_bars(report, signatures),
        matrices=tuple(found for found in [matrix_of(report)] if found),
        reliabilities=(reliability_of(report, heard.said),),
        by_emotion=split_bars(groups, "emotion", figure="WER", signatures=signatures),
        by_wer=split_bars(groups, "wer", figure="WA", signatures=signatures),
        by_context=split_bars(groups, "context", figure="WA", signatures=signatures),
        planes=planes_of({SAID: ledger.rows}, settings),
        spans=spans_of(report, ledger.times),
        pace=pace_of(report),
        cost=dict(report.cost),
        lists=tuple(of(heard, most=shows.worst, sounding=shows.sounding) for of in LISTS),
        facts=facts(known),
        problems=known.problems,
        signatures=signatures.lines,
        chance=chance_of(heard),
    )


def corpora_of(ledger: Ledger) -> str:
    """Return the names of the corpora of a ledger."""
    return " and ".join(sorted({row.corpus for row in ledger.rows}))


def heard_of(ledger: Ledger, report: ScoreReport, settings: ScoreSettings, *, name: str = "") -> Heard:
    """Return the rows of a ledger with what they say over the report's labels."""
    told = said(ledger.rows, labels=report.labels, settings=settings)
    return Heard(rows=tuple(ledger.rows), said=told, normaliser=settings.normaliser, name=name)


def grouped(ledger: Ledger, settings: ScoreSettings, report: ScoreReport) -> tuple[Figure, ...]:
    """Return the figures of groups that pictures need, over the labels of the whole."""
    few = replace(settings, labels=report.labels, figures=("WER", "WA"))
    return tuple(each for each in score(ledger, few, by=BY).figures if each.group != ALL)


def split_bars(
    figures: Sequence[Figure], by: str, *, figure: str, signatures: Signatures, side: str = ""
) -> tuple[Bar, ...]:
    """Return one figure of each group, in the order of the groups; none where nothing is known of any.

    By word error rate, words that were given are no words heard right: that group is left out.
    """
    given = {each.group for each in figures if each.name == "WER" and each.value is None} & {NONE_WRONG}
    found = [
        each for each in figures if each.name == figure and each.group.startswith(f"{by}=") and each.group not in given
    ]
    bars = [_split_bar(each, by, signatures=signatures, side=side) for each in found if each.n]
    return tuple(bars) if any(each.value for each in bars) else ()


def _split_bar(figure: Figure, by: str, *, signatures: Signatures, side: str) -> Bar:
    group = figure.group.partition("=")[2]
    names = {"wer": _wer_name, "context": _context_name}
    name = names[by](group) if by in names else group
    return figure_bar(figure, signatures, name=name, label=group if by == "emotion" else "", side=side)


def _wer_name(group: str) -> str:
    """A band of word error rates as people read it: "1 to 10 %" is the first band above none."""
    name = group.partition(" ")[2] or group
    return "no word wrong" if name == "0" else f"{name} wrong" if name.endswith("%") else name


def _context_name(group: str) -> str:
    told = {"00": "none before", "01-04": "1 to 4 turns", "05-09": "5 to 9 turns", "10-24": "10 to 24 turns"}
    return told.get(group, f"{group} turns" if group[:1].isdigit() else "not told")


def recall_bars(report: ScoreReport, signatures: Signatures, *, side: str = "") -> tuple[Bar, ...]:
    """Return the recall of each label that some row bears."""
    found = [each for each in report.figures if each.name.startswith("recall ") and each.value is not None]
    names = [each.name.removeprefix("recall ") for each in found]
    return tuple(
        replace(figure_bar(each, signatures, name=name, label=name, side=side), n=_n_true(report, name))
        for each, name in zip(found, names, strict=True)
    )


def _n_true(report: ScoreReport, label: str) -> int:
    return sum(report.confusion[report.labels.index(label)])


def chance_of(heard: Heard) -> str:
    """Return what saying always the same would get, "" where no row bears a label."""
    found = commonest(heard.said)
    if found is None:
        return ""
    label, share = found
    n_labels = len(heard.said.labels)
    always, chance = f"{PERCENT * share:.1f}\u00a0%", f"{PERCENT / n_labels:.1f}\u00a0%"
    return f"Always saying {label} would be right in {always}; UA by chance is {chance}."


def _headlines(report: ScoreReport) -> list[Figure]:
    known = {each.name: each for each in report.figures if each.value is not None}
    return [known[name] for name in HEADLINES if name in known][:N_HEADLINES]

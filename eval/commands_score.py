"""`attune-eval score` and `compare`: figures of ledgers, read and never run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .score.compare import compare
from .score.groups import GROUPS
from .score.ledger import read_ledgers
from .score.measure import Blocks, Decide, Fallback, Normaliser, ScoreSettings
from .score.paired import TRIALS
from .score.report import score
from .score.said import LABEL_SETS
from .score.table import comparison_json, comparison_table, score_json, score_table
from .statistics import DRAWS, LEVEL, SEED, Ends, Resampling

DEFAULTS = ScoreSettings()
LedgerPath = Path

LabelsOption = Annotated[
    str | None,
    typer.Option(metavar="SET", help=f"{', '.join(LABEL_SETS)}, or labels with commas; else that of the estimates."),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FROM=TO", help="A label that is called otherwise: excited=happy. Repeatable."),
]
DecideOption = Annotated[Decide, typer.Option(help="top: what was said, or unclear; argmax: the most likely label.")]
FallbackOption = Annotated[
    Fallback, typer.Option(help="What counts where no label was said: neutral (paper 000), wrong.")
]
NormaliserOption = Annotated[Normaliser, typer.Option(help="words: lower case, words only; none: as written.")]
BlocksOption = Annotated[Blocks, typer.Option(help="What is drawn again; auto: speakers, else dialogues, else items.")]
FiguresOption = Annotated[
    str, typer.Option(metavar="NAME,NAME", help="Only these; `compare` then adjusts for as many tests.")
]
DrawsOption = Annotated[int, typer.Option(min=1, help="Of the bootstrap.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the draws.")]
LevelOption = Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")]
IntervalOption = Annotated[Ends, typer.Option(help="Of the draws as they are, or corrected for bias and skew.")]
CometOption = Annotated[
    str, typer.Option(metavar="MODEL", help="Scores translations, where it is here: its name, or a path.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of Markdown.")]


def register(app: typer.Typer) -> None:
    """Add `score` and `compare` to `app`."""
    app.command("score")(_score)
    app.command("compare")(_compare)


def _score(  # noqa: PLR0913 - a command's options are its parameters
    ledgers: Annotated[
        list[LedgerPath], typer.Argument(metavar="LEDGER...", help="Rows of one run: files, or their folders.")
    ],
    *,
    by: Annotated[str, typer.Option(metavar="NAME,NAME", help=f"Figures of groups besides: {', '.join(GROUPS)}.")] = "",
    labels: LabelsOption = None,
    mapping: MapOption = None,
    decide: DecideOption = DEFAULTS.decide,
    fallback: FallbackOption = DEFAULTS.fallback,
    normaliser: NormaliserOption = DEFAULTS.normaliser,
    blocks: BlocksOption = DEFAULTS.blocks,
    figures: FiguresOption = "",
    draws: DrawsOption = DRAWS,
    seed: SeedOption = SEED,
    level: LevelOption = LEVEL,
    interval: IntervalOption = "percentile",
    comet: CometOption = DEFAULTS.comet,
    as_json: JsonOption = False,
) -> None:
    """Every figure of a run with interval and signature; what is undefined says why."""
    settings = ScoreSettings(
        labels=labels_of(labels),
        mapping=mapping_of(mapping),
        decide=decide,
        fallback=fallback,
        normaliser=normaliser,
        blocks=blocks,
        figures=_names(figures),
        comet=comet,
        resampling=Resampling(draws=draws, seed=seed, level=level, ends=interval),
    )
    report = score(read_ledgers(ledgers), settings, by=_names(by))
    typer.echo(score_json(report) if as_json else score_table(report), nl=False)


def _compare(  # noqa: PLR0913 - a command's options are its parameters
    a: Annotated[LedgerPath, typer.Argument(help="Rows of the first run.")],
    b: Annotated[LedgerPath, typer.Argument(help="Rows of the second, over the same corpus.")],
    *,
    labels: LabelsOption = None,
    mapping: MapOption = None,
    decide: DecideOption = DEFAULTS.decide,
    fallback: FallbackOption = DEFAULTS.fallback,
    normaliser: NormaliserOption = DEFAULTS.normaliser,
    blocks: BlocksOption = DEFAULTS.blocks,
    figures: FiguresOption = "",
    draws: DrawsOption = DRAWS,
    trials: Annotated[int, typer.Option(min=1, help="Of approximate randomisation.")] = TRIALS,
    seed: SeedOption = SEED,
    level: LevelOption = LEVEL,
    interval: IntervalOption = "percentile",
    comet: CometOption = DEFAULTS.comet,
    as_json: JsonOption = False,
) -> None:
    """Two runs on the same items: differences with paired intervals, p by randomisation, adjusted by Holm."""
    settings = ScoreSettings(
        labels=labels_of(labels),
        mapping=mapping_of(mapping),
        decide=decide,
        fallback=fallback,
        normaliser=normaliser,
        blocks=blocks,
        figures=_names(figures),
        comet=comet,
        resampling=Resampling(draws=draws, seed=seed, level=level, ends=interval),
    )
    comparison = compare(read_ledgers([a]), read_ledgers([b]), settings, trials=trials)
    shown = comparison_json(comparison, level=level) if as_json else comparison_table(comparison, level=level)
    typer.echo(shown, nl=False)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def labels_of(text: str | None) -> tuple[str, ...] | None:
    """Return the label set of an option: one that has a name, or labels with commas.

    Raises:
        BadParameter: it is neither.
    """
    if text is None or text in LABEL_SETS:
        return LABEL_SETS[text] if text else None
    names = _names(text)
    if len(names) < 2 or any(set(name) & set("|\n") for name in names):
        raise typer.BadParameter(f"expected {', '.join(LABEL_SETS)} or two or more labels with commas, got {text!r}")
    return names


def mapping_of(pairs: list[str] | None) -> dict[str, str]:
    """Return the labels that are called otherwise, of `--map FROM=TO`.

    Raises:
        BadParameter: a pair is not of that form.
    """
    split = [pair.partition("=") for pair in pairs or ()]
    for one, equals, other in split:
        if not (one and equals and other) or set(one + other) & set("|\n"):
            raise typer.BadParameter(f"expected FROM=TO for --map, got {one + equals + other!r}")
    return {one: other for one, _, other in split}

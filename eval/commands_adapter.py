"""`attune-eval fit adapter`: fine-tunes a profile's language model by LoRA for one way it is asked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads it when it runs
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.cli.translating import translation_of

from .corpora.choose import reader
from .errors import CorpusUnreadable
from .papers.cell import PaperRun
from .papers.tuned import Fold, Tuned
from .replay.plan import ReplaySettings
from .training.adapter import AdapterRefused, AdapterSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .corpora.item import Corpus
    from .training.adapter import Trained

Emotion = Literal["off", "text", "voice", "both"]
Whose = Literal["asr", "corpus", "text"]
USUAL = AdapterSettings()
BASE = "base-1"
WORDS = "Words by our recogniser, by the corpus's own, or its transcript."
Several = list[str] | None
Condition = Annotated[str | None, typer.Option(metavar="NAME", help="Trained to name emotion, asked so: r3, baseline.")]
Language = Annotated[str | None, typer.Option(metavar="LANG", help="Trained to translate into this language: fr.")]
Template = Annotated[str, typer.Option(metavar="HOW", help="Of translating: base-1, base-arousal3, chat-valence5, ...")]
Train = Annotated[Several, typer.Option(metavar="SPLIT", help="Splits to train on; all but those held out.")]
HeldOut = Annotated[Several, typer.Option(metavar="SPLIT", help="Splits to choose the epoch by; none: the last.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N items of each part.")]
Workers = Annotated[int, typer.Option(min=1, metavar="N", help="Processes that estimate dimensions.")]
Epochs = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")]
Rate = Annotated[float, typer.Option(metavar="X", help="Of AdamW, the same all the time.")]
Decay = Annotated[float, typer.Option(metavar="X", help="Of AdamW.")]
Batch = Annotated[int, typer.Option(min=1, metavar="N", help="Pairs a step.")]
AtOnce = Annotated[int, typer.Option(min=1, metavar="N", help="Of these in one pass: fewer take less memory.")]
Longest = Annotated[int, typer.Option(min=1, metavar="N", help="Longer pairs are left out, and counted.")]
Rank = Annotated[int | None, typer.Option(min=1, metavar="N", help="Of the adapter; peft's own (8).")]
Alpha = Annotated[int | None, typer.Option(min=1, metavar="N", help="Its scale; peft's own (8).")]
Dropout = Annotated[float | None, typer.Option(metavar="X", help="Peft's own (0).")]
Target = Annotated[
    Several, typer.Option(metavar="LAYER", help="Layers that get one; peft's own (Llama: q_proj, v_proj).")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of first weights, order and dropout.")]


def register(fit_app: typer.Typer) -> None:
    """Add the command to `attune-eval fit`."""
    fit_app.command("adapter")(adapter)


def adapter(  # noqa: PLR0913 - a command's options are its parameters
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="Its name; see `attune-eval corpora list`.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it lies.")],
    *,
    profile: Annotated[str, typer.Option(metavar="NAME", help="Whose language model (engine transformers).")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The adapter; the same command again goes on there.")],
    condition: Condition = None,
    translate: Language = None,
    translate_as: Template = BASE,
    train: Train = None,
    held_out: HeldOut = None,
    emotion: Annotated[Emotion, typer.Option(help="Read emotion from.")] = "both",
    hypotheses: Annotated[Whose, typer.Option(help=WORDS)] = "text",
    limit: Limit = None,
    workers: Workers = 1,
    epochs: Epochs = USUAL.epochs,
    learning_rate: Rate = USUAL.learning_rate,
    weight_decay: Decay = USUAL.weight_decay,
    batch: Batch = USUAL.batch,
    at_once: AtOnce = USUAL.at_once,
    max_tokens: Longest = USUAL.max_tokens,
    rank: Rank = None,
    alpha: Alpha = None,
    dropout: Dropout = None,
    target: Target = None,
    seed: Seed = USUAL.seed,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Fine-tune a language model (LoRA) for the very prompts it is asked with later; the folder loads like a model.

    What it is worth shows a replay with --adapter FOLDER, or a table of a paper. Estimates of the training items are
    kept beside FOLDER, in a folder of its name with a dot before it.
    """
    settings = _replayed(condition, translate, translate_as, profile=profile, emotion=emotion, hypotheses=hypotheses)
    sizes = {"rank": rank, "alpha": alpha, "dropout": dropout, "targets": tuple(target or ()), "max_tokens": max_tokens}
    steps = {"epochs": epochs, "batch": batch, "at_once": min(at_once, batch), "seed": seed}
    training = _training({"learning_rate": learning_rate, "weight_decay": weight_decay, **steps, **sizes})
    read = _read(corpus, folder)
    fold = _fold(read, train=train or [], held_out=held_out or [])
    kept = out.resolve().with_name(f".{out.resolve().name}")
    run = PaperRun(corpus=read, root=folder, out=kept, settled={}, workers=workers, limit=limit)
    _do(Tuned(settings=settings, folds=(fold,), training=training), replace(run, note=_note), out, is_dry=dry_run)


def _do(source: Tuned, run: PaperRun, out: Path, *, is_dry: bool) -> None:
    (fold,) = source.folds
    if is_dry:
        typer.echo(f"{source.called(fold)}: {source.told(run, fold)}")
        return
    with _progress() as tell:
        trained = source.train(replace(run, progress=tell), fold, place=out)
    typer.echo(_told(trained))


def _note(text: str) -> None:
    typer.echo(f"attune-eval: {text}", err=True)


def _training(told: dict[str, Any]) -> AdapterSettings:
    try:
        return AdapterSettings(**told)
    except ValueError as trouble:
        raise typer.BadParameter(str(trouble)) from trouble


def _replayed(
    condition: str | None,
    translate: str | None,
    translate_as: str,
    *,
    profile: str,
    emotion: Emotion,
    hypotheses: Whose,
) -> ReplaySettings:
    if (condition is None) == (translate is None):
        raise typer.BadParameter("name a condition to train for (--condition) or a language (--translate)")
    if translate is None and translate_as != BASE:
        raise typer.BadParameter(f"--translate-as is {translate_as!r} and no language is named (--translate)")
    translation = None if translate is None else translation_of(translate, how=translate_as)
    return ReplaySettings(
        emotion=emotion,
        hypotheses=hypotheses,
        profile=profile,
        condition=condition,
        context=None if translation is None else 0,
        translate=None if translation is None else translation.target,
        translate_as=translate_as,
    )


def _read(corpus: str, folder: Path) -> Corpus:
    found = reader(corpus)
    missing = found.missing(folder)
    if missing:
        raise CorpusUnreadable(f"{corpus} cannot be read from {folder}: {'; '.join(missing)}")
    return found.read(folder)


def _fold(corpus: Corpus, *, train: list[str], held_out: list[str]) -> Fold:
    """Return what is trained on; nothing is scored here.

    Raises:
        AdapterRefused: a split is named for both, or is none of the corpus, or none is left to train on.
    """
    splits = tuple(dict.fromkeys(item.split for item in corpus.items))
    if unknown := [split for split in (*train, *held_out) if split not in splits]:
        there = ", ".join(filter(None, splits)) or "it has none"
        raise AdapterRefused(f"{corpus.name} has no split {', '.join(unknown)}, expected some of: {there}")
    if both := sorted(set(train) & set(held_out)):
        raise AdapterRefused(f"{', '.join(both)} cannot be trained on and held out")
    learned = tuple(train) or tuple(split for split in splits if split not in held_out)
    if not learned:
        raise AdapterRefused(f"all splits of {corpus.name} are held out, expected at least one to train on")
    return Fold(train=learned, held_out=tuple(held_out), test=())


def _told(trained: Trained) -> str:
    lines = ["| epoch | loss on what is trained on | on what is held out |", "|---|---|---|"]
    lines += [f"| {epoch.number} | {_loss(epoch.train)} | {_loss(epoch.held_out)} |" for epoch in trained.epochs]
    counts = f"{trained.n_pairs} pairs, {trained.n_held_out} held out, {trained.n_too_long} left out as too long"
    return "\n".join(
        [*lines, "", f"Epoch {trained.best} is in {trained.path} ({counts}; nats per token of an answer)."]
    )


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


@contextmanager
def _progress() -> Generator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("items", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

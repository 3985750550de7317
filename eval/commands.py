"""What `attune-eval` can do: train the embedded emotion model, measure."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.boundary import run_command

from . import commands_corpora, commands_replay, commands_score, commands_voice
from .bench import cache, hearing, labels, line, prosody, scheduler, transcribe, vad
from .bench import emotion as emotion_ahead
from .bench.models import Engine
from .bench.service import measure as service
from .errors import EvalError
from .training.fit import fit_emotion

app = typer.Typer(
    name="attune-eval",
    help="Train and measure Attune. Every figure prints with a signature that says how it was made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
fit_app = typer.Typer(help="Train what ships in the package.", no_args_is_help=True)
bench_app = typer.Typer(help="Measure, as ratios within one run; tables are Markdown.", no_args_is_help=True)
for commands in (commands_corpora, commands_voice, commands_replay, commands_score):
    commands.register(app)
app.add_typer(fit_app, name="fit")
app.add_typer(bench_app, name="bench")

Folder = Path | None
LOAD = scheduler.Load()
WEIGHTS = Path(str(importlib.resources.files("agent"))) / "backends" / "emotion" / "weights"


@fit_app.callback()
def _fit() -> None:
    """Keep `emotion` a command of its own: there will be more to fit."""


@fit_app.command()
def emotion(
    goemotions: Annotated[
        Path, typer.Option(metavar="DIR", help="GoEmotions: train.tsv, dev.tsv (test.tsv), labels.txt.")
    ],
    emodb: Annotated[Path, typer.Option(metavar="DIR", help="EmoDB: recordings and labels.csv.")],
    meld: Annotated[
        Folder, typer.Option(metavar="DIR", help="MELD, for zero-shot figures only; never trained on.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the weights go; the package by default.")] = WEIGHTS,
) -> None:
    """Train the embedded emotion model and print its figures with 95 % intervals. Same data, same bytes."""
    report = fit_emotion(goemotions, emodb, out, meld_dir=meld, progress=lambda told: typer.echo(told, err=True))
    typer.echo(report.table())


@bench_app.command("line")
def bench_line(
    data: Annotated[Folder, typer.Option(metavar="DIR", help="Recordings; without it flite voices sentences.")] = None,
) -> None:
    """Latency from the end of the voice to emotion and answer, in real time, and what the line costs."""
    typer.echo(line.table(line.measure(data)))


@bench_app.command("prosody")
def bench_prosody(
    data: Annotated[Folder, typer.Option(metavar="DIR", help="Recordings; without it flite voices sentences.")] = None,
) -> None:
    """Rolling prosody against recomputing a window with Praat: cost, and agreement of pitch."""
    typer.echo(prosody.table(prosody.measure(data)))


@bench_app.command("hearing")
def bench_hearing(
    data: Annotated[Folder, typer.Option(metavar="DIR", help="Recordings; without it flite voices sentences.")] = None,
) -> None:
    """What hearing one of many sessions costs, fed inline and by threads."""
    typer.echo(hearing.table(hearing.measure(data)))


@bench_app.command("vad")
def bench_vad(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Clips with hand labels (start_s,end_s,speech).")],
) -> None:
    """Voice activity against hand labels, beside webrtcvad and Silero alone."""
    typer.echo(vad.table(vad.measure(data)))


@bench_app.command("transcribe")
def bench_transcribe(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Recordings, each with its words in a .txt beside it.")],
) -> None:
    """Word error rates of the 1-best and the oracle of the 10-best, beside the engine's own."""
    typer.echo(transcribe.table(transcribe.measure(data)))


@bench_app.command("scheduler")
def bench_scheduler(  # noqa: PLR0913 - a command's options are its parameters
    *,
    data: Annotated[Folder, typer.Option(metavar="DIR", help="Recordings; without it flite voices sentences.")] = None,
    model: Annotated[
        Folder, typer.Option(metavar="DIR", help="A Whisper model in CTranslate2; without it random weights.")
    ] = None,
    size: Annotated[scheduler.Size, typer.Option(help="Size of the random weights.")] = "tiny",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    sessions: Annotated[int, typer.Option(min=1, help="Sessions at once.")] = LOAD.n_sessions,
    batch: Annotated[int, typer.Option(min=1, help="Most requests in one call.")] = LOAD.max_batch,
    pad: Annotated[float, typer.Option(min=1, max=30, metavar="S", help="Length sound is padded to.")] = LOAD.pad_s,
    threads: Annotated[int, typer.Option(min=1, help="Of the model, on a CPU.")] = LOAD.n_threads,
) -> None:
    """Many sessions on one Whisper model: batched by the scheduler beside one call at a time."""
    load = scheduler.Load(n_sessions=sessions, max_batch=batch, pad_s=pad, n_threads=threads)
    typer.echo(scheduler.table(scheduler.measure(data, model=model, size=size, device=device, load=load)))


EngineOption = Annotated[Engine, typer.Option(help="Which engine runs the model.")]
ModelOption = Annotated[
    Folder, typer.Option(metavar="PATH", help="A folder of a model, or a GGUF file; without it random weights.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


@bench_app.command("labels")
def bench_labels(
    *,
    engine: EngineOption = "transformers",
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """A distribution over labels beside generating an answer and reading the label off it, warm and cold."""
    typer.echo(labels.table(labels.measure(engine=engine, model=model, device=device)))


@bench_app.command("cache")
def bench_cache(
    *,
    engine: EngineOption = "transformers",
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Share of prompt tokens that come from the cache while a window of 25 turns moves on, and what it saves."""
    typer.echo(cache.table(cache.measure(engine=engine, model=model, device=device)))


@bench_app.command("emotion")
def bench_emotion(
    *,
    turns: Annotated[
        int, typer.Option(min=emotion_ahead.WINDOW + 1, help="Of the conversation; the window holds 25.")
    ] = emotion_ahead.N_TURNS,
    condition: Annotated[str, typer.Option(help="How the model is asked; see `attune prompts`.")] = (
        emotion_ahead.CONDITION
    ),
) -> None:
    """Emotion before the answer begins, and share of its prompt worked through ahead: models of assumed speeds."""
    typer.echo(emotion_ahead.table(emotion_ahead.measure(n_turns=turns, name=condition)))


@bench_app.command("service")
def bench_service(
    *,
    kind: Annotated[
        service.Kind, typer.Option(help="scripted: our own cost alone; real: with voice activity and prosody.")
    ] = "scripted",
    sessions: Annotated[str, typer.Option(metavar="N,N,…", help="Live sessions at once, step by step.")] = (
        "50,100,150,200,250,300"
    ),
    seconds: Annotated[float, typer.Option(min=1, help="Of each step, besides 12 s to warm up.")] = 30.0,
    deaf: Annotated[int, typer.Option(min=0, help="Clients besides that never read.")] = 0,
) -> None:
    """Live sessions on one core over the WebSocket: open loop, 100 ms appends, latency from when sound was due."""
    steps = service.steps_of(sessions)
    result = service.measure(
        kind, sessions=steps, seconds=seconds, n_deaf=deaf, note=lambda text: typer.echo(text, err=True)
    )
    typer.echo(service.table(result))


def run() -> None:
    """Run `attune-eval`."""
    run_command(app, program="attune-eval", input_errors=(EvalError,))

"""`attune-eval bench`: each bench by itself, and all of them for the README."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.boundary import ENGINE

from .bench import cache, every, hearing, labels, line, prosody, replay, replayed, scheduler, transcribe, vad
from .bench import emotion as emotion_ahead
from .bench.alone import run_alone
from .bench.machine import described
from .bench.models import Engine, Subject
from .bench.section import check_place, section, write_section
from .bench.service import measure as service
from .errors import CorpusUnreadable

if TYPE_CHECKING:
    from .bench.measure import BenchReport

bench_app = typer.Typer(help="Measure, as ratios within one run; tables are Markdown.", no_args_is_help=True)

Folder = Path | None
LOAD = scheduler.Load()
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the model runs.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `attune-eval`."""
    app.add_typer(bench_app, name="bench")


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
    data: Annotated[
        Folder,
        typer.Option(metavar="DIR", help="Recordings, each with its words in a .txt beside it; without it flite's."),
    ] = None,
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
    device: DeviceOption = "auto",
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


@bench_app.command("replay")
def bench_replay(
    *,
    data: Annotated[Folder, typer.Option(metavar="DIR", help="Recordings; without it flite voices sentences.")] = None,
    workers: Annotated[int, typer.Option(min=2, help="Processes beside one.")] = 2,
    dialogues: Annotated[int, typer.Option(min=4, help="Of two utterances each.")] = replay.N_DIALOGUES,
    engine: EngineOption = "transformers",
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Replay beside real time, by one worker and several, asking a model and from answers that were kept."""
    subject = Subject(engine=engine, path=model, device=device)
    result = replay.measure(data, workers=workers, n_dialogues=dialogues, subject=subject, note=_note)
    typer.echo(replayed.table(result))


@bench_app.command("all")
def bench_all(
    *,
    data: Annotated[
        Folder, typer.Option(metavar="DIR", help="Holds speech/ (recordings, .txt beside each) and vad/ (clips).")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="About 3 minutes instead of 25, and rougher.")] = False,
    md: Annotated[bool, typer.Option("--md", help="One table of all of them, for a README, and nothing else.")] = False,
    into: Annotated[
        Folder, typer.Option(metavar="FILE", help="Write that table into a file, between its markers.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this bench; may be given several times.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Run all benches, each in a process of its own; one that fails does not end the others."""
    benches = _chosen(only or [])
    if data is not None and not data.is_dir():
        raise CorpusUnreadable(f"{data} is no folder; expected one that holds speech/ and vad/")
    if into is not None:
        check_place(into)
    effort = every.Effort(data=data, is_quick=quick, device=device)
    reports: list[BenchReport] = []
    for number, bench in enumerate(benches, start=1):
        _note(f"{number} of {len(benches)}: {bench.name}")
        reports.append(run_alone(bench, effort))
        _note(f"{bench.name}: {reports[-1].problem or 'done'}, {reports[-1].seconds:.0f} s")
        if not md and into is None:
            typer.echo(f"## {bench.name}\n\n{reports[-1].text or reports[-1].problem}\n")
    text = section(reports, machine=described(), is_quick=quick, options=_options(effort, only or []))
    if into is None:
        typer.echo(text.rstrip())
    else:
        write_section(into, text)
    if any(report.has_failed for report in reports):
        raise typer.Exit(ENGINE)


def _chosen(names: list[str]) -> list[every.Bench]:
    if unknown := sorted(set(names) - {bench.name for bench in every.BENCHES}):
        known = ", ".join(bench.name for bench in every.BENCHES)
        raise typer.BadParameter(f"there is no bench {', '.join(unknown)}, expected some of: {known}")
    return [bench for bench in every.BENCHES if not names or bench.name in names]


def _options(effort: every.Effort, only: list[str]) -> str:
    """Return what a reader must add to the command to measure the same."""
    data = [] if effort.data is None else ["--data", effort.data.resolve().name]
    device = [] if effort.device == "auto" else ["--device", effort.device]
    return shlex.join([*data, *device, *(word for name in only for word in ("--only", name))])


def _note(text: str) -> None:
    typer.echo(f"attune-eval: {text}", err=True)

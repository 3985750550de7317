"""`attune segment` and `attune transcribe`: the line's first half, on its own."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import typer

from streaming.backends.voice_activity import FusedActivity
from streaming.events import SpeechEnded, Transcript
from streaming.files import AudioFile
from streaming.segmenter import Segmenter
from streaming.stretches import stretches

from ..assembly import listener_of
from ..config import load_config, with_options
from ..jsonl import transcript_record
from .engines import Fallback, ProfileName, chosen, loaded_transcribers

AudioPath = Annotated[Path, typer.Argument(metavar="FILE", help="An audio file of any common format.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


def segment(
    file: AudioPath,
    as_json: AsJson = False,
    utterances: Annotated[bool, typer.Option("--utterances", help="Whole utterances instead of stretches.")] = False,
) -> None:
    """Print where somebody speaks: each stretch of speech, without pre-roll or endpoint silence."""
    with AudioFile(file) as audio:
        found = _utterances(audio) if utterances else stretches(audio, activity=FusedActivity())
        for start_s, end_s in found:
            record = {"start_s": round(start_s, 3), "end_s": round(end_s, 3)}
            print(json.dumps(record) if as_json else f"{start_s:8.2f} to {end_s:8.2f} s")
        _warn(audio)


def transcribe(
    file: AudioPath, as_json: AsJson = False, profile: ProfileName = None, fallback: Fallback = False
) -> None:
    """Print what is said, utterance by utterance; with --json the 10-best with scores and word times."""
    with ExitStack() as stack:
        audio = stack.enter_context(AudioFile(file))
        use = chosen(with_options(load_config(), {"profile": profile}), falls_back=fallback, only=("transcriber",))
        listener = stack.enter_context(closing(listener_of(stack.enter_context(loaded_transcribers(use)))))
        for block in audio:
            _print_finals(listener.feed(block), as_json=as_json)
        _print_finals(listener.flush(), as_json=as_json)
        _warn(audio)


def _utterances(audio: AudioFile) -> list[tuple[float, float]]:
    segmenter = Segmenter(FusedActivity())
    events = [event for block in audio for event in segmenter.feed(block)] + segmenter.flush()
    return [(event.start_s, event.end_s) for event in events if isinstance(event, SpeechEnded)]


def _print_finals(events: list[Any], *, as_json: bool) -> None:
    for event in events:
        if isinstance(event, Transcript) and event.is_final and event.nbest:
            line = json.dumps(transcript_record(event), ensure_ascii=False) if as_json else event.text
            print(line, flush=True)


def _warn(audio: AudioFile) -> None:
    if audio.warning is not None:
        typer.echo(f"attune: {audio.warning}", err=True)

"""Estimates for rows of text and recordings, as corpora and annotators need them: each row is one utterance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from streaming.audio import SAMPLE_RATE, silence
from streaming.backends.pocketsphinx import PocketSphinxTranscriber
from streaming.backends.pocketsphinx_engine import PocketSphinxEngine
from streaming.backends.praat import PraatAnalyst
from streaming.events import Hypothesis, Prosody, Transcript, Utterance
from streaming.files import read_audio
from streaming.recording import prosody_of, transcript_of

from .backends.emotion.embedded import EmbeddedRecognizer
from .errors import AgentError, ConfigInvalid
from .jsonl import emotion_fields

if TYPE_CHECKING:
    from pathlib import Path

    from streaming.events import Samples

    from .events import EmotionSource

SOURCES = ("text", "voice", "both")


class RowInvalid(AgentError):
    """A row is not what the annotation tool takes; `row_id` as far as there is one."""

    def __init__(self, message: str, *, row_id: Any = None) -> None:  # noqa: ANN401 - any JSON value
        super().__init__(message)
        self.row_id = row_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One utterance to estimate: words, a recording, or both."""

    id: Any
    text: str | None = None
    audio: str | None = None


def parse_row(line: str) -> Row:
    """Return a line of JSON as a row.

    Raises:
        RowInvalid: not a JSON object, no id, text or audio that is no text, or neither. Other fields are ignored.
    """
    try:
        found: object = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as trouble:
        raise RowInvalid(f"not JSON: {trouble}") from trouble
    if not isinstance(found, dict):
        raise RowInvalid(f"expected an object, got {type(found).__name__}")
    row = cast("dict[str, Any]", found)
    if "id" not in row:
        raise RowInvalid('no "id"')
    for name in ("text", "audio"):
        if not isinstance(row.get(name), str | None):
            raise RowInvalid(f'"{name}" is not text', row_id=row["id"])
    if row.get("text") is None and row.get("audio") is None:
        raise RowInvalid('neither "text" nor "audio"', row_id=row["id"])
    return Row(id=row["id"], text=row.get("text"), audio=row.get("audio"))


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number in JSON")


class Annotator:
    """Estimates rows one after another; the speech engines start with the first recording."""

    def __init__(self, *, source: str, folder: Path) -> None:
        """Prepare.

        Args:
            source: "text", "voice" or "both".
            folder: where relative paths of recordings begin.

        Raises:
            ConfigInvalid: another source.
        """
        if source not in SOURCES:
            raise ConfigInvalid(f"emotion is {source!r}, expected one of {', '.join(SOURCES)}")
        self._source: EmotionSource = cast("EmotionSource", source)
        self._folder = folder
        self._recognizer = EmbeddedRecognizer()
        self._analyst: PraatAnalyst | None = None
        self._engine: PocketSphinxEngine | None = None

    def __enter__(self) -> Annotator:
        return self

    def __exit__(self, *_: object) -> None:
        for started in (self._analyst, self._engine):
            if started is not None:
                started.close()

    def annotate(self, row: Row) -> dict[str, Any]:
        """Return the estimate's fields, with the words it rests on under "text".

        Raises:
            AudioUnreadable: the recording cannot be heard.
            EngineFailed: it cannot be transcribed.
        """
        utterance = self._utterance(row)
        fields = emotion_fields(self._recognizer.estimate(utterance, source=self._source))
        return {"text": utterance.transcript.text} | fields

    def _utterance(self, row: Row) -> Utterance:
        samples, prosody = silence(0), Prosody()
        transcript = None if row.text is None else _said(row.text)
        if row.audio is not None:
            samples = read_audio(self._folder / row.audio)
            self._analyst = self._analyst or PraatAnalyst()
            prosody = prosody_of(samples, analyst=self._analyst)
            transcript = transcript or self._heard(samples)
        end_s = len(samples) / SAMPLE_RATE
        return Utterance(
            utterance=1,
            start_s=0.0,
            end_s=end_s,
            decided_s=end_s,
            transcript=transcript or _said(""),
            prosody=prosody,
            samples=samples,
        )

    def _heard(self, samples: Samples) -> Transcript:
        """Return what is said in a recording. A new transcriber each time: no row depends on the rows before it."""
        self._engine = self._engine or PocketSphinxEngine()
        transcriber = PocketSphinxTranscriber(engine=self._engine)
        try:
            return transcript_of(samples, transcriber=transcriber)
        finally:
            transcriber.close()


def _said(text: str) -> Transcript:
    words = Hypothesis(text=text, logp=0.0, posterior=1.0, source="given")
    return Transcript(utterance=1, revision=1, at_s=0.0, is_final=True, nbest=(words,) if text.strip() else ())

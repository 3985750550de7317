"""Estimates for rows of text and recordings, as corpora and annotators need them: each row is one utterance."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anyio.from_thread import start_blocking_portal

from streaming.backends.pocketsphinx import PocketSphinxTranscriber
from streaming.backends.pocketsphinx_engine import PocketSphinxEngine
from streaming.backends.praat import PraatAnalyst
from streaming.files import read_audio
from streaming.recording import prosody_of, transcript_of

from .backends.emotion.embedded import EmbeddedRecognizer
from .errors import AgentError, ConfigInvalid
from .given import conversation_of, given, utterance_of
from .jsonl import emotion_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.from_thread import BlockingPortal

    from streaming.backends.choose import Transcribers
    from streaming.events import Samples, Transcript, Utterance
    from streaming.ports import Transcriber

    from .events import EmotionEstimate, EmotionSource
    from .ports import EmotionRecognizer

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
    """Estimates rows one after another; engines start with the first row that needs them."""

    def __init__(
        self,
        *,
        source: str,
        folder: Path = Path(),
        recognizer: EmotionRecognizer | None = None,
        hearing: Callable[[], Transcribers | None] = lambda: None,
        tell: Callable[[EmotionEstimate], None] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            source: "text", "voice" or "both".
            folder: where relative paths of recordings begin.
            recognizer: who estimates; the embedded one unless told. Its owner closes it.
            hearing: gives what recordings are transcribed with, asked when the first one is; None is the embedded
                engine. Its owner closes it.
            tell: is given each row's estimate.

        Raises:
            ConfigInvalid: another source.
        """
        if source not in SOURCES:
            raise ConfigInvalid(f"emotion is {source!r}, expected one of {', '.join(SOURCES)}")
        self._source: EmotionSource = cast("EmotionSource", source)
        self._folder = folder
        self._embedded = EmbeddedRecognizer() if recognizer is None else None
        self._recognizer = recognizer
        self._hearing = hearing
        self._tell = tell
        self._analyst: PraatAnalyst | None = None
        self._engine: PocketSphinxEngine | None = None
        self._portal: BlockingPortal | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Annotator:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def annotate(self, row: Row) -> dict[str, Any]:
        """Return the estimate's fields, with the words it rests on under "text". Raises as `estimate`."""
        utterance, estimate = self.estimate(row)
        self._tell(estimate)
        return {"text": utterance.transcript.text} | emotion_fields(estimate)

    def estimate(self, row: Row) -> tuple[Utterance, EmotionEstimate]:
        """Return what a row says and what it expresses.

        Raises:
            AudioUnreadable: the recording cannot be heard.
            EngineFailed, AgentError: it cannot be transcribed, or the recogniser cannot answer.
        """
        utterance = self._utterance(row)
        if self._embedded is not None:
            return utterance, self._embedded.estimate(utterance, source=self._source)
        # One event loop for all rows: what a model has in its cache goes on holding.
        self._portal = self._portal or self._stack.enter_context(start_blocking_portal())
        return utterance, self._portal.call(self._recognized, utterance)

    async def _recognized(self, utterance: Utterance) -> EmotionEstimate:
        assert self._recognizer is not None
        return await self._recognizer.recognize(utterance, conversation_of(), revision=1, source=self._source)

    def _utterance(self, row: Row) -> Utterance:
        if row.audio is None:
            return utterance_of(given(row.text))
        samples = read_audio(self._folder / row.audio)
        if self._analyst is None:
            self._analyst = PraatAnalyst()
            self._stack.callback(self._analyst.close)
        prosody = prosody_of(samples, analyst=self._analyst)
        if row.text is not None:
            return utterance_of(given(row.text), prosody=prosody, samples=samples)
        return utterance_of(transcript=self._heard(samples), prosody=prosody, samples=samples)

    def _heard(self, samples: Samples) -> Transcript:
        """Return what is said in a recording. A new transcriber each time: no row depends on the rows before it."""
        with closing(self._transcriber()) as transcriber:
            return transcript_of(samples, transcriber=transcriber)

    def _transcriber(self) -> Transcriber:
        transcribers = self._hearing()
        if transcribers is not None:
            return transcribers.open()
        if self._engine is None:
            self._engine = PocketSphinxEngine()
            self._stack.callback(self._engine.close)
        return PocketSphinxTranscriber(engine=self._engine)

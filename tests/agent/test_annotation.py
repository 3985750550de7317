"""Rows of text and recordings to estimates: what a row may be, and that no row depends on another."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import agent.annotation
from agent.annotation import Annotator, Row, RowInvalid, parse_row
from agent.backends.emotion.scripted import scripted_estimate
from agent.errors import ConfigInvalid
from streaming.audio import SAMPLE_RATE
from streaming.backends.choose import Transcribers
from streaming.backends.scripted import ScriptedTranscriber
from streaming.errors import AudioUnreadable, EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.conversation import Conversation
    from agent.events import EmotionEstimate, EmotionSource
    from streaming.events import Samples, Utterance

SAD = "i miss my brother so much"
HAPPY = "i am so happy and excited"


class FakeEngine:
    """In place of the recogniser's worker processes; counts how often it was started and closed."""

    n_started = 0
    n_closed = 0

    def __init__(self) -> None:
        type(self).n_started += 1

    def close(self) -> None:
        type(self).n_closed += 1


class Quality:
    pitch_mean_hz = jitter = shimmer = hnr_db = None

    def result(self) -> Quality:
        return self

    def cancel(self) -> None:
        pass


class FakeAnalyst(FakeEngine):
    def analyse(self, samples: Samples) -> Quality:
        assert samples.size
        return Quality()


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    for fake in (FakeEngine, FakeAnalyst):
        fake.n_started = fake.n_closed = 0
    monkeypatch.setattr(agent.annotation, "PocketSphinxEngine", FakeEngine)
    monkeypatch.setattr(agent.annotation, "PraatAnalyst", FakeAnalyst)
    monkeypatch.setattr(agent.annotation, "PocketSphinxTranscriber", lambda engine: ScriptedTranscriber([SAD]))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]


@pytest.fixture
def recording(tmp_path: Path, write_wav: Callable[[Path, Samples], Path]) -> Path:
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    buzz = np.asarray(0.2 * sum(np.sin(2 * np.pi * 120 * n * t) / n for n in range(1, 8)), np.float32)
    return write_wav(tmp_path / "a.wav", buzz)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('{"id": 1, "text": "hello"}', Row(id=1, text="hello")),
        ('{"id": "a", "audio": "a.wav"}', Row(id="a", audio="a.wav")),
        ('{"id": null, "text": "", "audio": null}', Row(id=None, text="")),
        ('{"id": [1, 2], "text": "x", "speaker": "more is allowed"}', Row(id=[1, 2], text="x")),
    ],
)
def test_a_row_is_an_id_with_text_or_a_recording(line: str, row: Row):
    assert parse_row(line) == row


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[1]", "expected an object, got list"),
        ('{"text": "x"}', 'no "id"'),
        ('{"id": 1}', 'neither "text" nor "audio"'),
        ('{"id": 1, "text": 7}', '"text" is not text'),
        ('{"id": 1, "audio": ["a"]}', '"audio" is not text'),
        ('{"id": NaN, "text": "x"}', "NaN is no number in JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_row_is_told(line: str, told: str):
    with pytest.raises(RowInvalid, match=told):
        parse_row(line)


def test_a_row_that_is_wrong_keeps_its_id():
    with pytest.raises(RowInvalid) as caught:
        parse_row('{"id": "seven", "text": 7}')
    assert caught.value.row_id == "seven"


def test_text_gives_an_estimate_without_starting_any_engine(tmp_path: Path):
    with Annotator(source="both", folder=tmp_path) as annotator:
        sad = annotator.annotate(Row(id=1, text=SAD))
        happy = annotator.annotate(Row(id=2, text=HAPPY))
    assert (sad["top"], happy["top"]) == ("sad", "happy")
    assert sad["text"] == SAD
    assert sum(sad["distribution"].values()) == pytest.approx(1.0, abs=1e-3)
    assert sad["voice_only"] is None
    assert FakeEngine.n_started == FakeAnalyst.n_started == 0


def test_an_empty_text_is_unclear(tmp_path: Path):
    with Annotator(source="both", folder=tmp_path) as annotator:
        assert annotator.annotate(Row(id=1, text="  "))["top"] == "unclear"


def test_a_recording_without_text_is_transcribed_and_one_with_text_is_not(recording: Path):
    with Annotator(source="both", folder=recording.parent) as annotator:
        given = annotator.annotate(Row(id=1, text=HAPPY, audio="a.wav"))
        assert (given["text"], FakeEngine.n_started) == (HAPPY, 0)
        heard = annotator.annotate(Row(id=2, audio="a.wav"))
        assert (heard["text"], FakeEngine.n_started) == (SAD, 1)
    assert given["voice_only"] is not None
    assert FakeAnalyst.n_started == FakeAnalyst.n_closed == 1
    assert FakeEngine.n_closed == 1


def test_no_row_depends_on_the_rows_before_it(recording: Path):
    rows = [Row(id=1, audio="a.wav"), Row(id=2, text=HAPPY), Row(id=3, text=SAD, audio=str(recording))]

    def annotated(order: list[Row]) -> dict[int, dict[str, Any]]:
        with Annotator(source="both", folder=recording.parent) as annotator:
            return {row.id: annotator.annotate(row) for row in order}

    assert annotated(rows) == annotated(rows[::-1])


def test_a_recording_that_cannot_be_heard_is_told(tmp_path: Path):
    with Annotator(source="both", folder=tmp_path) as annotator:
        for audio in ("missing.wav", "", "nul\0.wav"):
            with pytest.raises(AudioUnreadable):
                annotator.annotate(Row(id=1, audio=audio))


def test_only_the_words_or_only_the_voice_may_count(recording: Path):
    row = Row(id=1, text=SAD, audio=str(recording))
    for source, unused in (("text", "voice_only"), ("voice", "words_only")):
        with Annotator(source=source, folder=recording.parent) as annotator:
            assert annotator.annotate(row)[unused] is None


class Recognizer:
    """Who estimates by script, on an event loop; notes which."""

    def __init__(self) -> None:
        self.loops: set[int] = set()

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        self.loops.add(id(asyncio.get_running_loop()))
        assert (conversation.turns, revision, source) == ((), 1, "both")
        if utterance.transcript.text == "fail":
            raise EngineFailed("no emotion here")
        return scripted_estimate("angry")


def test_another_recogniser_estimates_all_rows_on_one_event_loop():
    recognizer = Recognizer()
    told: list[EmotionEstimate] = []
    n_threads = threading.active_count()
    with Annotator(source="both", recognizer=recognizer, tell=told.append) as annotator:
        assert annotator.annotate(Row(id=1, text="hello"))["top"] == "angry"
        with pytest.raises(EngineFailed, match="no emotion here"):
            annotator.annotate(Row(id=2, text="fail"))
        assert annotator.annotate(Row(id=3, text="hello"))["text"] == "hello"
    assert len(recognizer.loops) == 1
    assert [estimate.top for estimate in told] == ["angry", "angry"]
    assert threading.active_count() == n_threads


def test_recordings_are_heard_by_the_engine_that_is_given_which_is_asked_for_once_it_is_needed(recording: Path):
    closed: list[str] = []

    class Closing(ScriptedTranscriber):
        def close(self) -> None:
            closed.append("transcriber")

    n_asked: list[int] = []

    def hearing() -> Transcribers:
        n_asked.append(1)
        return Transcribers(lambda: Closing(["i am so happy"]))

    with Annotator(source="both", folder=recording.parent, hearing=hearing) as annotator:
        annotator.annotate(Row(id=1, text=SAD, audio="a.wav"))
        assert not n_asked
        assert annotator.annotate(Row(id=2, audio="a.wav"))["text"] == "i am so happy"
    assert closed == ["transcriber"]
    assert FakeEngine.n_started == 0


def test_another_source_is_refused(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="text, voice, both"):
        Annotator(source="off", folder=tmp_path)

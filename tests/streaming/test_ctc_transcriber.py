"""Tiny real models behind the port: partials, finals, long sound, many sessions, and what goes wrong."""

from __future__ import annotations

import threading
import wave
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.audio import SAMPLE_RATE, from_pcm16
from streaming.backends.ctc import CtcEngine, CtcSettings, CtcTranscriber
from streaming.backends.ctc_model import CtcModel
from streaming.backends.ctc_settings import Windows
from streaming.batching import Lane
from streaming.ctc import read_nbest
from streaming.ctc_alignment import ctc_logp
from streaming.ctc_beam import BeamSettings
from streaming.errors import EngineFailed, OutOfMemory, Superseded
from streaming.nbest import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from streaming.backends.ctc import PendingCtc
    from streaming.events import Samples, Transcript

# torch says so whenever WavLM is given a padded batch; the two masks mean the same.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")

BLOCK = 320


@pytest.fixture(scope="module")
def engine(tiny_ctc_path: Callable[..., Path]) -> Iterator[CtcEngine]:
    engine = CtcEngine.load(tiny_ctc_path("wav2vec2"), device="cpu")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def speech(spoken: Callable[..., Path]) -> Samples:
    with wave.open(str(spoken("the weather is nice today"))) as file:
        return from_pcm16(file.readframes(file.getnframes()))


def hear(transcriber: CtcTranscriber, sound: Samples, *, at_s: float = 0.0, every: int = 0) -> list[Transcript]:
    """Partials after every so many blocks, and the final."""
    transcriber.start(1, at_s)
    said: list[Transcript] = []
    for i, start in enumerate(range(0, len(sound), BLOCK), start=1):
        transcriber.accept(sound[start : start + BLOCK])
        if every and i % every == 0:
            said.append(transcriber.partial().result())
    return [*said, transcriber.finish().result()]


def test_a_final_is_a_list_of_distinct_readings_with_scores_and_times(engine: CtcEngine, speech: Samples):
    transcriber = CtcTranscriber(engine, name="tiny")
    (final,) = hear(transcriber, speech, at_s=5.0)
    assert (final.utterance, final.revision, final.is_final) == (1, 1, True)
    assert final.at_s == pytest.approx(5.0 + len(speech) / SAMPLE_RATE)
    assert len(final.nbest) == 10
    assert len({normalise(h.text) for h in final.nbest}) == 10
    assert [h.logp for h in final.nbest] == sorted((h.logp for h in final.nbest), reverse=True)
    assert sum(h.posterior for h in final.nbest) == pytest.approx(1.0)
    assert {h.source for h in final.nbest} == {"tiny"}
    for hypothesis in final.nbest:
        assert " ".join(word.text for word in hypothesis.words) == hypothesis.text
        times = [time for word in hypothesis.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert 5.0 <= times[0] < times[-1] <= final.at_s
        assert all(0 < cast("float", word.posterior) <= 1 for word in hypothesis.words)
    assert final.n_stable == len(final.nbest[0].words)


def test_scores_are_those_of_teacher_forcing(engine: CtcEngine, speech: Samples):
    """The model alone, the text of each reading alone: the forward algorithm over all its alignments."""
    (final,) = hear(CtcTranscriber(engine), speech)
    frames = engine.hear(speech, session="test", lane=Lane.FINAL).result()
    alphabet = engine.alphabet
    rows = alphabet.without_silent(frames)
    alone: dict[str, float] = {}
    for reading in read_nbest(frames, alphabet, settings=CtcSettings().beam):
        spelled = [alphabet.delimiter if c == " " else alphabet.symbols.index(c) for c in reading.text]
        score = ctc_logp(rows, cast("list[int]", spelled), blank=alphabet.blank, delimiter=alphabet.delimiter)
        # Readings that differ in an apostrophe only count as one.
        key = normalise(reading.text)
        alone[key] = float(np.logaddexp(alone.get(key, -np.inf), score))
    assert [h.logp for h in final.nbest] == pytest.approx([alone[normalise(h.text)] for h in final.nbest], abs=1e-9)


def test_stable_words_of_partials_never_change(engine: CtcEngine, speech: Samples):
    *partials, _ = hear(CtcTranscriber(engine), np.tile(speech, 2), every=10)
    promised: tuple[str, ...] = ()
    for partial in partials:
        words = tuple(word.text for word in partial.nbest[0].words) if partial.nbest else ()
        stable = words[: partial.n_stable]
        assert stable[: len(promised)] == promised
        promised = stable
    assert len(promised) > 3
    assert [partial.revision for partial in partials] == list(range(1, len(partials) + 1))
    assert not any(partial.is_final for partial in partials)


@given(cuts=st.lists(st.integers(1, 29_000), max_size=8))
@settings(deadline=None, max_examples=10)
def test_what_is_said_does_not_depend_on_how_the_sound_was_cut(engine: CtcEngine, speech: Samples, cuts: list[int]):
    (whole,) = hear(CtcTranscriber(engine), speech)
    transcriber = CtcTranscriber(engine)
    transcriber.start(1, 0.0)
    for part in np.split(speech, sorted(cuts)):
        transcriber.accept(part)
    assert transcriber.finish().result() == whole


def test_partials_change_nothing_about_the_final(engine: CtcEngine, speech: Samples):
    (alone,) = hear(CtcTranscriber(engine), speech)
    *_, after = hear(CtcTranscriber(engine), speech, every=7)
    assert after.nbest == alone.nbest


def test_long_sound_is_heard_in_windows_on_one_grid_of_frames(engine: CtcEngine, speech: Samples):
    long = np.tile(speech, 5)[: 9 * SAMPLE_RATE - 77]
    settings = CtcSettings(window_s=3.0, overlap_s=0.5)
    windows = Windows.of(settings, stride=engine.stride)
    n_before = windows.n_before_last(len(long))
    pieces: list[NDArray[np.floating]] = []
    for window in range(n_before + 1):
        frames = engine.hear(long[windows.span(window)], session="test", lane=Lane.FINAL).result()
        pieces.append(frames[windows.kept(window, is_last=window == n_before)])
    stitched = np.concatenate(pieces)
    assert n_before == 3
    assert len(stitched) == (len(long) - 400) // 320 + 1
    (final,) = hear(CtcTranscriber(engine, settings=settings), long)
    assert final.text == read_nbest(stitched, engine.alphabet)[0].text
    *partials, after = hear(CtcTranscriber(engine, settings=settings), long, every=20)
    assert after.nbest == final.nbest
    assert max(word.end_s for word in after.nbest[0].words) > 8.0
    assert len(partials) == 22


def test_complete_windows_are_heard_once(tiny_ctc_path: Callable[..., Path], speech: Samples):
    engine = CtcEngine.load(tiny_ctc_path(), device="cpu")
    settings = CtcSettings(window_s=1.2, overlap_s=0.2)
    transcriber = CtcTranscriber(engine, settings=settings)
    transcriber.start(1, 0.0)
    transcriber.accept(np.tile(speech, 3)[: 5 * SAMPLE_RATE])
    asked: list[int] = []
    for _ in range(3):
        transcriber.finish().result()
        asked.append(engine.stats().requests)
    n_windows = Windows.of(settings, stride=engine.stride).n_before_last(5 * SAMPLE_RATE) + 1
    assert asked == [n_windows, n_windows + 1, n_windows + 2]
    engine.close()


@pytest.mark.parametrize("n_samples", [0, 1, 160, 399])
def test_sound_shorter_than_a_frame_holds_nothing(engine: CtcEngine, n_samples: int):
    transcriber = CtcTranscriber(engine)
    transcriber.start(1, 0.0)
    transcriber.accept(np.full(n_samples, 0.3, np.float32))
    assert transcriber.partial().result().nbest == ()
    final = transcriber.finish().result()
    assert (final.nbest, final.is_final, final.n_stable) == ((), True, 0)


def test_a_single_frame_is_heard(engine: CtcEngine, speech: Samples):
    (final,) = hear(CtcTranscriber(engine), speech[8000:8400])
    assert final.is_final


def test_silence_holds_nothing(engine: CtcEngine):
    (final,) = hear(CtcTranscriber(engine), np.zeros(SAMPLE_RATE, np.float32))
    assert final.nbest == ()


def test_sound_in_which_blanks_are_likelier_than_any_word_holds_nothing(
    tiny_ctc_path: Callable[..., Path], speech: Samples
):
    engine = CtcEngine.load(tiny_ctc_path("hubert", seed=2), device="cpu")
    (final,) = hear(CtcTranscriber(engine), speech)
    engine.close()
    assert final.nbest == ()


def test_many_sessions_share_batches_and_hear_what_they_hear_alone(tiny_ctc_path: Callable[..., Path], speech: Samples):
    engine = CtcEngine.load(tiny_ctc_path("hubert"), device="cpu")
    sounds = [speech[i * 500 :] for i in range(12)]
    alone = [hear(CtcTranscriber(engine), sound)[0] for sound in sounds]
    before = engine.stats()
    speakers = [CtcTranscriber(engine) for _ in sounds]
    for speaker, sound in zip(speakers, sounds, strict=True):
        speaker.start(1, 0.0)
        speaker.accept(sound)
    asked = [speaker.finish() for speaker in speakers]
    for pending, expected in zip(asked, alone, strict=True):
        final = pending.result()
        assert final.text == expected.text
        assert final.nbest[0].logp == pytest.approx(expected.nbest[0].logp, abs=1e-2)
    after = engine.stats()
    engine.close()
    assert after.answered - before.answered == 12
    assert after.batches - before.batches < 12


class Slow:
    """A model that waits for a word before each batch, and may lack memory for more than one row."""

    def __init__(self, model: CtcModel, *, max_rows: int = 100) -> None:
        self.may_go = threading.Event()
        self.n_calls = 0
        self._model, self._max_rows = model, max_rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def hear(self, rows: Sequence[Samples]) -> list[NDArray[np.float32] | EngineFailed]:
        self.may_go.wait(30)
        self.n_calls += 1
        if len(rows) > self._max_rows:
            raise OutOfMemory("too many rows")
        return self._model.hear(rows)


def slow_engine(path: Path, *, max_rows: int = 100) -> tuple[Slow, CtcEngine]:
    slow = Slow(CtcModel.load(path, device="cpu"), max_rows=max_rows)
    return slow, CtcEngine(cast("CtcModel", slow))


def test_a_partial_that_comes_too_late_is_superseded(tiny_ctc_path: Callable[..., Path], speech: Samples):
    slow, engine = slow_engine(tiny_ctc_path())
    other, speaker = CtcTranscriber(engine), CtcTranscriber(engine)
    for transcriber in (other, speaker):
        transcriber.start(1, 0.0)
        transcriber.accept(speech)
    busy = other.finish()
    stale, final = speaker.partial(), speaker.finish()
    with pytest.raises(Superseded):
        stale.result()
    slow.may_go.set()
    assert final.result().is_final
    assert busy.result().is_final
    engine.close()


def test_rows_that_do_not_fit_together_are_heard_fewer_at_a_time(tiny_ctc_path: Callable[..., Path], speech: Samples):
    slow, engine = slow_engine(tiny_ctc_path(), max_rows=1)
    speakers = [CtcTranscriber(engine) for _ in range(4)]
    asked: list[PendingCtc] = []
    for speaker in speakers:
        speaker.start(1, 0.0)
        speaker.accept(speech)
        asked.append(speaker.finish())
    slow.may_go.set()
    assert len({pending.result().text for pending in asked}) == 1
    assert engine.stats().out_of_memory >= 1
    engine.close()


def test_what_does_not_fit_at_all_fails_and_the_next_is_tried(tiny_ctc_path: Callable[..., Path], speech: Samples):
    slow, engine = slow_engine(tiny_ctc_path(), max_rows=0)
    slow.may_go.set()
    with pytest.raises(OutOfMemory):
        hear(CtcTranscriber(engine), speech)
    slow._max_rows = 9
    assert hear(CtcTranscriber(engine), speech)[0].nbest
    engine.close()


def test_a_window_that_failed_is_heard_again(tiny_ctc_path: Callable[..., Path], speech: Samples):
    slow, engine = slow_engine(tiny_ctc_path(), max_rows=0)
    slow.may_go.set()
    transcriber = CtcTranscriber(engine, settings=CtcSettings(window_s=1.2, overlap_s=0.2))
    transcriber.start(1, 0.0)
    transcriber.accept(speech)
    with pytest.raises(EngineFailed):
        transcriber.finish().result()
    slow._max_rows = 9
    assert transcriber.finish().result().nbest
    engine.close()


def test_a_cancelled_final_that_waits_is_never_heard(tiny_ctc_path: Callable[..., Path], speech: Samples):
    slow, engine = slow_engine(tiny_ctc_path())
    first, second = CtcTranscriber(engine), CtcTranscriber(engine)
    for transcriber in (first, second):
        transcriber.start(1, 0.0)
        transcriber.accept(speech)
    busy = first.finish()
    unwanted = second.finish()
    unwanted.cancel()
    unwanted.cancel()
    slow.may_go.set()
    busy.result()
    engine.close()
    assert engine.stats().cancelled + engine.stats().answered == 2


def test_a_closed_engine_fails_and_leaves_no_thread(tiny_ctc_path: Callable[..., Path], speech: Samples):
    before = threading.active_count()
    engine = CtcEngine.load(tiny_ctc_path(), device="cpu")
    transcriber = CtcTranscriber(engine)
    assert hear(transcriber, speech)[0].nbest
    engine.close()
    engine.close()
    assert threading.active_count() == before
    with pytest.raises(EngineFailed, match="closed"):
        transcriber.finish().result()
    with pytest.raises(EngineFailed, match="closed"):
        transcriber.partial().result()
    transcriber.close()
    transcriber.close()


def test_what_is_open_when_the_engine_closes_fails(tiny_ctc_path: Callable[..., Path], speech: Samples):
    slow, engine = slow_engine(tiny_ctc_path())
    first, second = CtcTranscriber(engine), CtcTranscriber(engine)
    for transcriber in (first, second):
        transcriber.start(1, 0.0)
        transcriber.accept(speech[: 8000 if transcriber is first else None])  # of two buckets
    asked = [first.finish(), second.finish()]
    closing = threading.Thread(target=engine.close)
    closing.start()
    slow.may_go.set()
    closing.join(30)
    failures = [trouble for pending in asked if (trouble := failure_of(pending)) is not None]
    assert failures
    assert all("closed" in str(trouble) for trouble in failures)


def failure_of(pending: PendingCtc) -> EngineFailed | None:
    try:
        pending.result()
    except EngineFailed as trouble:
        return trouble
    return None


def test_the_name_is_that_of_the_folder_unless_told(engine: CtcEngine):
    assert CtcTranscriber(engine).name == engine.name == "wav2vec2-0-None"
    assert CtcTranscriber(engine, name="w2v100").name == "w2v100"
    assert CtcTranscriber(engine, settings=CtcSettings(partial_lag_s=0.4)).partial_lag_s == 0.4


@given(n_frames=st.integers(1, 4000), seed=st.integers(1, 319))
@settings(deadline=None, max_examples=50)
def test_every_frame_of_long_sound_counts_once(n_frames: int, seed: int):
    n_samples = (n_frames - 1) * 320 + 400 + seed % 320
    windows = Windows.of(CtcSettings(window_s=4.0, overlap_s=1.0), stride=320)
    last = windows.n_before_last(n_samples)
    counted: list[int] = []
    for window in range(last + 1):
        piece = range(n_samples)[windows.span(window)]
        frames = [piece.start // 320 + i for i in range((len(piece) - 400) // 320 + 1)]
        assert window == last or len(piece) == windows.length
        counted += frames[windows.kept(window, is_last=window == last)]
    assert counted == list(range((n_samples - 400) // 320 + 1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0"),
        ({"overlap_s": 0.0}, "overlap of at least"),
        ({"window_s": 5.0}, "at least three overlaps"),
        ({"n_best": 15}, "n_best is 15"),
        ({"beam": BeamSettings(n_best=5)}, "that of the beam"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        CtcSettings(**wrong)  # pyright: ignore[reportArgumentType] - one wrong value at a time

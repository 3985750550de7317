"""The line in motion: steps of 20 ms, what is passed on, how it ends and how it is stopped."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import numpy as np
import pytest

from streaming.audio import FRAME, SAMPLE_RATE, silence
from streaming.backends.scripted import Answer, ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.controls import Clear, Commit, Mark, TurnDetection
from streaming.errors import AudioUnreadable, EngineFailed
from streaming.events import AudioDropped, RollingProsody, SpeechEnded, SpeechStarted, Transcript, Utterance
from streaming.listener import Listener, Stages
from streaming.pipeline import AT_ONCE, SILENT_DB, Heard, level_db, listen
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streaming.events import ListenerEvent, Samples
    from streaming.ports import Transcriber
    from streaming.sources import Sound

pytestmark = pytest.mark.anyio
LOUD = np.full(3 * SAMPLE_RATE, 0.5, np.float32)


def listener(*, spans: Sequence[tuple[float, float]] = (), transcriber: Transcriber | None = None) -> Listener:
    stages = Stages(
        segmenter=Segmenter(ScriptedActivity(spans)),
        transcriber=transcriber or ScriptedTranscriber(["hello there"]),
        prosody=ProsodyTracker(),
    )
    return Listener(stages)


async def stream(*chunks: Sound) -> AsyncIterator[Sound]:
    for chunk in chunks:
        yield chunk


async def heard_of(*chunks: Sound, spans: Sequence[tuple[float, float]] = ()) -> list[Heard]:
    return [block async for block in listen(stream(*chunks), listener(spans=spans))]


@pytest.mark.parametrize("chunk", [1, 160, 320, 2192, 16_000])
async def test_every_step_is_20_ms_whatever_the_chunks(chunk: int):
    sound = LOUD[:1000] if chunk == 1 else LOUD[:16_000]
    heard = await heard_of(*np.split(sound, range(chunk, sound.size, chunk)))
    *steps, last = heard
    assert [h.now_s for h in steps] == [n * FRAME / SAMPLE_RATE for n in range(1, sound.size // FRAME + 1)]
    assert last.now_s == sound.size / SAMPLE_RATE


async def test_an_event_comes_at_the_same_step_whatever_the_chunks():
    told: list[list[tuple[float, str]]] = []
    for chunk in (160, 320, 2192, LOUD.size):
        heard = await heard_of(*np.split(LOUD, range(chunk, LOUD.size, chunk)), spans=[(0.5, 1.5)])
        told.append([(h.now_s, type(e).__name__) for h in heard for e in h.events])
    assert told[0] == told[1] == told[2] == told[3]
    assert told[0][-1][1] == "Utterance"


async def test_the_level_is_that_of_the_block():
    heard = await heard_of(LOUD[:FRAME], silence(FRAME))
    assert [h.level_db for h in heard] == [pytest.approx(20 * np.log10(0.5)), SILENT_DB, SILENT_DB]
    assert level_db(silence(0)) == SILENT_DB


async def test_news_of_lost_sound_is_passed_on_in_its_place():
    news = AudioDropped(at_s=0.04, seconds=0.1, total_s=0.1)
    heard = await heard_of(LOUD[: 2 * FRAME], news, LOUD[:FRAME])
    assert [h.events for h in heard] == [(), (), (news,), (), ()]
    assert [h.now_s for h in heard] == [0.02, 0.04, 0.04, 0.06, 0.06]


async def test_the_gate_decides_what_is_heard_and_the_level_stays_true():
    blocks: list[int] = []

    class Hearing(Listener):
        def feed(self, samples: Samples, *, hurried: bool = False) -> list[ListenerEvent]:
            blocks.append(int(samples.any()))
            return super().feed(samples, hurried=hurried)

    half_deaf = Hearing(
        Stages(
            segmenter=Segmenter(ScriptedActivity(())),
            transcriber=ScriptedTranscriber(["hello"]),
            prosody=ProsodyTracker(),
        )
    )
    gates = iter([True, False, True])

    def gate(samples: Samples) -> Samples:
        return samples if next(gates) else silence(len(samples))

    heard = [h async for h in listen(stream(LOUD[: 3 * FRAME]), half_deaf, gate=gate)]
    assert blocks == [1, 0, 1]
    assert all(h.level_db > SILENT_DB for h in heard[:3])


async def test_the_rest_of_less_than_a_step_and_what_is_open_come_at_the_end():
    heard = await heard_of(LOUD[: SAMPLE_RATE + 100], spans=[(0.2, 5.0)])
    last = heard[-1]
    assert last.now_s == pytest.approx((SAMPLE_RATE + 100) / SAMPLE_RATE)
    kinds = [type(event) for event in last.events]
    assert kinds == [SpeechEnded, Transcript, Utterance]


async def test_an_empty_source_gives_one_last_step():
    (last,) = await heard_of()
    assert (last.now_s, last.events) == (0.0, ())


async def test_a_live_source_far_ahead_makes_the_listener_hurry():
    hurried = listener(spans=[(0.5, 2.5)])
    async for _ in listen(stream(LOUD), hurried, backlog_s=lambda: 0.6):
        pass
    calm = listener(spans=[(0.5, 2.5)])
    async for _ in listen(stream(LOUD), calm, backlog_s=lambda: 0.4):
        pass
    assert hurried.n_partials_skipped > 0
    assert calm.n_partials_skipped == 0


async def test_a_mark_comes_after_the_block_before_it_and_before_the_one_after():
    heard = await heard_of(LOUD[: 2 * FRAME + 100], Mark(value="a"), Mark(value="b"), LOUD[: 2 * FRAME])
    assert [(h.now_s, h.marks, h.level_db == SILENT_DB) for h in heard] == [
        (0.02, (), False),
        (0.04, (), False),
        (0.04, ("a",), True),
        (0.04, ("b",), True),
        (0.06, (), False),
        (0.08, (), False),
        (0.08625, (), False),
    ]


@pytest.mark.parametrize("inline", [False, True])
async def test_controls_act_in_their_place_and_only_what_they_lead_to_is_handed_on(*, inline: bool):
    source = (TurnDetection(is_manual=True), LOUD[:16_000], Clear(), LOUD[:16_000], Commit(), Commit(), LOUD[:160])
    heard = [block async for block in listen(stream(*source), listener(), inline=inline)]
    told = [(h.now_s, type(e).__name__) for h in heard for e in h.events if not isinstance(e, RollingProsody)]
    assert [each for each in told if each[1] != "Transcript"] == [
        (0.02, "SpeechStarted"),
        (1.0, "SpeechDropped"),
        (1.02, "SpeechStarted"),
        (2.0, "SpeechEnded"),
        (2.0, "Utterance"),
    ]
    assert len(heard) == 50 + 1 + 50 + 1 + 1


@pytest.mark.parametrize("chunk", [100, 1600, 7_000, LOUD.size])
async def test_in_one_go_or_one_by_one_in_a_thread_or_not_the_blocks_lead_to_the_same(chunk: int):
    def story(heard: Sequence[Heard]) -> list[tuple[float, float, list[str]]]:
        return [(h.now_s, h.level_db, [repr(type(e)) for e in h.events]) for h in heard]

    chunks = np.split(LOUD, range(chunk, LOUD.size, chunk))
    spans = [(0.3, 1.0), (1.2, 1.9)]
    one_by_one = [h async for h in listen(stream(*chunks), listener(spans=spans), gate=lambda block: block)]
    in_one_go = [h async for h in listen(stream(*chunks), listener(spans=spans))]
    inline = [h async for h in listen(stream(*chunks), listener(spans=spans), inline=True)]
    assert story(one_by_one) == story(in_one_go) == story(inline)
    assert any(h.events for h in inline)


async def test_a_long_chunk_is_handed_on_in_parts():
    fed: list[int] = []

    class Counting(Listener):
        def feed(self, samples: Samples, *, hurried: bool = False) -> list[ListenerEvent]:
            fed.append(samples.size)
            return super().feed(samples, hurried=hurried)

    segmenter = Segmenter(ScriptedActivity(()))
    line = Counting(Stages(segmenter=segmenter, transcriber=ScriptedTranscriber(["hello"]), prosody=ProsodyTracker()))
    n_fed = [len(fed) async for _ in listen(stream(LOUD), line)]
    assert n_fed[0] == AT_ONCE
    assert n_fed == sorted(n_fed)


async def test_inline_only_what_may_wait_goes_to_a_thread():
    here = threading.get_ident()
    threads: dict[str, set[bool]] = {"silence": set(), "final": set()}

    class Watching(Listener):
        def feed(self, samples: Samples, *, hurried: bool = False) -> list[ListenerEvent]:
            threads["final" if self.may_wait else "silence"].add(threading.get_ident() == here)
            return super().feed(samples, hurried=hurried)

    class Unhurried(ScriptedTranscriber):
        def finish(self) -> Opaque:  # pyright: ignore[reportIncompatibleMethodOverride] - any pending answer will do
            return Opaque(super().finish())

    stages = Stages(
        segmenter=Segmenter(ScriptedActivity([(0.5, 1.5)])),
        transcriber=Unhurried(["hello there"]),
        prosody=ProsodyTracker(),
    )
    heard = [h async for h in listen(stream(*np.split(LOUD, 30)), Watching(stages), inline=True)]
    assert any(isinstance(e, Utterance) for h in heard for e in h.events)
    assert threads == {"silence": {True}, "final": {False}}


@dataclass(frozen=True)
class Opaque:
    """An answer that cannot say whether it is there."""

    answer: Answer

    def result(self) -> Transcript:
        return self.answer.result()

    def cancel(self) -> None:
        pass


async def test_an_error_of_the_source_reaches_the_caller():
    async def broken() -> AsyncIterator[Samples]:
        yield LOUD[:FRAME]
        raise AudioUnreadable("the file is damaged")

    with pytest.raises(AudioUnreadable, match="damaged"):
        async for _ in listen(broken(), listener()):
            pass


@dataclass
class Stuck:
    """An answer that comes only when the engine is closed."""

    closed: threading.Event
    waiting: threading.Event
    freed: threading.Event

    def result(self) -> Transcript:
        self.waiting.set()
        assert self.closed.wait(30)
        self.freed.set()
        raise EngineFailed("closed")

    def cancel(self) -> None:
        pass


class StuckTranscriber(ScriptedTranscriber):
    def __init__(self) -> None:
        super().__init__(["hello"])
        self.closed, self.waiting, self.freed = threading.Event(), threading.Event(), threading.Event()

    def finish(self):  # pyright: ignore[reportIncompatibleMethodOverride] - any pending answer will do
        return Stuck(self.closed, self.waiting, self.freed)

    def close(self) -> None:
        self.closed.set()


async def test_cancelling_while_an_engine_is_waited_for_leaves_at_once_and_close_frees_the_thread():
    transcriber = StuckTranscriber()
    stuck = listener(spans=[(0.2, 1.0)], transcriber=transcriber)

    async def go() -> None:
        async for event in listen(stream(LOUD), stuck):
            assert not any(isinstance(e, Utterance) for e in event.events)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        with anyio.fail_after(10):
            await anyio.to_thread.run_sync(transcriber.waiting.wait)
            tasks.cancel_scope.cancel()
    assert not transcriber.freed.is_set()
    stuck.close()
    with anyio.fail_after(10):
        await anyio.to_thread.run_sync(transcriber.freed.wait)
    # The one limiter slot is not held: the next conversation hears at once.
    with anyio.fail_after(10):
        heard = await heard_of(LOUD, spans=[(0.5, 1.0)])
    assert any(isinstance(e, SpeechStarted) for h in heard for e in h.events)

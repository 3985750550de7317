"""Benches by script, and what real ones may have measured; at the top of a module, for another process to find."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from eval.bench.cache import CacheBench
from eval.bench.cache import Row as CacheRow
from eval.bench.emotion import EmotionBench
from eval.bench.emotion import Row as EmotionRow
from eval.bench.hearing import HearingBench
from eval.bench.labels import Cost, LabelsBench
from eval.bench.line import LineBench
from eval.bench.measure import Measure
from eval.bench.prosody import ProsodyBench
from eval.bench.replayed import Arm, ReplayBench
from eval.bench.scheduler import KINDS, Call, SchedulerBench
from eval.bench.scheduler import Arm as Sharing
from eval.bench.service.load import Load
from eval.bench.service.measure import ServiceBench, Step
from eval.bench.sharing import Round, Talked
from eval.bench.transcribe import TranscribeBench
from eval.bench.vad import Share, VadResult, VadScore
from eval.errors import MeasureFailed
from streaming.backends.whisper_values import Answer

if TYPE_CHECKING:
    from eval.bench.every import Effort, Made

NOTHING = Answer(language="en", shares=(), p_no_speech=0.0, hypotheses=(), words=())
SIGNATURE = "data:x|machine:2xx86_64|version:1"


def works(effort: Effort) -> Made:
    return (Measure(name="speed", ours=2.0, unit="ms"),), f"pid:{os.getpid()}", f"quick: {effort.is_quick}"


def fails(effort: Effort) -> Made:
    raise MeasureFailed(f"nothing at {effort.data}")


def errs(effort: Effort) -> Made:
    raise KeyError(effort.device)


def dies(effort: Effort) -> Made:
    os._exit(7 if effort.is_quick else 8)


def hangs(effort: Effort) -> Made:
    threading.Event().wait()
    return works(effort)


def line() -> LineBench:
    return LineBench(
        emotion_ms=(8.0, 12.0),
        final_wait_ms=(5.0, 6.0),
        endpoint_ms=(500.0, 500.0),
        first_words_ms=(510.0, 520.0),
        first_sound_ms=(550.0, 560.0),
        core_share=0.06,
        seconds=8.0,
        signature=SIGNATURE,
    )


def prosody() -> ProsodyBench:
    return ProsodyBench(
        times_cheaper=100.0,
        p_gross=0.01,
        p_voicing=0.9,
        core_share=0.002,
        ours_ms_per_s=2.0,
        praat_ms_per_s=200.0,
        cents=0.2,
        seconds=24.0,
        praat_seconds=20.0,
        n_files=4,
        n_frames=2400,
        signature=SIGNATURE,
    )


def hearing() -> HearingBench:
    return HearingBench(
        segmenter_ms=3.0,
        prosody_ms=3.0,
        listener_ms=7.0,
        inline_ms=8.0,
        chunk_ms=12.0,
        block_ms=20.0,
        p_speech=0.5,
        seconds=20.0,
        n_sessions=8,
        signature=SIGNATURE,
    )


def vad() -> VadResult:
    def score(name: str, f1: float | None) -> VadScore:
        share = Share(value=f1, low=f1, high=f1)
        return VadScore(
            name=name,
            f1=share,
            precision=share,
            recall=share,
            false_alarms=share,
            pauses_heard=share,
            n_pauses=3,
            auc=None,
            rtf=0.001,
        )

    return VadResult(
        scores=(score("webrtcvad", 0.8), score("Silero v6", 0.9), score("ours", None)),
        f1_gain=Share(value=None),
        false_alarms_gain=Share(value=None),
        n_clips=1,
        n_frames=10,
        signature=SIGNATURE,
    )


def transcribe() -> TranscribeBench:
    return TranscribeBench(
        wer_engine=0.3,
        wer_ours=0.25,
        oracle_ours=0.2,
        oracle_engine=0.28,
        cpu_per_s=0.2,
        final_ms=(200.0, 400.0),
        n_recordings=4,
        n_utterances=7,
        n_words=54,
        signature=SIGNATURE,
    )


def labels() -> LabelsBench:
    def cost(model: str, *, n_prompt: int, packed_ms: float, is_warm: bool = True) -> Cost:
        return Cost(
            model=model,
            n_prompt=n_prompt,
            is_warm=is_warm,
            cached_share=0.9,
            n_generated=100,
            generate_ms=1000.0,
            packed_ms=packed_ms,
            batched_ms=None,
            difference=None,
        )

    costs = (
        cost("small", n_prompt=200, packed_ms=50.0),
        cost("small", n_prompt=1000, packed_ms=200.0),
        cost("small", n_prompt=1000, packed_ms=900.0, is_warm=False),
        cost("large", n_prompt=200, packed_ms=80.0),
    )
    return LabelsBench(costs=costs, signature=SIGNATURE)


def cache() -> CacheBench:
    def row(policy: str, *, share: float, mean_ms: float) -> CacheRow:
        return CacheRow(
            policy=policy,
            n_prompt=1000.0,
            cached_share=share,
            least_share=share,
            usual_share=share,
            mean_ms=mean_ms,
            longest_ms=mean_ms,
        )

    rows = (
        row("in blocks", share=0.93, mean_ms=10),
        row("by one", share=0.4, mean_ms=50),
        row("none", share=0, mean_ms=80),
    )
    return CacheBench(rows=rows, signature=SIGNATURE)


def emotion() -> EmotionBench:
    def row(speed: str, *, is_ahead: bool, ready: float, cached: float | None) -> EmotionRow:
        return EmotionRow(
            speed=speed,
            is_ahead=is_ahead,
            n=40,
            ready=ready,
            cached_share=cached,
            least_share=cached,
            emotion_ms=(10.0, 20.0),
            words_ms=30.0,
        )

    rows = (
        row("fast", is_ahead=True, ready=1.0, cached=0.95),
        row("fast", is_ahead=False, ready=0.5, cached=0.8),
        row("slow", is_ahead=True, ready=0.9, cached=0.89),
        row("slow", is_ahead=False, ready=0.2, cached=0.8),
    )
    return EmotionBench(rows=rows, signature=SIGNATURE)


def scheduler(*, device: str = "cpu") -> SchedulerBench:
    def arm(name: str, wall_s: float) -> Sharing:
        spent = Round(answers=(NOTHING,) * 10, wall_s=wall_s, processor_s=wall_s)
        talked = Talked(final_wait_s=0.1, n_partials=2, n_answered=2)
        return Sharing(name=name, rounds=(spent,), talked=(talked,), stats=None)

    calls = tuple(Call(kind=kind, n=1, ms=10.0) for kind in KINDS)
    arms = (arm("a lock", 10.0), arm("one a call", 10.0), arm("batched", 2.0))
    return SchedulerBench(calls=calls, arms=arms, signature=f"device:{device}|version:1")


def service(*, most: int = 300, kind: str = "scripted") -> ServiceBench:
    steps = tuple(
        Step(
            load=Load(
                n=n, latency_ms=(2.0, 30.0 if n > 250 else 8.0), late_ms=(0.1,), n_missed=0, n_lost=0, n_refused=0
            ),
            core_share=0.5,
            rss_mb=100.0,
        )
        for n in (250, most)
    )
    return ServiceBench(kind=kind, steps=steps, signature=SIGNATURE)


def replay(*, asks: bool = True) -> ReplayBench:
    def arm(name: str, *, n_workers: int = 1, items_per_s: float = 2.0, audio_s: float = 60.0) -> Arm:
        return Arm(
            name=name,
            n_workers=n_workers,
            n_items=20,
            audio_s=audio_s,
            items_per_s=items_per_s,
            wall_s=11.0,
            rows_sha256="x",
        )

    return ReplayBench(
        heard=(arm("hear"), arm("hear", n_workers=2, items_per_s=3.8)),
        given=(arm("given"), arm("given", n_workers=2, items_per_s=3.0)),
        asked=arm("ask", audio_s=0.0) if asks else None,
        found=arm("find", items_per_s=400.0, audio_s=0.0) if asks else None,
        why_not_asked="" if asks else "torch is not installed",
        model="small",
        signature=SIGNATURE,
    )

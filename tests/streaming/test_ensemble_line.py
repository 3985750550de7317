"""The whole line with real recognisers side by side: PocketSphinx, tiny character models, a script."""

from __future__ import annotations

import threading
import wave
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.audio import SAMPLE_RATE, from_pcm16
from streaming.backends.ctc import CtcEngine, CtcTranscriber
from streaming.backends.ensemble import EnsembleTranscriber, Member
from streaming.backends.pocketsphinx import PocketSphinxTranscriber
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.ensemble import EnsembleSettings
from streaming.events import SpeechPaused, Transcript, Utterance
from streaming.listener import Listener, Stages
from streaming.nbest import normalise, word_error_rate
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.events import ListenerEvent, Samples
    from streaming.ports import Transcriber

# torch says so whenever WavLM is given a padded batch; the two masks mean the same.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")

TEXT = "the weather is nice today"
TEN = [
    *(("wav2vec2", seed) for seed in (0, 1, 3, 4)),
    *(("hubert", seed) for seed in (0, 1, 3)),
    *(("wavlm", seed) for seed in (0, 1, 3)),
]


@pytest.fixture(scope="module")
def sound(spoken: Callable[..., Path]) -> Samples:
    """A second of silence, the sentence, a second and a half of silence."""
    with wave.open(str(spoken(TEXT))) as file:
        speech = from_pcm16(file.readframes(file.getnframes()))
    return np.concatenate([np.zeros(SAMPLE_RATE, np.float32), speech, np.zeros(3 * SAMPLE_RATE // 2, np.float32)])


def listened(sound: Samples, transcriber: Transcriber, *, block: int) -> list[ListenerEvent]:
    span = (1.1, len(sound) / SAMPLE_RATE - 1.6)
    stages = Stages(segmenter=Segmenter(ScriptedActivity([span])), transcriber=transcriber, prosody=ProsodyTracker())
    listener = Listener(stages)
    try:
        blocks = (sound[i : i + block] for i in range(0, len(sound), block))
        return [event for part in blocks for event in listener.feed(part)] + listener.flush()
    finally:
        listener.close()


def understood(events: list[ListenerEvent]) -> Utterance:
    (utterance,) = [event for event in events if isinstance(event, Utterance)]
    return utterance


def test_three_kinds_of_recognisers_give_one_list(sound: Samples, tiny_ctc_path: Callable[..., Path]):
    before = threading.active_count()
    engine = CtcEngine.load(tiny_ctc_path("wav2vec2"), device="cpu")

    def ensemble() -> EnsembleTranscriber:
        members = [
            Member(PocketSphinxTranscriber(), 3.0),
            Member(CtcTranscriber(engine, name="tiny"), 1.0),
            Member(ScriptedTranscriber(["the weather is nice to day"]), 2.0),
        ]
        return EnsembleTranscriber(members)

    events = listened(sound, ensemble(), block=320)
    again = listened(sound, ensemble(), block=1777)
    engine.close()
    utterance = understood(events)
    nbest = utterance.transcript.nbest
    assert {"pocketsphinx", "tiny", "scripted"} == {h.source for h in nbest}
    assert not nbest[10:]
    assert sum(h.posterior for h in nbest) == pytest.approx(1.0)
    assert [h.logp for h in nbest] == sorted((h.logp for h in nbest), reverse=True)
    assert word_error_rate(TEXT, nbest[0].text) < 0.5
    assert utterance.cross_wer is not None
    assert utterance.cross_wer > 0
    assert any(isinstance(event, SpeechPaused) for event in events)
    partials = [event for event in events if isinstance(event, Transcript) and not event.is_final]
    assert partials
    assert {h.source for partial in partials for h in partial.nbest} == {"pocketsphinx"}
    assert understood(again).transcript == utterance.transcript
    assert threading.active_count() == before


def test_ten_systems_give_the_papers_ten_best(sound: Samples, tiny_ctc_path: Callable[..., Path]):
    """One reading of each of ten systems, in the given order: one configuration."""
    with ExitStack() as closing:
        engines = [CtcEngine.load(tiny_ctc_path(kind, seed=seed), device="cpu") for kind, seed in TEN]
        for engine in engines:
            closing.callback(engine.close)
        members = [Member(CtcTranscriber(engine)) for engine in engines]
        paper = EnsembleSettings(order="given", max_per_system=1)
        utterance = understood(listened(sound, EnsembleTranscriber(members, paper), block=320))
    nbest = utterance.transcript.nbest
    assert [h.source for h in nbest] == [f"{kind}-{seed}-None" for kind, seed in TEN]
    assert len({normalise(h.text) for h in nbest}) == 10
    assert sum(h.posterior for h in nbest) == pytest.approx(1.0)
    assert utterance.cross_wer is not None
    assert utterance.cross_wer > 0.5

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.backends.scripted import ScriptedTranscriber, ScriptedUtterance

if TYPE_CHECKING:
    from streaming.ports import Transcriber

BLOCK = np.zeros(320, np.float32)


def hear(transcriber: Transcriber, seconds: float) -> None:
    for _ in range(round(seconds * 50)):
        transcriber.accept(BLOCK)


def test_words_appear_one_by_one_and_all_but_the_last_are_stable():
    transcriber = ScriptedTranscriber(["i am so happy"])
    transcriber.start(1, 0.0)
    assert transcriber.partial().result().nbest == ()
    hear(transcriber, 0.6)
    partial = transcriber.partial().result()
    assert (partial.text, partial.n_stable, partial.is_final) == ("i am", 1, False)


def test_final_holds_all_readings_with_times_inside_the_utterance():
    script = ScriptedUtterance(nbest=(("i am sad", -1.0), ("i am mad", -2.0)))
    transcriber = ScriptedTranscriber([script])
    transcriber.start(7, 3.0)
    hear(transcriber, 0.9)
    final = transcriber.finish().result()
    assert (final.utterance, final.is_final, final.n_stable) == (7, True, 3)
    assert [h.text for h in final.nbest] == ["i am sad", "i am mad"]
    assert final.nbest[0].words[0].start_s == 3.0
    assert final.nbest[0].words[-1].end_s == pytest.approx(3.9)
    assert final.at_s == pytest.approx(3.9)


def test_script_starts_again_when_it_is_used_up():
    transcriber = ScriptedTranscriber(["one", "two"])
    heard: list[str] = []
    for utterance in range(3):
        transcriber.start(utterance, 0.0)
        hear(transcriber, 0.3)
        heard.append(transcriber.finish().result().text)
    assert heard == ["one", "two", "one"]


def test_empty_text_means_nothing_was_recognised():
    transcriber = ScriptedTranscriber([""])
    transcriber.start(1, 0.0)
    hear(transcriber, 1.0)
    assert transcriber.finish().result().nbest == ()
    assert transcriber.partial().result().nbest == ()


def test_revisions_count_within_an_utterance():
    transcriber = ScriptedTranscriber(["one"])
    transcriber.start(1, 0.0)
    pending = transcriber.partial()
    pending.cancel()
    assert pending.result().revision == 1
    assert transcriber.finish().result().revision == 2


def test_empty_script_is_refused():
    with pytest.raises(ValueError, match="script is empty"):
        ScriptedTranscriber([])

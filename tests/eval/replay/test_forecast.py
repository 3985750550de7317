"""What a run is said to take before it is started: calls as they then are made, time by the pace of what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from agent.backends.emotion.choose import Asking, recognizer_of_condition
from agent.backends.llm.scripted import ScriptedModel
from agent.r3.conditions import ensembles, names
from eval.corpora.item import Corpus, Item
from eval.replay.calls import CallShelf, KeptModel, Tape
from eval.replay.counted import Calls, calls_of
from eval.replay.dialogue import Bench, replay_dialogue
from eval.replay.forecast import forecast
from eval.replay.hearing import Ears
from eval.replay.plan import ReplaySettings
from eval.replay.run import plan_of, replay
from tests.eval.replay.toy import toy_corpus, voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.backends.embedded import EmbeddedEngines
    from streaming.events import Samples

SAID = Item(id="a", text="so sad", hypotheses=(("one", "so sad"), ("two", "so said")))
BY_TEXT = ReplaySettings(emotion="text", hypotheses="text")


@cache
def no_ears() -> EmbeddedEngines:
    raise AssertionError("nothing is to be heard")


def n_asked(condition: str) -> int:
    """Return how many calls one utterance took."""
    model, tape = ScriptedModel(["because"], scores=[{" sad": -0.1}], others=-99.0), Tape()
    kept = KeptModel(model, identity="scripted", shelf=CallShelf(None), tape=tape)
    recognizer = recognizer_of_condition(kept, condition, asking=Asking(note=lambda _: None))
    bench = Bench(ears=Ears(embedded=no_ears), recognizer=recognizer, tape=tape)
    replay_dialogue([SAID], session="toy/d", bench=bench, settings=ReplaySettings(hypotheses="corpus"))
    return sum(asked.call != "count_tokens" for asked in model.asked)


@pytest.mark.parametrize("condition", [*names(), *ensembles()])
def test_as_many_calls_are_forecast_as_are_made(condition: str):
    told = calls_of(ReplaySettings(condition=condition), {})
    assert told.most == n_asked(condition)


def engines(emotion: str, model: str = "openai", **options: Any) -> dict[str, dict[str, Any]]:
    ports = {"emotion": emotion, "language_model": model, "reply": "language-model"}
    return {port: {"engine": engine, "options": options if port == "emotion" else {}} for port, engine in ports.items()}


@pytest.mark.parametrize(
    ("settings", "ports", "calls"),
    [
        (ReplaySettings(), {}, Calls()),
        (ReplaySettings(profile="p"), engines("r3"), Calls(reading=1, reasons=1)),
        (ReplaySettings(profile="p"), engines("fused", condition="r3"), Calls(reading=1)),
        (ReplaySettings(profile="p"), engines("fused", model="none"), Calls()),
        (ReplaySettings(profile="p"), engines("embedded"), Calls()),
        (ReplaySettings(profile="p", emotion="off"), engines("r3"), Calls()),
        (ReplaySettings(profile="p", emotion="off", answers=True), engines("r3"), Calls(words=1)),
        (ReplaySettings(profile="p", translate="fr"), engines("embedded"), Calls(words=1)),
        (ReplaySettings(answers=True), {"reply": {"engine": "reflective"}}, Calls()),
    ],
)
def test_calls_are_those_of_who_is_asked(settings: ReplaySettings, ports: dict[str, Any], calls: Calls):
    assert calls_of(settings, ports) == calls


def told_of(corpus: Corpus, settings: ReplaySettings, out: Path, *, workers: int = 1) -> list[str]:
    return forecast(plan_of(corpus, settings, out=out), workers=workers).splitlines()


def test_what_is_asked_for_stands_in_it(tmp_path: Path):
    settings = ReplaySettings(hypotheses="corpus", readings=("one",), n_best=2, context=3)
    lines = told_of(toy_corpus(n_dialogues=1, n_alone=0), settings, tmp_path)
    assert lines[1:5] == [
        "already there: 0; to be replayed: 3, 0 of them heard",
        "emotion from both, words by corpus (one), of 2 readings, after 3 turns, embedded engine",
        "calls of a language model: none",
        "time: not known before some of it was done (--limit 20)",
    ]
    assert lines[5:] == ["problem: d9: no label"]


def test_time_goes_by_the_length_of_the_sound_and_by_the_workers(
    tmp_path: Path, write_wav: Callable[[Path, Samples], Path]
):
    short, long = write_wav(tmp_path / "short.wav", voice(1.0)), write_wav(tmp_path / "long.wav", voice(120.0))
    items = (
        Item(id="a", audio=short, text="hello"),
        *(Item(id=f"b{at}", audio=long, dialogue=f"d{at}", text="hello") for at in range(2)),
        Item(id="part", audio=long, start_s=60.0, end_s=90.0, text="hello", dialogue="e"),
        Item(id="gone", audio=tmp_path / "gone.wav", dialogue="f"),
    )
    corpus, out = Corpus(name="toy", items=items), tmp_path / "out"
    replay(plan_of(corpus, BY_TEXT, out=out, limit=1), note=print)
    (times,) = (out / "parts").glob("*.times.jsonl")
    times.write_text(json.dumps({"item": "a", "audio_s": 1.0, "took_ms": 500.0}) + "\n", "utf-8")

    lines = told_of(corpus, BY_TEXT, out, workers=2)

    # 120 s twice, 30 s, and one of unknown length: 90 s, the mean. Half of it is the time it takes, by two workers.
    assert lines[1] == "already there: 1; to be replayed: 4, 4 of them heard (6 min of sound)"
    assert lines[4] == "time: about 2 min by 2 workers"
    assert told_of(replace(corpus, items=items[:1]), BY_TEXT, out)[4] == "time: nothing is left to do"


def test_answers_that_are_kept_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    corpus, out = toy_corpus(n_dialogues=1, n_alone=0), tmp_path / "out"
    plan = plan_of(corpus, BY_TEXT, out=out)
    asked = replace(plan, job=replace(plan.job, settings=ReplaySettings(condition="live")))
    CallShelf(out / "calls").keep("ab12", {"text": "because"})
    monkeypatch.chdir(tmp_path)
    line = forecast(asked, workers=1).splitlines()[3]
    assert line == (
        "calls of a language model: up to 6 (1 for emotion + 1 for its reasons, for each utterance with words); "
        "answers kept, which are not asked for again: 1"
    )

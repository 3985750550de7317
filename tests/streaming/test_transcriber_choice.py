"""Choosing who hears: loaded once, opened for each speaker, closed in order; unknown or half-said choices are told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from streaming.audio import silence
from streaming.backends import choose
from streaming.backends.choose import ENGINES, TranscriberChoice, Transcribers, transcriber_for
from streaming.backends.ensemble import EnsembleTranscriber
from streaming.backends.pocketsphinx import PocketSphinxTranscriber
from streaming.backends.scripted import ScriptedTranscriber
from streaming.errors import EngineFailed, ModelUnusable
from streaming.remote import Endpoint

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from streaming.ports import Transcriber


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (TranscriberChoice(engine="siri"), f"no transcriber 'siri', expected one of {', '.join(ENGINES)}"),
        (TranscriberChoice(engine="whisper"), "whisper needs the path of a model"),
        (TranscriberChoice(engine="ctc"), "ctc needs the path of a model"),
        (TranscriberChoice(engine="openai", model="x"), "needs the address of a server"),
        (TranscriberChoice(engine="openai", endpoint=Endpoint("http://127.0.0.1:1/v1")), "the name of its model"),
    ],
)
def test_a_choice_that_makes_no_sense_is_told(choice: TranscriberChoice, told: str):
    with pytest.raises(EngineFailed, match=told):
        transcriber_for(choice)


@pytest.mark.parametrize("engine", ["whisper", "ctc"])
def test_a_model_that_is_not_there_is_told_when_it_is_loaded(engine: str, tmp_path: Path):
    with pytest.raises(ModelUnusable) as caught:
        transcriber_for(TranscriberChoice(engine=engine, path=tmp_path / "none", device="cpu"))
    assert "\n" not in str(caught.value)


def test_pocketsphinx_needs_no_loading():
    transcribers = transcriber_for(TranscriberChoice(engine="pocketsphinx"))
    transcriber = transcribers.open()
    try:
        assert isinstance(transcriber, PocketSphinxTranscriber)
    finally:
        transcriber.close()
        transcribers.close()


def test_a_server_is_not_called_before_it_is_needed():
    choice = TranscriberChoice(engine="openai", endpoint=Endpoint("http://127.0.0.1:1/v1"), model="whisper-1")
    transcribers = transcriber_for(choice)
    transcribers.open().close()
    transcribers.close()


def test_an_engine_is_loaded_once_and_opened_for_each_speaker(tiny_whisper_path: Path):
    choice = TranscriberChoice(engine="whisper", path=tiny_whisper_path, device="cpu", language="en")
    transcribers = transcriber_for(choice)
    first, second = transcribers.open(), transcribers.open()
    assert first is not second
    first.close()
    second.start(1, 0.0)
    second.accept(silence(16_000))
    assert second.finish().result().is_final
    second.close()
    transcribers.close()
    transcribers.close()


def test_closing_is_idempotent():
    closed: list[str] = []
    transcribers = Transcribers(lambda: ScriptedTranscriber(["a"]), close=lambda: closed.append("engine"))
    transcribers.close()
    transcribers.close()
    assert closed == ["engine"]


# Ensembles


class Fleet:
    """Engines by script, behind the name "pocketsphinx": what was loaded, opened and closed, in order."""

    def __init__(self, *, broken_at: int = 99, opens_broken_at: int = 99) -> None:
        self.told: list[str] = []
        self._broken_at = broken_at
        self._opens_broken_at = opens_broken_at
        self._n_loaded = 0
        self._n_opened = 0

    def load(self) -> Transcribers:
        if self._n_loaded == self._broken_at:
            raise EngineFailed("the second engine does not load")
        name = f"engine {self._n_loaded}"
        self._n_loaded += 1
        return Transcribers(lambda: self._open(name), close=lambda: self.told.append(f"{name} closed"))

    def _open(self, name: str) -> Transcriber:
        if self._n_opened == self._opens_broken_at:
            raise EngineFailed("the second engine does not open")
        self._n_opened += 1
        told = self.told

        class Watched(ScriptedTranscriber):
            def close(self) -> None:
                told.append(f"{name} left")
                super().close()

        return Watched(["i am so happy"])


PAIR = TranscriberChoice(
    engine="ensemble",
    members=((TranscriberChoice(engine="pocketsphinx"), 1.0), (TranscriberChoice(engine="pocketsphinx"), 0.5)),
)


def test_an_ensemble_opens_its_members_and_frees_them_all(monkeypatch: pytest.MonkeyPatch):
    fleet = Fleet()
    monkeypatch.setattr(choose, "_pocketsphinx", fleet.load)
    transcribers = transcriber_for(PAIR)
    transcriber = transcribers.open()
    assert isinstance(transcriber, EnsembleTranscriber)
    transcriber.start(1, 0.0)
    transcriber.accept(silence(16_000))
    assert transcriber.finish().result().text == "i am so happy"
    transcriber.close()
    assert sorted(fleet.told) == ["engine 0 left", "engine 1 left"]
    transcribers.close()
    assert fleet.told[2:] == ["engine 1 closed", "engine 0 closed"]


def test_when_a_member_does_not_load_the_others_are_freed(monkeypatch: pytest.MonkeyPatch):
    fleet = Fleet(broken_at=1)
    monkeypatch.setattr(choose, "_pocketsphinx", fleet.load)
    with pytest.raises(EngineFailed, match="does not load"):
        transcriber_for(PAIR)
    assert fleet.told == ["engine 0 closed"]


def test_when_a_member_does_not_open_the_others_are_closed(monkeypatch: pytest.MonkeyPatch):
    fleet = Fleet(opens_broken_at=1)
    monkeypatch.setattr(choose, "_pocketsphinx", fleet.load)
    transcribers = transcriber_for(PAIR)
    with pytest.raises(EngineFailed, match="does not open"):
        transcribers.open()
    assert fleet.told == ["engine 0 left"]


def test_the_factory_imports_no_engine_by_itself(monkeypatch: pytest.MonkeyPatch):
    wanted: list[str] = []

    class Watcher:
        def find_spec(self, name: str, *_: object) -> ModuleType | None:
            wanted.append(name)
            return None

    monkeypatch.delitem(sys.modules, "streaming.backends.choose")
    monkeypatch.setattr(sys, "meta_path", [Watcher(), *sys.meta_path])
    __import__("streaming.backends.choose")
    assert wanted == ["streaming.backends.choose"]

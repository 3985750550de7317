"""A language model by script behind a profile of its own, and a run that cells can be filled with."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import agent.backends.choose
from agent.backends.llm.scripted import ScriptedModel
from eval.papers.cell import PaperRun
from eval.papers.discrepancies import settle
from streaming.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pytest

    from eval.corpora.item import Corpus
    from streaming.events import Samples

PROFILE = "asking"
SETTINGS = f"""
[profiles.{PROFILE}]
language_model = {{ engine = "openai", url = "http://127.0.0.1:1/v1", model = "by-script" }}
"""


def behind_a_profile(
    answers: Sequence[str], *, home: Path, monkeypatch: pytest.MonkeyPatch, **options: object
) -> list[ScriptedModel]:
    """Have PROFILE ask models that say `answers`, one after the other; gives those that are loaded."""
    path = home / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SETTINGS, "utf-8")
    loaded: list[ScriptedModel] = []

    def load(*_: object) -> ScriptedModel:
        loaded.append(ScriptedModel(answers, **options))  # type: ignore[arg-type]
        return loaded[-1]

    monkeypatch.setattr(agent.backends.choose, "_language_model", load)
    return loaded


def wav(path: Path, samples: Samples) -> Path:
    """Write samples as a WAV file, and return where it lies."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def run_of(
    corpus: Corpus,
    out: Path,
    *,
    settled: Mapping[str, str] | None = None,
    notes: list[str] | None = None,
    limit: int | None = None,
) -> PaperRun:
    """Return a run of cells over `corpus` in `out`; what is not settled is as usual."""
    told: list[str] = [] if notes is None else notes
    return PaperRun(corpus=corpus, root=out, out=out, settled=settled or settle([]), note=told.append, limit=limit)

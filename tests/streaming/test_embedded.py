"""The embedded stages put together."""

from __future__ import annotations

import pytest

from streaming.audio import silence
from streaming.backends import embedded
from streaming.backends.praat import PraatAnalyst
from streaming.errors import EngineFailed


def test_when_one_engine_is_missing_the_others_are_closed(monkeypatch: pytest.MonkeyPatch):
    started: list[PraatAnalyst] = []

    def analyst() -> PraatAnalyst:
        started.append(PraatAnalyst())
        return started[-1]

    def missing() -> None:
        raise EngineFailed("pocketsphinx is not installed")

    monkeypatch.setattr(embedded, "PraatAnalyst", analyst)
    monkeypatch.setattr(embedded, "PocketSphinxTranscriber", missing)
    with pytest.raises(EngineFailed, match="not installed"):
        embedded.embedded_listener()
    assert [each.pids for each in started] == [[]]
    with pytest.raises(EngineFailed, match="closed"):
        started[0].analyse(silence(160))

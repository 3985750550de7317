from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from eval.bench import hearing
from eval.bench.hearing import HearingBench, measure, table
from eval.errors import CorpusUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.events import Samples


def test_all_ways_of_feeding_are_measured_on_the_sound(tmp_path: Path, write_wav: Callable[[Path, Samples], Path]):
    t = np.arange(16_000) / 16_000
    write_wav(tmp_path / "a.wav", np.asarray(0.3 * np.sin(2 * np.pi * 150 * t), np.float32))
    found = measure(tmp_path, n_sessions=2, n_runs=1)
    assert found.seconds == 2.0
    assert 0.0 <= found.p_speech <= 1.0
    assert min(found.segmenter_ms, found.listener_ms, found.inline_ms, found.chunk_ms, found.block_ms) > 0.0
    assert found.signature.startswith(f"data:{tmp_path.name}#")


def test_the_table_gives_ratios_first():
    bench = HearingBench(
        segmenter_ms=2.0,
        prosody_ms=1.5,
        listener_ms=4.5,
        inline_ms=5.0,
        chunk_ms=7.5,
        block_ms=10.0,
        p_speech=0.5,
        seconds=60.0,
        n_sessions=8,
        signature="data:x",
    )
    lines = table(bench).splitlines()
    assert lines[2].endswith("| 2.0x |")
    assert lines[3].endswith("| 1.5x |")
    assert lines[4].endswith("| 200 |")
    assert lines[-3:] == ["8 sessions of 60 s, 50 % of it in utterances", "", "`data:x`"]


def test_a_folder_without_sound_is_refused(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match="no recordings"):
        hearing.measure(tmp_path)

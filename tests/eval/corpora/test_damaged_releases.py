"""Releases with bytes overturned, files cut short or taken away: read, or refused in one line; never anything else."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from eval.corpora.choose import reader
from eval.corpora.item import Corpus
from eval.errors import CorpusUnreadable
from tests.eval.corpora.released import gensec, iemocap, meld, msp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_DAMAGES = 30


def gensec_folder(root: Path) -> Path:
    return gensec(root / "train.json")


def damaged(data: bytes, *, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    piece = dice.choice([b"", b"\x00", b"\xff", b'"', b"\n", b"\t", b"../", b"[" * 9, b"1e999", b"\xcc\x81", b",,,"])
    return data[:at] if dice.random() < 0.2 else data[:at] + piece + data[at + dice.randrange(9) :]


def outcome(name: str, root: Path) -> tuple[Corpus, str]:
    """Return what is read, or nothing and why it was refused."""
    try:
        return reader(name).read(root), ""
    except CorpusUnreadable as refused:
        return Corpus(name=name, items=()), str(refused)


@pytest.mark.parametrize(
    ("name", "make"), [("iemocap", iemocap), ("gensec", gensec_folder), ("msp-podcast", msp), ("meld", meld)]
)
def test_whatever_is_damaged_it_is_read_or_refused_in_one_line(tmp_path: Path, name: str, make: Callable[[Path], Path]):
    make(tmp_path)
    whole = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    tables = [path for path in whole if path.suffix != ".wav"]
    n_items = len(reader(name).read(tmp_path).items)
    dice = random.Random(6)
    n_told = 0
    for _ in range(N_DAMAGES):
        path = dice.choice(tables if dice.random() < 0.8 else list(whole))
        path.write_bytes(damaged(whole[path], dice=dice))
        corpus, refused = outcome(name, tmp_path)
        path.write_bytes(whole[path])
        assert "\n" not in refused
        assert len({item.id for item in corpus.items}) == len(corpus.items) <= n_items + 1
        assert not [problem for problem in corpus.problems if "\n" in problem.why]
        n_told += bool(refused or corpus.problems)
    assert n_told > N_DAMAGES / 4

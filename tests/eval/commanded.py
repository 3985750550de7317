"""A run as a user has it: a manifest, the commands of `attune-eval`, and what they wrote or said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np

from streaming.audio import SAMPLE_RATE
from tests.eval.replay.toy import voice
from tests.eval.score.ledgers import estimate, row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from streaming.events import Samples

QUICK: Final = ("--draws", "50")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A folder of a test's own, and the commands."""

    root: Path
    evaluate: Callable[..., CompletedProcess[str]]
    write_wav: Callable[[Path, Samples], Path]

    def corpus(self, *lines: dict[str, Any], name: str = "corpus.jsonl") -> Path:
        path = self.root / name
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
        return path

    def tone(self, name: str) -> Path:
        return self.write_wav(self.root / name, voice())

    def replayed(self, path: Path, *options: str, code: int = 0) -> dict[str, Any]:
        """Return the summary of a corpus's run, its rows under `rows`."""
        out = self.root / "out"
        ran = self.evaluate("replay", "manifest", path, "--out", out, *(options or ("--hypotheses", "text")))
        assert ran.returncode == code, ran.stderr
        rows = [json.loads(line) for line in (out / "rows.jsonl").read_text("utf-8").splitlines()]
        return json.loads((out / "summary.json").read_text("utf-8")) | {"rows": {each["item"]: each for each in rows}}

    def scored(self, ledger: Path | None = None, *options: str) -> dict[str, Any]:
        """Return the report of a ledger, of the last run unless another is named; figures by their names."""
        ran = self.evaluate("score", ledger or self.root / "out", "--json", *QUICK, *options)
        assert ran.returncode == 0, ran.stderr
        assert "NaN" not in ran.stdout
        assert "Infinity" not in ran.stdout
        told = json.loads(ran.stdout)
        return told | {"figures": {each["figure"]: each for each in told["figures"]}}


def one_line(ran: CompletedProcess[str], code: int, *said: str) -> None:
    assert ran.returncode == code, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("attune-eval: ")
    for words in said:
        assert words in line


def flac(path: Path) -> None:
    """Write a second of sound in FLAC under any name."""
    with av.open(str(path), "w", format="flac") as file:
        stream = file.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((voice()[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def said(*pairs: tuple[str, str]) -> list[Any]:
    return [row(f"i{at}", emotion=truth, estimates=[estimate(top)]) for at, (truth, top) in enumerate(pairs)]

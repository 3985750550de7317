"""Cells of paper 003's Table IV: a light head on frozen features, with the raters' soft labels or with adjusted ones.

Only training and development labels are adjusted; what is told is always measured against the raters' own votes.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from agent.labels import EIGHT

from ..distances import SMOOTHING, smoothed, threshold_macro_f1
from ..metrics import Score
from ..replay.ledger import write_whole
from ..replay.plan import digest
from ..score.measure import MIN_BLOCKS, Measure, ScoreSettings
from ..score.report import ALL, Drawn, figure
from ..training.soft_labels import HeadSettings, Rows, train_head
from ..training.upstream import hear
from .typed_labels import material

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..corpora.item import Item
    from ..metrics import Floats
    from ..score.report import Figure
    from ..statistics import Rows as Drawn_rows
    from ..training.relabelled import Relabelled
    from ..training.upstream import Upstream
    from .cell import PaperRun
    from .typed_labels import Annotator, Material

Arm: TypeAlias = Literal["without", "with", "gain"]
BATCH: Final = 32
"""Utterances of which the repository computes macro-F1 at a time."""
NOBODY_TYPED: Final = "nobody typed anything in training or development"
_SETTINGS: Final = HeadSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """`cell.Source`: macro-F1 of heads on one upstream, or the mean over several, without or with adjusted labels.

    Attributes:
        upstreams: what the heads read; of several the mean is taken.
        arm: "without": the raters' labels; "with": adjusted ones; "gain": by how much the second is better, relatively.
        annotator: who adjusts labels.
        settled: what was chosen where the paper leaves something open.
    """

    upstreams: tuple[Upstream, ...]
    arm: Arm
    annotator: Annotator
    settled: Mapping[str, str]

    def forecast(self, run: PaperRun) -> str:
        """Return what would be heard, adjusted and trained. Raises as `cell.Source.forecast`."""
        data = material(run)
        names = ", ".join(upstream.name for upstream in self.upstreams)
        told = f"{names}: {data.n_heard} utterances to be heard, heads trained on {len(data.train)}"
        if self.arm == "without":
            return told
        n = len(data.typed(("train", "dev")))
        return f"{told}, {n} soft labels to be adjusted by {self.annotator.name}, {self.annotator.calls(n)} calls"

    def figure(self, run: PaperRun) -> Figure:
        """Return the figure; undefined where nobody typed anything, or there is nothing to measure on.

        Raises:
            EvalError, AgentError, EngineFailed, OSError: as `cell.Source.figure`.
        """
        data = material(run)
        arms = [arm for arm in ("without", "with") if self.arm in (arm, "gain")]
        needs_words = "with" in arms and self.annotator.reads_words
        lost = NOBODY_TYPED if needs_words and not data.typed(("train", "dev")) else ""
        truths = data.targets("test")
        adjusted: Mapping[str, Relabelled] = {}
        if "with" in arms and not lost:
            adjusted = self.annotator.adjusted(data, run)
        labels: dict[str, Mapping[str, Relabelled]] = {"without": {}, "with": adjusted}
        said = {
            arm: [self._predicted(data, one, labels[arm], run) for one in self.upstreams] for arm in arms if not lost
        }
        measure = self._measure(data, said, adjusted=adjusted, lost=lost)
        kind, blocks = data.blocks(at_least=MIN_BLOCKS)
        drawn = Drawn(kind=kind, blocks=tuple(blocks), run=data.key, settings=ScoreSettings(labels=EIGHT))
        return figure(measure, np.arange(len(truths)), group=ALL, drawn=drawn)

    def _measure(
        self, data: Material, said: Mapping[str, list[Floats]], *, adjusted: Mapping[str, Relabelled], lost: str
    ) -> Measure:
        truths = data.targets("test")
        held = smoothed(truths) if self.settled["truth"] == "smoothed" else truths
        f1 = _by_batches if self.settled["batches"] == "batch" else _at_once

        def of(rows: Drawn_rows) -> Score:
            if lost:
                return Score(value=None, reason=lost)
            found = {arm: [f1(held[rows], one[rows]) for one in each] for arm, each in said.items()}
            return Score(value=float(np.mean(found[self.arm]))) if self.arm != "gain" else self.gain(found)

        how: dict[str, object] = {
            "corpus": data.corpus,
            "upstream": "+".join(upstream.name for upstream in self.upstreams),
            "labels": None if self.arm == "without" else self.annotator.name,
            "adjusted": data.told(adjusted) if adjusted else None,
            "by": None if self.arm == "without" else self.annotator.how,
            "held": f"above 1/{len(EIGHT)} of {self.settled['truth']}",
            "f1": self.settled["batches"],
            "smoothing": SMOOTHING,
            "splits": f"{len(data.train)}/{len(data.dev)}/{len(data.test)}",
        }
        is_gain = self.arm == "gain"
        return Measure(
            name="relative gain" if is_gain else "threshold macro F1",
            rows=np.arange(len(truths)),
            of=of,
            how=how,
            scale=100.0 if is_gain else 1.0,
            decimals=2 if is_gain else 3,
        )

    def gain(self, found: Mapping[str, list[float]]) -> Score:
        """Return by how much macro-F1 grows from "without" to "with", each told for every upstream."""
        without, adjusted = np.array(found["without"]), np.array(found["with"])
        if self.settled["gain"] == "of-averages":
            without, adjusted = without.mean(keepdims=True), adjusted.mean(keepdims=True)
        if not without.all():
            return Score(value=None, reason="macro-F1 without adjusted labels is 0")
        return Score(value=float(((adjusted - without) / without).mean()))

    def _predicted(
        self, data: Material, upstream: Upstream, adjusted: Mapping[str, Relabelled], run: PaperRun
    ) -> Floats:
        """Return the test set's distributions by a head trained on adjusted labels; kept beside the features."""
        folder = run.out / "typed"
        targets = {split: data.targets(split, adjusted) for split in ("train", "dev") if data.of(split)}
        key = digest([upstream.identity, data.key, repr(_SETTINGS), *(each.tolist() for each in targets.values())])
        place = folder / "heads" / f"{key[:32]}.npy"
        with suppress(OSError, ValueError, EOFError):
            return np.load(place)
        heard = {split: self._heard(data.of(split), upstream, run) for split in (*targets, "test")}
        learnt = {split: Rows(features=heard[split], targets=targets[split]) for split in targets}
        found = train_head(learnt["train"], learnt.get("dev"), _SETTINGS).predict(heard["test"])
        content = io.BytesIO()
        np.save(content, found)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, content.getvalue())
        return found

    def _heard(self, items: Sequence[Item], upstream: Upstream, run: PaperRun) -> Floats:
        folder = run.out / "typed" / "features"
        found = hear(items, upstream, folder=folder, workers=run.workers, progress=run.progress)
        for problem in found.problems:
            run.note(problem)
        return found.features


def _at_once(truths: Floats, said: Floats) -> float:
    return threshold_macro_f1(truths, said).value or 0.0


def _by_batches(truths: Floats, said: Floats) -> float:
    """The mean of macro-F1 over batches in order, as the repository has it."""
    parts = range(0, len(truths), BATCH)
    return float(np.mean([_at_once(truths[at : at + BATCH], said[at : at + BATCH]) for at in parts]))

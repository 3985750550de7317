"""COMET (Rei et al. 2020) by its own package, from a model that is here already: nothing is ever downloaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import ScoreImpossible
from .comet_worker import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PYTHON: Final = "ATTUNE_COMET_PYTHON"
"""Names an interpreter that has COMET; else ours is taken. It wants numpy 1 and transformers 4, we have newer ones."""

_WORKER: Final = Path(__file__).with_name("comet_worker.py")
_OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class CometMissing(ScoreImpossible):
    """COMET cannot be run here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A translation, what it translates and how somebody else did."""

    source: str
    answer: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comet:
    """A model that can be run.

    Attributes:
        name: as it was asked for; of a path its last part.
        revision: which one exactly, None where that is not known.
        package: version of the package.
        checkpoint: where it lies.
    """

    name: str
    revision: str | None
    package: str
    checkpoint: str

    def scores(self, segments: Sequence[Segment]) -> list[float]:
        """Return the score of each segment, mostly in [0, 1], 1 being best. The model is loaded for it: seconds.

        Raises:
            CometMissing: it cannot be loaded; the encoder it rests on may not be here.
        """
        told = [{"src": one.source, "mt": one.answer, "ref": one.reference} for one in segments]
        return cast("list[float]", _asked({"checkpoint": self.checkpoint, "segments": told})["scores"])


def find_comet(model: str) -> Comet:
    """Return a model by its name at Hugging Face, from the cache there is, or by its path: a checkpoint or its folder.

    Raises:
        CometMissing: it is not here, or the package is not.
    """
    if PYTHON not in os.environ:
        try:
            version(PACKAGE)
        except PackageNotFoundError:
            todo = f"install it into an environment of its own, and name its python in {PYTHON}"
            raise CometMissing(f"{PACKAGE} is not installed: {todo}") from None
    return Comet(**_asked({"model": model}))


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    python = os.environ.get(PYTHON, sys.executable)
    try:
        ran = subprocess.run(
            [python, str(_WORKER)],
            input=json.dumps(request),
            env={**os.environ, **_OFFLINE},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    except OSError as trouble:
        raise CometMissing(f"{PYTHON} is {python}, which cannot be run: {trouble.strerror}") from trouble
    if ran.returncode:
        last = ran.stderr.strip().rpartition("\n")[2]
        raise CometMissing(f"COMET ended with exit code {ran.returncode}: {last}")
    told = cast("dict[str, Any]", json.loads(ran.stdout))
    if "missing" in told:
        raise CometMissing(str(told["missing"]))
    return told

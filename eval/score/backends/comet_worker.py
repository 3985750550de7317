"""Runs COMET in an interpreter that has it: a request of JSON comes in, an answer of JSON goes out.

Stands alone and imports nothing of ours: COMET's package wants older versions of what we use, so that it mostly lies in
another environment. Whatever goes wrong is told as {"missing": why}.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = "unbabel-comet"
CHECKPOINT = Path("checkpoints") / "model.ckpt"
BATCH = 16
LONGEST = 240
"""Characters of a reason: what stands behind it tends to be long."""


def main() -> None:
    """Answer the request on standard input."""
    asked: dict[str, Any] = json.load(sys.stdin)
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        try:
            told = scored(asked["checkpoint"], asked["segments"]) if "segments" in asked else found(asked["model"])
        except Exception as trouble:  # noqa: BLE001 - the boundary of the process; COMET raises bare ones
            told = {"missing": (str(trouble) or type(trouble).__name__).partition("\n")[0][:LONGEST]}
    json.dump(told, out)


def found(model: str) -> dict[str, Any]:
    """Return where a model lies, named as at Hugging Face or by its path, and which one it is."""
    package = version(PACKAGE)
    path = Path(model).expanduser()
    name, revision = path.name, None
    if not path.exists():
        path, name = _cached(model), model
        revision = path.name
    checkpoint = path if path.is_file() else path / CHECKPOINT
    if not checkpoint.is_file():
        raise FileNotFoundError(f"there is no {CHECKPOINT} in {name}, expected a COMET model")
    return {"name": name, "revision": revision, "package": package, "checkpoint": str(checkpoint)}


def _cached(model: str) -> Path:
    hub: Any = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.snapshot_download(repo_id=model, local_files_only=True))
    except (OSError, ValueError) as trouble:  # not here, or no name that could be
        raise FileNotFoundError(f"its model {model} is not here, and nothing is downloaded") from trouble


def scored(checkpoint: str, segments: list[dict[str, str]]) -> dict[str, Any]:
    """Return the score of each segment ("src", "mt", "ref"), in single precision, on a CUDA card where there is one."""
    comet: Any = importlib.import_module("comet")
    torch: Any = importlib.import_module("torch")
    try:
        model = comet.load_from_checkpoint(checkpoint, local_files_only=True)
    except Exception as trouble:
        raise RuntimeError(
            f"its model cannot be loaded, the encoder it rests on has to be here, too: {trouble}"
        ) from trouble
    n_cards = int(torch.cuda.is_available())
    prediction = model.predict(segments, batch_size=BATCH, gpus=n_cards, num_workers=0, progress_bar=False)
    return {"scores": [float(score) for score in prediction.scores]}


if __name__ == "__main__":
    main()

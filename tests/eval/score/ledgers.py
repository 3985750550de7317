"""Small ledgers for tests of scoring: rows with what is said of them by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.replay.row import Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABELS = ("angry", "happy", "neutral", "sad")


def estimate(top: str | None, *distribution: float, labels: Sequence[str] = LABELS, **more: Any) -> dict[str, Any]:
    shares = distribution or tuple(float(label == top) for label in labels)
    return {"distribution": dict(zip(labels, shares, strict=True)), "top": top or "unclear", **more}


def row(item: str, *, heard: Sequence[str] = (), estimates: Sequence[dict[str, Any]] = (), **told: Any) -> Row:
    names = ("dialogue", "order", "speaker", "split", "answer", "model")
    head: dict[str, Any] = {name: told.pop(name) for name in names if name in told}
    if "answer" in head:
        head["answer_in"] = told.pop("answer_in", told.get("target"))
    return Row(
        item=item,
        corpus="made",
        status=told.pop("status", "ok"),
        run=told.pop("run", "r1"),
        truth=told,
        nbest=[{"text": text, "source": "asr"} for text in heard],
        estimates=list(estimates),
        **head,
    )


def made(n: int = 60, *, share_right: float = 0.7, seed: int = 3, run: str = "r1") -> list[Row]:
    """Rows of six speakers in ten dialogues; the truth is the same for every `share_right` and `run`."""
    truths, answers = np.random.default_rng(1), np.random.default_rng(seed)
    rows: list[Row] = []
    for at in range(n):
        truth = LABELS[int(truths.integers(4))]
        affect = [float(value) for value in truths.random(3).round(3)]
        said = truth if answers.random() < share_right else LABELS[int(answers.integers(4))]
        shares = [0.7 if label == said else 0.1 for label in LABELS]
        rows.append(
            row(
                f"i{at:03}",
                run=run,
                speaker=f"s{at % 6}",
                dialogue=f"d{at % 10}",
                order=at // 10,
                split="test" if at % 2 else "dev",
                heard=["the cat sat" if said == truth else "the hat", "the cat sat on"],
                text="The cat sat on.",
                emotion=truth,
                votes={truth: 2, "sad": 1},
                arousal=affect[0],
                valence=affect[1],
                dominance=affect[2],
                translation="le chat est assis sur le tapis",
                target="fr",
                answer="le chat est sur le tapis" if said == truth else "un chapeau",
                estimates=[estimate(said, *shares, arousal=affect[0], valence=0.5, dominance=None)],
            )
        )
    return rows


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in rows), "utf-8")
    return path

"""Random weights that are the same every time, written without a progress bar."""

# pyright: reportUnknownMemberType=false
# (transformers leaves its model classes partly untyped.)

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from transformers.utils import logging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedModel

M = TypeVar("M", bound="PreTrainedModel")


def seeded(make: Callable[[], M], *, seed: int) -> M:
    """Return the model `make` returns, its weights drawn from `seed`, nobody else's numbers touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()


def save(model: PreTrainedModel, folder: Path) -> None:
    """Write a model into `folder`, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if was_shown:
        logging.enable_progress_bar()

"""Packages that come with an extra: imported when an engine is chosen, never before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ..errors import EngineMissing

if TYPE_CHECKING:
    from types import ModuleType


def need(module: str, *, extra: str) -> ModuleType:
    """Return the module, imported.

    Raises:
        EngineMissing: it, or something it rests on, is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as trouble:
        name = module.partition(".")[0]
        message = f"{name} cannot be used ({trouble}); install it with: pip install --editable '.[{extra}]'"
        raise EngineMissing(message) from trouble

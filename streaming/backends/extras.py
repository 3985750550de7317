"""Packages that come with an extra: imported when an engine is chosen, never before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from ..errors import EngineMissing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

INSTALL: Final[Mapping[str, str]] = {
    "torch": "pip install --editable '.[torch]'",
    # Compiled here: what pip makes by itself may die on this very processor.
    "llama": "bash .ci/llama-cpp",
    "piper": "pip install --editable '.[piper]'",
    "ray": "pip install --editable '.[ray]'",
}
"""How each extra is brought."""


def need(module: str, *, extra: str) -> ModuleType:
    """Return the module, imported.

    Raises:
        EngineMissing: it, or something it rests on, is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as trouble:
        name = module.partition(".")[0]
        raise EngineMissing(f"{name} cannot be used ({trouble}); install it with: {INSTALL[extra]}") from trouble

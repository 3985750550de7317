"""Models by name: what there is to have, what is here, and how it gets here."""

from __future__ import annotations

from .registry import Model, known_model, registry
from .store import Installed, ModelsFailed, ModelStore, user_store

__all__ = ["Installed", "Model", "ModelStore", "ModelsFailed", "known_model", "registry", "user_store"]

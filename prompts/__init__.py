"""Text that models see, as versioned files: `load(name)` gives a prompt, its `render` the words."""

from __future__ import annotations

from .loader import Prompt, PromptInvalid, Rendered, digest, load, names, versions

__all__ = ["Prompt", "PromptInvalid", "Rendered", "digest", "load", "names", "versions"]

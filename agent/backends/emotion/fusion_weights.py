"""The weights of the fused estimate, from their file."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from ...errors import ConfigInvalid
from ...fusion.experts import FusionWeights

SHIPPED: Final = Path(__file__).with_name("weights") / "fusion.toml"


@cache
def load_fusion_weights(path: Path = SHIPPED) -> FusionWeights:
    """Return the weights in a file, the shipped ones by default; read once per process.

    Raises:
        ConfigInvalid: the file is missing, no TOML, or holds something else.
    """
    try:
        held: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        return FusionWeights(**held)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigInvalid(
            f"{path} holds no weights of the fusion ({error}): expected small, llm, dimensions, llm_doubt, chances, "
            "is_fitted and provenance; reinstall, or fit them again"
        ) from error

"""What the hub says of a model: its files with their true sizes and checksums, its commit, its licence.

Honours HF_ENDPOINT and HF_TOKEN (or a login by the hub's own tool).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from .store import ModelsFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .registry import Model

TIMEOUT_S = 20.0
"""How long the hub may take to answer a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file: path in the repository, bytes, and its checksum as the hub holds it.

    `digest` is SHA-256 of the content where `is_large`, else git's SHA-1 of it as a blob.
    """

    path: str
    n_bytes: int
    digest: str
    is_large: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What would be fetched, as the hub says now."""

    model: Model
    commit: str
    licence: str
    files: tuple[RemoteFile, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.n_bytes for file in self.files)


def endpoint() -> str:
    """Return the address of the hub. Read each time: the hub's own package reads it once, when it is imported."""
    from huggingface_hub.constants import ENDPOINT  # noqa: PLC0415 - half a second, and most commands do without

    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def ask(model: Model) -> Offer:
    """Ask the hub about a model.

    Raises:
        ModelsFailed: the hub cannot be reached, does not have it, or does not give it to this user.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415 - as above
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - as above

    # The base of its HTTP errors, whichever client the installed version goes by: a lost connection is one too.
    lost: tuple[type[Exception], ...] = (cast("type[Exception]", HfHubHTTPError.__mro__[1]), OSError)
    try:
        found: Any = HfApi(endpoint=endpoint(), library_name="attune").model_info(
            model.repository, revision=model.revision, files_metadata=True, timeout=TIMEOUT_S
        )
    except HfHubHTTPError as trouble:
        code = trouble.response.headers.get("x-error-code", "")
        raise ModelsFailed(refusal(model, trouble.response.status_code, code=code)) from trouble
    except lost as trouble:
        raise ModelsFailed(unreachable(trouble)) from trouble
    except ValueError as trouble:
        message = f"what {endpoint()} answers is not what a hub says: check HF_ENDPOINT"
        raise ModelsFailed(message) from trouble
    files = _wanted(model, found.siblings or ())
    if not files or not found.sha:
        raise ModelsFailed(f"{model.repository} holds no {', '.join(model.files)} any more: pull another model")
    return Offer(model=model, commit=found.sha, licence=_licence(model, found), files=files)


def refusal(model: Model, status: int, *, code: str = "") -> str:
    """Return what a status of the hub means (with its own error code, where it gives one), and what to do."""
    where = f"{endpoint()}/{model.repository}"
    if code == "GatedRepo" or status == 403 or (status == 401 and not model.plain):
        return f"{model.repository} is given only to those who accept its licence: accept it at {where}, set HF_TOKEN"
    if status == 401:
        return f"the hub does not give {model.repository} without a login for it: look at {where}, set HF_TOKEN"
    if status == 404:
        return f"the hub does not have {model.repository} (revision {model.revision}): look at {where}"
    if status == 429:
        return "the hub asks to come back later: try again in some minutes, or set HF_TOKEN"
    return f"the hub answered {status} for {model.repository}: try again later"


def unreachable(trouble: Exception) -> str:
    """Return what to say when the hub does not answer."""
    reason = " ".join(str(trouble).split()) or type(trouble).__name__
    return f"the hub at {endpoint()} cannot be reached ({reason[:120]}): check the network and try again"


def _wanted(model: Model, siblings: Sequence[Any]) -> tuple[RemoteFile, ...]:
    """Return the files a model is made of; old weights are left out where there are safetensors."""
    found = [
        _file(sibling)
        for sibling in siblings
        if any(fnmatchcase(sibling.rfilename, pattern) for pattern in model.files)
    ]
    if any(file.path.endswith(".safetensors") for file in found):
        found = [file for file in found if not file.path.startswith("pytorch_model")]
    return tuple(sorted(found, key=lambda file: file.path))


def _file(sibling: Any) -> RemoteFile:  # noqa: ANN401 - a value of an untyped package
    if sibling.lfs is not None:
        return RemoteFile(
            path=sibling.rfilename, n_bytes=int(sibling.lfs.size), digest=str(sibling.lfs.sha256), is_large=True
        )
    return RemoteFile(
        path=sibling.rfilename, n_bytes=int(sibling.size or 0), digest=str(sibling.blob_id or ""), is_large=False
    )


def _licence(model: Model, found: Any) -> str:  # noqa: ANN401 - as above
    card: Any = found.card_data
    told = getattr(card, "license_name", None) or getattr(card, "license", None)
    if not isinstance(told, str):
        told = next((tag.partition(":")[2] for tag in found.tags or () if tag.startswith("license:")), "")
    return told or model.licence

"""What the rows of a run depend on besides the items: settings, code, prompts, weights, engines, packages. An edge."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.backends.choose import model_path
from agent.models import user_store
from agent.profiles.engines import ENGINES
from agent.profiles.read import is_path

from .plan import canonical, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agent.profiles import Choice, Profile

    from .plan import ReplaySettings

PACKAGES: Final = (
    "numpy",
    "av",
    "pocketsphinx",
    "praat-parselmouth",
    "onnxruntime",
    "webrtcvad-wheels",
    "faster-whisper",
    "ctranslate2",
    "llama-cpp-python",
    "transformers",
    "torch",
    "peft",
)
"""Those whose arithmetic rows may rest on, as far as they are installed."""

APART: Final = ("cli", "client", "server", "web", "wire")
"""Parts of `agent` that no row goes through."""

CARD: Final = "training.json"
"""What `eval.training.adapter` tells of an adapter, its base included."""

_CHUNK: Final = 1 << 20


def provenance_of(settings: ReplaySettings, *, profile: Profile | None, ports: Iterable[str]) -> dict[str, Any]:
    """Return what rows depend on, as plain values; `profile` None: the embedded engine, of no profile."""
    used = {} if profile is None else {port: getattr(profile, port) for port in ports}
    return {
        "attune": version("attune"),
        # An adapter is known by what it holds: it stands with the engines.
        "settings": asdict(settings) | {"adapter": None},
        "condition": _condition(settings.condition),
        "engines": {port: identity_of(choice) for port, choice in used.items()},
        "code_sha256": _tree("agent", "streaming", "prompts", "eval/replay", suffixes=(".py", ".toml")),
        "prompts_sha256": sha256(_package("prompts").joinpath("index.toml").read_bytes()).hexdigest(),
        "weights_sha256": _tree("agent", "streaming", suffixes=(".npz", ".onnx")),
        "packages": dict(_packages()),
    }


def identity_of(choice: Choice) -> dict[str, Any]:
    """Return what tells an engine from others: name, model, options, and which weights exactly, as far as known here.

    A model of the registry is known by its commit, one at a path by the hash of its files; a server's by name alone.
    """
    if choice.members:
        return {"engine": choice.engine, "members": [[identity_of(one), weight] for one, weight in choice.members]}
    told: dict[str, Any] = {"engine": choice.engine, "model": choice.model, "options": dict(choice.options)}
    if choice.url is not None:
        return told | {"url": choice.url}
    if choice.model is None:
        return told
    if not is_path(choice.model):
        found = user_store().installed(choice.model)
        return told | {"commit": None if found is None else found.commit}
    kind = next((ports[choice.engine].kind for ports in ENGINES.values() if choice.engine in ports), None)
    path = Path(choice.model).expanduser() if kind is None else model_path(choice, kind=kind, store=user_store())
    # Where it lies is no part of what it is.
    return told | {"model": path.name, "sha256": _hash_of(path)}


def _condition(name: str | None) -> str | None:
    if name is None:
        return None
    from agent.r3.conditions import condition, ensemble, ensembles  # noqa: PLC0415 - only where a model is asked

    members = ensemble(name) if name in ensembles() else (name,)
    return digest([repr(condition(member)) for member in members])


def _hash_of(path: Path) -> str:
    held = sorted(path.rglob("*")) if path.is_dir() else [path]
    return _hash_of_files(tuple((file, *_state(file)) for file in held if file.is_file()))


def _state(file: Path) -> tuple[int, int]:
    state = file.stat()
    return state.st_size, state.st_mtime_ns


@cache
def _hash_of_files(held: tuple[tuple[Path, int, int], ...]) -> str:
    """Return the hash of files by name and content; weights of many gigabytes are read once for a process."""
    whole = sha256()
    for file, *_ in held:
        whole.update(file.name.encode())
        for chunk in _chunks(file):
            whole.update(chunk)
    return whole.hexdigest()


def _chunks(file: Path) -> Iterator[bytes]:
    if file.name == "adapter_config.json" and file.with_name(CARD).is_file():
        # Where its base lies is no part of what an adapter is; the card beside it tells which one it is.
        yield canonical(json.loads(file.read_bytes()) | {"base_model_name_or_path": None}).encode()
        return
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk


def _package(name: str) -> Path:
    return Path(str(files(name)))


@cache
def _tree(*folders: str, suffixes: tuple[str, ...]) -> str:
    """Return a hash of the files of our packages that end so: their places there and what they hold.

    It is taken once: what this process runs is what it found at first.
    """
    whole = sha256()
    for folder in folders:
        first, _, rest = folder.partition("/")
        root = _package(first) / rest
        for file in sorted(root.rglob("*")):
            place = file.relative_to(root)
            if file.suffix in suffixes and place.parts[0] not in APART:
                content = file.read_bytes()
                whole.update(f"{folder}/{place.as_posix()} {len(content)}\n".encode())
                whole.update(content)
    return whole.hexdigest()


def _packages() -> Iterable[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def model_identity(provenance: Mapping[str, Any]) -> str:
    """Return what the language model's answers hang on: engine, weights, options, packages, and our code around it."""
    code = _tree("agent/llm", "agent/backends/llm", suffixes=(".py",))
    return digest([provenance["engines"].get("language_model"), provenance["packages"], code])

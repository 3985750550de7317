"""What a profile says: which engine stands behind each port. Plain values; nothing is loaded here."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streaming.hardware import Hardware

Option: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One engine.

    Attributes:
        engine: its name, as in `agent.profiles.engines`.
        model: a name of the registry, a path, or what a server calls it.
        url: address of a server, up to and with "/v1".
        key_env: environment variable that holds the server's key.
        options: what else the engine takes.
        members: engines of an ensemble, each with its weight.
    """

    engine: str
    model: str | None = None
    url: str | None = None
    key_env: str | None = None
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    members: tuple[tuple[Choice, float], ...] = ()

    def option(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - typed by the table of engines
        """Return an option, or `default` where it is not set."""
        return self.options.get(name, default)

    def parts(self) -> Iterator[Choice]:
        """Yield this choice, or those it is made of."""
        if not self.members:
            yield self
        for member, _ in self.members:
            yield from member.parts()

    def __str__(self) -> str:
        if self.members:
            return f"{self.engine} of {len(self.members)}"
        return self.engine if self.model is None else f"{self.engine} {self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """The hardware a profile is at home on; sizes in units of 10^9 bytes."""

    cores: int = 1
    memory_gb: float = 0.0
    gpu_memory_gb: float = 0.0

    def lacking(self, hardware: Hardware) -> list[str]:
        """Return what `hardware` has too little of, in words."""
        lacking: list[str] = []
        if hardware.cores < self.cores:
            lacking.append(f"{self.cores} cores wanted, {hardware.cores} here")
        if 0 < hardware.memory_bytes < self.memory_gb * 1e9:
            lacking.append(f"{self.memory_gb:g} GB memory wanted, {hardware.memory_bytes / 1e9:.0f} here")
        if hardware.gpu_memory_bytes < self.gpu_memory_gb * 1e9:
            have = f"{hardware.gpu_memory_bytes / 1e9:.0f} here" if hardware.gpus else "none here"
            lacking.append(f"a CUDA card with {self.gpu_memory_gb:g} GB wanted, {have}")
        return lacking


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An engine for each port.

    `is_automatic`: `attune setup` may propose it, and it is taken without being asked for once all of it is here.
    """

    name: str
    about: str
    transcriber: Choice
    emotion: Choice
    dimensions: Choice
    language_model: Choice
    reply: Choice
    voice: Choice
    wants: Wants = field(default_factory=Wants)
    is_automatic: bool = False

    def choices(self) -> Iterator[tuple[str, Choice]]:
        """Yield each port with its engine, in the order of the line."""
        for port in PORTS:
            yield port, getattr(self, port)

    def parts(self) -> Iterator[tuple[str, Choice]]:
        """Yield the same with ensembles taken apart."""
        for port, choice in self.choices():
            for part in choice.parts():
                yield port, part


PORTS = tuple(f.name for f in fields(Profile) if f.type == "Choice")
"""The ports by name, in the order of the line."""

"""What stands between a user and a profile, which profile fits a machine, and which one is taken."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streaming.backends.extras import INSTALL

from ..errors import ConfigInvalid
from ..models import known_model
from .engines import ENGINES
from .read import DEFAULT, is_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from streaming.hardware import Hardware

    from ..models import Model, ModelStore
    from .values import Choice, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something a profile needs and does not find: what, and what to do about it."""

    what: str
    how: str

    def __str__(self) -> str:
        return f"{self.what}: {self.how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The profile that is taken, and why."""

    profile: Profile
    reason: str


def models_of(profile: Profile) -> list[Model]:
    """Return the models of the registry that a profile uses, each once."""
    names = [
        choice.model
        for port, choice in profile.parts()
        if choice.model and ENGINES[port][choice.engine].kind is not None and not is_path(choice.model)
    ]
    return [known_model(name) for name in dict.fromkeys(names)]


def extras_of(profile: Profile) -> list[str]:
    """Return the extras that are missing for a profile, each once."""
    engines = [ENGINES[port][choice.engine] for port, choice in profile.parts()]
    return list(dict.fromkeys(e.extra for e in engines if e.extra is not None and e.missing_packages()))


def gaps(profile: Profile, *, store: ModelStore, hardware: Callable[[], Hardware]) -> list[Gap]:
    """Return what keeps a profile from working here. Servers are not asked: they may come up later.

    Args:
        profile: which.
        store: where models lie.
        hardware: looks at the machine; called only if the profile insists on a card.
    """
    return list(dict.fromkeys(_gaps(profile, store, hardware)))


def _gaps(profile: Profile, store: ModelStore, hardware: Callable[[], Hardware]) -> Iterator[Gap]:
    for extra in extras_of(profile):
        yield Gap(what=f"the extra {extra} is not installed", how=INSTALL[extra])
    if absent := [model.name for model in models_of(profile) if store.installed(model.name) is None]:
        is_or_are = "is" if len(absent) == 1 else "are"
        yield Gap(what=f"{', '.join(absent)} {is_or_are} not here", how=f"attune models pull {' '.join(absent)}")
    for port, choice in profile.parts():
        yield from _gaps_of(choice, port=port)
    if any(choice.option("device") == "cuda" for _, choice in profile.parts()) and not hardware().gpus:
        yield Gap(what="there is no CUDA card", how='choose another profile, or device = "cpu" in one of your own')


def _gaps_of(choice: Choice, *, port: str) -> Iterator[Gap]:
    if choice.key_env and not os.environ.get(choice.key_env):
        yield Gap(what=f"{choice.key_env} is not set", how=f"put the key of {choice.url} there")
    takes_files = ENGINES[port][choice.engine].kind is not None
    if takes_files and choice.model and is_path(choice.model) and not Path(choice.model).expanduser().exists():
        yield Gap(what=f"{choice.model} does not exist", how=f"correct the model of {port}")


def propose(profiles: Mapping[str, Profile], hardware: Hardware) -> Profile:
    """Return the strongest profile that is at home on `hardware`, wherever its models are."""
    return next(profile for profile in _automatic(profiles) if not profile.wants.lacking(hardware))


def take(
    name: str | None, *, profiles: Mapping[str, Profile], store: ModelStore, hardware: Callable[[], Hardware]
) -> Taken:
    """Return the profile called `name`; without a name the strongest that is here as a whole and fits the machine.

    Raises:
        ConfigInvalid: there is no profile of that name; the message names those there are.
    """
    if name is not None:
        if name not in profiles:
            raise ConfigInvalid(f"profile is {name!r}, expected one of {', '.join(profiles)}")
        return Taken(profile=profiles[name], reason="it is named")
    for profile in _automatic(profiles):
        if profile.name == DEFAULT:
            break
        # Until a profile is here as a whole, the machine (which takes a moment) is not looked at.
        if next(_gaps(profile, store, hardware), None) is None and not profile.wants.lacking(hardware()):
            return Taken(profile=profile, reason="none is named, all of it is here and the machine is strong enough")
    return Taken(
        profile=profiles[DEFAULT], reason="none is named, and no stronger one is here as a whole and fits this machine"
    )


def _automatic(profiles: Mapping[str, Profile]) -> list[Profile]:
    return [profile for profile in reversed(list(profiles.values())) if profile.is_automatic]

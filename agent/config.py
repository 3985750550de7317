"""What a user may set, in one TOML file and a few environment variables; the command line wins over both.

The file is `$XDG_CONFIG_HOME/attune/config.toml` (or `ATTUNE_CONFIG`). Each key is optional, an unknown one an error.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from .errors import ConfigInvalid
from .events import EmotionSource
from .profiles import read_profiles, shipped_profiles
from .turnlog import default_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .profiles import Profile

CHOICES: dict[str, tuple[str, ...]] = {
    "duplex": ("half", "full"),
    "emotion": get_args(EmotionSource),
    "memory": ("session", "log"),
    "voice": ("auto", "flite", "espeak", "none"),
}
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def config_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the settings lie, or would lie."""
    environ = os.environ if environ is None else environ
    named = environ.get("ATTUNE_CONFIG")
    return Path(named) if named else _config_home(environ) / "config.toml"


def _config_home(environ: Mapping[str, str]) -> Path:
    """Return the folder of the settings; a relative XDG_CONFIG_HOME is ignored, as the XDG specification asks."""
    chosen = Path(environ.get("XDG_CONFIG_HOME", ""))
    home = Path(environ.get("HOME") or Path.home())
    return (chosen if chosen.is_absolute() else home / ".config") / "attune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of a conversation.

    Attributes:
        locale: BCP 47 tag; picks the helpline that the crisis check names.
        duplex: "half" does not listen while the agent speaks (loudspeakers without echo cancellation); "full" does,
            so that the user can barge in (headphones).
        emotion: what emotion may be read from.
        memory: what may come to a language model's mind: "session" what was said in this conversation, "log" also what
            was said in earlier ones that are kept, at the microphone only.
        voice: which engine speaks; "auto" takes the best on PATH, "none" writes only.
        database: where turns are kept.
        helplines: TOML in the format of `agent/safety/helplines.toml`; its places go over the shipped ones.
        profile: which engines are used; None takes the best profile that is here as a whole.
        profiles: what there is to choose from, the user's own (tables `[profiles.NAME]` of the file) among them.
    """

    locale: str = "en-US"
    duplex: str = "half"
    emotion: EmotionSource = "both"
    memory: str = "session"
    voice: str = "auto"
    database: Path = field(default_factory=lambda: default_path(os.environ))
    helplines: Path | None = None
    profile: str | None = None
    profiles: Mapping[str, Profile] = field(default_factory=shipped_profiles)

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigInvalid(f"{name} is {value!r}, expected one of {', '.join(choices)}")
        if not _LOCALE.fullmatch(self.locale):
            raise ConfigInvalid(f"locale is {self.locale!r}, expected a tag such as en-US")
        if self.profile is not None and self.profile not in self.profiles:
            raise ConfigInvalid(f"profile is {self.profile!r}, expected one of {', '.join(self.profiles)}")


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """Return the user's settings: defaults, then the file, then `ATTUNE_LOCALE` and `ATTUNE_DATABASE`.

    Raises:
        ConfigInvalid: the file is not TOML, holds an unknown key or a value that makes no sense.
    """
    environ = os.environ if environ is None else environ
    path = config_path(environ)
    found = _read(path) if environ.get("ATTUNE_CONFIG") or path.is_file() else {}
    profiles = _profiles(found.pop("profiles", {}), where=path)
    if locale := environ.get("ATTUNE_LOCALE"):
        found["locale"] = locale
    if environ.get("ATTUNE_DATABASE"):
        found["database"] = default_path(environ)
    config = Config(database=default_path(environ), profiles=profiles)
    return with_options(config, found, where=str(path))


def with_options(config: Config, options: Mapping[str, Any], *, where: str = "the command line") -> Config:
    """Return `config` with `options` in place; None leaves a setting as it is.

    Raises:
        ConfigInvalid: an unknown key, or a value of the wrong type or not among the choices.
    """
    known = {f.name for f in fields(Config)} - {"profiles"}
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := sorted(set(given) - known):
        raise ConfigInvalid(f"{where} sets {', '.join(unknown)}, expected only {', '.join(sorted(known))}")
    for name, value in given.items():
        if not isinstance(value, str | Path):
            raise ConfigInvalid(f"{where} sets {name} to {value!r}, expected text")
    for name in {"database", "helplines"} & set(given):
        given[name] = Path(given[name]).expanduser()
    return replace(config, **given)


def _profiles(tables: object, *, where: Path) -> Mapping[str, Profile]:
    if not isinstance(tables, dict):
        raise ConfigInvalid(f"{where} sets profiles to {tables!r}, expected tables such as [profiles.mine]")
    try:
        return read_profiles(cast("dict[str, Any]", tables))
    except ConfigInvalid as trouble:
        raise ConfigInvalid(f"{where}: {trouble}") from trouble


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as trouble:
        raise ConfigInvalid(f"cannot read {path}: {trouble}") from trouble
    except tomllib.TOMLDecodeError as trouble:
        raise ConfigInvalid(f"{path} is not TOML: {trouble}") from trouble

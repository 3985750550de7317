"""What a user may set, in one TOML file and a few environment variables; the command line wins over both.

The file is `$XDG_CONFIG_HOME/attune/config.toml` (or `ATTUNE_CONFIG`). Each key is optional, an unknown one an error.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .errors import ConfigInvalid
from .events import EmotionSource
from .turnlog import default_path

if TYPE_CHECKING:
    from collections.abc import Mapping

CHOICES: dict[str, tuple[str, ...]] = {
    "duplex": ("half", "full"),
    "emotion": get_args(EmotionSource),
    "voice": ("auto", "flite", "espeak", "none"),
}
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


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
        voice: which engine speaks; "auto" takes the best on PATH, "none" writes only.
        database: where turns are kept.
        helplines: TOML in the format of `agent/safety/helplines.toml`; its places go over the shipped ones.
    """

    locale: str = "en-US"
    duplex: str = "half"
    emotion: EmotionSource = "both"
    voice: str = "auto"
    database: Path = field(default_factory=lambda: default_path(os.environ))
    helplines: Path | None = None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigInvalid(f"{name} is {value!r}, expected one of {', '.join(choices)}")
        if not _LOCALE.fullmatch(self.locale):
            raise ConfigInvalid(f"locale is {self.locale!r}, expected a tag such as en-US")


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """Return the user's settings: defaults, then the file, then `ATTUNE_LOCALE` and `ATTUNE_DATABASE`.

    Raises:
        ConfigInvalid: the file is not TOML, holds an unknown key or a value that makes no sense.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("ATTUNE_CONFIG")
    path = Path(named) if named else _config_home(environ) / "config.toml"
    found = _read(path) if named or path.is_file() else {}
    if locale := environ.get("ATTUNE_LOCALE"):
        found["locale"] = locale
    if environ.get("ATTUNE_DATABASE"):
        found["database"] = default_path(environ)
    return with_options(Config(database=default_path(environ)), found, where=str(path))


def with_options(config: Config, options: Mapping[str, Any], *, where: str = "the command line") -> Config:
    """Return `config` with `options` in place; None leaves a setting as it is.

    Raises:
        ConfigInvalid: an unknown key, or a value of the wrong type or not among the choices.
    """
    known = {f.name for f in fields(Config)}
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := sorted(set(given) - known):
        raise ConfigInvalid(f"{where} sets {', '.join(unknown)}, expected only {', '.join(sorted(known))}")
    for name, value in given.items():
        if not isinstance(value, str | Path):
            raise ConfigInvalid(f"{where} sets {name} to {value!r}, expected text")
    for name in {"database", "helplines"} & set(given):
        given[name] = Path(given[name]).expanduser()
    return replace(config, **given)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as trouble:
        raise ConfigInvalid(f"cannot read {path}: {trouble}") from trouble
    except tomllib.TOMLDecodeError as trouble:
        raise ConfigInvalid(f"{path} is not TOML: {trouble}") from trouble

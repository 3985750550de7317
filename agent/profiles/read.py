"""Reads profiles: those that ship (`profiles.toml`) and those a user writes into `config.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigInvalid
from ..models import registry
from .engines import ENGINES
from .values import PORTS, Choice, Profile, Wants

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .engines import Engine, Takes
    from .values import Option

    Table = Mapping[str, Any]

_HEAD = ("about", "extends", "wants", "automatic")
_WANTS: dict[str, tuple[type, ...]] = {"cores": (int,), "memory_gb": (int, float), "gpu_memory_gb": (int, float)}
DEFAULT = "embedded"


def shipped_profiles() -> Mapping[str, Profile]:
    """Return the profiles that ship, from the lightest on."""
    return read_profiles({})


def read_profiles(own: Table) -> Mapping[str, Profile]:
    """Return the profiles that ship and the user's own.

    A profile takes what it does not say from the one it `extends`: "embedded" unless it says so, or the one that ships
    under its own name. Of a port with the same engine only what is said is changed.

    Raises:
        ConfigInvalid: an unknown key, engine, model or profile, or a value of the wrong type.
    """
    tables: dict[str, Table] = dict(_shipped())
    merged = {name: _merged(name, tables, ()) for name in tables}
    for name, table in own.items():
        where = f"profiles.{name}"
        _check_keys(where, table, (*_HEAD, *PORTS))
        base: Table = {} if name in _shipped() else {"extends": DEFAULT}
        tables[name] = {**base, **table}
    for name in own:
        merged[name] = _merged(name, tables, ())
    return {name: _profile(name, table) for name, table in merged.items()}


@cache
def _shipped() -> Mapping[str, Table]:
    return tomllib.loads((files("agent") / "profiles" / "profiles.toml").read_text("utf-8"))


def _merged(name: str, tables: Mapping[str, Table], seen: tuple[str, ...]) -> Table:
    """Return what a profile says together with what those it extends say."""
    if name in seen:
        raise ConfigInvalid(f"profile {name} extends itself: {' extends '.join((*seen, name))}")
    table = tables[name]
    base = _base(name, tables, seen)
    ports = {port: _overlaid(base.get(port), table.get(port)) for port in PORTS if port in base or port in table}
    return {**base, **table, **ports}


def _base(name: str, tables: Mapping[str, Table], seen: tuple[str, ...]) -> Table:
    """Return what the profile builds on. Those that ship build on each other as they ship, whatever a user changed."""
    shipped, table = _shipped(), tables[name]
    is_changed = name in shipped and table is not shipped[name]
    parent = table.get("extends", name if is_changed else None)
    if parent is None:
        return {}
    if not isinstance(parent, str) or parent not in tables:
        raise ConfigInvalid(f"profile {name} extends {parent!r}, expected one of {', '.join(tables)}")
    if parent == name and is_changed:
        return _merged(name, shipped, ())
    is_shipped = name in shipped and not is_changed
    merged = _merged(parent, shipped, ()) if is_shipped else _merged(parent, tables, (*seen, name))
    # To be taken unasked is not handed down.
    return {**merged, "automatic": False}


def _overlaid(base: object, new: object) -> object:
    """Return `new` over `base` where both are of the same engine."""
    if new is None:
        return base
    if not isinstance(base, dict) or not isinstance(new, dict):
        return new
    old, over = cast("Table", base), cast("Table", new)
    is_same = over.get("engine", old.get("engine")) == old.get("engine")
    return {**old, **over} if is_same else over


def _profile(name: str, table: Table) -> Profile:
    where = f"profiles.{name}"
    choices = {port: _choice(f"{where}.{port}", table[port], ENGINES[port]) for port in PORTS}
    for port, choice in choices.items():
        if ENGINES[port][choice.engine].asks_model and choices["language_model"].engine == "none":
            raise ConfigInvalid(f"{where}.{port} is {choice.engine}, but {where}.language_model is none: choose one")
    about, is_automatic = table.get("about", ""), table.get("automatic", False)
    if not isinstance(about, str):
        raise ConfigInvalid(f"{where}.about is {about!r}, expected text")
    if not isinstance(is_automatic, bool):
        raise ConfigInvalid(f"{where}.automatic is {is_automatic!r}, expected true or false")
    return Profile(
        name=name,
        about=about,
        wants=_wants(where, table.get("wants", {})),
        is_automatic=is_automatic,
        **choices,
    )


def _wants(where: str, table: object) -> Wants:
    found = _table(f"{where}.wants", table)
    _check_keys(f"{where}.wants", found, _WANTS)
    for key, value in found.items():
        if isinstance(value, bool) or not isinstance(value, _WANTS[key]) or value < 0:
            raise ConfigInvalid(f"{where}.wants.{key} is {value!r}, expected a number")
    return Wants(**found)


def _choice(where: str, given: object, engines: Mapping[str, Engine]) -> Choice:
    table = _table(where, {"engine": given} if isinstance(given, str) else given)
    name = table.get("engine")
    if not isinstance(name, str) or name not in engines:
        raise ConfigInvalid(f"{where}.engine is {name!r}, expected one of {', '.join(engines)}")
    engine = engines[name]
    if name == "ensemble":
        return _ensemble(where, table, engines)
    keys = ["engine"]
    if engine.kind is not None or engine.is_server:
        keys.append("model")
    if engine.is_server:
        keys += ["url", "key_env"]
    _check_keys(where, table, (*keys, *engine.takes))
    options = {key: _option(f"{where}.{key}", table[key], kind) for key, kind in engine.takes.items() if key in table}
    texts = {key: _text(f"{where}.{key}", table[key]) for key in keys[1:] if key in table}
    choice = Choice(
        engine=name,
        model=texts.get("model"),
        url=texts.get("url"),
        key_env=texts.get("key_env"),
        options=options,
    )
    _check_model(where, choice, engine)
    return choice


def _ensemble(where: str, table: Table, engines: Mapping[str, Engine]) -> Choice:
    _check_keys(where, table, ("engine", "members"))
    given = table.get("members")
    if not isinstance(given, list) or not given:
        raise ConfigInvalid(f"{where}.members is {given!r}, expected a list of engines")
    members: list[tuple[Choice, float]] = []
    for place, entry in enumerate(cast("list[object]", given)):
        spot = f"{where}.members[{place}]"
        member = dict(_table(spot, entry))
        weight = member.pop("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight <= 0:
            raise ConfigInvalid(f"{spot}.weight is {weight!r}, expected a number above 0")
        alone = {name: engine for name, engine in engines.items() if name != "ensemble"}
        members.append((_choice(spot, member, alone), float(weight)))
    return Choice(engine="ensemble", members=tuple(members))


def _check_model(where: str, choice: Choice, engine: Engine) -> None:
    if engine.is_server:
        if not choice.url or not choice.url.startswith(("http://", "https://")):
            raise ConfigInvalid(f"{where}.url is {choice.url!r}, expected an address such as http://127.0.0.1:8000/v1")
        if not choice.model:
            raise ConfigInvalid(f"{where}.model is missing, expected the name by which the server knows its model")
    if engine.kind is None or (choice.model is not None and is_path(choice.model)):
        return
    names = [model.name for model in registry().values() if model.kind == engine.kind]
    if choice.model not in names:
        expected = f"{', '.join(names)}, or a path that begins with / or ~"
        raise ConfigInvalid(f"{where}.model is {choice.model!r}, expected one of {expected}")


def is_path(model: str) -> bool:
    """Return whether a model is given by its place rather than by its name."""
    return model.startswith(("/", "~"))


def _table(where: str, value: object) -> Table:
    if not isinstance(value, dict):
        raise ConfigInvalid(f'{where} is {value!r}, expected a table such as {{ engine = "…" }}')
    return cast("Table", value)


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigInvalid(f"{where} is {value!r}, expected text")
    return value


def _option(where: str, value: object, kind: Takes) -> Option:
    if isinstance(kind, tuple):
        if value not in kind:
            raise ConfigInvalid(f"{where} is {value!r}, expected one of {', '.join(kind)}")
    elif isinstance(value, bool) or not isinstance(value, kind):
        raise ConfigInvalid(f"{where} is {value!r}, expected {'text' if kind is str else 'a number'}")
    elif isinstance(value, int) and value < 1:
        raise ConfigInvalid(f"{where} is {value}, expected at least 1")
    return cast("Option", value)


def _check_keys(where: str, table: object, known: Iterable[str]) -> None:
    expected = list(known)
    if unknown := sorted(set(_table(where, table)) - set(expected)):
        raise ConfigInvalid(f"{where} sets {', '.join(unknown)}, expected only {', '.join(expected)}")

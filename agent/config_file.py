"""Sets the profile in a user's `config.toml` and leaves every other letter of it as it is."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path

from .errors import AgentError, ConfigInvalid

_LINE = re.compile(r"""^(?P<key>[ \t]*profile[ \t]*=[ \t]*)(?:"[^"\n]*"|'[^'\n]*')""", re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


class ConfigUnwritable(AgentError):
    """The settings cannot be written; the message holds the line to add by hand."""


def with_profile(text: str, name: str) -> str:
    """Return the settings with `profile` set to `name`: its line is replaced, else one is put at the top.

    Raises:
        ConfigInvalid: the text is no TOML, or says it in a way that cannot be changed without touching more.
    """
    line = f"profile = {json.dumps(name)}"
    table = _TABLE.search(text)
    head, rest = (text, "") if table is None else (text[: table.start()], text[table.start() :])
    if _LINE.search(head):
        changed = _LINE.sub(lambda found: found["key"] + json.dumps(name), head, count=1) + rest
    else:
        end = "\r\n" if "\r\n" in text else "\n"
        changed = f"{line}{end}{text}"
    try:
        is_right = tomllib.loads(changed) == tomllib.loads(text) | {"profile": name}
    except tomllib.TOMLDecodeError as trouble:
        raise ConfigInvalid(f"the settings are not TOML ({trouble}): set {line} by hand") from trouble
    if not is_right:
        raise ConfigInvalid(f"the settings cannot be changed safely: set {line} by hand")
    return changed


def set_profile(path: Path, name: str) -> None:
    """Write `profile = "name"` into the settings; the file is made when it is missing, and replaced as a whole.

    Raises:
        ConfigInvalid: as `with_profile`.
        ConfigUnwritable: the file or its folder cannot be written.
    """
    # A link stays a link.
    path = path.resolve()
    try:
        text = path.read_bytes().decode("utf-8") if path.exists() else ""
        changed = with_profile(text, name)
        if changed == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, changed.encode("utf-8"))
    except (OSError, UnicodeDecodeError) as trouble:
        reason = (trouble.strerror or str(trouble)).lower() if isinstance(trouble, OSError) else "it is not UTF-8"
        raise ConfigUnwritable(
            f"cannot write {path} ({reason}): add the line profile = {json.dumps(name)}"
        ) from trouble


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied", str(path))
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise

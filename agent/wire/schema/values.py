"""The kinds of values that events are made of, with their limits."""

import re
import unicodedata
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_NAME: Final = 256
MAX_TEXT: Final = 64 * 1024
MAX_TOOLS: Final = 128
MAX_PAIRS: Final = 16
MAX_LISTED: Final = 128

# Control characters but tab and line ends, and marks that turn the direction of what is shown after them.
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_UNNAMABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class Value(BaseModel):
    """A model of the wire: wrong types are refused, never converted; fields that are not known are ignored."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def shown(text: str) -> str:
    """Return `text` without what cannot be seen: control characters, turned direction, half characters."""
    return _HIDDEN.sub("", text) if text.isascii() else _HIDDEN.sub("", text.encode("utf-8", "ignore").decode("utf-8"))


def is_name(text: str) -> bool:
    """Whether `text` can be an id or a name: 1 to 256 characters, all of them visible."""
    if text.isascii() and text.isprintable():
        return 0 < len(text) <= MAX_NAME
    return 0 < len(text) <= MAX_NAME and not any(unicodedata.category(c) in _UNNAMABLE for c in text)


def _named(text: str) -> str:
    if not is_name(text):
        raise ValueError("expected 1 to 256 visible characters")
    return text


Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_named)]
"""An id or a name: refused when it holds anything invisible."""

Text: TypeAlias = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(shown)]
"""Words for a person or a model, up to 64 Ki characters: what is invisible is taken out."""

LongText: TypeAlias = Annotated[str, AfterValidator(shown)]
"""As `Text`, limited only by the size of a message: results and arguments of tools."""

Base64: TypeAlias = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]
"""Bytes of sound as base64; samples in the format that the session agreed on."""

Metadata: TypeAlias = Annotated[
    dict[Annotated[Name, Field(max_length=64)], Annotated[str, Field(max_length=512), AfterValidator(shown)]],
    Field(max_length=MAX_PAIRS),
]
"""Up to 16 pairs of a client's own, given back as they are; keys to 64 characters, values to 512."""

Milliseconds: TypeAlias = Annotated[int, Field(ge=0, le=2**53)]
"""Time of the session's sound, from its first sample."""

Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53)]

Share: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0)]
"""A probability or a share, in [0, 1]."""


class Asked(Value):
    """What all client events have."""

    event_id: Name | None = None
    """The client's own name for the event; an `error` about it brings it back."""


class Told(Value):
    """What all server events have."""

    event_id: Name
    """Ends in the number of the event, from 1: the one to name when coming back to a session."""

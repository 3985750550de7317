"""What servers say when they refuse: their many error bodies and headers, read tolerantly. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SHOWN = 300
"""Characters of a server's own words that a message repeats."""

_LIMITS = (
    re.compile(r"maximum context length (?:is|of) (\d+)"),  # OpenAI, vLLM
    re.compile(r"available context size \((\d+)"),  # llama.cpp
    re.compile(r"configured limit of (\d+)"),  # OpenAI, newer models
    re.compile(r"longer than the maximum model length of (\d+)"),  # vLLM
)
_LENGTHS = (
    re.compile(r"(?:resulted in|you requested|request has|contains at least) (\d+)"),
    re.compile(r"(?:request|prompt) \((?:length )?(\d+)"),
)
_OVERFLOWS = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|available context size|"
    r"maximum model length|context length exceeded|exceeds? the (?:maximum )?context|exceed the configured limit|"
    r"input length exceeds|prompt is too long|max_tokens must be at least 1, got -",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model_not_found|\bmodels?\b.{0,200}\b(?:not (?:found|exist|installed|loaded|available)|does not exist|unknown)|"
    r"(?:unknown|invalid|no such) model",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT_REQUEST = re.compile(
    r"validation error|unsupported|not supported|unrecognized|not permitted|invalid parameter",
    re.IGNORECASE,
)
_LOOKS_LIKE_KEY = re.compile(r"\b(?:sk|hf|gsk|xai|key)[-_][\w*.-]{6,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What a server said.

    Attributes:
        text: its message in one line, possibly empty.
        kind: its error type and code, joined.
        param: the parameter it blames.
        n_tokens, limit: of a prompt that is too long, where it says so.
        is_page: it sent a web page, or nothing that is JSON.
    """

    text: str = ""
    kind: str = ""
    param: str = ""
    n_tokens: int | None = None
    limit: int | None = None
    is_page: bool = False

    @property
    def is_overflow(self) -> bool:
        """Whether the prompt was too long."""
        return _OVERFLOWS.search(f"{self.kind} {self.text}") is not None

    @property
    def lacks_model(self) -> bool:
        """Whether the server does not have the model."""
        return _NO_MODEL.search(f"{self.kind} {self.text}") is not None

    @property
    def is_about_request(self) -> bool:
        """Whether the server finds fault with the request, whatever its status (llama-cpp-python says 500)."""
        return _ABOUT_REQUEST.search(f"{self.kind} {self.text}") is not None

    def blames(self, parameter: str) -> bool:
        """Whether the complaint names this parameter of the request."""
        return parameter == self.param or re.search(rf"\b{re.escape(parameter)}\b", self.text) is not None


def complaint_of(body: bytes) -> Complaint:
    """Return what an error's body says, whatever its form: OpenAI, vLLM, llama.cpp, Ollama, FastAPI, a web page."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        is_page = body.lstrip()[:1] == b"<"
        return Complaint(text="" if is_page else one_line(body.decode("utf-8", "replace")), is_page=True)
    return complaint_in(value)


def complaint_in(value: object) -> Complaint:
    """Return what a JSON value says that was sent as an error, in an error's body or amid a stream."""
    fields = _fields(value)
    for name in ("error", "detail"):
        inner = fields.get(name)
        if isinstance(inner, str):
            return _read({**fields, "message": inner})
        if isinstance(inner, list):  # FastAPI's list of what is wrong with the request
            first = _fields(cast("list[object]", inner)[0]) if inner else {}
            place = ".".join(str(part) for part in cast("list[object]", first.get("loc") or []))
            return _read({"message": f"{place}: {first.get('msg', inner)}"})
        if inner is not None:
            return _read(_fields(inner))
    return _read(fields)


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"message": value}


def _read(fields: Mapping[str, Any]) -> Complaint:
    text = one_line(str(fields.get("message") or ""))
    return Complaint(
        text=text,
        kind=" ".join(str(fields[name]) for name in ("type", "code") if fields.get(name) is not None),
        param=str(fields.get("param") or ""),
        n_tokens=_count(fields.get("n_prompt_tokens"), text, _LENGTHS),
        limit=_count(fields.get("n_ctx"), text, _LIMITS),
    )


def _count(told: object, text: str, patterns: tuple[re.Pattern[str], ...]) -> int | None:
    if isinstance(told, int):
        return told
    found = next((match for pattern in patterns if (match := pattern.search(text))), None)
    return int(found.group(1)) if found else None


def one_line(text: str, *, secret: str | None = None) -> str:
    """Return `text` in one line, without control characters and keys, cut to what a person reads."""
    if secret:
        text = text.replace(secret, "***")
    plain = "".join(character if character.isprintable() else " " for character in text[: 4 * LONGEST_SHOWN])
    plain = _LOOKS_LIKE_KEY.sub("***", " ".join(plain.split()))
    return plain if len(plain) <= LONGEST_SHOWN else f"{plain[:LONGEST_SHOWN]}..."


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the server asks not to be asked again, None if it does not say.

    Args:
        headers: of the answer, looked up by lower-case name.
    """
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    told = headers.get("retry-after", "")
    if (seconds := _number(told)) is not None:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(told) - parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, KeyError, TypeError):
        return None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()) else None

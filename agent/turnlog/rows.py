"""Turns and sessions as rows of the turn log, and back. Pure; knows no file.

Speech is data: whatever was said is stored as it is, save for lone surrogates, which no file can hold (U+FFFD instead).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias
from zlib import crc32

from pydantic import TypeAdapter, ValidationError

from ..correction import EmotionCorrection
from ..errors import TurnLogFailed
from ..events import EmotionEstimate, EmotionSource, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

Row: TypeAlias = dict[str, object]
"""One row of a table: column to value."""

SESSION_COLUMNS: Final = ("id", "started", "locale", "consent", "emotion_source")
TURN_COLUMNS: Final = (
    "session",
    "seq",
    "utterance",
    "start_s",
    "end_s",
    "text",
    "nbest",
    "estimate",
    "prosody_words",
    "reply",
    "interrupted",
    "is_crisis",
    "saved_at",
)

CORRECTION_COLUMNS: Final = (
    "session",
    "utterance",
    "revision",
    "label",
    "denied",
    "text",
    "is_spoken",
    "estimate",
    "saved_at",
)

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """One session as the turn log knows it.

    Attributes:
        started: wall-clock time in UTC, ISO 8601.
        consent: whether the person agreed to emotion being read.
    """

    id: str
    started: str
    locale: str = "en"
    consent: bool = False
    emotion_source: EmotionSource = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCorrection:
    """What a user said of a feeling, and the estimate that stands since; `saved_at` as of a turn."""

    session: str
    correction: EmotionCorrection
    estimate: EmotionEstimate
    saved_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTurn:
    """A turn as it lies on disk; `saved_at` is wall-clock time in UTC, ISO 8601, and tells nothing about the order.

    `corrections` are what the user said of its feeling, oldest first.
    """

    turn: Turn
    saved_at: str
    corrections: tuple[LoggedCorrection, ...] = ()


@cache
def _correction_adapter() -> TypeAdapter[EmotionCorrection]:
    return TypeAdapter(EmotionCorrection)


@cache
def _estimate_adapter() -> TypeAdapter[EmotionEstimate]:
    return TypeAdapter(EmotionEstimate)


@cache
def _turn_adapter() -> TypeAdapter[Turn]:
    return TypeAdapter(Turn)


@cache
def _source_adapter() -> TypeAdapter[EmotionSource]:
    return TypeAdapter(EmotionSource)


def instant(moment: datetime) -> str:
    """Return an aware wall-clock time as the log writes it: UTC is the caller's duty, milliseconds, ISO 8601."""
    return moment.isoformat(timespec="milliseconds")


def sealed(row: Row, *, columns: Sequence[str]) -> Row:
    """Return the row with a checksum over `columns`: SQLite itself would not notice a changed letter."""
    return {**row, "checksum": _checksum(row, columns)}


def session_row(session: SessionInfo) -> Row:
    """Return the row of a session."""
    row: Row = asdict(session)
    return {**row, "id": _clean(session.id), "locale": _clean(session.locale), "consent": int(session.consent)}


def session_from(row: Mapping[str, object]) -> SessionInfo:
    """Return the session that a row tells of.

    Raises:
        TurnLogFailed: the row makes no sense.
    """
    try:
        _verify(row, columns=SESSION_COLUMNS)
        source = _source_adapter().validate_python(row["emotion_source"])
    except ValueError as error:
        raise _unreadable(f"session {row['id']!r}", error) from error
    return SessionInfo(
        id=str(row["id"]),
        started=str(row["started"]),
        locale=str(row["locale"]),
        consent=bool(row["consent"]),
        emotion_source=source,
    )


def turn_row(turn: Turn, *, saved_at: str) -> Row:
    """Return the row of a turn; its `seq` is left out, the log gives it.

    Raises:
        TurnLogFailed: the turn holds a number that is not finite, or a value that is not text, number or None.
    """
    if not (math.isfinite(turn.start_s) and math.isfinite(turn.end_s)):
        raise TurnLogFailed(f"turn {turn.utterance} cannot be stored: it lasts from {turn.start_s} to {turn.end_s} s")
    return {
        "session": _clean(turn.session),
        "utterance": int(turn.utterance),
        "start_s": float(turn.start_s),
        "end_s": float(turn.end_s),
        "text": _clean(turn.text),
        "nbest": _json(turn.nbest, what=f"turn {turn.utterance}"),
        "estimate": _json(asdict(turn.estimate), what=f"turn {turn.utterance}") if turn.estimate is not None else None,
        "prosody_words": _json(turn.prosody_words, what=f"turn {turn.utterance}"),
        "reply": _clean(turn.reply),
        "interrupted": int(turn.interrupted),
        "is_crisis": int(turn.is_crisis),
        "saved_at": saved_at,
    }


def turn_from(row: Mapping[str, object]) -> LoggedTurn:
    """Return the turn that a row tells of.

    Raises:
        TurnLogFailed: the row makes no sense (the file was changed by something else).
    """
    try:
        _verify(row, columns=TURN_COLUMNS)
        estimate = row["estimate"]
        values = {
            **row,
            "nbest": json.loads(str(row["nbest"])),
            "estimate": json.loads(str(estimate)) if estimate is not None else None,
            "prosody_words": json.loads(str(row["prosody_words"])),
            "interrupted": bool(row["interrupted"]),
            "is_crisis": bool(row["is_crisis"]),
        }
        turn = _turn_adapter().validate_python(values)
    except ValueError as error:
        raise _unreadable(f"turn {row['seq']} of session {row['session']!r}", error) from error
    return LoggedTurn(turn=turn, saved_at=str(row["saved_at"]))


def correction_row(session: str, correction: EmotionCorrection, estimate: EmotionEstimate, *, saved_at: str) -> Row:
    """Return the row of a correction and of the estimate that stands since.

    Raises:
        TurnLogFailed: they are not of one utterance, or hold a number that is not finite.
    """
    what = f"the correction of utterance {correction.utterance}"
    if correction.utterance != estimate.utterance:
        raise TurnLogFailed(f"{what} cannot be stored: its estimate is of utterance {estimate.utterance}")
    return {
        "session": _clean(session),
        "utterance": int(correction.utterance),
        "revision": int(estimate.revision),
        "label": correction.label,
        "denied": _json(correction.denied, what=what),
        "text": None if correction.text is None else _clean(correction.text),
        "is_spoken": int(correction.is_spoken),
        "estimate": _json(asdict(estimate), what=what),
        "saved_at": saved_at,
    }


def correction_from(row: Mapping[str, object]) -> LoggedCorrection:
    """Return the correction that a row tells of.

    Raises:
        TurnLogFailed: the row makes no sense (the file was changed by something else).
    """
    try:
        _verify(row, columns=CORRECTION_COLUMNS)
        said = {name: row[name] for name in ("utterance", "label", "text")}
        correction = _correction_adapter().validate_python(
            {**said, "denied": json.loads(str(row["denied"])), "is_spoken": bool(row["is_spoken"])}
        )
        estimate = _estimate_adapter().validate_python(json.loads(str(row["estimate"])))
    except ValueError as error:
        raise _unreadable(f"a correction in session {row['session']!r}", error) from error
    return LoggedCorrection(
        session=str(row["session"]), correction=correction, estimate=estimate, saved_at=str(row["saved_at"])
    )


def _verify(row: Mapping[str, object], *, columns: Sequence[str]) -> None:
    if row["checksum"] != _checksum(row, columns):
        raise ValueError("its checksum does not match")


def _checksum(row: Mapping[str, object], columns: Sequence[str]) -> int:
    return crc32(json.dumps([row[column] for column in columns]).encode())


def _json(value: object, *, what: str) -> str:
    try:
        return _clean(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (ValueError, TypeError) as error:
        raise TurnLogFailed(f"{what} cannot be stored: {error}".lower()) from error


def _clean(text: str) -> str:
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def _unreadable(what: str, error: ValueError) -> TurnLogFailed:
    cause = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return TurnLogFailed(f"{what} in the turn log is damaged: {cause.lower()}; delete the session or restore a copy")

"""Transcription answers of the OpenAI protocol, plain or verbose, as readings with scores and word times. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from ..events import Word
from ..hallucination import Boilerplate, Decoding, fault
from ..nbest import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..hallucination import GuardSettings

_LANGUAGES: Final = """
afrikaans af albanian sq amharic am arabic ar armenian hy assamese as azerbaijani az bashkir ba basque eu belarusian be
bengali bn bosnian bs breton br bulgarian bg burmese my cantonese yue catalan ca chinese zh croatian hr czech cs
danish da dutch nl english en estonian et faroese fo finnish fi french fr galician gl georgian ka german de greek el
gujarati gu haitian ht hausa ha hawaiian haw hebrew he hindi hi hungarian hu icelandic is indonesian id italian it
japanese ja javanese jw kannada kn kazakh kk khmer km korean ko lao lo latin la latvian lv lingala ln lithuanian lt
luxembourgish lb macedonian mk malagasy mg malay ms malayalam ml maltese mt maori mi marathi mr mongolian mn nepali ne
norwegian no nynorsk nn occitan oc pashto ps persian fa polish pl portuguese pt punjabi pa romanian ro russian ru
sanskrit sa serbian sr shona sn sindhi sd sinhala si slovak sk slovenian sl somali so spanish es sundanese su swahili sw
swedish sv tagalog tl tajik tg tamil ta tatar tt telugu te thai th tibetan bo turkish tr turkmen tk ukrainian uk urdu ur
uzbek uz vietnamese vi welsh cy yiddish yi yoruba yo
"""
_CODES: Final = dict(zip(_LANGUAGES.split()[::2], _LANGUAGES.split()[1::2], strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answer; `reading` is None when nothing that can be believed was said."""

    reading: Reading | None
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A stretch of text that is judged as a whole; times in seconds from the start of the sound."""

    text: str
    start_s: float
    end_s: float
    n_tokens: int
    mean_logp: float
    p_no_speech: float


def heard(
    answer: Mapping[str, Any],
    *,
    at_s: float,
    heard_s: float,
    guard: GuardSettings,
    boilerplate: Boilerplate | None = None,
) -> Heard:
    """Return what an answer says.

    The score is the sum of token log-probabilities as far as segments tell their means, else 0. Words have the server's
    times where it gives as many as the text has; else they are spread evenly over their segment.

    Args:
        answer: as it came.
        at_s: stream time of the first sample that was sent.
        heard_s: length of the sound.
        guard: when a segment is not believed.
        boilerplate: whole texts that models make up; None for no list.
    """
    parts = [part for part in _parts(answer, heard_s) if not _is_made_up(part, guard, boilerplate or Boilerplate())]
    spans = [(word, span) for part in parts for word, span in _spread(part)]
    told = _told_spans(answer, parts)
    if len(told) == len(spans):
        spans = [(word, span) for (word, _), span in zip(spans, told, strict=True)]
    words = tuple(Word(text=word, start_s=at_s + start, end_s=at_s + end) for word, (start, end) in spans)
    logp = sum(part.mean_logp * part.n_tokens for part in parts)
    return Heard(
        reading=Reading(words=words, logp=logp) if words else None, language=language_code(answer.get("language"))
    )


def language_code(told: object) -> str | None:
    """Return the code of a language that a server names ("english", "EN", "en-US"); None for what is no language."""
    name = str(told or "").strip().lower()
    if name in _CODES:
        return _CODES[name]
    code = name.replace("_", "-").partition("-")[0]
    return code if code.isalpha() and len(code) in {2, 3} else None


def _is_made_up(part: _Part, guard: GuardSettings, boilerplate: Boilerplate) -> bool:
    decoding = Decoding(
        text=part.text,
        n_tokens=part.n_tokens,
        mean_logp=part.mean_logp,
        p_no_speech=part.p_no_speech,
        heard_s=max(0.0, part.end_s - part.start_s),
    )
    return fault(decoding, boilerplate=boilerplate, settings=guard) is not None


def _parts(answer: Mapping[str, Any], heard_s: float) -> list[_Part]:
    segments = _entries(answer.get("segments"))
    if not segments:
        segments = [{"text": answer.get("text")}]
    parts: list[_Part] = []
    for segment in segments:
        text = str(segment.get("text") or "").strip()
        tokens = segment.get("tokens")
        n_tokens = len(cast("list[object]", tokens)) if isinstance(tokens, list) else 0
        parts.append(
            _Part(
                text=text,
                start_s=_number(segment.get("start"), 0.0),
                end_s=_number(segment.get("end"), heard_s),
                n_tokens=n_tokens or len(text.split()),
                mean_logp=_number(segment.get("avg_logprob"), 0.0),
                p_no_speech=_number(segment.get("no_speech_prob"), 0.0),
            )
        )
    return [part for part in parts if part.text]


def _spread(part: _Part) -> list[tuple[str, tuple[float, float]]]:
    words = part.text.split()
    each_s = max(0.0, part.end_s - part.start_s) / len(words)
    return [(word, (part.start_s + i * each_s, part.start_s + (i + 1) * each_s)) for i, word in enumerate(words)]


def _told_spans(answer: Mapping[str, Any], parts: Sequence[_Part]) -> list[tuple[float, float]]:
    """Return the times of the words that lie in the parts that are believed."""
    spans = [(_number(word.get("start"), 0.0), _number(word.get("end"), 0.0)) for word in _entries(answer.get("words"))]
    return [
        (start, max(start, end))
        for start, end in spans
        if any(part.start_s - 0.01 <= (start + end) / 2 <= part.end_s + 0.01 for part in parts)
    ]


def _entries(value: object) -> list[Mapping[str, Any]]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", entry) for entry in entries if isinstance(entry, dict)]


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else default

"""Bodies of requests to the OpenAI protocol, and its answers read tolerantly. Pure."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from streaming.errors import EngineFailed
from streaming.wav import wav_bytes

from ...llm.values import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...llm.values import Decoding, Message, Prompt
    from .openai_compatible_settings import AnswerStart

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one event of a streamed answer brings; `made` is whether a token was made, thoughts included."""

    text: str = ""
    made: bool = False
    finish: str | None = None
    usage: Mapping[str, Any] | None = None


def messages_of(prompt: Prompt, *, start: AnswerStart, hears: bool = False) -> list[Json]:
    """Return the chat as messages, the begun answer last.

    Raises:
        EngineFailed: there is sound in it and the model does not hear.
    """
    messages: list[Json] = [
        {"role": message.role, "content": _content(message, hears=hears)} for message in prompt.messages
    ]
    if prompt.answer_start and start != "leave_out":
        messages.append({"role": "assistant", "content": prompt.answer_start})
    return messages


def _content(message: Message, *, hears: bool) -> str | list[Json]:
    if message.audio is None:
        return message.text
    if not hears:
        raise EngineFailed("the prompt holds sound; this server's model takes text only (set `hears` if it does hear)")
    sound = {"data": base64.b64encode(wav_bytes(message.audio)).decode("ascii"), "format": "wav"}
    return [{"type": "input_audio", "input_audio": sound}, {"type": "text", "text": message.text}]


def raw_text(prompt: Prompt) -> str:
    """Return a raw prompt's text, its begun answer included."""
    return "".join(message.text for message in prompt.messages) + prompt.answer_start


def asked(prompt: Prompt, *, model: str, start: AnswerStart, hears: bool = False) -> tuple[str, Json]:
    """Return the path and the part of the body that says what is asked."""
    if prompt.is_raw:
        return "/completions", {"model": model, "prompt": raw_text(prompt)}
    body: Json = {"model": model, "messages": messages_of(prompt, start=start, hears=hears)}
    if prompt.answer_start and start == "continue":
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return "/chat/completions", body


def drawn(decoding: Decoding) -> Json:
    """Return the part of the body that says how the answer is drawn."""
    body: Json = {"max_tokens": decoding.max_tokens, "temperature": decoding.temperature}
    if decoding.top_p < 1.0:
        body["top_p"] = decoding.top_p
    if decoding.seed is not None:
        body["seed"] = decoding.seed
    if decoding.stop:
        body["stop"] = list(decoding.stop)
    if decoding.schema is not None:
        schema = {"name": "answer", "strict": True, "schema": dict(decoding.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def streamed() -> Json:
    """Return the part of the body that asks for a stream with its cost at the end."""
    return {"stream": True, "stream_options": {"include_usage": True}}


def delta_of(event: Mapping[str, Any]) -> Delta:
    """Return what an event brings; of thoughts (reasoning) only that they are made."""
    choice = first(event.get("choices"))
    said = _object(choice.get("delta"))
    text = said.get("content", choice.get("text"))
    thought = said.get("reasoning_content") or said.get("reasoning")
    finish = choice.get("finish_reason")
    return Delta(
        text=text if isinstance(text, str) else "",
        made=bool(text or thought),
        finish=finish if isinstance(finish, str) else None,
        usage=_told_usage(event),
    )


def _told_usage(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what an event says of the cost; llama.cpp server tells of its cache elsewhere than others."""
    usage = _object(event.get("usage"))
    cached = count(_object(event.get("timings")).get("cache_n"))
    if usage and cached is not None and not usage.get("prompt_tokens_details"):
        return {**usage, "prompt_tokens_details": {"cached_tokens": cached}}
    return usage or None


def shows_progress(event: Json) -> bool:
    """Return whether an event means that the model is at work."""
    delta = delta_of(event)
    return delta.made or delta.finish is not None or delta.usage is not None


def usage_of(told: Mapping[str, Any] | None, *, n_made: int = 0, first_ms: float | None, total_ms: float) -> Usage:
    """Return the cost as the server tells it; `n_made` tokens where it does not."""
    told = told or {}
    details = _object(told.get("prompt_tokens_details"))
    generated = count(told.get("completion_tokens"))
    return Usage(
        n_prompt=count(told.get("prompt_tokens")),
        n_cached=count(details.get("cached_tokens")),
        n_generated=n_made if generated is None else generated,
        first_ms=first_ms,
        total_ms=total_ms,
    )


class WithoutStart:
    """Drops an answer's beginning if it is the one that the prompt gave, as of servers that begin anew.

    Text is held back only as long as it may still be that beginning.
    """

    def __init__(self, start: str) -> None:
        self._start = start.strip()
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what may be shown now."""
        if not self._start:
            return text
        self._held += text
        begun = self._held.lstrip()
        if self._start.startswith(begun) and begun != self._start:
            return ""
        if begun.startswith(self._start):
            self._held = begun.removeprefix(self._start)
        return self.flush()

    def flush(self) -> str:
        """Return what is still held back."""
        self._start, held, self._held = "", self._held, ""
        return held


def folded(messages: list[Json]) -> list[Json]:
    """Return the chat with its system message at the head of the first one of the user, for models without the role."""
    systems = [message["content"] for message in messages if message["role"] == "system"]
    others = [dict(message) for message in messages if message["role"] != "system"]
    user = next((message for message in others if message["role"] == "user"), None)
    if user is None or not systems:
        return messages
    head = "\n\n".join(systems) + "\n\n"
    said: str | list[Json] = user["content"]
    user["content"] = head + said if isinstance(said, str) else [{"type": "text", "text": head}, *said]
    return others


def text_of(answer: Mapping[str, Any]) -> str:
    """Return the text of an answer in one piece, empty where there is none."""
    choice = first(answer.get("choices"))
    text = _object(choice.get("message")).get("content", choice.get("text"))
    return text if isinstance(text, str) else ""


def likeliest(answer: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the likeliest first tokens of an answer with their log-probabilities, None if the server gives none."""
    logprobs = _object(first(answer.get("choices")).get("logprobs"))
    entries = first(logprobs.get("content")).get("top_logprobs")
    if isinstance(entries, list):
        found = [_object(entry) for entry in cast("list[object]", entries)]
        return _finite({str(entry.get("token", "")): entry.get("logprob") for entry in found})
    return _finite(first(logprobs.get("top_logprobs")))


def echoes(answer: Mapping[str, Any], *, n: int) -> list[tuple[list[str], list[float | None]]] | None:
    """Return the tokens of `n` echoed prompts with their log-probabilities, None if the server gives none."""
    choices = answer.get("choices")
    entries = [_object(choice) for choice in cast("list[object]", choices)] if isinstance(choices, list) else []
    entries.sort(key=lambda choice: count(choice.get("index")) or 0)
    found: list[tuple[list[str], list[float | None]]] = []
    for logprobs in (_object(choice.get("logprobs")) for choice in entries):
        tokens, logps = logprobs.get("tokens"), logprobs.get("token_logprobs")
        if not isinstance(tokens, list) or not isinstance(logps, list):
            return None
        found.append((cast("list[str]", tokens), [_float(logp) for logp in cast("list[object]", logps)]))
    return found if len(found) == n else None


def is_aligned(answer: Mapping[str, Any]) -> bool:
    """Return whether echoed log-probabilities belong to their tokens, as far as the greedy last token shows it.

    llama-cpp-python's server gives each token that of its successor's place for models without a first token.
    """
    logprobs = _object(first(answer.get("choices")).get("logprobs"))
    tops, logps = logprobs.get("top_logprobs"), logprobs.get("token_logprobs")
    if not isinstance(tops, list) or not isinstance(logps, list) or not tops or not logps:
        return True
    likeliest_last = _finite(_object(cast("list[object]", tops)[-1]))
    last = _float(cast("list[object]", logps)[-1])
    return likeliest_last is None or (last is not None and last >= max(likeliest_last.values()) - 1e-3)


def first(value: object) -> Mapping[str, Any]:
    """Return the first entry of a list if it is an object, else an empty one."""
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return _object(entries[0]) if entries else {}


def count(value: object) -> int | None:
    """Return a number of tokens, None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _finite(logps: Mapping[str, Any]) -> dict[str, float] | None:
    pairs = [(token, number) for token, value in logps.items() if (number := _float(value)) is not None]
    return dict(pairs) if pairs else None


def _float(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}

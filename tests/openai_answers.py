"""What the test server answers when it behaves: a toy language model, a transcript, a tone. Pure."""

from __future__ import annotations

import json
import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["plain", "vllm", "llama.cpp", "ollama"]

PIECES = (
    *(chr(code) for code in range(32, 127)),
    "\n",
    *(" happy", " hap", "py", " sad", " ang", "ry", " angry", " neutral", "happy", "sad", "neutral", " sa", "der"),
    *(" the", " and", " is", "Emotion", ":", " user", "ing"),
)
"""Texts of the toy model's tokens; an id is a place in it. The longest piece that fits is taken."""

_BY_LENGTH = sorted(set(PIECES), key=lambda piece: (-len(piece), piece))
_IDS = {piece: i for i, piece in enumerate(_BY_LENGTH)}


def tokenised(text: str) -> list[int]:
    """The ids of a text; what is not ASCII is written as '?'."""
    ids: list[int] = []
    at = 0
    text = re.sub(r"[^\n -~]", "?", text)
    while at < len(text):
        piece = next(piece for piece in _BY_LENGTH if text.startswith(piece, at))
        ids.append(_IDS[piece])
        at += len(piece)
    return ids


def piece_of(token: int) -> str:
    return _BY_LENGTH[token]


@dataclass(slots=True)
class ToyModel:
    """Log-probabilities that depend on the last two tokens; `favours` lifts the logits of some pieces."""

    favours: dict[str, float] = field(default_factory=dict[str, float])

    def next_logps(self, ids: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Natural logs, shape (vocabulary,)."""
        seed = zlib.crc32(json.dumps(ids[-2:]).encode())
        logits = np.random.default_rng(seed).normal(size=len(_BY_LENGTH))
        for piece, lift in self.favours.items():
            logits[_IDS[piece]] += lift
        return logits - np.log(np.exp(logits).sum())

    def logps(self, ids: list[int]) -> list[float | None]:
        """Of each token after those before it; None for the first."""
        return [None, *(float(self.next_logps(ids[:i])[ids[i]]) for i in range(1, len(ids)))]


@dataclass(slots=True)
class Manners:
    """How the well-behaved server answers."""

    kind: Kind = "plain"
    model: str = "toy"
    reply: str = "I hear you and I am here."
    reasoning: str = ""
    heard: str = "i am so happy today"
    heard_language: str = "english"
    avg_logprob: float = -0.25
    no_speech: float = 0.01
    draws: tuple[str, ...] = ("happy", "happy", "happy", "sad")
    sound: Literal["pcm", "wav", "mp3"] = "pcm"
    gives_logprobs: bool = True
    refuses: tuple[str, ...] = ()
    n_cached: int = 3
    echoes_shifted: bool = False
    lm: ToyModel = field(default_factory=ToyModel)


def models(manners: Manners) -> dict[str, Any]:
    owner = {"vllm": "vllm", "llama.cpp": "llamacpp", "ollama": "library", "plain": "somebody"}[manners.kind]
    entry: dict[str, Any] = {"id": manners.model, "object": "model", "created": 1, "owned_by": owner}
    if manners.kind == "vllm":
        entry["max_model_len"] = 2048
    return {"object": "list", "data": [entry, {**entry, "id": "other"}]}


def rendered(manners: Manners, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
    """The toy chat template; a trailing assistant message is gone on with where the kind does that."""
    goes_on = messages[-1]["role"] == "assistant" and (
        body.get("continue_final_message") if manners.kind == "vllm" else manners.kind != "plain"
    )
    lines = [f"{message['role']}: {_text(message)}" for message in messages]
    return "\n".join(lines) + ("" if goes_on else "\nassistant:")


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def words_of(manners: Manners, body: dict[str, Any], n_calls: int) -> tuple[list[str], str]:
    """The answer's tokens and why it ends."""
    text = manners.reply
    wrapped: dict[str, Any] = body.get("response_format", {"json_schema": {}}).get("json_schema", {})
    properties: dict[str, Any] = wrapped.get("schema", {"properties": {}}).get("properties", {})
    for name, wanted in properties.items():
        if "enum" in wanted:
            text = json.dumps({name: manners.draws[n_calls % len(manners.draws)]})
    words = re.findall(r"\s*\S+", text)
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or 16
    return (words[:limit], "length") if len(words) > limit else (words, "stop")


def usage(manners: Manners, prompt: str, n_generated: int) -> dict[str, Any]:
    n_prompt = len(tokenised(prompt))
    return {
        "prompt_tokens": n_prompt,
        "completion_tokens": n_generated,
        "total_tokens": n_prompt + n_generated,
        "prompt_tokens_details": {"cached_tokens": min(manners.n_cached, n_prompt)},
    }


def top_logprobs(manners: Manners, prompt: str, n: int) -> tuple[str, dict[str, Any]]:
    """The likeliest next token, and the chat form of the `n` likeliest."""
    logps = manners.lm.next_logps(tokenised(prompt))
    best = [int(token) for token in np.argsort(-logps)[:n]]
    entries = [{"token": piece_of(t), "logprob": float(logps[t]), "bytes": list(piece_of(t).encode())} for t in best]
    first = piece_of(int(np.argmax(logps)))
    return first, {"content": [{**entries[0], "top_logprobs": entries}]}


def echoed(manners: Manners, prompts: list[list[int]], *, as_ids: bool) -> dict[str, Any]:
    """The completions form of each prompt's own log-probabilities, with one token more."""
    choices: list[dict[str, Any]] = []
    for index, ids in enumerate(prompts):
        more = int(np.argmax(manners.lm.next_logps(ids)))
        tokens = [piece_of(token) for token in [*ids, more]]
        logps = manners.lm.logps([*ids, more])
        if manners.echoes_shifted:  # as llama-cpp-python's server does for models without a first token
            logps = [None, *(float(manners.lm.next_logps(ids[: i + 1])[ids[i]]) for i in range(1, len(ids))), -9.0]
        best = piece_of(more), float(max(manners.lm.next_logps(ids)))
        offsets = np.cumsum([0, *map(len, tokens)])[:-1].tolist()
        logprobs = {
            "tokens": [f"token_id:{token}" for token in [*ids, more]] if as_ids else tokens,
            "token_logprobs": logps,
            "top_logprobs": [*({} for _ in ids), dict([best])],
            "text_offset": offsets,
        }
        choices.append({"index": index, "text": "".join(tokens), "logprobs": logprobs, "finish_reason": "length"})
    used = usage(manners, "", 1)
    used["prompt_tokens"] = sum(map(len, prompts))
    return {"id": "c", "object": "text_completion", "created": 1, "model": "toy", "choices": choices, "usage": used}


def transcription(manners: Manners, fields: dict[str, list[str]], seconds: float) -> dict[str, Any]:
    """A verbose transcript, its words spread evenly over the sound; a plain one on request."""
    text = manners.heard
    if fields.get("response_format") != ["verbose_json"]:
        return {"text": text}
    words = text.split()
    each_s = seconds / max(1, len(words))
    timed = [{"word": word, "start": i * each_s, "end": (i + 1) * each_s} for i, word in enumerate(words)]
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": seconds,
        "text": f" {text}",
        "tokens": list(range(len(words))),
        "temperature": float(fields.get("temperature", ["0"])[0]),
        "avg_logprob": manners.avg_logprob,
        "compression_ratio": 1.1,
        "no_speech_prob": manners.no_speech,
    }
    return {
        "task": "transcribe",
        "language": manners.heard_language,
        "duration": seconds,
        "text": text,
        "words": timed,
        "segments": [segment] if words else [],
    }


def tone(manners: Manners, *, seconds: float = 0.5, hz: int = 24_000) -> tuple[str, bytes]:
    """Content type and bytes of a tone of 440 Hz, half of full scale."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * hz)) / hz)
    pcm = np.rint(wave * 32767).astype("<i2").tobytes()
    if manners.sound == "mp3":
        return "audio/mpeg", b"ID3\x04" + bytes(200)
    if manners.sound == "pcm":
        return "audio/pcm", pcm
    header = (
        b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, hz, 2 * hz, 2, 16)
    )
    return "audio/wav", header + b"data" + struct.pack("<I", 0xFFFFFFFF) + pcm

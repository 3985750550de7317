"""What a server says in a conversation, in the shapes of the protocol: parts that tests put together."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Message = dict[str, Any]
UNMEASURED = (
    "pitch_range_st pitch_slope_st_s pitch_rel_st energy_rel_db rate_rel pause_share longest_pause_s jitter shimmer"
)
USAGE = {"usage": {"type": "duration", "seconds": 2.5}}
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def of(n: int) -> Message:
    """What events about turn `n` have."""
    return {"item_id": f"item_live_{n:03d}", "turn_id": f"live-0001-{n}", "utterance": n}


def item(n: int) -> str:
    """Item of the user in turn `n`."""
    return f"item_live_{n:03d}"


def reply_item(n: int) -> str:
    """Item of the answer in turn `n`."""
    return f"item_reply_{n:03d}"


def starts(n: int, *, at_ms: int = 1000) -> Message:
    """The user begins to speak."""
    return {"type": "input_audio_buffer.speech_started", "item_id": item(n), "audio_start_ms": at_ms}


def settled(n: int, delta: str) -> Message:
    """Words that stay."""
    return {"type": f"{TRANSCRIPTION}.delta", "item_id": item(n), "content_index": 0, "delta": delta}


def readings(n: int, *texts: str, words: Sequence[tuple[str, float]] = ()) -> Message:
    """All that may have been said; `words` are those of the first with their posteriors."""
    shares = [0.7, 0.2, 0.1, 0.05]
    hypotheses: list[Message] = [
        {"text": text, "posterior": share, "logp": -10.0 * i, "source": "pocketsphinx"}
        for i, (text, share) in enumerate(zip(texts, shares, strict=False))
    ]
    if words:
        hypotheses[0]["words"] = [
            {"text": text, "start_ms": 100 * i, "end_ms": 100 * i + 90, "posterior": p}
            for i, (text, p) in enumerate(words)
        ]
    return {"type": "attune.nbest", **of(n), "at_ms": 2000, "revision": 3, "final": True, "hypotheses": hypotheses}


def emotion(n: int, kind: str, distribution: Mapping[str, float], *, revision: int = 1, **values: Any) -> Message:
    """An estimate; the likeliest label below 0.45 is "unclear"."""
    top = max(distribution, key=lambda label: distribution[label])
    told: Message = {
        "type": f"attune.emotion.{kind}",
        **of(n),
        "revision": revision,
        "at_ms": 2000,
        "distribution": dict(distribution),
        "top": top if distribution[top] >= 0.45 else "unclear",
        "confidence": distribution[top],
        "arousal": 0.45,
        "valence": 0.5,
        "dominance": 0.5,
        "words_only": None,
        "voice_only": None,
        "conflict": None,
        "eight": {},
        "evidence": {"words": [], "cues": [], "turns": []},
        "reason": None,
        "method": "scripted",
    }
    return told | values


def prosody(
    n: int, *, pitch: float | None, energy: float, rate: float, final: bool = False, words: Sequence[str] = ()
) -> Message:
    """How it is said."""
    absent = dict.fromkeys([*UNMEASURED.split(), "hnr_db"])
    told: Message = {"type": "attune.prosody", **of(n), "at_ms": 2000, "final": final, **absent}
    return told | {
        "pitch_mean_hz": pitch,
        "energy_db": energy,
        "rate_syl_s": rate,
        "voiced_s": 1.2,
        "words": list(words),
    }


def ends(n: int, text: str) -> list[Message]:
    """The user has finished, and this was said."""
    user = {"id": item(n), "object": "realtime.item", "type": "message", "role": "user", "status": "completed"}
    content = [{"type": "input_audio", "transcript": None}]
    return [
        {"type": "input_audio_buffer.speech_stopped", "item_id": item(n), "audio_end_ms": 3200},
        {"type": "input_audio_buffer.committed", "item_id": item(n), "previous_item_id": None},
        {"type": "conversation.item.added", "item": user | {"content": content}, "previous_item_id": None},
        {"type": "conversation.item.done", "item": user | {"content": content}, "previous_item_id": None},
        {"type": f"{TRANSCRIPTION}.completed", "item_id": item(n), "content_index": 0, "transcript": text, **USAGE},
    ]


def begins_answer(n: int, *, after: str | None = None) -> list[Message]:
    """A response is made, and its item."""
    response: Message = {"id": f"resp_{n:03d}", "object": "realtime.response", "status": "in_progress", "output": []}
    message: Message = {
        "id": reply_item(n),
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    added: Message = {"response_id": response["id"], "output_index": 0, "item": message}
    return [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", **added},
        {"type": "conversation.item.added", "item": message, "previous_item_id": after or item(n)},
    ]


def _part(n: int) -> Message:
    return {"response_id": f"resp_{n:03d}", "item_id": reply_item(n), "output_index": 0, "content_index": 0}


def answer_words(n: int, delta: str) -> Message:
    """More words of the answer."""
    return {"type": "response.output_audio_transcript.delta", **_part(n), "delta": delta}


def answer_sound(n: int, *, seconds: float) -> Message:
    """A soft tone of so many seconds, as sound of the answer."""
    times = np.arange(round(24_000 * seconds)) / 24_000
    pcm = (2000 * np.sin(2 * np.pi * 220 * times)).astype("<i2")
    return {"type": "response.output_audio.delta", **_part(n), "delta": base64.b64encode(pcm.tobytes()).decode()}


def ends_answer(n: int, text: str, *, status: str = "completed") -> Message:
    """The response is over."""
    message = {"id": reply_item(n), "type": "message", "role": "assistant", "status": "completed"}
    output = [message | {"content": [{"type": "output_audio", "transcript": text}]}]
    details = {"type": "cancelled", "reason": "turn_detected"} if status == "cancelled" else None
    response: Message = {"id": f"resp_{n:03d}", "status": status, "status_details": details, "output": output}
    return {"type": "response.done", "response": response}


def metrics(n: int, *, late: int = 0) -> Message:
    """Where the time went."""
    times = {"endpoint_wait_ms": 500.0, "emotion_ms": 12.7, "reply_ms": 64.4, "sound_ms": 175.5}
    return {"type": "attune.metrics", **of(n), **times, "emotion_was_late": late}


def saved(n: int) -> Message:
    """The turn is on disk."""
    return {"type": "attune.turn.saved", **of(n), "session": "live-0001", "seq": n}


HAPPY = {"angry": 0.02, "happy": 0.85, "neutral": 0.08, "sad": 0.05}
SAD = {"angry": 0.08, "happy": 0.03, "neutral": 0.27, "sad": 0.62}
UNCLEAR = {"angry": 0.11, "happy": 0.33, "neutral": 0.35, "sad": 0.21}
ANGRY = {"angry": 0.71, "happy": 0.04, "neutral": 0.17, "sad": 0.08}


def spoken_turn(n: int, text: str, distribution: Mapping[str, float], answer: str, **estimate: Any) -> list[Message]:
    """A whole turn without the sound of its answer."""
    return [
        starts(n),
        settled(n, text),
        *ends(n, text),
        readings(n, text),
        emotion(n, "final", distribution, revision=4, **estimate),
        *begins_answer(n),
        answer_words(n, answer),
        ends_answer(n, answer),
        saved(n),
        metrics(n),
    ]

"""One example of every event, for the schema and for tests: a short conversation, in its order."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Event: TypeAlias = dict[str, Any]

SOUND: Final = "AAAAAA=="
SESSION: Final[Event] = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "s7f3",
    "model": "attune",
    "instructions": "Keep answers short.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "noise_reduction": None,
            "transcription": {"model": "attune"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "attune", "speed": 1.0},
    },
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "attune": {"events": ["emotion", "turns"], "emotion": "both", "consent": True, "hume": False},
}
HEARD: Final[Event] = {
    "id": "item_s7f3_000001",
    "object": "realtime.item",
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_audio", "transcript": None}],
}
ANSWER: Final[Event] = {
    "id": "item_s7f3_000002",
    "object": "realtime.item",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_audio", "transcript": "That was not fair."}],
}
CALL: Final[Event] = {
    "id": "item_s7f3_000003",
    "object": "realtime.item",
    "type": "function_call",
    "status": "completed",
    "name": "find_order",
    "call_id": "call_s7f3_000001",
    "arguments": '{"order": 17}',
}
RESPONSE: Final[Event] = {
    "id": "resp_s7f3_000001",
    "object": "realtime.response",
    "status": "in_progress",
    "status_details": None,
    "output": [],
    "conversation_id": "conv_s7f3",
    "output_modalities": ["audio"],
    "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "attune"}},
    "max_output_tokens": "inf",
    "metadata": None,
    "usage": None,
}
TRANSLATION: Final[Event] = {
    "id": "s7f3",
    "type": "translation",
    "model": "attune",
    "expires_at": 1795219200,
    "audio": {
        "input": {"transcription": {"model": "attune"}, "noise_reduction": None},
        "output": {"language": "fr"},
    },
}
EMOTION: Final[Event] = {
    "revision": 1,
    "at_ms": 2860,
    "distribution": {"angry": 0.62, "sad": 0.21, "neutral": 0.13, "happy": 0.04},
    "top": "angry",
    "confidence": 0.62,
    "arousal": 0.71,
    "valence": 0.2,
    "dominance": 0.6,
    "words_only": {"angry": 0.5, "sad": 0.25, "neutral": 0.2, "happy": 0.05},
    "voice_only": {"angry": 0.7, "sad": 0.15, "neutral": 0.1, "happy": 0.05},
    "conflict": 0.04,
    "eight": {},
    "evidence": {
        "words": [{"word": "unfair", "label": "angry", "weight": 1.2}],
        "cues": [{"cue": "louder than usual", "label": "angry", "weight": 0.8}],
        "turns": [],
    },
    "reason": None,
    "method": "fused",
}
TURN: Final[Event] = {"item_id": "item_s7f3_000001", "turn_id": "s7f3-1", "utterance": 1}
IN_RESPONSE: Final[Event] = {"response_id": "resp_s7f3_000001", "output_index": 0}
IN_PART: Final[Event] = {**IN_RESPONSE, "item_id": "item_s7f3_000002", "content_index": 0}
IN_CALL: Final[Event] = {**IN_RESPONSE, "item_id": "item_s7f3_000003", "call_id": "call_s7f3_000001"}
PROSODY: Final[Event] = {
    "pitch_mean_hz": 212.4,
    "pitch_range_st": 6.1,
    "pitch_slope_st_s": -1.3,
    "pitch_rel_st": 2.2,
    "energy_db": -21.5,
    "energy_rel_db": 4.1,
    "rate_syl_s": 5.2,
    "rate_rel": 1.2,
    "pause_share": 0.08,
    "longest_pause_s": 0.12,
    "jitter": 0.011,
    "shimmer": 0.061,
    "hnr_db": 14.2,
    "voiced_s": 1.1,
    "words": ["louder than usual", "fast"],
}


KEPT: Final[Event] = {
    "id": "s7f3",
    "started": "2026-11-21T09:00:00+00:00",
    "locale": "en",
    "consent": True,
    "emotion_source": "both",
    "n_turns": 4,
    "last_text": "it was unfair",
    "last_saved_at": "2026-11-21T09:03:00+00:00",
}


def _told(kind: str, **values: Any) -> Event:  # noqa: ANN401
    return {"type": kind, "event_id": "event_s7f3_000017", **values}


CLIENT: Final[tuple[Event, ...]] = (
    {
        "type": "session.update",
        "event_id": "mine_1",
        "session": {
            "type": "realtime",
            "instructions": "Keep answers short.",
            "output_modalities": ["audio"],
            "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}},
            "tools": [
                {
                    "type": "function",
                    "name": "find_order",
                    "description": "Look up an order by its number.",
                    "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}},
                }
            ],
            "attune": {"events": ["emotion", "turns"]},
        },
    },
    {"type": "input_audio_buffer.append", "audio": SOUND},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": None,
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "It was unfair."}]},
    },
    {"type": "conversation.item.retrieve", "item_id": "item_s7f3_000001"},
    {"type": "conversation.item.delete", "item_id": "item_s7f3_000001"},
    {
        "type": "conversation.item.truncate",
        "item_id": "item_s7f3_000002",
        "content_index": 0,
        "audio_end_ms": 900,
    },
    {"type": "response.create", "response": {"instructions": "Say hello.", "metadata": {"why": "greeting"}}},
    {"type": "response.cancel", "response_id": "resp_s7f3_000001"},
    {"type": "attune.emotion.correct", "item_id": "item_s7f3_000001", "denied": "angry", "text": "just tired"},
    {"type": "attune.history.list"},
    {"type": "attune.history.export", "session": "s7f3"},
    {"type": "attune.history.delete", "session": "s7f3"},
)
TRANSLATION_CLIENT: Final[tuple[Event, ...]] = (
    {"type": "session.update", "session": {"audio": {"output": {"language": "fr"}}}},
    {"type": "session.input_audio_buffer.append", "audio": SOUND},
    {"type": "session.close"},
)
_TRANSCRIBED = "conversation.item.input_audio_transcription"
SERVER: Final[tuple[Event, ...]] = (
    _told("session.created", session=SESSION),
    _told("session.updated", session=SESSION),
    _told("conversation.created", conversation={"id": "conv_s7f3", "object": "realtime.conversation"}),
    _told("input_audio_buffer.speech_started", audio_start_ms=1240, item_id="item_s7f3_000001"),
    _told("input_audio_buffer.speech_stopped", audio_end_ms=2860, item_id="item_s7f3_000001"),
    _told("input_audio_buffer.committed", previous_item_id=None, item_id="item_s7f3_000001"),
    _told("input_audio_buffer.cleared"),
    _told("conversation.item.added", previous_item_id=None, item=HEARD),
    _told("conversation.item.done", previous_item_id=None, item=HEARD),
    _told(f"{_TRANSCRIBED}.delta", item_id="item_s7f3_000001", content_index=0, delta="it was"),
    _told(
        f"{_TRANSCRIBED}.completed",
        item_id="item_s7f3_000001",
        content_index=0,
        transcript="it was unfair",
        usage={"type": "duration", "seconds": 1.62},
        logprobs=[{"token": "unfair", "logprob": -0.1, "bytes": [117, 110, 102, 97, 105, 114]}],
    ),
    _told(
        f"{_TRANSCRIBED}.failed",
        item_id="item_s7f3_000001",
        content_index=0,
        error={"type": "server_error", "code": "engine_failed", "message": "the recogniser died"},
    ),
    _told("conversation.item.retrieved", item=HEARD),
    _told("conversation.item.deleted", item_id="item_s7f3_000001"),
    _told("conversation.item.truncated", item_id="item_s7f3_000002", content_index=0, audio_end_ms=900),
    _told("response.created", response=RESPONSE),
    _told("response.output_item.added", **IN_RESPONSE, item=ANSWER | {"status": "in_progress", "content": []}),
    _told("response.content_part.added", **IN_PART, part={"type": "audio", "transcript": ""}),
    _told("response.output_audio_transcript.delta", **IN_PART, delta="That was "),
    _told("response.output_audio.delta", **IN_PART, delta=SOUND),
    _told("response.output_audio.done", **IN_PART),
    _told("response.output_audio_transcript.done", **IN_PART, transcript="That was not fair."),
    _told("response.output_text.delta", **IN_PART, delta="That was "),
    _told("response.output_text.done", **IN_PART, text="That was not fair."),
    _told("response.content_part.done", **IN_PART, part={"type": "audio", "transcript": "That was not fair."}),
    _told("response.output_item.done", **IN_RESPONSE, item=ANSWER),
    _told("response.function_call_arguments.delta", **IN_CALL, delta='{"order": 17}'),
    _told("response.function_call_arguments.done", **IN_CALL, name="find_order", arguments='{"order": 17}'),
    _told(
        "response.done",
        response=RESPONSE
        | {
            "status": "cancelled",
            "status_details": {"type": "cancelled", "reason": "turn_detected"},
            "output": [ANSWER | {"status": "incomplete"}, CALL],
            "usage": {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0},
        },
    ),
    _told("output_audio_buffer.cleared", response_id="resp_s7f3_000001"),
    _told(
        "rate_limits.updated",
        rate_limits=[{"name": "requests", "limit": 10, "remaining": 9, "reset_seconds": 1.0}],
    ),
    _told(
        "error",
        error={
            "type": "invalid_request_error",
            "code": "invalid_field",
            "message": "audio: missing, expected a value",
            "param": "audio",
            "event_id": "mine_1",
        },
    ),
)
EXTENSION: Final[tuple[Event, ...]] = (
    _told(
        "attune.session.info",
        session="s7f3",
        resume_token="(secret)",  # noqa: S106
        notice="Attune estimates from your words and voice what you express, not what you feel.",
        emotion="both",
        profile="embedded",
    ),
    _told("attune.emotion.rolling", **TURN, **EMOTION),
    _told("attune.emotion.final", **TURN, **EMOTION, models={"prosody": {"scores": {"Anger": 0.62}}}),
    _told("attune.emotion.revised", **TURN, **EMOTION | {"revision": 2}, corrected=True),
    _told("attune.prosody", **TURN, at_ms=2860, final=True, **PROSODY, level=0.4),
    _told(
        "attune.nbest",
        **TURN,
        at_ms=2860,
        revision=3,
        final=True,
        hypotheses=[
            {
                "text": "it was unfair",
                "posterior": 0.8,
                "logp": -12.4,
                "source": "pocketsphinx",
                "words": [{"text": "it", "start_ms": 1240, "end_ms": 1380, "posterior": 0.9}],
            },
            {"text": "it was on fire", "posterior": 0.2},
        ],
    ),
    _told("attune.turn.saved", **TURN, session="s7f3", seq=1),
    _told("attune.turn.degraded", **TURN, message="the disk is full; the turn is held and tried again"),
    _told(
        "attune.metrics",
        **TURN,
        endpoint_wait_ms=480.0,
        emotion_ms=3.1,
        reply_ms=6.0,
        sound_ms=41.5,
        emotion_was_late=0,
        cached_share=None,
        prefills_dropped=0,
        prefills_failed=0,
    ),
    _told("attune.floor", action="duck", item_id="item_s7f3_000002"),
    _told(
        "attune.warning",
        code="utterance_cut",
        message="an utterance may last 30 s: what comes next begins another",
        at_ms=30500,
        item_id="item_s7f3_000003",
    ),
    _told("attune.session.ending", in_s=60.0, reason="a session lasts an hour at most"),
    _told("attune.session.resumed", n_replayed=4),
    _told("attune.history.sessions", sessions=[KEPT]),
    _told("attune.history.turns", session="s7f3", turns=[{"seq": 1, "text": "it was unfair"}]),
    _told("attune.history.deleted", session="s7f3", n_turns=4),
)
TRANSLATION_SERVER: Final[tuple[Event, ...]] = (
    _told("session.created", session=TRANSLATION),
    _told("session.updated", session=TRANSLATION),
    _told("session.input_transcript.delta", delta="it was", elapsed_ms=2000),
    _told("session.output_transcript.delta", delta="c'\u00e9tait", elapsed_ms=2600),
    _told("session.output_audio.delta", delta=SOUND, format="pcm16", sample_rate=24000, channels=1, elapsed_ms=2600),
    _told("session.closed"),
)

AUTH: Final[Event] = {"type": "attune.auth", "token": "(secret)"}

EXAMPLES: Final[Mapping[str, tuple[Event, ...]]] = {
    "ClientEvent": (AUTH, *CLIENT),
    "ServerEvent": SERVER + EXTENSION,
    "TranslationClientEvent": TRANSLATION_CLIENT,
    "TranslationServerEvent": TRANSLATION_SERVER,
}
"""By the name of the union that holds them."""

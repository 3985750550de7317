"""Events that `/v1/realtime` sends, besides those of `attune`.

They are made as plain dictionaries; these models say what is in them, for `/schema` and for tests.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .items import ConversationItem
from .responses import ResponseEvent
from .session import Session
from .values import Count, Milliseconds, Name, Told, Value


class ErrorDetails(Value):
    """What is wrong, for a program (`code`) and for people (`message`)."""

    type: str
    code: str | None
    message: str
    param: str | None
    """Path of the field it is about."""
    event_id: str | None
    """The client's own id of the event it is about."""


class ErrorEvent(Told):
    """Something was wrong with what the client asked, or went wrong here. The session goes on."""

    type: Literal["error"]
    error: ErrorDetails


class SessionCreated(Told):
    """The first event: the session with its defaults."""

    type: Literal["session.created"]
    session: Session


class SessionUpdated(Told):
    """The session's settings as they are now, all of them."""

    type: Literal["session.updated"]
    session: Session


class Conversation(Value):
    """The conversation of the session; there is one."""

    id: Name
    object: Literal["realtime.conversation"]


class ConversationCreated(Told):
    """The conversation is there."""

    type: Literal["conversation.created"]
    conversation: Conversation


class ItemAdded(Told):
    """An item begins: the user's when the turn is committed, the agent's when the response begins it."""

    type: Literal["conversation.item.added"]
    previous_item_id: Name | None
    item: ConversationItem


class ItemDone(Told):
    """An item is whole. Of the user's words, `transcription.completed` comes after."""

    type: Literal["conversation.item.done"]
    previous_item_id: Name | None
    item: ConversationItem


class ItemRetrieved(Told):
    """The item that was asked for."""

    type: Literal["conversation.item.retrieved"]
    item: ConversationItem


class ItemDeleted(Told):
    """The item is out of the conversation."""

    type: Literal["conversation.item.deleted"]
    item_id: Name


class ItemTruncated(Told):
    """The agent's message ends at `audio_end_ms`; its transcript went with the rest."""

    type: Literal["conversation.item.truncated"]
    item_id: Name
    content_index: Count
    audio_end_ms: Milliseconds


class LogProb(Value):
    """Logarithm of the probability of a word."""

    token: str
    logprob: float
    bytes: list[int]
    """The token in UTF-8."""


class TranscriptionDelta(Told):
    """More of what the user says; only words that are sure enough, never taken back."""

    type: Literal["conversation.item.input_audio_transcription.delta"]
    item_id: Name
    content_index: Count | None = None
    delta: str | None = None
    logprobs: list[LogProb] | None = None


class DurationUsage(Value):
    """What the transcription cost, as seconds of sound."""

    type: Literal["duration"]
    seconds: float


class TranscriptionCompleted(Told):
    """What the user said. It stands above the deltas; empty: there were no words."""

    type: Literal["conversation.item.input_audio_transcription.completed"]
    item_id: Name
    content_index: Count
    transcript: str
    usage: DurationUsage
    logprobs: list[LogProb] | None = None


class TranscriptionError(Value):
    """Why there are no words."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None


class TranscriptionFailed(Told):
    """What the user said could not be written down."""

    type: Literal["conversation.item.input_audio_transcription.failed"]
    item_id: Name
    content_index: Count
    error: TranscriptionError


class BufferCommitted(Told):
    """The user's turn has ended: its item follows."""

    type: Literal["input_audio_buffer.committed"]
    previous_item_id: Name | None
    item_id: Name


class BufferCleared(Told):
    """The sound since the last turn is forgotten."""

    type: Literal["input_audio_buffer.cleared"]


class SpeechStarted(Told):
    """The user speaks. Over a response it comes only once the speech is confirmed: then stop playing."""

    type: Literal["input_audio_buffer.speech_started"]
    audio_start_ms: Milliseconds
    item_id: Name
    """The item that the speech will be."""


class SpeechStopped(Told):
    """The user has stopped."""

    type: Literal["input_audio_buffer.speech_stopped"]
    audio_end_ms: Milliseconds
    item_id: Name


class OutputCleared(Told):
    """The response's sound was stopped on `output_audio_buffer.clear`."""

    type: Literal["output_audio_buffer.cleared"]
    response_id: Name


class RateLimit(Value):
    """A limit and what is left of it."""

    name: Literal["requests", "tokens"]
    limit: Count
    remaining: Count
    reset_seconds: Annotated[float, Field(ge=0.0)]


class RateLimitsUpdated(Told):
    """What is left of the limits."""

    type: Literal["rate_limits.updated"]
    rate_limits: list[RateLimit]


RealtimeServerEvent: TypeAlias = (
    ErrorEvent
    | SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
    | BufferCommitted
    | BufferCleared
    | SpeechStarted
    | SpeechStopped
    | OutputCleared
    | RateLimitsUpdated
    | ResponseEvent
)

"""Events of a response: from `response.created` to `response.done`, in the order in which they come."""

from typing import Literal, TypeAlias

from .items import ConversationItem
from .session import AudioFormat, MaxTokens, Modalities
from .values import Base64, Count, Metadata, Name, Told, Value


class ResponseError(Value):
    """Why a response failed."""

    type: str | None = None
    code: str | None = None
    message: str | None = None


class StatusDetails(Value):
    """Why a response ended as it did."""

    type: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"] | None = None
    """"turn_detected": the user spoke over it."""
    error: ResponseError | None = None


class CachedTokens(Value):
    """Tokens of the prompt that the model had in its cache."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class InputTokens(Value):
    """Tokens in."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    cached_tokens: Count | None = None
    cached_tokens_details: CachedTokens | None = None


class OutputTokens(Value):
    """Tokens out."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None


class Usage(Value):
    """What a response cost, where the engine counts it."""

    total_tokens: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokens | None = None


class SoundOut(Value):
    """How the response sounds."""

    format: AudioFormat | None = None
    voice: str | None = None


class ResponseSound(Value):
    """Sound of the response."""

    output: SoundOut | None = None


class Response(Value):
    """An answer: under way, or as it ended."""

    id: Name
    object: Literal["realtime.response"]
    status: Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
    status_details: StatusDetails | None = None
    output: list[ConversationItem]
    """Whole items; empty while it begins."""
    conversation_id: Name | None = None
    """null: apart from the conversation."""
    output_modalities: Modalities | None = None
    audio: ResponseSound | None = None
    max_output_tokens: MaxTokens | None = None
    metadata: Metadata | None = None
    usage: Usage | None = None


class ResponseCreated(Told):
    """An answer begins."""

    type: Literal["response.created"]
    response: Response


class ResponseDone(Told):
    """An answer has ended, whatever way; nothing of it comes after this."""

    type: Literal["response.done"]
    response: Response


class OfResponse(Told):
    """What events inside a response have."""

    response_id: Name
    output_index: Count


class OutputItemAdded(OfResponse):
    """An item of the response begins."""

    type: Literal["response.output_item.added"]
    item: ConversationItem


class OutputItemDone(OfResponse):
    """An item of the response has ended; "incomplete" when it was cut short."""

    type: Literal["response.output_item.done"]
    item: ConversationItem


class OfItem(OfResponse):
    """What events inside an item have."""

    item_id: Name


class OfPart(OfItem):
    """What events inside a part of a message have."""

    content_index: Count


class Part(Value):
    """A part of a message: words, or sound with its words."""

    type: Literal["text", "audio"]
    text: str | None = None
    transcript: str | None = None
    audio: Base64 | None = None


class ContentPartAdded(OfPart):
    """A part begins."""

    type: Literal["response.content_part.added"]
    part: Part


class ContentPartDone(OfPart):
    """A part has ended."""

    type: Literal["response.content_part.done"]
    part: Part


class OutputTextDelta(OfPart):
    """More words of a written answer."""

    type: Literal["response.output_text.delta"]
    delta: str


class OutputTextDone(OfPart):
    """All words of a written answer."""

    type: Literal["response.output_text.done"]
    text: str


class OutputAudioDelta(OfPart):
    """More sound of a spoken answer, in the session's output format; little faster than it is heard."""

    type: Literal["response.output_audio.delta"]
    delta: Base64


class OutputAudioDone(OfPart):
    """No more sound comes of this part."""

    type: Literal["response.output_audio.done"]


class TranscriptDelta(OfPart):
    """More words of a spoken answer."""

    type: Literal["response.output_audio_transcript.delta"]
    delta: str


class TranscriptDone(OfPart):
    """The words of a spoken answer, as far as they were heard."""

    type: Literal["response.output_audio_transcript.done"]
    transcript: str


class ArgumentsDelta(OfItem):
    """More of the arguments of a tool call."""

    type: Literal["response.function_call_arguments.delta"]
    call_id: Name
    delta: str


class ArgumentsDone(OfItem):
    """The arguments of a tool call: call the tool, create its output as an item, then ask for a response."""

    type: Literal["response.function_call_arguments.done"]
    call_id: Name
    name: Name
    arguments: str


ResponseEvent: TypeAlias = (
    ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | OutputAudioDelta
    | OutputAudioDone
    | TranscriptDelta
    | TranscriptDone
    | ArgumentsDelta
    | ArgumentsDone
)

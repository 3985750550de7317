"""Events that a client sends to `/v1/realtime`."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from .attune import EmotionCorrect, HistoryDelete, HistoryExport, HistoryList
from .items import ConversationItem, InputItem
from .session import AudioFormat, MaxTokens, Modalities, Reasoning, SessionUpdate, ToolChoice, Tools, VoiceId
from .values import Asked, Base64, Metadata, Milliseconds, Name, Text, Value


def _whole(value: object) -> object:
    """Clients in JavaScript come by it through a division."""
    return int(value) if isinstance(value, float) else value


class SessionUpdateEvent(Asked):
    """Change the session's settings; `session.updated` shows all of them as they then are."""

    type: Literal["session.update"]
    session: SessionUpdate


class InputAudioBufferAppend(Asked):
    """The next sound of the user, in the session's input format. Nothing is answered."""

    type: Literal["input_audio_buffer.append"]
    audio: Base64


class InputAudioBufferCommit(Asked):
    """What was said since the last turn is one, and ends here. It is not answered by itself."""

    type: Literal["input_audio_buffer.commit"]


class InputAudioBufferClear(Asked):
    """Forget the sound since the last turn."""

    type: Literal["input_audio_buffer.clear"]


class OutputAudioBufferClear(Asked):
    """Stop the sound of the response (WebRTC's name for it); taken as `response.cancel` that never fails."""

    type: Literal["output_audio_buffer.clear"]


class ItemCreate(Asked):
    """Put an item into the conversation: what the user wrote, a note of the program, the output of a tool."""

    type: Literal["conversation.item.create"]
    item: ConversationItem
    previous_item_id: Name | None = None
    """After which item; left out: at the end, "root": at the start."""


class ItemRetrieve(Asked):
    """Ask for an item; `conversation.item.retrieved` holds it."""

    type: Literal["conversation.item.retrieve"]
    item_id: Name


class ItemDelete(Asked):
    """Take an item out of the conversation: the model no longer knows of it. The turn log keeps it."""

    type: Literal["conversation.item.delete"]
    item_id: Name


class ItemTruncate(Asked):
    """Of the agent's message only so much was heard: the rest is taken out of what the model knows."""

    type: Literal["conversation.item.truncate"]
    item_id: Name
    content_index: Annotated[int, Field(ge=0, le=64)] = 0
    audio_end_ms: Annotated[Milliseconds, BeforeValidator(_whole)]
    """How much was heard, from the start of the message; a fraction is cut off."""


class ResponseOutput(Value):
    """How this response sounds."""

    format: AudioFormat | None = None
    voice: Name | VoiceId | None = None


class ResponseAudio(Value):
    """Sound of this response."""

    output: ResponseOutput | None = None


class ResponseSettings(Value):
    """Settings of one response, in place of the session's."""

    conversation: Literal["auto", "none"] | None = None
    """"none": apart from the conversation, which then does not know of it."""
    input: Annotated[list[InputItem], Field(max_length=256)] | None = None
    """What to answer, in place of the conversation."""
    instructions: Text | None = None
    output_modalities: Modalities | None = None
    audio: ResponseAudio | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: MaxTokens | None = None
    metadata: Metadata | None = None
    reasoning: Reasoning | None = None


class ResponseCreate(Asked):
    """Answer now: what was said last, or the given input."""

    type: Literal["response.create"]
    response: ResponseSettings | None = None


class ResponseCancel(Asked):
    """Stop the response under way; it ends with status "cancelled"."""

    type: Literal["response.cancel"]
    response_id: Name | None = None


RealtimeEvent: TypeAlias = (
    SessionUpdateEvent
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | EmotionCorrect
    | HistoryList
    | HistoryExport
    | HistoryDelete
)

"""Items: what a conversation is made of."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .values import Base64, LongText, Name, Text, Value

Status: TypeAlias = Literal["completed", "incomplete", "in_progress"]


class SystemContent(Value):
    """A part of what a program tells the model."""

    type: Literal["input_text"]
    text: Text


class InputText(Value):
    """What a user wrote."""

    type: Literal["input_text"]
    text: Text


class InputAudio(Value):
    """What a user said. `audio` comes only in an item that a client makes, or retrieves where sound is kept."""

    type: Literal["input_audio"]
    audio: Base64 | None = None
    transcript: Text | None = None
    """null until it is known."""


class OutputText(Value):
    """What the agent wrote."""

    type: Literal["output_text"]
    text: Text


class OutputAudio(Value):
    """What the agent said: the words, as far as they were heard."""

    type: Literal["output_audio"]
    audio: Base64 | None = None
    transcript: Text | None = None


UserContent: TypeAlias = Annotated[InputText | InputAudio, Field(discriminator="type")]
AgentContent: TypeAlias = Annotated[OutputText | OutputAudio, Field(discriminator="type")]


class Item(Value):
    """What all items have."""

    id: Name | None = None
    object: Literal["realtime.item"] | None = None
    status: Status | None = None


class SystemMessage(Item):
    """What a program tells the model in the middle of a conversation."""

    type: Literal["message"]
    role: Literal["system"]
    content: Annotated[list[SystemContent], Field(max_length=64)]


class UserMessage(Item):
    """What the user said or wrote."""

    type: Literal["message"]
    role: Literal["user"]
    content: Annotated[list[UserContent], Field(max_length=64)]


class AgentMessage(Item):
    """What the agent said or wrote."""

    type: Literal["message"]
    role: Literal["assistant"]
    content: Annotated[list[AgentContent], Field(max_length=64)]


class FunctionCall(Item):
    """The model asks for a tool; the client calls it."""

    type: Literal["function_call"]
    name: Name
    arguments: LongText
    """JSON text that fits the tool's parameters."""
    call_id: Name | None = None


class FunctionCallOutput(Item):
    """What a tool gave back; the next response takes it into account."""

    type: Literal["function_call_output"]
    call_id: Name
    output: LongText


Message: TypeAlias = Annotated[SystemMessage | UserMessage | AgentMessage, Field(discriminator="role")]
ConversationItem: TypeAlias = Annotated[Message | FunctionCall | FunctionCallOutput, Field(discriminator="type")]


class ItemReference(Value):
    """An item that is there already, in the input of a response."""

    type: Literal["item_reference"]
    id: Name


InputItem: TypeAlias = Annotated[
    Message | FunctionCall | FunctionCallOutput | ItemReference, Field(discriminator="type")
]

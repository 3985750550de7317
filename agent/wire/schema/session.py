"""Settings of a session, as clients set them and as the server shows them."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from .attune import AttuneOptions
from .values import MAX_LISTED, MAX_TOOLS, Name, Share, Text, Value

MaxTokens: TypeAlias = Annotated[int, Field(ge=1, le=100_000)] | Literal["inf"]
Modality: TypeAlias = Literal["text", "audio"]
Modalities: TypeAlias = Annotated[list[Modality], Field(min_length=1, max_length=2)]


class Pcm(Value):
    """Samples: 16 bit, signed, little endian, mono."""

    type: Literal["audio/pcm"]
    rate: Literal[24000, 16000] | None = None
    """Samples a second; 24000 when left out. 16000 is taken for input."""


class Pcmu(Value):
    """G.711 mu-law, 8 kHz."""

    type: Literal["audio/pcmu"]


class Pcma(Value):
    """G.711 A-law, 8 kHz."""

    type: Literal["audio/pcma"]


AudioFormat: TypeAlias = Annotated[Pcm | Pcmu | Pcma, Field(discriminator="type")]


def _reachable(threshold: float) -> float:
    """Nobody is ever quite sure: at 0 all would be voice, at 1 nothing."""
    return min(0.99, max(0.01, threshold))


class ServerVad(Value):
    """A turn ends after a fixed silence."""

    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0.0, le=1.0), AfterValidator(_reachable)] | None = None
    """How sure the voice activity must be; 0.5 when left out. 0 and 1 are taken as 0.01 and 0.99."""
    prefix_padding_ms: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Sound from before the voice that goes with a turn."""
    silence_duration_ms: Annotated[int, Field(ge=100, le=10_000)] | None = None
    """Silence that ends a turn; by the speaker's own pauses when left out."""
    create_response: bool | None = None
    """Whether a turn is answered by itself; true when left out."""
    interrupt_response: bool | None = None
    """Whether speech stops a response that sounds; true when left out."""
    idle_timeout_ms: Annotated[int, Field(ge=100, le=600_000)] | None = None
    """Taken and shown; Attune does not speak up by itself."""


class SemanticVad(Value):
    """A turn ends when the words sound finished: words that cannot be an end make the wait longer."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    """The longest wait: 8 s (low), 4 s (medium, auto), 2 s (high)."""
    create_response: bool | None = None
    interrupt_response: bool | None = None


TurnDetection: TypeAlias = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class Transcription(Value):
    """Words of what the user says, as they come and when a turn has ended."""

    model: Name | None = None
    """Taken and shown; the words come from the engine of the server's profile."""
    language: Name | None = None
    prompt: Text | None = None
    languages: Annotated[list[Name], Field(max_length=MAX_LISTED)] | None = None
    keywords: Annotated[list[Name], Field(max_length=1000)] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReduction(Value):
    """Taken and shown; the sound is heard as it comes."""

    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


class AudioInput(Value):
    """How the user's sound comes, and how it is listened to. What is absent stays as it is."""

    format: AudioFormat | None = None
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None
    """null: nobody listens for turns; the client commits them."""


class VoiceId(Value):
    """A voice by its id."""

    id: Name


class AudioOutput(Value):
    """How answers sound."""

    format: AudioFormat | None = None
    voice: Name | VoiceId | None = None
    speed: Annotated[float, Field(ge=0.25, le=1.5)] | None = None


class Audio(Value):
    """Sound in and out."""

    input: AudioInput | None = None
    output: AudioOutput | None = None


class FunctionTool(Value):
    """A function that the client offers: the model asks for it, the client calls it and creates the output item."""

    type: Literal["function"]
    name: Name
    description: Text | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of its arguments, an object."""


class ToolByName(Value):
    """This function must be asked for."""

    type: Literal["function"]
    name: Name


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | ToolByName
Tools: TypeAlias = Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)]
Include: TypeAlias = Annotated[list[Literal["item.input_audio_transcription.logprobs"]], Field(max_length=1)]


class TokenLimits(Value):
    """Taken and shown."""

    post_instructions: int | None = None


class RetentionRatio(Value):
    """Taken and shown; Attune's own window decides what the model sees."""

    type: Literal["retention_ratio"]
    retention_ratio: Share
    token_limits: TokenLimits | None = None


class Tracing(Value):
    """Taken; nothing is traced outside this server."""

    workflow_name: Text | None = None
    group_id: Text | None = None
    metadata: dict[str, Any] | None = None


class Reasoning(Value):
    """Taken; engines that reason do so as they are set up."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


class SessionSettings(Value):
    """What can be set of a session.

    A "transcription" session (see `intent=transcription`) writes down what is said and answers nothing: of it only
    `audio.input`, `include` and `attune` count.
    """

    audio: Audio | None = None
    attune: AttuneOptions | None = None
    """What Attune does beyond: which of its events come, what emotion is read from."""
    instructions: Text | None = None
    """What the program wants of the answers, for engines that take instructions."""
    output_modalities: Modalities | None = None
    """["audio"] speaks (and writes what it speaks), ["text"] only writes."""
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: MaxTokens | None = None
    include: Include | None = None
    model: Name | None = None
    """Fixed when the session is made."""
    truncation: Literal["auto", "disabled"] | RetentionRatio | None = None
    tracing: Literal["auto"] | Tracing | None = None
    reasoning: Reasoning | None = None


class SessionUpdate(SessionSettings):
    """What of a session is to change; what is absent stays, null and "" and [] clear."""

    type: Literal["realtime", "transcription"] | None = None


class Session(SessionSettings):
    """A session as it is in effect, defaults shown."""

    type: Literal["realtime", "transcription"]
    id: Name | None = None
    object: Literal["realtime.session", "realtime.transcription_session"] | None = None
    expires_at: int | None = None
    """Seconds since 1970."""

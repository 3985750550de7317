"""Events of `/v1/realtime/translations`: one stream in, one out, no turns and no responses."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .attune import AttuneOptions
from .values import Asked, Base64, Milliseconds, Name, Told, Value


class TranslationTranscription(Value):
    """The user's own words come as `session.input_transcript.delta`."""

    model: Name
    """Taken and shown; the words come from the engine of the server's profile."""


class TranslationNoiseReduction(Value):
    """Taken and shown; the sound is heard as it comes."""

    type: Literal["near_field", "far_field"]
    strength: float | None = None


class TranslationInput(Value):
    """The sound that is translated: 16 bit, 24 kHz, mono."""

    transcription: TranslationTranscription | None = None
    noise_reduction: TranslationNoiseReduction | None = None


class TranslationOutput(Value):
    """What it is translated to."""

    language: Name | None = None
    """A language code ("fr") or name."""


class TranslationAudio(Value):
    """Sound in and out."""

    input: TranslationInput | None = None
    output: TranslationOutput | None = None


class TranslationSettings(Value):
    """What of a session is to change; what is absent stays."""

    audio: TranslationAudio | None = None
    attune: AttuneOptions | None = None


class TranslationSession(Value):
    """A session as it is in effect."""

    id: Name
    type: Literal["translation"]
    model: Name
    audio: TranslationAudio
    attune: AttuneOptions | None = None
    expires_at: int
    """Seconds since 1970."""


class TranslationUpdate(Asked):
    """Change the session's settings."""

    type: Literal["session.update"]
    session: TranslationSettings


class TranslationAppend(Asked):
    """The next sound; send silence too."""

    type: Literal["session.input_audio_buffer.append"]
    audio: Base64


class TranslationClose(Asked):
    """No more sound comes: what was said is translated to its end, then `session.closed`."""

    type: Literal["session.close"]


class TranslationCreated(Told):
    """The session is there."""

    type: Literal["session.created"]
    session: TranslationSession


class TranslationUpdated(Told):
    """The session's settings as they are now."""

    type: Literal["session.updated"]
    session: TranslationSession


class TranslationClosed(Told):
    """The session has ended, and all of it was told."""

    type: Literal["session.closed"]


class TranslationInputDelta(Told):
    """More of what the user said; never taken back."""

    type: Literal["session.input_transcript.delta"]
    delta: str
    elapsed_ms: Milliseconds | None = None


class TranslationOutputDelta(Told):
    """More of the translation; never taken back."""

    type: Literal["session.output_transcript.delta"]
    delta: str
    elapsed_ms: Milliseconds | None = None


class TranslationAudioDelta(Told):
    """More of the translation's sound."""

    type: Literal["session.output_audio.delta"]
    delta: Base64
    format: Literal["pcm16"] | None = None
    sample_rate: Annotated[int, Field(gt=0)] | None = None
    channels: Literal[1] | None = None
    elapsed_ms: Milliseconds | None = None


TranslationEvent: TypeAlias = TranslationUpdate | TranslationAppend | TranslationClose
TranslationServerEvent: TypeAlias = (
    TranslationCreated
    | TranslationUpdated
    | TranslationClosed
    | TranslationInputDelta
    | TranslationOutputDelta
    | TranslationAudioDelta
)

"""What Attune adds to the protocol: emotion, prosody, n-best, durable turns. Only those who ask for it are told."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from .emotion import EmotionFinal, EmotionRevised, EmotionRolling, NBest, OfTurn, ProsodyEvent, Utterance
from .values import Asked, Count, Name, Share, Text, Told, Value

EventGroup: TypeAlias = Literal[
    "emotion", "emotion.rolling", "prosody", "nbest", "turns", "metrics", "floor", "session"
]
EmotionSource: TypeAlias = Literal["off", "text", "voice", "both"]


class AttuneOptions(Value):
    """`session.attune` of a `session.update`: opts in to what stock clients do not know. Absent fields stay."""

    events: Annotated[list[EventGroup], Field(max_length=32)] | Literal["all"] | None = None
    """Which events come: "emotion" final and revised, "emotion.rolling" while the user speaks, "prosody", "nbest",
    "turns" saved or not, "metrics", "floor" duck and resume, "session" info, warning, ending, resumed; or "all"."""
    emotion: EmotionSource | None = None
    """What emotion is read from: nothing, the words, the voice, both."""
    consent: bool | None = None
    """false: the user does not agree, no emotion is read."""
    hume: bool | None = None
    """Emotion events also carry `models.prosody.scores`, as Hume's EVI has them."""


class Auth(Asked):
    """A token, in the first message; for clients that offer the subprotocol for it. Nothing is answered."""

    type: Literal["attune.auth"]
    token: str


class EmotionCorrect(Asked):
    """The user says what they do or do not express; it stands above what engines read.

    Exactly one of `item_id` and `utterance` says of which turn; at least one of `label`, `denied` and `text` what.
    """

    type: Literal["attune.emotion.correct"]
    item_id: Name | None = None
    utterance: Utterance | None = None
    label: Name | None = None
    """What it is, of the labels in use."""
    denied: Name | None = None
    """What it is not."""
    text: Annotated[Text, Field(max_length=1000)] | None = None
    """In the user's own words ("I'm not angry, just tired")."""

    @model_validator(mode="after")
    def _says_what_of_which(self) -> Self:
        if (self.item_id is None) == (self.utterance is None):
            raise ValueError("expected exactly one of item_id and utterance")
        if self.label is None and self.denied is None and self.text is None:
            raise ValueError("expected at least one of label, denied and text")
        return self


class HistoryList(Asked):
    """Ask for the sessions that are kept."""

    type: Literal["attune.history.list"]


class HistoryExport(Asked):
    """Ask for the turns of a session that is kept."""

    type: Literal["attune.history.export"]
    session: Name


class HistoryDelete(Asked):
    """Delete a session that is kept; without `session`: all that are yours."""

    type: Literal["attune.history.delete"]
    session: Name | None = None


class TurnSavedEvent(OfTurn):
    """The turn is on disk: it survives a kill or a power cut."""

    type: Literal["attune.turn.saved"]
    session: Name
    seq: Utterance
    """Place in the session, from 1 without gaps."""


class TurnDegraded(OfTurn):
    """The turn is not on disk; the message says why, and whether it is held and tried again."""

    type: Literal["attune.turn.degraded"]
    message: str


class MetricsEvent(OfTurn):
    """Wall-clock times of one turn, milliseconds; null where the step did not happen."""

    type: Literal["attune.metrics"]
    endpoint_wait_ms: float | None = None
    """Silence waited for after the voice ended."""
    emotion_ms: float | None = None
    """From the end of the turn to its final estimate."""
    reply_ms: float | None = None
    """From the end of the turn to the first words of the answer."""
    sound_ms: float | None = None
    """From the end of the turn to the first sound of the answer."""
    emotion_was_late: int = 0
    cached_share: Share | None = None
    prefills_dropped: Count = 0
    prefills_failed: Count = 0


class Floor(Told):
    """Somebody speaks over a response: play it quieter ("duck"), or as before ("resume": it was no turn)."""

    type: Literal["attune.floor"]
    action: Literal["duck", "resume"]
    item_id: Name | None = None
    """The agent's message that sounds."""


class Caution(Told):
    """Something about the sound that ought to be known; it is heard all the same, and the session goes on.

    `clipping`: most of it is at full scale. `audio_dropped`: it came faster than it could be heard; the oldest of what
    waited is lost, and silence stands in its place. `utterance_cut`: it was longer than an utterance may be; what comes
    next begins another.
    """

    type: Literal["attune.warning"]
    code: Literal["clipping", "audio_dropped", "utterance_cut"]
    message: str
    at_ms: Count | None = None
    """Where in the session's sound."""
    item_id: Name | None = None
    """The user's item that it is about."""


class SessionInfo(Told):
    """Tells an opted-in client first: how to come back, what is read, and that it is read."""

    type: Literal["attune.session.info"]
    session: Name
    resume_token: str | None = None
    """Give it on the next connection to come back to this session."""
    notice: str
    """For the user to read: emotion is read from what, and that it is what is expressed, not what is felt."""
    emotion: EmotionSource
    profile: str


class SessionEnding(Told):
    """The session ends soon."""

    type: Literal["attune.session.ending"]
    in_s: float
    reason: str


class SessionResumed(Told):
    """The client is back; the events it had not seen came before this."""

    type: Literal["attune.session.resumed"]
    n_replayed: Count


class KeptSession(Value):
    """A session that is kept."""

    id: Name
    started: str
    """Wall clock, ISO 8601."""
    locale: str
    consent: bool
    """Whether the user agreed to emotion being read."""
    emotion_source: EmotionSource
    n_turns: Count
    last_text: str
    """What was said last, "" while nothing was."""
    last_saved_at: str | None


class HistorySessions(Told):
    """The sessions that are kept, newest first."""

    type: Literal["attune.history.sessions"]
    sessions: list[KeptSession]


class HistoryTurns(Told):
    """The turns of a session that is kept, as `attune history export` writes them."""

    type: Literal["attune.history.turns"]
    session: Name
    turns: list[dict[str, Any]]


class HistoryDeleted(Told):
    """Deleted, and gone from the file."""

    type: Literal["attune.history.deleted"]
    session: Name | None = None
    """null: all of them."""
    n_turns: Count


ServerExtension: TypeAlias = (
    EmotionRolling
    | EmotionFinal
    | EmotionRevised
    | ProsodyEvent
    | NBest
    | TurnSavedEvent
    | TurnDegraded
    | MetricsEvent
    | Floor
    | Caution
    | SessionInfo
    | SessionEnding
    | SessionResumed
    | HistorySessions
    | HistoryTurns
    | HistoryDeleted
)
ClientExtension: TypeAlias = EmotionCorrect | HistoryList | HistoryExport | HistoryDelete

"""What happens when the user talks while the agent speaks: duck at once, then go on or stop.

A pure state machine over the audio clock. It is fed what the listener hears and when a reply begins and ends to sound,
and answers with what to do to the loudspeaker. All times are stream seconds, so live and replay decide alike; feed it
at fixed steps of the stream (each 20 ms frame) and the decisions do not depend on how the sound was cut.

    idle --reply_started--> speaking --voice--> ducked --false alarm--> speaking
                                 ^                 |--confirmed------> idle (cancelled)
                                 `-----------------'--reply_ended----> idle

Knows nothing of devices or tasks: the session carries the decisions out.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from streaming.events import (
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
    Utterance,
)

from .floor import BargeInSettings, Evidence, judge
from .overlap import Overlap, overlap, words_of

if TYPE_CHECKING:
    from streaming.events import ListenerEvent

    from .floor import CancelReason, ResumeReason

State: TypeAlias = Literal["idle", "speaking", "ducked"]

_N_AGENT_WORDS = 60
_N_DISMISSED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Duck:
    """Lower the reply: somebody speaks."""

    at_s: float
    utterance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Raise the reply again: a false alarm, and why."""

    at_s: float
    utterance: int
    reason: ResumeReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop the reply: the user has taken the turn, and what showed it."""

    at_s: float
    utterance: int
    reason: CancelReason


BargeInAction: TypeAlias = Duck | Resume | Cancel


@dataclass(slots=True, kw_only=True)
class _Speech:
    """One utterance of the user, as far as it has been heard."""

    utterance: int
    voice_since_s: float | None
    silent_since_s: float = 0.0
    voiced_s: float = 0.0
    readings: tuple[tuple[tuple[str, ...], float], ...] = ()
    """Words and posterior of each hypothesis, best first."""
    over_reply: bool = False
    weighed_s: float = 0.0
    has_ended: bool = False
    has_final: bool = False

    def voiced_until(self, at_s: float) -> float:
        going_on_s = 0.0 if self.voice_since_s is None else max(0.0, at_s - self.voice_since_s)
        return round(self.voiced_s + going_on_s, 6)  # whole microseconds: a threshold is met at its very time

    def falls_silent(self, at_s: float) -> None:
        if self.voice_since_s is not None:
            self.voiced_s = self.voiced_until(at_s)
            self.silent_since_s = max(at_s, self.voice_since_s)
            self.voice_since_s = None


class BargeIn:
    """Decides what becomes of the reply that is sounding. One per session; at most one `Cancel` per reply.

    Call `advance` (or `feed`) at least once per 20 ms frame with the stream time reached: waits run out there, and
    their decisions carry the time at which they ran out.
    """

    def __init__(self, settings: BargeInSettings | None = None) -> None:
        self._settings = settings or BargeInSettings()
        self._state: State = "idle"
        self._is_crisis = False
        self._speech: _Speech | None = None
        self._agent_words: tuple[str, ...] = ()
        self._reply_end_s: float | None = None
        self._dismissed: deque[int] = deque(maxlen=_N_DISMISSED)
        self._counts: Counter[str] = Counter()

    @property
    def state(self) -> State:
        """What the reply is doing."""
        return self._state

    @property
    def counts(self) -> dict[str, int]:
        """How often each decision was taken: "duck", "resume: echo", "cancel: words", ..."""
        return dict(self._counts)

    def is_turn(self, utterance: int) -> bool:
        """Tell whether a finished utterance is to be answered.

        False for a back-channel, an echo or a noise over a reply. Ask after its `Utterance` went through `feed`.
        """
        return utterance not in self._dismissed

    def reply_started(self, *, at_s: float, is_crisis: bool = False) -> list[BargeInAction]:
        """A reply begins to sound. A user who is already speaking ducks it at once."""
        actions = self.reply_ended(at_s=at_s) if self._state != "idle" else []
        self._state, self._is_crisis = "speaking", is_crisis
        self._agent_words, self._reply_end_s = (), None
        speech = self._speech
        if speech is not None and not (speech.has_ended and speech.has_final):
            speech.over_reply = True
            if speech.voice_since_s is not None:
                actions += [*self._duck(at_s), *self._weigh(at_s)]
        return actions

    def said(self, text: str) -> None:
        """The agent's voice comes to `text`: its echo may be heard from now on."""
        self._agent_words = (*self._agent_words, *words_of(text))[-_N_AGENT_WORDS:]

    def reply_ended(self, *, at_s: float) -> list[BargeInAction]:
        """The reply has been heard to its end, or was stopped by the session itself."""
        actions = self.advance(at_s)
        if self._state == "idle":
            return actions
        if self._state == "ducked" and self._speech is not None:
            actions.append(self._resume(at_s, utterance=self._speech.utterance, reason="reply ended"))
        self._silence_agent(at_s)
        return actions

    def feed(self, event: ListenerEvent, *, now_s: float) -> list[BargeInAction]:
        """Take what the listener said when the stream had reached `now_s`; return what to do, in order."""
        actions = self.advance(now_s)
        match event:
            case SpeechStarted(utterance=utterance, at_s=at_s):
                self._speech = _Speech(utterance=utterance, voice_since_s=at_s, over_reply=self._may_overlap(at_s))
                actions += self._duck(now_s)
            case SpeechPaused(at_s=at_s) if self._speech is not None:
                self._speech.falls_silent(at_s)
            case SpeechResumed(at_s=at_s) if self._speech is not None:
                self._speech.voice_since_s = at_s
                actions += self._duck(now_s)
            case SpeechDropped(utterance=utterance) if self._speech is not None:
                return actions + self._forget(utterance, now_s)
            case SpeechEnded(end_s=end_s) if self._speech is not None:
                self._speech.falls_silent(end_s)
                self._speech.has_ended = True
            case Transcript():
                self._hear(event)
            case Utterance(is_final=True):
                self._hear(event.transcript)
            case _:
                return actions
        return actions + self._weigh(now_s)

    def advance(self, now_s: float) -> list[BargeInAction]:
        """Let stream time pass; return what its passing decided."""
        actions: list[BargeInAction] = []
        speech = self._speech
        if speech is None or not speech.over_reply or self._state == "idle":
            return actions
        if speech.voice_since_s is not None:
            for voiced_s in (self._settings.min_speech_s, self._settings.long_speech_s):
                due_s = speech.voice_since_s + voiced_s - speech.voiced_s
                if speech.weighed_s < due_s <= now_s:
                    actions += self._weigh(due_s)
        elif self._state == "ducked" and (due_s := speech.silent_since_s + self._settings.silence_s) <= now_s:
            actions.append(self._resume(due_s, utterance=speech.utterance, reason="silence"))
        return actions

    def _forget(self, utterance: int, at_s: float) -> list[BargeInAction]:
        """The speech is void: it was never there."""
        if self._speech is None or self._speech.utterance != utterance:
            return []
        self._speech = None
        return [self._resume(at_s, utterance=utterance, reason="no words")] if self._state == "ducked" else []

    def _may_overlap(self, at_s: float) -> bool:
        ended_s = self._reply_end_s
        return self._state != "idle" or (ended_s is not None and at_s < ended_s + self._settings.echo_tail_s)

    def _hear(self, transcript: Transcript) -> None:
        speech = self._speech
        if speech is not None and speech.utterance == transcript.utterance and not speech.has_final:
            speech.readings = tuple((words_of(reading.text), reading.posterior) for reading in transcript.nbest)
            speech.has_final = transcript.is_final

    def _weigh(self, at_s: float) -> list[BargeInAction]:
        """Judge the speech there is, and act on the verdict."""
        speech = self._speech
        if speech is None or not speech.over_reply:
            return []
        speech.weighed_s = at_s
        is_over = speech.has_ended and speech.has_final
        evidence = Evidence(
            voiced_s=speech.voiced_until(at_s),
            found=self._found(speech.readings[0][0] if speech.readings else ()),
            p_back_channel=self._p_back_channel(speech) if is_over else 0.0,
            is_over=is_over,
            is_crisis=self._is_crisis,
        )
        verdict = judge(evidence, self._settings)
        if is_over:
            self._speech = None
        match verdict:
            case None:
                return []
            case "stop word" | "words" | "long speech":
                return self._cancel(at_s, utterance=speech.utterance, reason=verdict)
            case _:
                self._dismiss(speech, verdict)
                return (
                    [self._resume(at_s, utterance=speech.utterance, reason=verdict)] if self._state == "ducked" else []
                )

    def _p_back_channel(self, speech: _Speech) -> float:
        return sum(share for words, share in speech.readings if words and not self._found(words).n_real)

    def _found(self, words: tuple[str, ...]) -> Overlap:
        settings = self._settings
        return overlap(
            words,
            agent=self._agent_words if settings.echo_guard else (),
            max_back_channels=settings.max_back_channels,
            echo_share=settings.echo_share,
        )

    def _dismiss(self, speech: _Speech, reason: ResumeReason) -> None:
        """Answer nothing that lay wholly under the reply; what outlasted it is a turn ("... shall we?" "Yeah.")."""
        tail_s = self._settings.echo_tail_s if reason == "echo" else 0.0
        if self._reply_end_s is None or speech.silent_since_s <= self._reply_end_s + tail_s:
            self._dismissed.append(speech.utterance)

    def _duck(self, at_s: float) -> list[BargeInAction]:
        if self._state != "speaking" or self._speech is None:
            return []
        self._state = "ducked"
        self._counts["duck"] += 1
        return [Duck(at_s=at_s, utterance=self._speech.utterance)]

    def _resume(self, at_s: float, *, utterance: int, reason: ResumeReason) -> Resume:
        self._state = "speaking"
        self._counts[f"resume: {reason}"] += 1
        return Resume(at_s=at_s, utterance=utterance, reason=reason)

    def _cancel(self, at_s: float, *, utterance: int, reason: CancelReason) -> list[BargeInAction]:
        if self._state == "idle":
            return []
        self._counts[f"cancel: {reason}"] += 1
        self._silence_agent(at_s)
        return [Cancel(at_s=at_s, utterance=utterance, reason=reason)]

    def _silence_agent(self, at_s: float) -> None:
        self._state, self._is_crisis, self._reply_end_s = "idle", False, at_s

"""A listener and engines for tests of a session, moved on by hand: no clock, no sleeping.

What is heard is a list of steps. A step is events of one block, a function that is called between blocks, or a command
that a program put into the stream; after each all tasks have gone on as far as they can.
"""

from __future__ import annotations

from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import anyio.lowlevel

from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.behaviour import SessionCommand
from agent.conversation import Conversation
from agent.errors import AgentError, TurnLogFailed
from agent.loudspeaker import SilentSink
from agent.preparation import Engines
from agent.session import Session, SessionSettings
from agent.turnlog import Saving
from streaming.audio import silence
from streaming.events import (
    Hypothesis,
    Prosody,
    RollingProsody,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
    Utterance,
)
from streaming.pipeline import Heard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from agent.correction import EmotionCorrection
    from agent.events import EmotionEstimate, EmotionSource, SessionEvent, Turn
    from streaming.events import ListenerEvent

Step: TypeAlias = "Sequence[ListenerEvent] | Callable[[], object] | SessionCommand"


def heard(text: str, *, utterance: int = 1, at_s: float = 1.0, is_final: bool = False) -> Transcript:
    reading = Hypothesis(text=text, logp=-1.0, posterior=1.0, source="script")
    return Transcript(utterance=utterance, revision=1, at_s=at_s, is_final=is_final, nbest=(reading,))


def started(utterance: int = 1, *, at_s: float = 0.5) -> list[ListenerEvent]:
    return [SpeechStarted(utterance=utterance, at_s=at_s)]


def partly(text: str, *, utterance: int = 1, at_s: float = 1.0) -> list[ListenerEvent]:
    return [
        heard(text, utterance=utterance, at_s=at_s),
        RollingProsody(utterance=utterance, at_s=at_s, prosody=Prosody()),
    ]


def paused(utterance: int = 1, *, generation: int = 1, at_s: float = 1.5) -> list[ListenerEvent]:
    return [SpeechPaused(utterance=utterance, generation=generation, at_s=at_s)]


def resumed(utterance: int = 1, *, at_s: float = 1.7) -> list[ListenerEvent]:
    return [SpeechResumed(utterance=utterance, at_s=at_s)]


def ended(text: str, *, utterance: int = 1, start_s: float = 0.5, end_s: float = 1.5) -> list[ListenerEvent]:
    decided_s = end_s + 0.5
    final = heard(text, utterance=utterance, at_s=decided_s, is_final=True)
    whole = Utterance(
        utterance=utterance,
        start_s=start_s,
        end_s=end_s,
        decided_s=decided_s,
        transcript=final,
        prosody=Prosody(),
        samples=silence(0),
    )
    over = SpeechEnded(utterance=utterance, start_s=start_s, end_s=end_s, decided_s=decided_s, reason="endpoint")
    return [over, final, whole]


def whole(text: str, *, utterance: int = 1, at_s: float = 0.5) -> list[list[ListenerEvent]]:
    """An utterance of a second without an inner pause, in steps."""
    return [
        started(utterance, at_s=at_s),
        partly(text, utterance=utterance, at_s=at_s + 0.5),
        paused(utterance, at_s=at_s + 1),
        ended(text, utterance=utterance, start_s=at_s, end_s=at_s + 1),
    ]


async def settled() -> None:
    """Let all tasks go on as far as they can."""
    for _ in range(40):
        await anyio.lowlevel.checkpoint()


NOTHING: list[ListenerEvent] = []


class Gate:
    """Lets through what it is not told to hold."""

    def __init__(self, *, holds: bool = False) -> None:
        self._event = anyio.Event()
        if not holds:
            self._event.set()

    def hold(self) -> None:
        self._event = anyio.Event()

    def let_go(self) -> None:
        self._event.set()

    async def passed(self) -> None:
        await self._event.wait()


class FarSighted(ScriptedRecognizer):
    """Works ahead and explains; what it was asked is in `calls`, each step of it can be held up or fail."""

    def __init__(self, *, top: str = "sad", cached_share: float | None = None) -> None:
        super().__init__([replace(scripted_estimate(top), cached_share=cached_share)])
        self.calls: list[str] = []
        self.conversations: list[Conversation] = []
        self.ahead, self.rolling, self.final, self.reason = Gate(), Gate(), Gate(), Gate()
        self.fails: set[str] = set()
        self.explains = True

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        self.conversations.append(conversation)
        await self._do("warm" if utterance is None else f"ahead {utterance.transcript.text}", "prepare", self.ahead)

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        kind, gate = ("final", self.final) if utterance.is_final else ("rolling", self.rolling)
        await self._do(f"{kind} {utterance.transcript.text}", kind, gate)
        return await super().recognize(utterance, conversation, revision=revision, source=source)

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        del conversation
        await self._do(f"explain {utterance.transcript.text}", "explain", self.reason)
        return replace(estimate, revision=revision, reason="because") if self.explains else None

    async def _do(self, call: str, kind: str, gate: Gate) -> None:
        self.calls.append(call)
        try:
            await gate.passed()
        except anyio.get_cancelled_exc_class():
            self.calls.append(f"{call}: stopped")
            raise
        if kind in self.fails:
            raise AgentError(f"{kind} failed")
        self.calls.append(f"{call}: done")


@dataclass
class Scene:
    """A session on engines by script; `told` is all it said, `turns` what it kept."""

    recognizer: Any = field(default_factory=FarSighted)
    responder: ScriptedResponder = field(default_factory=lambda: ScriptedResponder([["I see. Go ", "on."]]))
    speech: ScriptedSpeech = field(default_factory=lambda: ScriptedSpeech(s_per_character=0.0))
    settings: SessionSettings = field(default_factory=lambda: SessionSettings(lockstep=False))
    told: list[Any] = field(default_factory=list[Any])
    turns: list[Turn] = field(default_factory=list["Turn"])
    corrector: Any = None
    corrections: list[tuple[EmotionCorrection, EmotionEstimate]] = field(
        default_factory=list["tuple[EmotionCorrection, EmotionEstimate]"]
    )
    log_fails: bool = False
    now_s: float = 0.0

    def __post_init__(self) -> None:
        engines = Engines(
            recognizer=self.recognizer,
            responder=self.responder,
            speech=self.speech,
            log=self,  # pyright: ignore[reportArgumentType] - a log with the methods that are used
            corrector=self.corrector,
        )
        self.session = Session(
            Conversation(session="s"),
            engines=engines,
            sink=SilentSink(),
            tell=self.tell,
            settings=self.settings,
            clock=lambda: self.now_s,
        )

    def saving(self, turn: Turn) -> Saving:
        self.turns.append(turn)
        seq: Future[int] = Future()
        seq.set_result(len(self.turns))
        return Saving(turn=turn, seq=seq)

    async def correct(self, session: str, correction: EmotionCorrection, estimate: EmotionEstimate) -> None:
        assert session == "s"
        if self.log_fails:
            raise TurnLogFailed("the disk is full")
        self.corrections.append((correction, estimate))

    async def tell(self, event: SessionEvent) -> None:
        self.told.append(event)

    async def run(self, *steps: Step) -> None:
        await self.session.run(self._blocks(steps))

    async def _blocks(self, steps: Sequence[Step]) -> AsyncIterator[Heard]:
        for step in steps:
            if callable(step):
                made = step()
                if isinstance(made, Coroutine):
                    await made
            elif isinstance(step, SessionCommand):
                yield Heard(now_s=self.now_s, level_db=-90.0, events=(), marks=(step,))
            else:
                times = [getattr(event, "decided_s", getattr(event, "at_s", 0.0)) for event in step]
                self.now_s = max([self.now_s + 0.02, *times])
                yield Heard(now_s=self.now_s, level_db=-40.0, events=tuple(step))
            await settled()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    def only(self, kind: type) -> Any:
        (event,) = self.of(kind)
        return event

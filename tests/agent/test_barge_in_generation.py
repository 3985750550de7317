"""Speaking over an answer that is being written: the model stops computing, and answers what was said instead."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
import torch

from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.llm.stepper import Stepper
from agent.backends.reply.language_model import LanguageModelReplySettings, LanguageModelResponder
from agent.backends.tts.none import NoSpeech
from agent.conversation import Conversation
from agent.events import ReplyDone
from agent.loudspeaker import SilentSink
from agent.preparation import Engines
from agent.session import Session, SessionSettings
from streaming.audio import silence
from streaming.events import Hypothesis, Prosody, SpeechStarted, Transcript, Utterance
from streaming.pipeline import Heard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agent.events import SessionEvent
    from agent.ports import LanguageModel
    from streaming.events import ListenerEvent

pytestmark = pytest.mark.anyio
MAX_TOKENS = 400


class Steps:
    """Counts the steps of all models, and lets them take only so many until `go_on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, first: int) -> None:
        self.n = 0
        self.permits = threading.Semaphore(first)
        self.used_up = threading.Event()
        plain = Stepper._step
        left = first

        def step(stepper: Stepper, job: Any) -> bool:
            nonlocal left
            if left == 0:
                self.used_up.set()
            assert self.permits.acquire(timeout=30)
            left -= 1
            self.n += not job.is_cancelled
            return plain(stepper, job)

        monkeypatch.setattr(Stepper, "_step", step)

    def go_on(self) -> None:
        self.permits.release(100_000)


@pytest.fixture(params=["llama.cpp", "transformers"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], LanguageModel]:
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch, which most tests do without

    torch.set_num_threads(1)
    if request.param == "llama.cpp":
        pytest.importorskip("llama_cpp", reason="llama.cpp is not installed (see .ci/llama-cpp)")
    folder: Path = tmp_path_factory.mktemp("llama")
    tiny = tiny_llama(folder, context=4096)

    def load() -> LanguageModel:
        from agent.backends.llm.llama_cpp import LlamaCppModel  # noqa: PLC0415 - only when chosen
        from agent.backends.llm.transformers_model import TransformersModel  # noqa: PLC0415 - only when chosen

        if request.param == "llama.cpp":
            return LlamaCppModel.load(tiny.gguf, device="cpu")
        return TransformersModel.load(tiny.hf, device="cpu")

    return load


def said(text: str, *, utterance: int, start_s: float, decided_s: float) -> list[ListenerEvent]:
    reading = Hypothesis(text=text, logp=-1.0, posterior=1.0, source="script")
    final = Transcript(utterance=utterance, revision=1, at_s=decided_s, is_final=True, nbest=(reading,))
    whole = Utterance(
        utterance=utterance,
        start_s=start_s,
        end_s=decided_s - 0.5,
        decided_s=decided_s,
        transcript=final,
        prosody=Prosody(),
        samples=silence(0),
    )
    return [SpeechStarted(utterance=utterance, at_s=start_s), final, whole]


async def test_speaking_over_an_answer_stops_the_generation_within_a_token(
    model: Callable[[], LanguageModel], monkeypatch: pytest.MonkeyPatch
):
    engine = model()
    steps = Steps(monkeypatch, first=30)
    told: list[SessionEvent] = []
    n_when_cut = 0

    async def heard() -> AsyncIterator[Heard]:
        nonlocal n_when_cut
        first = said("tell me a long story", utterance=1, start_s=0.0, decided_s=1.5)
        yield Heard(now_s=1.5, level_db=-40.0, events=tuple(first))
        await anyio.to_thread.run_sync(steps.used_up.wait, 30)
        n_when_cut = steps.n
        second = said("no wait i meant a short one", utterance=2, start_s=2.0, decided_s=3.5)
        yield Heard(now_s=3.5, level_db=-40.0, events=tuple(second))
        # Told by now; were it not stopped, nothing would hold the first answer back any more.
        steps.go_on()
        yield Heard(now_s=3.52, level_db=-90.0, events=())

    async def tell(event: SessionEvent) -> None:
        told.append(event)

    settings = LanguageModelReplySettings(max_tokens=MAX_TOKENS, temperature=0.0)
    session = Session(
        Conversation(session="s"),
        engines=Engines(
            recognizer=ScriptedRecognizer([scripted_estimate("neutral")]),
            responder=LanguageModelResponder(engine, settings),
            speech=NoSpeech(),
        ),
        sink=SilentSink(),
        tell=tell,
        settings=SessionSettings(lockstep=False),
    )
    try:
        await session.run(heard())
        first, second = [event for event in told if isinstance(event, ReplyDone)]
        assert (first.utterance, first.interrupted) == (1, True)
        assert (second.utterance, second.interrupted) == (2, False)
        assert n_when_cut >= 29
        # What follows is the second answer's alone: the first would have taken its 400 tokens besides.
        assert steps.n - n_when_cut < MAX_TOKENS + 60
    finally:
        steps.go_on()
        await anyio.to_thread.run_sync(engine.close)

"""Every condition end to end over models that are real but for their weights, and over a server.

What they answer is noise: what is shown is that each way to ask goes through each engine and gives an estimate.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.emotion.r3 import R3Recognizer
from agent.backends.emotion.r3_settings import R3Settings
from agent.backends.llm.openai_compatible import OpenAiCompatibleModel
from agent.conversation import Conversation
from agent.events import Turn
from agent.labels import BIG_FOUR
from agent.r3.condition import Shot
from agent.r3.conditions import condition, names
from streaming.events import Hypothesis, Prosody, Transcript, Utterance
from streaming.remote import Endpoint, RetrySettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.backends.llm.llama_cpp import LlamaCppModel
    from agent.backends.llm.transformers_model import TransformersModel
    from agent.events import EmotionEstimate
    from agent.ports import LanguageModel
    from agent.r3.condition import R3Condition
    from eval.tiny.llama import TinyLlama
    from tests.openai_server import OpenAiServer

pytestmark = pytest.mark.anyio

WINDOW = 8192
N_NEW = 6
"""Tokens that are written: noise at any length."""

READINGS = ("i am so tired of this", "i am so tired of his", "i'm so tired of this")
UTTERANCE = Utterance(
    utterance=7,
    start_s=0.0,
    end_s=1.0,
    decided_s=1.5,
    transcript=Transcript(
        utterance=7,
        revision=1,
        at_s=1.5,
        is_final=True,
        nbest=tuple(Hypothesis(text=text, logp=0.0, posterior=1 / 3, source="test") for text in READINGS),
    ),
    prosody=Prosody(energy_rel_db=6.0),
    samples=np.zeros(0, dtype=np.float32),
    cross_wer=0.2,
)
SHOTS = tuple(Shot(hypotheses=(f"a {label} one",), label=label, transcript=f"a {label} one") for label in BIG_FOUR)
ASKED_BY_LOGITS = {"token", "token_words"}


def after(n_turns: int, *, text: str = "well yes") -> Conversation:
    conversation = Conversation(session="s")
    for number in range(n_turns):
        turn = Turn(
            session="s",
            seq=number + 1,
            utterance=number,
            start_s=0.0,
            end_s=1.0,
            text=text,
            nbest=(),
            estimate=None,
            prosody_words=(),
            reply="I see.",
            interrupted=False,
        )
        conversation = conversation.with_turn(turn)
    return conversation


async def estimated(model: LanguageModel, way: R3Condition, conversation: Conversation) -> EmotionEstimate:
    settings = R3Settings(shots=SHOTS * 3)
    recognizer = R3Recognizer(model, condition=way, small=EmbeddedRecognizer(), settings=settings)
    return await recognizer.recognize(UTTERANCE, conversation, revision=1, source="both")


def check(estimate: EmotionEstimate, way: R3Condition, *, can_fail: bool = False) -> None:
    """Scored labels and logits give a distribution; of noise that is written most says nothing, and why is told."""
    assert estimate.labels == way.labels
    assert sum(estimate.distribution) == pytest.approx(1)
    assert estimate.method.startswith("r3:")
    assert can_fail or estimate.prompt_id
    if way.elicitation in {"label", "choices", "token"} and not can_fail:
        assert estimate.llm_distribution is not None, estimate.reason
    if estimate.llm_distribution is None:
        assert estimate.top is None
        assert estimate.reason
        assert can_fail or "failed" not in estimate.reason


@pytest.fixture(scope="session")
def wide_llama(tmp_path_factory: pytest.TempPathFactory) -> TinyLlama:
    """A tiny Llama whose window takes every prompt."""
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    return tiny_llama(tmp_path_factory.mktemp("wide"), context=WINDOW, width=32, n_layers=1)


async def test_every_condition_goes_through_transformers(
    load_hf: Callable[..., TransformersModel], wide_llama: TinyLlama
):
    model = load_hf(wide_llama.hf, block=512)
    for name in names():
        way = replace(condition(name), max_tokens=N_NEW)
        check(await estimated(model, way, after(6)), way)


async def test_every_condition_goes_through_llama_cpp(load_gguf: Callable[..., LlamaCppModel], wide_llama: TinyLlama):
    model = load_gguf(wide_llama.gguf, window=WINDOW)
    for name in names():
        way = replace(condition(name), max_tokens=N_NEW)
        can_fail = way.elicitation in ASKED_BY_LOGITS and not model.capabilities.traces
        check(await estimated(model, way, after(6)), way, can_fail=can_fail)


@pytest.mark.parametrize("kind", ["plain", "vllm"])
async def test_every_condition_goes_through_a_server(openai_server: OpenAiServer, kind: str):
    openai_server.manners.kind = "vllm" if kind == "vllm" else "plain"
    openai_server.manners.reply = (
        "Transcript: i am so tired\nReason: tired\nEmotion: sad\nanger: 10%, sad: 90%\nProbability: 60%"
    )
    openai_server.manners.draws = ("sad", "A")
    model = OpenAiCompatibleModel(Endpoint(openai_server.url, retry=RetrySettings(n_tries=1)), model="toy")
    for name in names():
        way = condition(name)
        way = way if kind == "plain" else replace(way, context=0, n_best=1, blocks=(), shots=0)  # its window is short
        estimate = await estimated(model, way, after(2))
        check(estimate, way, can_fail=way.elicitation in {*ASKED_BY_LOGITS, "choices"})
        if way.elicitation == "answer":
            assert (estimate.top, estimate.llm_distribution is not None) == ("sad", True)
        if way.elicitation in ASKED_BY_LOGITS:
            assert "logits" in (estimate.reason or "")
    model.close()


async def test_the_live_condition_explains_itself_on_a_real_engine(
    load_hf: Callable[..., TransformersModel], wide_llama: TinyLlama
):
    model = load_hf(wide_llama.hf, block=512)
    way = replace(condition("live"), max_tokens=N_NEW)
    recognizer = R3Recognizer(model, condition=way, settings=R3Settings(threshold=0.0))
    await recognizer.prepare(None, after(25))
    snapshot = replace(UTTERANCE, is_final=False)
    await recognizer.prepare(snapshot, after(25))
    estimate = await recognizer.recognize(UTTERANCE, after(25), revision=1, source="both")
    assert estimate.cached_share is not None
    assert estimate.cached_share >= 0.9
    told = await recognizer.explain(UTTERANCE, after(25), estimate=estimate, revision=2)
    assert told is None or (told.revision, told.distribution) == (2, estimate.distribution)


async def test_a_window_too_short_for_the_context_still_gives_an_estimate(
    load_hf: Callable[..., TransformersModel], tmp_path_factory: pytest.TempPathFactory
):
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    model = load_hf(tiny_llama(tmp_path_factory.mktemp("short"), context=1400, width=32, n_layers=1).hf)
    notes: list[str] = []
    recognizer = R3Recognizer(model, condition=condition("live"), settings=R3Settings(note=notes.append))
    estimate = await recognizer.recognize(UTTERANCE, after(60, text="well yes " * 20), revision=1, source="both")
    assert estimate.llm_distribution is not None, estimate.reason
    assert len(notes) == 1


async def test_a_server_that_is_gone_is_an_estimate_that_says_so(openai_server: OpenAiServer):
    openai_server.close()
    model = OpenAiCompatibleModel(Endpoint(openai_server.url, retry=RetrySettings(n_tries=1)), model="toy")
    for name in ("live", "r3", "choices", "ambiguous-text"):
        estimate = await estimated(model, condition(name), after(2))
        assert estimate.top is None
        assert "failed" in (estimate.reason or "")
    model.close()

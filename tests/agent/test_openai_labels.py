"""Labels scored over HTTP: exact sums where prompts are echoed, else the likeliest tokens, else draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from agent.backends.llm.openai_compatible import OpenAiCompatibleModel
from agent.backends.llm.openai_compatible_settings import OpenAiCompatibleSettings
from agent.llm.values import Message, Prompt
from streaming.errors import EngineFailed, ServerFailed
from streaming.nbest import log_sum_exp
from streaming.remote import Endpoint, RetrySettings
from tests.openai_answers import PIECES, Manners, piece_of, tokenised
from tests.openai_server import OpenAiServer, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

LABELS = (" happy", " sad", " angry", " sadder")
CHAT = Prompt(messages=(Message(role="user", text="i am sad"),), answer_start="Emotion:")
RAW = Prompt(messages=(Message(role="user", text="user: i am sad\nassistant: Emotion:"),), is_raw=True)
LIKELY = {" happy": 6.0, " sad": 7.0, "sad": 4.0, " ang": 5.0, " hap": 3.0, "der": 4.0, "ry": 3.0}


def model_of(server: OpenAiServer, **settings: Any) -> OpenAiCompatibleModel:
    endpoint = Endpoint(server.url, retry=RetrySettings(n_tries=1))
    return OpenAiCompatibleModel(endpoint, model="toy", settings=OpenAiCompatibleSettings(**settings))


def reference(manners: Manners, text: str, labels: Sequence[str]) -> list[float]:
    """Sums of log-probabilities, label by label."""
    n = len(tokenised(text))
    return [sum(logp or 0.0 for logp in manners.lm.logps(tokenised(text + label))[n:]) for label in labels]


@pytest.mark.parametrize("prompt", [CHAT, RAW], ids=["chat", "raw"])
async def test_a_server_that_echoes_gives_exact_sums(openai_server: OpenAiServer, prompt: Prompt):
    openai_server.manners.kind = "vllm"
    model = model_of(openai_server)
    scores = await model.score(prompt, LABELS)
    text = "user: i am sad\nassistant: Emotion:"
    assert scores.method == "exact"
    assert scores.logps == pytest.approx(reference(openai_server.manners, text, LABELS), abs=1e-9)
    assert scores.n_tokens == tuple(len(tokenised(text + label)) - len(tokenised(text)) for label in LABELS)
    assert scores.usage.n_prompt
    assert model.capabilities.scoring == "exact"
    model.close()


async def test_a_raw_prompt_is_scored_exactly_by_any_server_that_echoes(openai_server: OpenAiServer):
    model = model_of(openai_server)
    scores = await model.score(RAW, LABELS)
    assert scores.method == "exact"
    assert scores.logps == pytest.approx(reference(openai_server.manners, RAW.messages[0].text, LABELS), abs=1e-9)
    model.close()


async def test_echoes_of_the_wrong_tokens_are_not_taken_for_exact(openai_server: OpenAiServer):
    openai_server.manners.echoes_shifted = True
    openai_server.manners.lm.favours = LIKELY
    model = model_of(openai_server)
    assert (await model.score(RAW, ["happy", "sad"])).method == "top_logprobs"
    model.close()


async def test_a_tokenizer_that_joins_prompt_and_label_is_no_trouble(openai_server: OpenAiServer):
    prompt = Prompt(messages=(Message(role="user", text="Emotion: "),), is_raw=True)
    model = model_of(openai_server)
    scores = await model.score(prompt, ["happy", "sad"])
    n_before = len(tokenised("Emotion:"))
    expected = [
        sum(logp or 0.0 for logp in openai_server.manners.lm.logps(tokenised(f"Emotion: {label}"))[n_before:])
        for label in ("happy", "sad")
    ]
    assert scores.logps == pytest.approx(expected, abs=1e-9)
    assert scores.n_tokens == (1, 1)
    model.close()


@pytest.mark.parametrize("prompt", [CHAT, RAW], ids=["chat", "raw"])
async def test_likeliest_tokens_are_matched_and_alike_labels_told_apart(openai_server: OpenAiServer, prompt: Prompt):
    openai_server.manners.kind = "llama.cpp"
    openai_server.manners.lm.favours = LIKELY
    model = model_of(openai_server)
    scores = await model.score(prompt, LABELS)
    text = "user: i am sad\nassistant: Emotion:"
    logps = openai_server.manners.lm.next_logps(tokenised(text))
    p = {piece_of(i): float(logp) for i, logp in enumerate(logps)}
    after_sad = openai_server.manners.lm.next_logps(tokenised(text + " sad"))
    der = {piece_of(i): float(logp) for i, logp in enumerate(after_sad)}["der"]
    sad = log_sum_exp([p[" sad"], p["sad"]])
    assert scores.method == "top_logprobs"
    assert scores.logps == pytest.approx((p[" happy"], sad, p[" ang"], sad + der), abs=1e-9)
    assert scores.n_tokens == (1, 1, 1, 2)
    assert model.capabilities.scoring == "top_logprobs"
    model.close()


async def test_a_label_out_of_sight_scores_minus_infinity(openai_server: OpenAiServer):
    openai_server.manners.kind = "llama.cpp"
    openai_server.manners.lm.favours = {**LIKELY, "s": -20.0, "n": -20.0, " neutral": -20.0, "neutral": -20.0}
    model = model_of(openai_server)
    scores = await model.score(CHAT, ["happy", "neutral"])
    assert math.isfinite(scores.logps[0])
    assert scores.logps[1] == -math.inf
    assert scores.shares() == pytest.approx((1.0, 0.0))
    model.close()


async def test_labels_that_are_all_out_of_sight_are_drawn(openai_server: OpenAiServer):
    begins = [piece for piece in PIECES if piece.strip().casefold()[:1] in {"h", "s"}]
    openai_server.manners.lm.favours = dict.fromkeys(begins, -20.0)
    model = model_of(openai_server, n_draws=4)
    assert (await model.score(CHAT, ["happy", "sad"])).method == "sampled"
    model.close()
    model = model_of(openai_server, scoring="top_logprobs")
    assert (await model.score(CHAT, ["happy", "sad"])).logps == (-math.inf, -math.inf)
    model.close()


async def test_the_number_of_requests_is_bounded(openai_server: OpenAiServer):
    openai_server.manners.kind = "llama.cpp"
    openai_server.manners.lm.favours = LIKELY
    model = model_of(openai_server, n_steps=1)
    scores = await model.score(CHAT, ["sad", "sadder", "sadfolk"])
    assert len(openai_server.asked("/v1/chat/completions")) == 1
    assert scores.logps[1] == pytest.approx(scores.logps[0] - math.log(2))
    assert scores.logps[1] == scores.logps[2]
    model.close()


async def test_without_log_probabilities_constrained_draws_are_counted(openai_server: OpenAiServer):
    openai_server.manners.gives_logprobs = False
    model = model_of(openai_server, n_draws=8)
    for _ in range(2):
        scores = await model.score(CHAT, ["happy", "sad", "angry"])
        assert scores.method == "sampled"
        assert math.exp(scores.logps[0]) + math.exp(scores.logps[1]) == pytest.approx(1.0)
        assert scores.logps[2] == -math.inf
    asked = [seen.json for seen in openai_server.asked("/v1/chat/completions")]
    assert sum("top_logprobs" in body for body in asked) == 1, "what the server cannot is asked for once"
    assert sorted(body["seed"] for body in asked if "seed" in body) == sorted([*range(8), *range(8)])
    assert asked[-1]["temperature"] == 1.0
    assert asked[-1]["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"][2] == "angry"
    model.close()


async def test_a_server_that_refuses_log_probabilities_is_asked_by_draws(openai_server: OpenAiServer):
    openai_server.manners.refuses = ("logprobs",)
    model = model_of(openai_server, n_draws=4)
    assert (await model.score(CHAT, ["happy", "sad"])).method == "sampled"
    assert (await model.score(RAW, ["happy", "sad"])).method == "sampled"
    model.close()


async def test_a_chosen_way_is_the_only_one(openai_server: OpenAiServer):
    openai_server.manners.gives_logprobs = False
    model = model_of(openai_server, scoring="top_logprobs")
    assert model.capabilities.scoring == "top_logprobs"
    with pytest.raises(EngineFailed, match="cannot score labels: it gives no log-probabilities"):
        await model.score(CHAT, ["happy", "sad"])
    model.close()


async def test_draws_without_a_label_are_an_error(openai_server: OpenAiServer):
    openai_server.manners.gives_logprobs = False
    openai_server.manners.draws = ("bored",)
    model = model_of(openai_server, n_draws=2)
    with pytest.raises(ServerFailed, match="none of the labels in 2 draws"):
        await model.score(CHAT, ["happy", "sad"])
    model.close()


async def test_a_failure_that_is_no_answer_is_not_hidden_by_another_way(openai_server: OpenAiServer):
    model = model_of(openai_server, n_draws=3)
    openai_server.next("well", Refusal(status=503, body={"error": {"message": "Loading model"}}))
    with pytest.raises(ServerFailed, match="503"):
        await model.score(CHAT, ["happy", "sad"])
    openai_server.manners.gives_logprobs = False
    openai_server.next("well", "hang_up")
    with pytest.raises(ServerFailed, match="closed the connection"):
        await model.score(CHAT, ["happy", "sad"])
    assert (await model.score(CHAT, ["happy", "sad"])).method == "sampled"
    model.close()


@pytest.mark.parametrize("labels", [[], ["a", "a"], ["a", ""]])
async def test_lists_that_are_none_are_refused(openai_server: OpenAiServer, labels: list[str]):
    model = model_of(openai_server)
    with pytest.raises(ValueError, match="label"):
        await model.score(CHAT, labels)
    assert not openai_server.seen
    model.close()

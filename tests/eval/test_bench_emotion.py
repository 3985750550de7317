"""The bench of emotion on paper machines: its clock, its model's costs, and what its figures say."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.llm.values import Decoding, Message, Prompt
from eval.bench import emotion
from eval.bench.virtual import BLOCK, BYTES_PER_TOKEN, Speed, TimedModel, run_virtual
from eval.signature import parse_signature

if TYPE_CHECKING:
    from agent.ports import LanguageModel

QUICK = Speed(name="quick", prompt_per_s=100, answer_per_s=10)


def asked(n_tokens: int, *, end: str = "") -> Prompt:
    head = "user: \n"
    text = "a" * (n_tokens * BYTES_PER_TOKEN - len(head) - len(end)) + end
    return Prompt(messages=(Message(role="user", text=text),))


def model() -> LanguageModel:
    return TimedModel(QUICK, answer="one two three")


async def now() -> float:
    return asyncio.get_running_loop().time()


def test_on_the_virtual_clock_an_hour_takes_no_time_and_things_happen_in_their_order():
    async def main() -> tuple[list[str], float]:
        order: list[str] = []

        async def after(seconds: float, name: str) -> None:
            await asyncio.sleep(seconds)
            order.append(name)

        await asyncio.gather(after(3600, "late"), after(1, "soon"), after(60, "later"))
        return order, await now()

    order, passed_s = run_virtual(main)
    assert order == ["soon", "later", "late"]
    assert passed_s == pytest.approx(3600)


def test_a_prompt_costs_what_is_not_cached_and_an_answer_its_words():
    async def main() -> list[float]:
        timed, times = model(), [0.0]
        for prompt in (asked(1000), asked(1000), asked(1000, end="b" * 100 * BYTES_PER_TOKEN)):
            await timed.score(prompt, ["x", "y"], conversation="s")
            times.append(await now())
        pieces = [piece async for piece in timed.stream(asked(10), Decoding(), conversation="t")]
        assert "".join(piece.text for piece in pieces) == "one two three"
        times.append(await now())
        return [after - before for before, after in pairwise(times)]

    cold, warm, other, answer = run_virtual(main)
    assert cold == pytest.approx(10 + 0.1)
    assert warm == pytest.approx(0.1)
    assert other == pytest.approx(1 + 0.1, abs=0.02)
    assert answer == pytest.approx(0.1 + 0.3)


def test_work_ahead_waits_for_whoever_is_asked_and_keeps_what_it_has_done_when_it_is_cancelled():
    async def main() -> tuple[float, int]:
        timed = model()
        ahead = asyncio.create_task(timed.prefill(asked(1000), conversation="s"))
        await asyncio.sleep(0)
        began = await now()
        await timed.score(asked(50), ["x", "y"], conversation="other")
        scored_s = await now() - began
        await asyncio.sleep(3)
        ahead.cancel()
        usage = (await timed.score(asked(1000), ["x", "y"], conversation="s")).usage
        assert usage.n_cached is not None
        return scored_s, usage.n_cached

    scored_s, n_cached = run_virtual(main)
    assert scored_s <= BLOCK / QUICK.prompt_per_s + 0.5 + 0.1 + 1e-9  # the block under way, then its own
    assert 2 * BLOCK <= n_cached <= 4 * BLOCK


def test_work_ahead_leaves_more_in_the_cache_and_the_estimate_comes_sooner():
    (speed, *_) = emotion.SPEEDS
    result = emotion.measure(n_turns=emotion.WINDOW + 15, speeds=[speed])
    ahead, plain = result.rows
    assert (ahead.n, plain.n) == (emotion.WINDOW + 15,) * 2
    assert ahead.ready >= emotion.BUDGET_READY
    assert ahead.cached_share is not None
    assert ahead.least_share is not None
    assert plain.cached_share is not None
    assert plain.least_share is not None
    assert ahead.cached_share >= emotion.BUDGET_CACHED
    assert ahead.cached_share > plain.cached_share
    assert ahead.least_share > plain.least_share
    assert ahead.emotion_ms < plain.emotion_ms
    table = emotion.table(result)
    assert table.count(f"| {speed.name}") == 2
    assert parse_signature(table.splitlines()[-1].strip("`")).get("clock") == "virtual"


def test_the_figures_are_the_same_each_time():
    results = [emotion.measure(n_turns=emotion.WINDOW + 2, speeds=emotion.SPEEDS[:1]) for _ in range(2)]
    assert results[0] == results[1]


def test_a_talk_that_never_fills_the_window_is_refused():
    with pytest.raises(ValueError, match="more turns than the window"):
        emotion.measure(n_turns=emotion.WINDOW)


def test_a_way_of_asking_that_does_not_tell_what_was_cached_is_shown_without():
    result = emotion.measure(n_turns=emotion.WINDOW + 1, speeds=emotion.SPEEDS[:1], name="ambiguous-token")
    assert {row.cached_share for row in result.rows} == {None}
    assert "| - / - |" in emotion.table(result)

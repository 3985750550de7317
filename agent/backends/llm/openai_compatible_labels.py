"""Scoring labels at a server, by the best way it has.

"exact": prompt and label are sent together, the server echoes them with the log-probability of each token (vLLM, and
others for raw prompts); the sums are those of a local engine.

"top_logprobs": the likeliest tokens after the prompt are matched with the labels, without regard to case and leading
blanks; spellings of one label are added up. Where labels begin alike, the shared beginning is forced and the model is
asked again, until each label is told apart; there its sum ends. A label whose token is not among the likeliest scores
minus infinity: the server does not tell more than that it is less likely than all that were shown. If none is, the
labels are drawn.

"sampled": shares of draws at temperature 1 that a schema holds to the labels.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from streaming.errors import EngineFailed, ServerFailed
from streaming.nbest import log_sum_exp
from streaming.remote.faults import Refused

from ...llm.labels import label_scores, label_tree
from ...llm.values import Decoding, LabelScores, Usage
from .openai_compatible_protocol import drawn, echoes, is_aligned, likeliest, raw_text, text_of, usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...llm.values import Prompt, ScoringMethod
    from .openai_compatible_protocol import Json
    from .openai_compatible_server import ModelServer

_AT_ONCE = 4
_N_TOP_RAW = 5
"""More the protocol does not allow for raw prompts; vLLM and llama.cpp server do."""


class CannotScore(EngineFailed):
    """This server cannot score this way."""


@dataclass(slots=True)
class _Sums:
    """Scores as they come together."""

    logps: list[float]
    n_tokens: list[int]
    n_steps: int = 0
    usage: Usage | None = None

    def note(self, answer: Json) -> None:
        """Keep the cost of the first request: the others find its prompt in the cache."""
        self.n_steps += 1
        if self.usage is None and isinstance(answer.get("usage"), dict):
            self.usage = usage_of(answer["usage"], first_ms=None, total_ms=0.0)


class LabelScorer:
    """Scores by the best way the server can, found out by trying and remembered."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._cannot: set[tuple[ScoringMethod, bool]] = set()
        self.method: ScoringMethod = server.settings.scoring or "top_logprobs"

    async def score(self, prompt: Prompt, labels: tuple[str, ...], *, conversation: str) -> LabelScores:
        """Return the scores; runs on the courier.

        Raises:
            EngineFailed: the server can do none of it.
        """
        ways = {"exact": self._exact, "top_logprobs": self._by_likeliest, "sampled": self._by_draws}
        trouble: EngineFailed | None = None
        began_s = time.perf_counter()
        methods = await self._methods(prompt)
        for method in methods:
            try:
                sums = await ways[method](prompt, labels, conversation)
            except (CannotScore, Refused) as failed:
                if isinstance(failed, Refused) and (not failed.is_for_good or failed.complaint.lacks_model):
                    raise
                self._cannot.add((method, prompt.is_raw))
                trouble = failed
                continue
            if method != methods[-1] and not any(map(math.isfinite, sums.logps)):
                continue  # no label in sight tells nothing; another way may
            self.method = method
            return LabelScores(
                labels=labels,
                logps=tuple(sums.logps),
                n_tokens=tuple(sums.n_tokens),
                method=method,
                usage=replace(
                    sums.usage or Usage(n_prompt=None, n_cached=None), total_ms=(time.perf_counter() - began_s) * 1000
                ),
            )
        raise EngineFailed(f"the server at {self._server.client.endpoint.url} cannot score labels: {trouble}")

    async def _methods(self, prompt: Prompt) -> Sequence[ScoringMethod]:
        if (chosen := self._server.settings.scoring) is not None:
            return (chosen,)
        shows_prompts = prompt.is_raw or (await self._server.facts()).kind == "vllm"
        ways: tuple[ScoringMethod, ...] = ("top_logprobs", "sampled")
        ways = ("exact", *ways) if shows_prompts else ways
        return [way for way in ways if (way, prompt.is_raw) not in self._cannot] or ("sampled",)

    async def _exact(self, prompt: Prompt, labels: Sequence[str], conversation: str) -> _Sums:
        del conversation  # the server finds the prefix by itself
        sums = _Sums([], [])
        text = raw_text(prompt) if prompt.is_raw else await self._rendered(prompt)
        texts = [text, *(text + label for label in labels)]
        # One request for all where that is understood: not every server takes several prompts at once.
        parts = [texts] if (await self._server.facts()).kind == "vllm" else [[text] for text in texts]
        echoed = [echo for part in parts for echo in await self._echoed(part, sums, is_raw=prompt.is_raw)]
        ids: dict[str, int] = {}
        # The last token is the one that had to be generated.
        rows = [[ids.setdefault(token, len(ids)) for token in tokens[:-1]] for tokens, _ in echoed]
        try:
            tree = label_tree(rows[0], rows[1:])
        except ValueError as trouble:
            raise CannotScore(str(trouble)) from None
        logps = [math.nan] * len(tree.nodes)
        for path, (_, echo) in zip(tree.paths, echoed[1:], strict=True):
            for node, logp in zip(path, echo[tree.n_before :], strict=False):
                logps[node] = -math.inf if logp is None else logp
        sums.logps, sums.n_tokens = list(label_scores(tree, logps)), list(tree.n_tokens)
        return sums

    async def _echoed(
        self, texts: list[str], sums: _Sums, *, is_raw: bool
    ) -> list[tuple[list[str], list[float | None]]]:
        """Return the tokens of each text, and one more, with their log-probabilities."""
        body: Json = {"model": self._server.model, "prompt": texts if len(texts) > 1 else texts[0]}
        is_vllm = (await self._server.facts()).kind == "vllm"
        if is_vllm:
            body["return_tokens_as_token_ids"] = True  # two tokens may look alike as text
        if not is_raw:
            body["add_special_tokens"] = False  # the rendered chat has them
        body |= {"max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        answer = await self._server.answer("/completions", body)
        echoed = echoes(answer, n=len(texts))
        if echoed is None:
            raise CannotScore("it echoes no log-probabilities")
        if not is_vllm and not is_aligned(answer):
            raise CannotScore("its echoed log-probabilities are not those of the tokens beside them")
        sums.note(answer)
        return echoed

    async def _rendered(self, prompt: Prompt) -> str:
        """Return a chat as the model sees it."""
        ids = await self._server.tokens(prompt)
        text = None if ids is None else await self._server.text_of(ids)
        if text is None:
            raise CannotScore("it does not show how it renders a chat")
        return text

    async def _by_likeliest(self, prompt: Prompt, labels: Sequence[str], conversation: str) -> _Sums:
        sums = _Sums([-math.inf] * len(labels), [1] * len(labels))
        names = [label.strip().casefold() for label in labels]
        # What is still to be told apart: labels, how much of them is said, how it was said, its score and tokens.
        todo: list[tuple[list[int], int, str, float, int]] = [(list(range(len(labels))), 0, "", 0.0, 0)]
        while todo:
            group, n_said, said, logp, n_tokens = todo.pop()
            if sums.n_steps >= self._server.settings.n_steps:
                _tie(sums, group, logp, n_tokens)
                continue
            tokens = await self._next_tokens(prompt, said, conversation, sums)
            for start, members in _by_start(tokens, names, group, n_said).items():
                spelt, start_logp = _spelt(tokens, start, at_start=n_said == 0)
                now, n_now = logp + start_logp, n_tokens + 1
                ended = [i for i in members if len(names[i]) == n_said + len(start)]
                for i in ended if len(members) > 1 else members:
                    sums.logps[i], sums.n_tokens[i] = now, n_now
                others = [i for i in members if i not in ended]
                if len(members) > 1 and others:
                    todo.append((others, n_said + len(start), said + spelt, now, n_now))
        return sums

    async def _next_tokens(self, prompt: Prompt, said: str, conversation: str, sums: _Sums) -> Mapping[str, float]:
        """Return the likeliest tokens after the prompt and what is forced behind it."""
        forced = replace(prompt, answer_start=prompt.answer_start + said)
        path, body = await self._server.asked(forced, conversation=conversation)
        n_top = self._server.settings.n_top
        if prompt.is_raw:
            knows_more = (await self._server.facts()).kind in {"vllm", "llama.cpp"}
            body["logprobs"] = n_top if knows_more else min(_N_TOP_RAW, n_top)
        else:
            body |= {"logprobs": True, "top_logprobs": n_top}
        answer = await self._server.answer(path, body | {"max_tokens": 1, "temperature": 0.0})
        found = likeliest(answer)
        if found is None:
            raise CannotScore("it gives no log-probabilities")
        sums.note(answer)
        return found

    async def _by_draws(self, prompt: Prompt, labels: Sequence[str], conversation: str) -> _Sums:
        sums = _Sums([], [1] * len(labels))
        label = {"type": "string", "enum": list(labels)}
        schema = {
            "type": "object",
            "properties": {"label": label},
            "required": ["label"],
            "additionalProperties": False,
        }
        path, body = await self._server.asked(replace(prompt, answer_start=""), conversation=conversation)
        turns = asyncio.Semaphore(_AT_ONCE)

        async def draw(seed: int) -> str | None:
            decoding = Decoding(max_tokens=64, temperature=1.0, seed=seed, schema=schema)
            async with turns:
                answer = await self._server.answer(path, body | drawn(decoding))
            sums.note(answer)
            return _label_in(text_of(answer), labels)

        try:
            async with asyncio.TaskGroup() as group:
                draws = [group.create_task(draw(seed)) for seed in range(self._server.settings.n_draws)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        found = [label for task in draws if (label := task.result()) is not None]
        if not found:
            url = self._server.client.endpoint.url
            raise ServerFailed(f"the server at {url} gave none of the labels in {len(draws)} draws")
        sums.logps = [_log(found.count(label) / len(found)) for label in labels]
        return sums


def _tie(sums: _Sums, group: Sequence[int], logp: float, n_tokens: int) -> None:
    """Share what is known among labels that could not be told apart in time."""
    for i in group:
        sums.logps[i], sums.n_tokens[i] = logp - math.log(len(group)), max(1, n_tokens)


def _by_start(
    tokens: Mapping[str, float], names: Sequence[str], group: Sequence[int], n_said: int
) -> dict[str, list[int]]:
    """Return which labels go on with which token: the longest that fits, as a tokenizer would have it."""
    plain = {_plain(token, at_start=n_said == 0) for token in tokens} - {""}
    found: dict[str, list[int]] = {}
    for i in group:
        fitting = [token for token in plain if names[i].startswith(token, n_said)]
        if fitting:
            found.setdefault(max(fitting, key=len), []).append(i)
    return found


def _spelt(tokens: Mapping[str, float], start: str, *, at_start: bool) -> tuple[str, float]:
    """Return the likeliest spelling of a token and the score of all its spellings together."""
    spellings = {token: logp for token, logp in tokens.items() if _plain(token, at_start=at_start) == start}
    return max(spellings, key=lambda token: spellings[token]), log_sum_exp(list(spellings.values()))


def _plain(token: str, *, at_start: bool) -> str:
    return (token.lstrip() if at_start else token).casefold()


def _label_in(text: str, labels: Sequence[str]) -> str | None:
    """Return the label that an answer holds, None if it holds none or several."""
    try:
        value: object = json.loads(text)
        said = str(cast("Json", value).get("label", "") if isinstance(value, dict) else value)
    except (ValueError, RecursionError):
        said = text
    exact = [label for label in labels if label.strip().casefold() == said.strip().casefold()]
    held = exact or [label for label in labels if label.strip().casefold() in said.casefold()]
    return held[0] if len(held) == 1 else None


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf

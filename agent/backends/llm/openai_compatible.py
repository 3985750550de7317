"""A language model behind the OpenAI protocol: vLLM, llama.cpp server, Ollama, the hosted API, and others alike."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from streaming.errors import EngineFailed, ServerFailed
from streaming.remote.client import Client
from streaming.remote.exchange import Ask
from streaming.remote.faults import at

from ...llm.labels import checked
from ...llm.values import Capabilities, Decoding, Piece, Usage
from .openai_compatible_labels import LabelScorer
from .openai_compatible_protocol import WithoutStart, delta_of, drawn, raw_text, shows_progress, streamed, usage_of
from .openai_compatible_server import ModelServer
from .openai_compatible_settings import OpenAiCompatibleSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from typing import Any

    from streaming.remote import Endpoint

    from ...llm.values import LabelScores, Prompt, Trace
    from .openai_compatible_protocol import Json

_BYTES_PER_TOKEN = 3.5
_TOKENS_PER_MESSAGE = 4
_SLACK = 8
"""Tokens more than asked for that are forgiven: servers count marks of the end differently."""


class OpenAiCompatibleModel:
    """`agent.ports.LanguageModel` over HTTP. Requests run on a thread of its own, started by the first.

    Prefixes are kept by the server (vLLM and the hosted API by themselves; llama.cpp server gets one slot for each
    conversation, as long as it has some). `count_tokens` asks vLLM and llama.cpp server; for others it estimates: one
    token for 3.5 bytes of UTF-8 and four for each message.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str,
        settings: OpenAiCompatibleSettings | None = None,
        client: Client | None = None,
    ) -> None:
        """Use `model` at `endpoint`; a `client` that is given is shared and stays open."""
        self._owns_client = client is None
        self._client = client or Client(endpoint, name=f"language model {model}")
        self._settings = settings or OpenAiCompatibleSettings()
        self._server = ModelServer(self._client, model=model, settings=self._settings)
        self._scorer = LabelScorer(self._server)
        self._model = model

    @property
    def name(self) -> str:
        """See `LanguageModel`."""
        return f"openai:{self._model}"

    @property
    def capabilities(self) -> Capabilities:
        """See `LanguageModel`; what only the server knows is there after the first request."""
        facts = self._server.known
        return Capabilities(
            context_length=self._settings.context_length or (None if facts is None else facts.context_length),
            scoring=self._scorer.method,
            traces=False,
            constrains=self._server.dialect.constrains,
            hears=self._settings.hears,
        )

    def stream(self, prompt: Prompt, decoding: Decoding, *, conversation: str = "") -> AsyncGenerator[Piece, None]:
        """See `LanguageModel`; closing the generator closes the connection, at which servers stop."""
        return self._client.stream(lambda: self._pieces(prompt, decoding, conversation=conversation))

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """See `LanguageModel` and `openai_compatible_labels`."""
        names = checked(labels)
        return await self._client.call(lambda: self._scorer.score(prompt, names, conversation=conversation))

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Refuse: servers give no raw logits.

        Raises:
            EngineFailed: always.
        """
        raise EngineFailed(f"{self.name} gives no raw logits; use a local engine (transformers, llama.cpp) for them")

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """See `LanguageModel`; does nothing unless `OpenAiCompatibleSettings.warms`."""
        if not self._settings.warms:
            return 0
        return await self._client.call(lambda: self._warm(prompt, conversation=conversation))

    async def count_tokens(self, prompt: Prompt) -> int:
        """See `LanguageModel`; an estimate where the server does not show its tokenizer."""
        ids = await self._client.call(lambda: self._server.tokens(prompt))
        return _estimate(prompt) if ids is None else len(ids)

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """See `LanguageModel`; waits for the server, so call it off the event loop."""
        ids = self._client.submit(lambda: self._server.text_tokens(text, special=False)).result()
        if ids is None:
            raise EngineFailed(f"the server at {self._client.endpoint.url} does not show its tokenizer")
        return tuple(ids)

    def forget(self, conversation: str) -> None:
        """See `LanguageModel`."""
        self._server.forget(conversation)

    def close(self) -> None:
        """See `LanguageModel`."""
        if self._owns_client:
            self._client.close()

    async def _pieces(self, prompt: Prompt, decoding: Decoding, *, conversation: str) -> AsyncGenerator[Piece, None]:
        path, body = await self._server.asked(prompt, conversation=conversation)
        began_s = time.perf_counter()

        async def once(sent: Json) -> AsyncGenerator[Piece, None]:
            async with aclosing(self._read(path, sent, decoding, began_s=began_s)) as pieces:
                async for piece in pieces:
                    yield piece

        start = WithoutStart("" if prompt.is_raw else prompt.answer_start)
        async with aclosing(self._server.adapted(body | drawn(decoding) | streamed(), once)) as pieces:
            async for piece in pieces:
                text = start.feed(piece.text) if piece.usage is None else start.flush()
                if text or piece.usage is not None:
                    yield Piece(text=text, usage=piece.usage)

    async def _read(self, path: str, body: Json, decoding: Decoding, *, began_s: float) -> AsyncGenerator[Piece, None]:
        """Yield one answer, tried once."""
        n_made, has_ended, first_ms = 0, False, None
        told: Mapping[str, Any] | None = None
        ask = Ask(path=path, body=body, model=self._model)
        async with aclosing(self._client.exchange.events(ask, counts=shows_progress)) as events:
            async for event in events:
                delta = delta_of(event)
                n_made += delta.made
                has_ended = has_ended or delta.finish is not None
                told = delta.usage or told
                if n_made > decoding.max_tokens + _SLACK:
                    raise self._failed(f"went on after the {decoding.max_tokens} tokens it was asked for")
                if delta.text:
                    first_ms = _since_ms(began_s) if first_ms is None else first_ms
                    yield Piece(text=delta.text)
        if not has_ended and not n_made:
            await self._ask_why(path, body)
        if not has_ended:
            raise self._failed("ended its answer in the middle", can_retry=True)
        yield Piece(text="", usage=usage_of(told, n_made=n_made, first_ms=first_ms, total_ms=_since_ms(began_s)))

    async def _ask_why(self, path: str, body: Json) -> None:
        """Let a server that ends a stream without a word say what is wrong: in one piece it can (llama-cpp-python).

        Raises:
            ContextOverflow, ServerFailed: that.
        """
        whole = {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}
        await self._client.json(Ask(path=path, body=whole, model=self._model))

    async def _warm(self, prompt: Prompt, *, conversation: str) -> int:
        if (await self._server.facts()).kind not in {"vllm", "llama.cpp"}:
            return 0
        path, body = await self._server.asked(prompt, conversation=conversation)
        answer = await self._server.answer(path, body | drawn(Decoding(max_tokens=1)))
        usage: Usage = usage_of(answer.get("usage"), first_ms=None, total_ms=0.0)
        return usage.n_prompt or 0

    def _failed(self, message: str, *, can_retry: bool = False) -> ServerFailed:
        return at(self._client.endpoint, ServerFailed(message, can_retry=can_retry))


def _estimate(prompt: Prompt) -> int:
    n_bytes = len(raw_text(prompt).encode("utf-8"))
    n_messages = 0 if prompt.is_raw else len(prompt.messages) + 1
    return round(n_bytes / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * n_messages


def _since_ms(began_s: float) -> float:
    return (time.perf_counter() - began_s) * 1000

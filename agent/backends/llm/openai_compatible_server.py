"""What kind of server it is, and what it does not understand: looked at once, remembered for all requests."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

from streaming.remote.exchange import Ask
from streaming.remote.faults import Refused

from .openai_compatible_protocol import Json, asked, count, first, folded, messages_of, raw_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from streaming.remote.client import Client
    from streaming.remote.complaints import Complaint

    from ...llm.values import Prompt
    from .openai_compatible_settings import AnswerStart, OpenAiCompatibleSettings

T = TypeVar("T")
Kind: TypeAlias = Literal["vllm", "llama.cpp", "ollama", "other"]

_KINDS: Mapping[str, Kind] = {"vllm": "vllm", "llamacpp": "llama.cpp", "library": "ollama"}
"""By who a server says owns its models."""

_OPTIONAL = (
    *("stream_options", "seed", "top_p", "temperature", "continue_final_message", "add_generation_prompt"),
    *("cache_prompt", "id_slot"),
)
"""What a server may be spared when it complains of it; the answer stays usable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What a server tells of itself.

    Attributes:
        kind: which program it is.
        context_length: tokens of the window, None where it does not tell.
        n_slots: how many conversations llama.cpp server keeps apart, 0 for others.
    """

    kind: Kind = "other"
    context_length: int | None = None
    n_slots: int = 0


_NO_SYSTEM = re.compile(r"system role|role.{0,12}system|roles must alternate", re.IGNORECASE)
"""How a chat template without a system role complains."""


class Dialect:
    """What a server was found not to understand. Grows; never forgets."""

    def __init__(self) -> None:
        self._spared: set[str] = set()
        self._takes_schema = True
        self._takes_format = True
        self._takes_system = True
        self._limit = "max_tokens"

    @property
    def constrains(self) -> bool:
        """Whether the server holds answers to a schema, as far as is known."""
        return self._takes_schema and self._takes_format

    def fit(self, body: Json) -> Json:
        """Return the body as this server takes it."""
        fitted = {name: value for name, value in body.items() if name not in self._spared}
        if "max_tokens" in fitted:
            fitted[self._limit] = fitted.pop("max_tokens")
        if "messages" in fitted and not self._takes_system:
            fitted["messages"] = folded(fitted["messages"])
        if "response_format" in fitted and not self._takes_format:
            del fitted["response_format"]
        elif "response_format" in fitted and not self._takes_schema:
            fitted["response_format"] = {"type": "json_object"}
        return fitted

    def learn(self, complaint: Complaint, sent: Json) -> bool:
        """Note what the server complains of; return whether the request is worth sending anew, fitted again."""
        if complaint.blames("max_tokens") and "max_tokens" in sent and "max_completion_tokens" in complaint.text:
            self._limit = "max_completion_tokens"
            return True
        if _has_system(sent) and _NO_SYSTEM.search(complaint.text):
            self._takes_system = False
            return True
        kind = sent.get("response_format", {}).get("type")
        if kind and any(map(complaint.blames, ("response_format", "json_schema", "schema", "grammar", kind))):
            self._takes_schema = False
            self._takes_format = self._takes_format and kind == "json_schema"
            return True
        blamed = {name for name in _OPTIONAL if name in sent and complaint.blames(name)}
        self._spared |= blamed
        return bool(blamed)


class ModelServer:
    """One model at one server: requests that adapt to it, its facts, its tokenizer where it shows it.

    Its coroutines run on the client's courier.
    """

    def __init__(self, client: Client, *, model: str, settings: OpenAiCompatibleSettings) -> None:
        self.client = client
        self.model = model
        self.settings = settings
        self.dialect = Dialect()
        self.known: ServerFacts | None = None
        self._looking = asyncio.Lock()
        self._slots: dict[str, int] = {}
        self._slots_lock = threading.Lock()

    async def facts(self) -> ServerFacts:
        """Return what kind of server it is, looking the first time."""
        async with self._looking:
            if self.known is None:
                self.known = await self._look()
            return self.known

    async def start(self) -> AnswerStart:
        """Return how a begun answer is sent to this server."""
        if self.settings.answer_start != "auto":
            return self.settings.answer_start
        return "continue" if (await self.facts()).kind == "vllm" else "trailing"

    async def asked(self, prompt: Prompt, *, conversation: str = "") -> tuple[str, Json]:
        """Return the path and the body for a prompt, less how the answer is drawn."""
        path, body = asked(prompt, model=self.model, start=await self.start(), hears=self.settings.hears)
        facts = await self.facts()
        if facts.kind == "llama.cpp":
            body["cache_prompt"] = True
            if conversation and facts.n_slots > 1:
                body["id_slot"] = self._slot(conversation, facts.n_slots)
        return path, body

    def forget(self, conversation: str) -> None:
        """Give up a conversation's slot."""
        with self._slots_lock:
            self._slots.pop(conversation, None)

    async def adapted(
        self, body: Json, once: Callable[[Json], AsyncGenerator[T, None]], *, is_retried: bool = True
    ) -> AsyncGenerator[T, None]:
        """Yield what `once` yields for the body as this server takes it, learning what it does not take."""
        while True:
            sent = self.dialect.fit(body)
            items = self.client.tried(lambda sent=sent: once(sent)) if is_retried else once(sent)
            try:
                async with aclosing(items):
                    async for item in items:
                        yield item
            except Refused as refused:
                if not refused.is_for_good or not self.dialect.learn(refused.complaint, sent):
                    raise
            else:
                return

    async def answer(self, path: str, body: Json) -> Json:
        """Return an answer in one piece."""

        async def once(sent: Json) -> AsyncGenerator[Json, None]:
            yield await self.client.exchange.json(Ask(path=path, body=sent, model=self.model))

        async with aclosing(self.adapted(body, once)) as answers:
            return await anext(answers)

    async def tokens(self, prompt: Prompt) -> list[int] | None:
        """Return the ids of a prompt as the model sees it, None where the server does not show its tokenizer."""
        if prompt.is_raw:
            return await self.text_tokens(raw_text(prompt), special=True)
        facts, start = await self.facts(), await self.start()
        messages = messages_of(prompt, start=start, hears=self.settings.hears)
        if facts.kind == "llama.cpp":
            answer = await self._shown("/apply-template", {"messages": messages})
            text = None if answer is None else answer.get("prompt")
            return await self.text_tokens(text, special=True) if isinstance(text, str) else None
        if facts.kind != "vllm":
            return None
        _, body = asked(prompt, model=self.model, start=start, hears=self.settings.hears)
        return _ids(await self._shown("/tokenize", body))

    async def text_tokens(self, text: str, *, special: bool) -> list[int] | None:
        """Return the ids of a text, with the model's special first token or without; None as for `tokens`."""
        kind = (await self.facts()).kind
        if kind == "vllm":
            body: Json = {"model": self.model, "prompt": text, "add_special_tokens": special}
            return _ids(await self._shown("/tokenize", body))
        if kind == "llama.cpp":
            return _ids(await self._shown("/tokenize", {"content": text, "add_special": special}))
        return None

    async def text_of(self, ids: list[int]) -> str | None:
        """Return the text of ids, special tokens written out; None where the server does not tell."""
        answer = await self._shown("/detokenize", {"model": self.model, "tokens": ids})
        text = None if answer is None else answer.get("prompt")
        return text if isinstance(text, str) else None

    async def _shown(self, path: str, body: Json) -> Json | None:
        try:
            return await self.client.json(Ask(path=path, body=body, at_root=True, model=self.model))
        except Refused as refused:
            if refused.status in {404, 405, 501}:
                return None
            raise

    async def _look(self) -> ServerFacts:
        try:
            listed = (await self.client.json(Ask(path="/models"))).get("data")
        except Refused as refused:
            if refused.status in {401, 403, 429} or (refused.status or 0) >= 500:
                raise
            return ServerFacts()
        entries = [cast("Json", e) for e in cast("list[object]", listed or []) if isinstance(e, dict)]
        mine = next((entry for entry in entries if entry.get("id") == self.model), dict(first(listed)))
        kind = _KINDS.get(str(mine.get("owned_by")), "other")
        props = await self._props() if kind == "llama.cpp" else {}
        window = props.get("default_generation_settings", {}).get("n_ctx", mine.get("max_model_len"))
        return ServerFacts(kind=kind, context_length=count(window), n_slots=count(props.get("total_slots")) or 0)

    async def _props(self) -> dict[str, Any]:
        try:
            return await self.client.json(Ask(path="/props", at_root=True))
        except Refused:
            return {}

    def _slot(self, conversation: str, n_slots: int) -> int:
        """Return the conversation's slot; the one that was not used for longest when all are taken."""
        with self._slots_lock:
            slot = self._slots.pop(conversation, None)
            if slot is None:
                free = set(range(n_slots)) - set(self._slots.values())
                slot = min(free) if free else self._slots.pop(next(iter(self._slots)))
            self._slots[conversation] = slot
            return slot


def _has_system(body: Json) -> bool:
    return any(message["role"] == "system" for message in body.get("messages", ()))


def _ids(answer: Json | None) -> list[int] | None:
    tokens = None if answer is None else answer.get("tokens")
    return cast("list[int]", tokens) if isinstance(tokens, list) else None

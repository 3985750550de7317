"""A machine that exists on paper: an event loop whose time passes only when all wait, and a model of given speed on it.

The real session, recogniser and responder run on it, and an hour of talk takes seconds. What a turn costs is counted as
a real engine would: prompts in blocks, cached beginnings free, one step of one job at a time, those who wait first.
"""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agent.llm.labels import checked
from agent.llm.values import Capabilities, LabelScores, Piece, Usage
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence

    from agent.llm.values import Decoding, Prompt, Trace

T = TypeVar("T")

BYTES_PER_TOKEN: Final = 4
"""English text in usual vocabularies."""
BLOCK: Final = 128
"""Tokens of a prompt between which another job may step in."""


class _AtOnce(selectors.DefaultSelector):
    """Never waits: the time it was to wait is added to the loop's clock instead."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.passed_s += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._paper = _AtOnce()
        super().__init__(self._paper)

    def time(self) -> float:
        return self._paper.passed_s


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main` on a clock of its own, at zero, which passes only when all tasks wait for it. No threads."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main())


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a model runs: tokens of a prompt, and of an answer, per second."""

    name: str
    prompt_per_s: float
    answer_per_s: float


class TimedModel:
    """A `LanguageModel` of given speed that writes `answer` whatever is asked, and finds every label as likely.

    `first_words` keeps when the first word of each answer of a conversation was there, in the loop's seconds.
    """

    def __init__(self, speed: Speed, *, answer: str) -> None:
        self._speed = speed
        self._answer = answer.split(" ")
        self._cached: dict[str, bytes] = {}
        self._processor = _Processor()
        self.first_words: dict[str, list[float]] = {}

    @property
    def name(self) -> str:
        """What it is called."""
        return self._speed.name

    @property
    def capabilities(self) -> Capabilities:
        """Exact scores, no limit."""
        return Capabilities(context_length=None)

    async def stream(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str = ""
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer, a word for a token."""
        with self._processor.urgent():
            usage = await self._read(_text(prompt), conversation)
            for n, word in enumerate(self._answer[: decoding.max_tokens]):
                await self._work(1 / self._speed.answer_per_s)
                if n == 0:
                    self.first_words.setdefault(conversation, []).append(asyncio.get_running_loop().time())
                self._cached[conversation] = self._cached[conversation] + word.encode()
                yield Piece(text=word if n == 0 else f" {word}")
            yield Piece(text="", usage=usage)

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """Return uniform scores, at the cost of the prompt and one step for all labels."""
        names = checked(labels)
        with self._processor.urgent():
            usage = await self._read(_text(prompt), conversation)
            await self._work(1 / self._speed.answer_per_s)
        return LabelScores(
            labels=names, logps=(-1.0,) * len(names), n_tokens=(1,) * len(names), method="exact", usage=usage
        )

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """Work through a prompt whenever nobody waits; what is done stays, also where this is cancelled."""
        text = _text(prompt)
        await self._read(text, conversation, is_ahead=True)
        return _n_tokens(text)

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return a quarter of the bytes."""
        return _n_tokens(_text(prompt))

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Refuse: it has no logits."""
        raise EngineFailed(f"{self.name} has no logits; expected to be asked for scores")

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return one number per token."""
        return tuple(range(_n_tokens(text.encode())))

    def forget(self, conversation: str) -> None:
        """Forget what was read of a conversation."""
        self._cached.pop(conversation, None)

    def close(self) -> None:
        """Nothing is held."""

    async def _read(self, text: bytes, conversation: str, *, is_ahead: bool = False) -> Usage:
        before = self._cached.get(conversation, b"")
        n_alike = next((i for i, (a, b) in enumerate(zip(before, text, strict=False)) if a != b), None)
        at = min(len(before), len(text)) if n_alike is None else n_alike
        usage = Usage(n_prompt=_n_tokens(text), n_cached=min(at // BYTES_PER_TOKEN, _n_tokens(text) - 1))
        while at < len(text):
            until = min(len(text), at + BLOCK * BYTES_PER_TOKEN)
            await self._work((until - at) / BYTES_PER_TOKEN / self._speed.prompt_per_s, is_ahead=is_ahead)
            self._cached[conversation] = text[:until]
            at = until
        self._cached[conversation] = text
        return usage

    async def _work(self, seconds: float, *, is_ahead: bool = False) -> None:
        """Have the processor for so long; work ahead waits while anybody else does."""
        await self._processor.taken(is_ahead=is_ahead)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._processor.release()


class _Processor:
    """One step at a time, in the order of asking; work ahead only while no other job is under way."""

    def __init__(self) -> None:
        self._is_busy = False
        self._n_urgent = 0
        self._waiting: tuple[list[asyncio.Future[None]], list[asyncio.Future[None]]] = ([], [])

    @contextmanager
    def urgent(self) -> Generator[None]:
        """A job that somebody waits for is under way."""
        self._n_urgent += 1
        try:
            yield
        finally:
            self._n_urgent -= 1
            if not self._is_busy:
                self.release()

    async def taken(self, *, is_ahead: bool) -> None:
        if not self._is_busy and not (is_ahead and self._n_urgent):
            self._is_busy = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting[is_ahead].append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.release()  # it had just become ours
            raise

    def release(self) -> None:
        for waiting in self._waiting[: 1 if self._n_urgent else 2]:
            while waiting:
                following = waiting.pop(0)
                if not following.done():
                    self._is_busy = True
                    following.set_result(None)
                    return
        self._is_busy = False


def _text(prompt: Prompt) -> bytes:
    return ("".join(f"{m.role}: {m.text}\n" for m in prompt.messages) + prompt.answer_start).encode()


def _n_tokens(text: bytes) -> int:
    return -(-len(text) // BYTES_PER_TOKEN)

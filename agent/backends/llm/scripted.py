"""A `LanguageModel` that says what it was told to say: for tests, dry runs and demonstrations. Understands nothing.

Answers, label scores and failures come from scripts, one entry per call, the last one again for ever. Its tokens are
the bytes of the text, its cache is counted like a real one's: the longest beginning a conversation's prompts share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from streaming.errors import ContextOverflow, EngineFailed

from ...llm.labels import checked
from ...llm.stopping import UntilStop
from ...llm.values import Capabilities, LabelScores, Piece, Trace, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from ...llm.values import Decoding, Prompt

T = TypeVar("T")

_NAME = "scripted"
_N_VOCAB = 256
_SURE = 8.0
"""The logit of the byte that is said, beside zeros: it is the likeliest by far, but not the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that was made: `call` is the method's name, `decoding` None and `labels` empty where it has none."""

    call: str
    prompt: Prompt
    conversation: str
    decoding: Decoding | None = None
    labels: tuple[str, ...] = ()


class ScriptedModel:
    """Answers the first `stream` or `trace` with the first of `answers`, and so on; scores labels by `scores`.

    An answer is a text, said a word at a time, or a sequence of pieces; an exception among them, or in its place, is
    raised there. An entry of `scores` gives log-probabilities of labels (those it does not name get `others`), or is an
    exception. `asked` keeps every call, `n_pieces` how many pieces were made, `n_stopped` how many answers were left
    before their end. `gate`, where given, is waited for before every piece and every score.
    """

    def __init__(
        self,
        answers: Sequence[str | Sequence[str | Exception] | Exception] = ("I see.",),
        *,
        scores: Sequence[Mapping[str, float] | Exception] = ({},),
        others: float = -8.0,
        capabilities: Capabilities | None = None,
        gate: asyncio.Event | None = None,
    ) -> None:
        if not answers or not scores:
            raise ValueError("a script is empty: expected at least one answer and one entry of scores")
        self._answers = deque(answers)
        self._scores = deque(scores)
        self._others = others
        self._capabilities = capabilities or Capabilities(context_length=None, traces=True)
        self._gate = gate
        self._cached: dict[str, bytes] = {}
        self._is_closed = False
        self.asked: list[Asked] = []
        self.n_pieces = 0
        self.n_stopped = 0

    @property
    def name(self) -> str:
        """Short name of engine and model."""
        return _NAME

    @property
    def capabilities(self) -> Capabilities:
        """What it was made to claim; by default no limit, exact scores, traces."""
        return self._capabilities

    async def stream(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str = ""
    ) -> AsyncGenerator[Piece, None]:
        """Yield the next answer of the script, at most `max_tokens` pieces of it, cut before a stop text."""
        self._note(Asked(call="stream", prompt=prompt, decoding=decoding, conversation=conversation))
        usage = self._read(prompt, conversation, room=decoding.max_tokens)
        until = UntilStop(decoding.stop)
        said: list[str] = []
        n_said = 0
        try:
            for piece in _pieces(_next(self._answers))[: decoding.max_tokens]:
                await self._wait()
                if isinstance(piece, Exception):
                    raise piece
                n_said += 1
                self.n_pieces += 1
                said.append(piece)
                if text := until.feed(piece):
                    yield Piece(text=text)
                if until.is_over:
                    break
        except (GeneratorExit, asyncio.CancelledError):
            self.n_stopped += 1
            raise
        finally:
            self._keep(conversation, "".join(said))
        if rest := until.flush():
            yield Piece(text=rest)
        yield Piece(text="", usage=_spent(usage, n_generated=n_said))

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """Return the scores of the next entry of the script."""
        names = checked(labels)
        self._note(Asked(call="score", prompt=prompt, labels=names, conversation=conversation))
        usage = self._read(prompt, conversation, room=max(len(name.encode()) for name in names))
        scores = _next(self._scores)
        await self._wait()
        if isinstance(scores, Exception):
            raise scores
        return LabelScores(
            labels=names,
            logps=tuple(scores.get(name, self._others) for name in names),
            n_tokens=tuple(len(name.encode()) for name in names),
            method=self._capabilities.scoring,
            usage=usage,
        )

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Return the next answer of the script, byte by byte, each with the logits that would choose it.

        Raises:
            EngineFailed: the script says so, or its capabilities are without traces.
        """
        self._note(Asked(call="trace", prompt=prompt, decoding=decoding, conversation=""))
        if not self._capabilities.traces:
            raise EngineFailed(f"{_NAME} gives no logits; use an engine that runs here")
        usage = self._read(prompt, "", room=decoding.max_tokens)
        pieces = _pieces(_next(self._answers))
        await self._wait()
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
        ids = "".join(str(piece) for piece in pieces).encode()[: decoding.max_tokens]
        logits = np.zeros((len(ids), _N_VOCAB), dtype=np.float32)
        logits[np.arange(len(ids)), list(ids)] = _SURE
        return Trace(
            text=ids.decode(errors="replace"),
            token_ids=tuple(ids),
            token_texts=tuple(bytes([i]).decode("latin-1") for i in ids),
            logits=logits,
            usage=_spent(usage, n_generated=len(ids)),
        )

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """Count the prompt as read; return its length."""
        self._note(Asked(call="prefill", prompt=prompt, conversation=conversation))
        self._read(prompt, conversation, room=0)
        return len(_text(prompt)) if conversation else 0

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return the number of bytes of the prompt's text."""
        return len(_text(prompt))

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return the bytes of the text."""
        return tuple(text.encode())

    def forget(self, conversation: str) -> None:
        """Forget what was read of a conversation. Idempotent."""
        self._cached.pop(conversation, None)

    def close(self) -> None:
        """Refuse all further calls. Idempotent."""
        self._is_closed = True

    def _note(self, asked: Asked) -> None:
        if self._is_closed:
            raise EngineFailed(f"{_NAME} is closed; make a new one")
        self.asked.append(asked)

    async def _wait(self) -> None:
        if self._gate is not None:
            await self._gate.wait()
        else:
            await asyncio.sleep(0)

    def _read(self, prompt: Prompt, conversation: str, *, room: int) -> Usage:
        """Count what of the prompt was read before in the conversation, and keep it."""
        text = _text(prompt)
        limit = self._capabilities.context_length
        if limit is not None and len(text) + room > limit:
            raise ContextOverflow(
                f"prompt of {len(text)} tokens and {room} to come do not fit into {limit}; shorten the conversation",
                n_tokens=len(text),
                limit=limit,
            )
        before = self._cached.get(conversation, b"")
        n_alike = next((i for i, (a, b) in enumerate(zip(before, text, strict=False)) if a != b), None)
        n_cached = min(len(before), len(text)) if n_alike is None else n_alike
        if conversation:
            self._cached[conversation] = text
        return Usage(n_prompt=len(text), n_cached=min(n_cached, max(0, len(text) - 1)))

    def _keep(self, conversation: str, said: str) -> None:
        if conversation:
            self._cached[conversation] = self._cached.get(conversation, b"") + said.encode()


def _text(prompt: Prompt) -> bytes:
    chat = "".join(m.text if prompt.is_raw else f"{m.role}: {m.text}\n" for m in prompt.messages)
    return (chat + prompt.answer_start).encode()


def _next(script: deque[T]) -> T:
    return script.popleft() if len(script) > 1 else script[0]


def _pieces(answer: str | Sequence[str | Exception] | Exception) -> list[str | Exception]:
    """Return an answer in pieces: a text by its words, the space before each with it."""
    if isinstance(answer, Exception):
        return [answer]
    if not isinstance(answer, str):
        return list(answer)
    words = answer.split(" ")
    return [word if i == 0 else f" {word}" for i, word in enumerate(words)]


def _spent(usage: Usage, *, n_generated: int) -> Usage:
    return Usage(n_prompt=usage.n_prompt, n_cached=usage.n_cached, n_generated=n_generated)

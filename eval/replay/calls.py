"""Calls of a language model, kept by what was asked: who asks the same again is answered from the shelf.

The key is the content alone (model, prompt, sound, decoding, labels), never a place or a name of a file. Rows hold what
was said; whether it came from the shelf, and how long it took, is told apart: it differs from run to run.
"""

from __future__ import annotations

import json
import math
import os
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import anyio

from agent.llm.values import LabelScores, Piece, Usage

from .plan import digest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from agent.llm.values import Capabilities, Decoding, Prompt, Trace
    from agent.ports import LanguageModel


class CallShelf:
    """Answers on disk, one small file each, under the hash of what was asked; without a folder none is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, key: str) -> dict[str, Any] | None:
        """Return an answer, None where there is none, or none that can be read."""
        if self._folder is None:
            return None
        try:
            found: object = json.loads(self._place(self._folder, key).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return cast("dict[str, Any]", found) if isinstance(found, dict) else None

    def keep(self, key: str, answer: dict[str, Any]) -> None:
        """Put an answer there, whole or not at all."""
        if self._folder is None:
            return
        place = self._place(self._folder, key)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
        part.replace(place)

    @staticmethod
    def _place(folder: Path, key: str) -> Path:
        return folder / key[:2] / f"{key}.json"


@dataclass(slots=True)
class Tape:
    """What a model was asked since this was last looked at: for the row, and apart from it what never repeats."""

    said: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    costs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def note(self, said: dict[str, Any], usage: Usage, *, from_shelf: bool) -> None:
        """Note a call that is over."""
        self.said.append(said | {"n_prompt": usage.n_prompt, "n_generated": usage.n_generated})
        cost = {"from_cache": from_shelf, "n_cached": usage.n_cached, "total_ms": round(usage.total_ms, 3)}
        self.costs.append({"call": said["call"]} | cost)

    def take(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return what was said and what it cost, and begin anew."""
        taken = self.said, self.costs
        self.said, self.costs = [], []
        return taken


class KeptModel:
    """`agent.ports.LanguageModel`: another one, asked only what it was not asked before; all calls go on a tape.

    Nothing is worked through ahead (`prefill`): nobody waits for the answer.

    Args:
        model: closed by its owner.
        identity: what tells this model from others: engine, weights, options.
        shelf: where answers are kept.
        tape: is told of each call.
    """

    def __init__(self, model: LanguageModel, *, identity: str, shelf: CallShelf, tape: Tape) -> None:
        self._model = model
        self._identity = identity
        self._shelf = shelf
        self._tape = tape

    @property
    def name(self) -> str:
        """Short name of the model that answers."""
        return self._model.name

    @property
    def capabilities(self) -> Capabilities:
        """What that model can do."""
        return self._model.capabilities

    async def stream(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str = ""
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer; from the shelf it comes in one piece."""
        asked = self._asked("stream", prompt, decoding)
        found = self._shelf.find(asked) if _repeats(decoding) else None
        if found is not None and isinstance(found.get("text"), str):
            usage = _usage(found)
            self._tape.note(_said("stream", asked, found["text"]), usage, from_shelf=True)
            yield Piece(text=found["text"], usage=usage)
            return
        text, usage = "", None
        is_over = False
        try:
            async with aclosing(self._model.stream(prompt, decoding, conversation=conversation)) as pieces:
                async for piece in pieces:
                    text += piece.text
                    usage = piece.usage or usage
                    yield piece
            is_over = usage is not None
        except GeneratorExit:
            # Who asked has what they wanted, and will stop there again; unless they were cancelled.
            is_over = anyio.current_effective_deadline() > -math.inf
            raise
        finally:
            # Also of an answer that failed, or was left before its end: that it was asked is part of the row.
            self._tape.note(_said("stream", asked, text), usage or _UNKNOWN, from_shelf=False)
            if is_over and _repeats(decoding):
                self._shelf.keep(asked, {"text": text, "usage": asdict(usage or _UNKNOWN)})

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """Return the scores of the labels."""
        asked = self._asked("score", prompt, None, labels=labels)
        kept = _scores(self._shelf.find(asked))
        scores = kept or await self._model.score(prompt, labels, conversation=conversation)
        if kept is None:
            self._shelf.keep(asked, asdict(scores))
        logps = [logp if abs(logp) < float("inf") else None for logp in scores.logps]
        said = {"call": "score", "asked": asked, "labels": list(scores.labels), "logps": logps}
        self._tape.note(said, scores.usage, from_shelf=kept is not None)
        return scores

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Return an answer with its logits, which are too large to be kept: it is always asked anew."""
        trace = await self._model.trace(prompt, decoding)
        self._tape.note(
            _said("trace", self._asked("trace", prompt, decoding), trace.text), trace.usage, from_shelf=False
        )
        return trace

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """Do nothing: what is asked may be on the shelf."""
        del prompt, conversation
        return 0

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return the length of the prompt in tokens."""
        return await self._model.count_tokens(prompt)

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return the ids of `text` alone."""
        return self._model.tokens_of(text)

    def forget(self, conversation: str) -> None:
        """Free what is cached of a conversation. Idempotent."""
        self._model.forget(conversation)

    def close(self) -> None:
        """Free the model. Idempotent."""
        self._model.close()

    def _asked(self, call: str, prompt: Prompt, decoding: Decoding | None, *, labels: Sequence[str] = ()) -> str:
        messages = [
            [one.role, one.text, None if one.audio is None else sha256(one.audio.astype("<f4").tobytes()).hexdigest()]
            for one in prompt.messages
        ]
        how = None if decoding is None else asdict(decoding)
        return digest([call, self._identity, messages, prompt.answer_start, prompt.is_raw, how, list(labels)])


_UNKNOWN = Usage(n_prompt=None, n_cached=None)


def _repeats(decoding: Decoding) -> bool:
    """Return whether asking again is to give the same; draws without a seed are to differ."""
    return decoding.temperature == 0 or decoding.seed is not None


def _said(call: str, asked: str, text: str) -> dict[str, Any]:
    return {"call": call, "asked": asked, "text": text}


def _scores(found: dict[str, Any] | None) -> LabelScores | None:
    """Return scores as they were kept, None where there are none, or not whole."""
    if found is None:
        return None
    with suppress(KeyError, TypeError):
        told = {name: tuple(found[name]) for name in ("labels", "logps", "n_tokens")}
        return LabelScores(**told, method=found["method"], usage=_usage(found))
    return None


def _usage(found: dict[str, Any]) -> Usage:
    with suppress(KeyError, TypeError):
        return Usage(**found["usage"])
    return _UNKNOWN

"""What a GGUF model can be asked to do, as jobs for a `Stepper`: generators that yield wherever others may step in."""

from __future__ import annotations

import codecs
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streaming.errors import ContextOverflow, EngineFailed, ModelUnusable

from ...llm.labels import ROOT, LabelTree, label_scores, label_tree, node_logps
from ...llm.stopping import UntilStop
from ...llm.values import LabelScores, Piece, Trace
from .llama_cpp_cache import Branch, SequenceCache
from .llama_cpp_drawing import Drawing
from .stepper import Pause

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from ...llm.values import Decoding, Prompt
    from .llama_cpp_cache import Held
    from .llama_cpp_native import Context
    from .llama_cpp_settings import LlamaSettings
    from .llama_cpp_vocabulary import Vocabulary
    from .watch import Watch


class LlamaJobs:
    """The jobs of one model with a window of `window` tokens, which share its cache.

    `n_batch` is the most tokens of one step: a block of the prompt and the labels beside it.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        context: Context,
        settings: LlamaSettings,
        *,
        window: int,
        block: int,
        n_batch: int,
    ) -> None:
        self._vocabulary = vocabulary
        self._context = context
        self._window = window
        self._block = block
        self._n_inner = n_batch - block
        self._n_side = settings.n_side
        self.cache = SequenceCache(context, n_sequences=settings.n_sequences, n_side=settings.n_side)

    def answer(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str, watch: Watch
    ) -> Generator[Piece | Pause | None, None, None]:
        """Yield pieces of the answer, the last with its usage."""
        watch.begin()
        tokens = self.tokens(prompt, room=decoding.max_tokens)
        n_prompt, text = len(tokens), AnswerText(self._vocabulary, decoding.stop)
        with closing(Drawing(decoding, self._vocabulary)) as drawing:
            held = yield from self._opened(tokens, conversation)
            try:
                n_cached = len(held.tokens)
                for _ in range(decoding.max_tokens):
                    token = drawing.next((yield from self._logits(held, tokens)))
                    watch.first()
                    if self._vocabulary.is_end(token):
                        break
                    tokens.append(token)
                    piece = text.feed(token)
                    yield Piece(text=piece) if piece else None
                    if text.is_over:
                        break
                yield Piece(text=text.flush(), usage=watch.usage(n_prompt, n_cached, len(tokens) - n_prompt))
            finally:
                self.cache.settle(held)

    def traced(self, prompt: Prompt, decoding: Decoding, *, watch: Watch) -> Generator[Pause | None, None, Trace]:
        """Return a greedy answer with the logits of each step."""
        watch.begin()
        tokens = self.tokens(prompt, room=decoding.max_tokens)
        n_prompt, text, texts = len(tokens), AnswerText(self._vocabulary, decoding.stop), list[str]()
        rows: list[NDArray[np.float32]] = []
        with closing(Drawing(replace(decoding, temperature=0.0), self._vocabulary)) as drawing:
            held = yield from self._opened(tokens, "")
            try:
                while len(rows) < decoding.max_tokens and not text.is_over:
                    logits = yield from self._logits(held, tokens)
                    if self._vocabulary.is_end(token := drawing.next(logits)):
                        break
                    watch.first()
                    tokens.append(token)
                    rows.append(logits)
                    texts.append(text.feed(token))
                    yield
            finally:
                self.cache.settle(held)
        if texts:
            texts[-1] += text.flush()
        return Trace(
            text="".join(texts),
            token_ids=tuple(tokens[n_prompt:]),
            token_texts=tuple(texts),
            logits=np.stack(rows) if rows else np.empty((0, self._vocabulary.n_tokens), dtype=np.float32),
            usage=watch.usage(n_prompt, 0, len(rows)),
        )

    def prefilled(self, prompt: Prompt, *, conversation: str) -> Generator[Pause | None, None, int]:
        """Work through a prompt; return how many tokens of it are cached then."""
        tokens = self.tokens(prompt)
        held = yield from self._opened(tokens, conversation)
        try:
            yield from self._worked(held, tokens)
            return len(held.tokens)
        finally:
            self.cache.settle(held)

    def scored(
        self, prompt: Prompt, labels: Sequence[str], *, conversation: str, watch: Watch
    ) -> Generator[Pause | None, None, LabelScores]:
        """Return how likely each label is to follow, by one step for the end of the prompt and all of them."""
        watch.begin()
        ids, *full = self._vocabulary.of_labels(prompt, labels)
        tree = self._tree(ids, full)
        tokens = ids[: tree.n_before]
        held = yield from self._opened(tokens, conversation)
        try:
            n_cached = len(held.tokens)
            logits = np.empty((1 + len(tree.nodes), self._vocabulary.n_tokens), dtype=np.float32)
            for n, portion in enumerate(portions(tree, n_side=self._n_side, n_inner=self._n_inner)):
                row = yield from self._worked(held, tokens, tree=tree, nodes=portion)
                for node in portion:
                    row += 1
                    logits[1 + node] = self._context.logits(row)
                if n == 0:
                    logits[0] = self._context.logits(row - len(portion))
            watch.first()
        finally:
            self.cache.settle(held)
        return LabelScores(
            labels=tuple(labels),
            logps=label_scores(tree, node_logps(tree, logits)),
            n_tokens=tree.n_tokens,
            method="exact",
            usage=watch.usage(len(ids), n_cached, 0),
        )

    def tokens(self, prompt: Prompt, *, room: int = 0) -> list[int]:
        """Return the tokens of a prompt.

        Raises:
            ContextOverflow: with `room` for an answer they do not fit into the window.
            EngineFailed: there are none, or it holds sound.
        """
        if any(message.audio is not None for message in prompt.messages):
            raise EngineFailed("this model cannot hear; leave the sound out of the prompt")
        found = self._vocabulary.of_prompt(prompt)
        if not found:
            raise EngineFailed("the prompt is empty; say something in it")
        self._check_length(len(found), room=room)
        return found

    def _check_length(self, n_tokens: int, *, room: int) -> None:
        if n_tokens + room > self._window:
            wish = f" and {room} for the answer" if room else ""
            raise ContextOverflow(
                f"the prompt takes {n_tokens} tokens{wish}, the model's window has {self._window}; shorten it",
                n_tokens=n_tokens,
                limit=self._window,
            )

    def _tree(self, ids: Sequence[int], full: Sequence[Sequence[int]]) -> LabelTree:
        try:
            tree = label_tree(ids, full)
        except ValueError as trouble:
            raise ModelUnusable(f"{trouble}; use other labels or another model") from trouble
        self._check_length(len(ids), room=max(map(len, full)) - len(ids))
        return tree

    def _opened(self, tokens: Sequence[int], conversation: str) -> Generator[Pause | None, None, Held]:
        while (held := self.cache.open(tokens, conversation=conversation)) is None:
            yield Pause.WAITING
        return held

    def _logits(self, held: Held, tokens: Sequence[int]) -> Generator[Pause | None, None, NDArray[np.float32]]:
        """Return the logits after the last of `tokens`."""
        return self._context.logits((yield from self._worked(held, tokens)))

    def _worked(
        self, held: Held, tokens: Sequence[int], *, tree: LabelTree | None = None, nodes: Sequence[int] = ()
    ) -> Generator[Pause | None, None, int]:
        """Work through what the cache lacks of `tokens`, in blocks, and with the last of them through `nodes`.

        Return the row of the last token's logits in the last step; those of the nodes follow. When a step finds no
        room, others get their turn; when a rival took all that was there, it begins again.
        """
        while True:
            rest = tokens[len(held.tokens) :]
            if len(rest) > self._block:
                is_done = self.cache.extend(held, rest[: self._block])
            elif is_done := self._extended(held, rest, tree=tree, nodes=nodes):
                return len(rest) - 1
            yield None if is_done else Pause.WAITING

    def _extended(self, held: Held, rest: Sequence[int], *, tree: LabelTree | None, nodes: Sequence[int]) -> bool:
        if tree is None or not nodes:
            return self.cache.extend(held, rest)
        ends = owners(tree, nodes)
        sides = self.cache.branch(held, max(max(own) for own in ends) + 1)
        try:
            branches = [
                Branch(
                    token=tree.nodes[node].token,
                    depth=tree.nodes[node].depth,
                    owners=tuple(sides[number] for number in own),
                )
                for node, own in zip(nodes, ends, strict=True)
            ]
            return self.cache.extend(held, rest, branches=branches)
        finally:
            self.cache.unbranch(sides)


class AnswerText:
    """The text of an answer, token by token: whole characters only, up to the first of `stops`."""

    def __init__(self, vocabulary: Vocabulary, stops: Sequence[str]) -> None:
        self._vocabulary = vocabulary
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._until = UntilStop(stops)

    @property
    def is_over(self) -> bool:
        """Whether a stop text came."""
        return self._until.is_over

    def feed(self, token: int) -> str:
        """Return what is now known to follow."""
        return self._until.feed(self._characters.decode(self._vocabulary.piece(token)))

    def flush(self) -> str:
        """Return what was held back; the beginning of a character that never came whole is left out."""
        return self._until.flush()


def portions(tree: LabelTree, *, n_side: int, n_inner: int) -> Iterator[tuple[int, ...]]:
    """Yield the nodes whose logits are needed, in lots of at most `n_side` ends and `n_inner` nodes; the first always.

    Each lot holds whole paths from the root, so that it can be worked through alone; parents come before children.

    Raises:
        ModelUnusable: a label is too long for any lot.
    """
    lot: set[int] = set()
    n_ends = n_lots = 0
    for path in dict.fromkeys(path[:-1] for path in tree.paths):
        wider = lot | set(path)
        if len(path) > n_inner:
            raise ModelUnusable(f"a label of {len(path) + 1} tokens is too long; take shorter labels")
        if lot and (len(wider) > n_inner or n_ends + 1 > n_side):
            yield tuple(sorted(lot))
            n_lots += 1
            wider, n_ends = set(path), 0
        lot, n_ends = wider, n_ends + bool(path)
    if lot or not n_lots:
        yield tuple(sorted(lot))


def owners(tree: LabelTree, nodes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return for each of `nodes`, parents before children, the numbers from 0 of the ends it lies above or is."""
    parents = {tree.nodes[node].parent for node in nodes}
    found: dict[int, list[int]] = {node: [] for node in nodes}
    for number, end in enumerate(node for node in nodes if node not in parents):
        at = end
        while at != ROOT:
            found[at].append(number)
            at = tree.nodes[at].parent
    return [tuple(found[node]) for node in nodes]

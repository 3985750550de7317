# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (transformers types its models only in part.)
"""Forward passes of a causal transformers model: read on, one token more, all labels in one row. Knows no text.

Everything here runs on the thread that owns the model, one call a step. A pass that fails leaves the state as it was.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from streaming.backends.torch_runtime import translated_memory_errors
from streaming.errors import ModelUnusable, OutOfMemory

from ...llm.labels import attention_mask, label_scores, label_tree
from .transformers_cache import State, States, attends, narrowest_window, new_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ...llm.labels import LabelTree
    from .transformers_settings import TransformersSettings

SMALLEST_BLOCK: Final = 16
_PROBE_LABELS: Final = ((3,), (3, 4), (5, 3, 4), (4, 4, 5), (5, 3))
_TOLERANCE: Final = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.3}
"""Nats by which packed scores may differ from batched ones: rounding, not another result."""


class Forward:
    """A loaded model, asked for logits.

    Attributes:
        config, generation_config: transformers' own; n_vocab: tokens the model tells apart.
        packs: labels are scored in one packed row; else in a batch of rows.
        n_passes: forward passes so far.
        n_tokens: tokens that went through the model so far.

    Raises:
        ModelUnusable: it is not causal, or it keeps a state that cannot be shortened.
    """

    def __init__(self, model: Any, *, settings: TransformersSettings) -> None:  # noqa: ANN401 - any causal model
        self._model = model
        self._settings = settings
        self.config = model.config.get_text_config(decoder=True)
        self.generation_config = model.generation_config
        self.n_vocab = int(self.config.vocab_size)
        if not attends(self.config):
            raise ModelUnusable(
                f"{type(model).__name__} keeps a running state instead of what it read, so nothing could be reused; "
                "expected a model with attention in all layers"
            )
        self.states = States(
            config=self.config,
            max_conversations=settings.max_conversations,
            max_tokens=settings.max_cached_tokens,
        )
        self._window = narrowest_window(self.config)
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        self._block = settings.block
        self.n_passes = self.n_tokens = 0
        self.packs = False
        with torch.inference_mode():
            self._check_causal()
            self.packs = settings.labels == "packed" or (settings.labels == "auto" and self._can_pack())

    @torch.inference_mode()
    def take(self, conversation: str, tokens: Sequence[int], *, n_usable: int) -> State:
        """Return a state that holds what is already read of `tokens`, their first `n_usable` at most."""
        return self._trying(lambda: self.states.take(conversation, tokens, n_usable=n_usable))

    def read(self, state: State, tokens: Sequence[int]) -> Generator[None, None, None]:
        """Read `tokens` on to the end of `state`, a block a step."""
        for start in range(0, len(tokens), self._block):
            self.logits(state, tokens[start : start + self._block])
            yield

    @torch.inference_mode()
    def logits(self, state: State, tokens: Sequence[int]) -> torch.Tensor:
        """Read `tokens`, at least one; return the logits after the last, float32, shape (n_vocab,).

        Where memory is short they are read in halves.

        Raises:
            OutOfMemory: even a few do not fit.
        """
        n_before = len(state.tokens)

        def run() -> torch.Tensor:
            positions = torch.arange(n_before, n_before + len(tokens), device=self._model.device)
            return self._run([list(tokens)], state, positions=positions[None], keep=1)[0, -1].float()

        try:
            found = self._trying(run, state=state)
        except OutOfMemory:
            if len(tokens) <= SMALLEST_BLOCK:
                raise
        else:
            state.tokens.extend(tokens)
            return found
        half = len(tokens) // 2
        self.logits(state, tokens[:half])
        return self.logits(state, tokens[half:])

    @torch.inference_mode()
    def scores(self, state: State, prompt: Sequence[int], tree: LabelTree) -> tuple[float, ...]:
        """Return the labels' scores; `state` must hold the first tokens of `prompt`, fewer than `tree.n_before`."""
        if self.packs and (self._window is None or tree.n_before + len(tree.nodes) <= self._window):
            try:
                logps = self._trying(lambda: self._packed(state, prompt[: tree.n_before], tree), state=state)
            except OutOfMemory:
                if len(state.tokens) == tree.n_before - 1:
                    raise
            else:
                state.tokens.extend(prompt[len(state.tokens) : tree.n_before])
                state.shorten(tree.n_before)
                return label_scores(tree, logps)
            self.logits(state, prompt[len(state.tokens) : tree.n_before - 1])
            return self.scores(state, prompt, tree)
        if rest := prompt[len(state.tokens) : tree.n_before - 1]:
            self.logits(state, rest)
        return self._batched(state, prompt[tree.n_before - 1], tree)

    def _packed(self, state: State, prompt: Sequence[int], tree: LabelTree) -> list[float]:
        """Return the nodes' log-probabilities: the rest of the prompt and the whole tree in one row."""
        n_cached = len(state.tokens)
        rest = list(prompt[n_cached:])
        device, dtype = self._model.device, self._model.dtype
        seen = torch.from_numpy(attention_mask(tree, n_cached=n_cached)).to(device)
        mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, torch.finfo(dtype).min)
        positions = torch.tensor([[*range(n_cached, tree.n_before), *tree.positions]], device=device)
        rows = [len(rest) - 1, *(len(rest) + node for node in tree.inner)]
        logits = self._run([[*rest, *tree.tokens]], state, positions=positions, mask=mask[None, None], keep=rows)
        if logits.shape[1] != len(rows):
            logits = logits[:, rows]
        logps = torch.log_softmax(logits[0].float(), dim=-1)
        row_of = {parent: row for row, parent in enumerate((-1, *tree.inner))}
        parents = torch.tensor([row_of[node.parent] for node in tree.nodes], device=device)
        return logps[parents, torch.tensor(tree.tokens, device=device)].tolist()

    def _batched(self, state: State, last: int, tree: LabelTree) -> tuple[float, ...]:
        """Return the labels' scores: a row each, behind a copy of what `state` holds; halved where memory is short."""
        labels = [[tree.nodes[node].token for node in path] for path in tree.paths]
        found: list[float] = []
        n_rows = len(labels)
        while len(found) < len(labels):
            some = labels[len(found) : len(found) + n_rows]
            try:
                found += self._trying(lambda some=some: self._rows(state, last, some), state=state)
            except OutOfMemory:
                if n_rows == 1:
                    raise
                n_rows = -(-n_rows // 2)
        return tuple(found)

    def _rows(self, state: State, last: int, labels: Sequence[Sequence[int]]) -> list[float]:
        width, n_before = max(len(label) for label in labels), len(state.tokens)
        rows = [[last, *label[:-1], *[last] * (width - len(label))] for label in labels]
        mask = torch.ones((len(rows), n_before + width), dtype=torch.long, device=self._model.device)
        for row, label in enumerate(labels):
            mask[row, n_before + len(label) :] = 0
        positions = torch.arange(n_before, n_before + width, device=self._model.device).expand(len(rows), -1)
        cache = state.in_rows(len(rows)) if n_before else new_cache(self.config)
        logits = self._run(rows, State(cache), positions=positions, mask=mask, keep=width)
        logps = torch.log_softmax(logits.float(), dim=-1).cpu()
        return [float(sum(logps[row, at, token] for at, token in enumerate(label))) for row, label in enumerate(labels)]

    def _run(
        self,
        rows: list[list[int]],
        state: State,
        *,
        positions: torch.Tensor,
        mask: torch.Tensor | None = None,
        keep: int | list[int],
    ) -> torch.Tensor:
        """Return logits, shape (rows, kept, n_vocab); a model that cannot be told gives them at every token."""
        device = self._model.device
        values: dict[str, Any] = {"past_key_values": state.cache, "use_cache": True, "attention_mask": mask}
        if "position_ids" in self._takes:
            values["position_ids"] = positions
        if "logits_to_keep" in self._takes:
            values["logits_to_keep"] = keep if isinstance(keep, int) else torch.tensor(keep, device=device)
        self.n_passes += 1
        self.n_tokens += sum(len(row) for row in rows)
        with translated_memory_errors():
            return self._model(input_ids=torch.tensor(rows, device=device), **values).logits

    def _trying(self, run: Callable[[], Any], *, state: State | None = None) -> Any:  # noqa: ANN401 - what `run` returns
        """Return what `run` returns; where memory is short, what is kept of other conversations goes first."""
        n_before = 0 if state is None else len(state.tokens)
        try:
            return run()
        except OutOfMemory:
            if state is not None:
                state.shorten(n_before)
            if not self.states.drop():
                raise
        try:
            return run()
        except OutOfMemory:
            if state is not None:
                state.shorten(n_before)
            raise

    def _check_causal(self) -> None:
        """Refuse a model in which a token depends on those after it."""
        one, other = ([3, 4, end] for end in (5, 6))
        positions = torch.arange(3, device=self._model.device)[None]
        first, second = (
            self._run([row], State(new_cache(self.config)), positions=positions, keep=3)[0, 0].float().cpu()
            for row in (one, other)
        )
        if float((first - second).abs().max()) > self._tolerance * float(first.std()):
            raise ModelUnusable(
                f"{type(self._model).__name__} is no causal language model: what it says depends on what comes later"
            )

    def _can_pack(self) -> bool:
        """Return whether a tree in one row gives what a batch of rows gives: some models make masks of their own."""
        prompt = [3, 5, 4, 3]
        tree = label_tree(prompt, [[*prompt, *label] for label in _PROBE_LABELS])
        try:
            packed = label_scores(tree, self._packed(State(new_cache(self.config)), prompt, tree))
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
            return False
        state = State(new_cache(self.config))
        self.logits(state, prompt[:-1])
        return bool(np.allclose(packed, self._batched(state, prompt[-1], tree), atol=self._tolerance, rtol=0))

    @property
    def _tolerance(self) -> float:
        return _TOLERANCE.get(str(self._model.dtype).removeprefix("torch."), 0.3)

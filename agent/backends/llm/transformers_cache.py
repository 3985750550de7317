# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (transformers types its caches only in part.)
"""What a transformers model keeps of the tokens it has read, and which conversations' it keeps.

The library's own cache copies everything it holds for each new token; this one has room to grow, so that a token costs
its own size and a text is shortened for nothing. Layers with a sliding window keep all of it too: they see only what
they should (the model's own masks say so), and any of them can be shortened.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from ...llm.prefix import best_source, common_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_ROOM = 256
"""A layer's room is a multiple of so many tokens, and at least an eighth more than needed."""


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer, shape (rows, heads, tokens, width), in a buffer with room for more."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(  # noqa: D102 - the library's
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: object, **_kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        n_old = self.get_seq_length()
        n_all = n_old + int(key_states.shape[-2])
        keys, values = self._room(n_all, like=(key_states, value_states))
        keys[..., n_old:n_all, :] = key_states
        values[..., n_old:n_all, :] = value_states
        held = keys[..., :n_all, :], values[..., :n_all, :]
        self.keys, self.values = held
        return held

    def shorten(self, n_tokens: int) -> None:
        """Forget all but the first `n_tokens`."""
        if self._buffers is not None and n_tokens < self.get_seq_length():
            self.keys, self.values = (buffer[..., :n_tokens, :] for buffer in self._buffers)

    def copied(self, n_tokens: int) -> GrowingLayer:
        """Return a layer of its own that holds the first `n_tokens` of this one."""
        twin = GrowingLayer()
        if self._buffers is not None:
            n = min(n_tokens, self.get_seq_length())
            twin.update(self._buffers[0][..., :n, :], self._buffers[1][..., :n, :])
        return twin

    def in_rows(self, n_rows: int) -> DynamicLayer:
        """Return a layer that holds the same in each of `n_rows`, without a copy until something is added."""
        twin = DynamicLayer()
        if self._buffers is not None:
            n = self.get_seq_length()
            keys, values = (buffer[..., :n, :].expand(n_rows, -1, -1, -1) for buffer in self._buffers)
            twin.lazy_initialization(keys, values)
            twin.keys, twin.values = keys, values
        return twin

    def _room(self, n_tokens: int, *, like: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        if self._buffers is not None and self._buffers[0].shape[-2] >= n_tokens:
            return self._buffers
        size = -(-(n_tokens + n_tokens // 8) // _ROOM) * _ROOM
        n_old = self.get_seq_length()
        keys, values = (states.new_empty((*states.shape[:-2], size, states.shape[-1])) for states in like)
        if self._buffers is not None:
            keys[..., :n_old, :] = self._buffers[0][..., :n_old, :]
            values[..., :n_old, :] = self._buffers[1][..., :n_old, :]
        self._buffers = (keys, values)
        return self._buffers


def new_cache(config: Any) -> DynamicCache:  # noqa: ANN401 - a model's configuration, of any class
    """Return an empty cache for a model all of whose layers attend to tokens (`attends`)."""
    cache = DynamicCache(config=config)
    cache.layers[:] = [GrowingLayer() for _ in cache.layers]
    return cache


def attends(config: Any) -> bool:  # noqa: ANN401 - as above
    """Return whether all layers keep keys and values, so that the text they hold can be shortened."""
    layers = DynamicCache(config=config).layers
    return bool(layers) and all(type(layer) in {DynamicLayer, DynamicSlidingWindowLayer} for layer in layers)


def narrowest_window(config: Any) -> int | None:  # noqa: ANN401 - as above
    """Return how many tokens the layers with a sliding window see, None when there are none."""
    layers = DynamicCache(config=config).layers
    return min((x.sliding_window for x in layers if isinstance(x, DynamicSlidingWindowLayer)), default=None)


@dataclass(slots=True, eq=False)
class State:
    """Tokens a model has read, and what it keeps of them; `is_busy` while a job works on it."""

    cache: DynamicCache
    tokens: list[int] = field(default_factory=list[int])
    is_busy: bool = False

    def shorten(self, n_tokens: int) -> None:
        """Forget all but the first `n_tokens`; also puts right what a forward pass that failed left behind."""
        del self.tokens[n_tokens:]
        for layer in self._layers:
            layer.shorten(n_tokens)

    def copied(self, n_tokens: int, *, into: DynamicCache) -> State:
        """Return a state of its own that has read the first `n_tokens` of this one, kept in `into`."""
        into.layers[:] = [layer.copied(n_tokens) for layer in self._layers]
        return State(cache=into, tokens=self.tokens[:n_tokens])

    def in_rows(self, n_rows: int) -> DynamicCache:
        """Return a cache that holds the same in each of `n_rows`."""
        cache = DynamicCache()
        cache.layers[:] = [layer.in_rows(n_rows) for layer in self._layers]
        return cache

    @property
    def _layers(self) -> list[GrowingLayer]:
        return [layer for layer in self.cache.layers if isinstance(layer, GrowingLayer)]


@dataclass(slots=True, eq=False, kw_only=True)
class States:
    """The states of conversations, the least recently used dropped first.

    Attributes:
        config: of the model.
        max_conversations, max_tokens: how many of them, and how many tokens in all, are kept.
    """

    config: Any
    max_conversations: int
    max_tokens: int
    _kept: OrderedDict[str, State] = field(default_factory=OrderedDict[str, State])

    def take(self, conversation: str, tokens: Sequence[int], *, n_usable: int) -> State:
        """Return a state for one job, holding at most the first `n_usable` of `tokens`: what is already read of them.

        It comes from the conversation itself or, copied, from another that begins more alike; with an empty name it is
        new. Give it back when the job is over (`give_back`).
        """
        mine = self._kept.pop(conversation, None) if conversation else None
        if mine is not None and mine.is_busy:
            self._kept[conversation], mine = mine, None  # another job works on it: its text may be copied, not changed
        n_mine = common_prefix(tokens, mine.tokens) if mine is not None else 0
        key, n_theirs = best_source(tokens, enumerate(state.tokens for state in self._kept.values()))
        if conversation and key is not None and min(n_theirs, n_usable) > n_mine:
            theirs = list(self._kept.values())[key]
            mine = theirs.copied(min(n_theirs, n_usable), into=new_cache(self.config))
        if mine is None:
            mine = State(new_cache(self.config))
        mine.shorten(min(common_prefix(tokens, mine.tokens), n_usable))
        mine.is_busy = True
        if conversation and conversation not in self._kept:
            self._kept[conversation] = mine
        return mine

    def give_back(self, conversation: str, state: State) -> None:
        """Keep what a job leaves behind, unless the conversation was forgotten or another job's is kept."""
        state.is_busy = False
        if self._kept.get(conversation) is state:
            self._kept.move_to_end(conversation)
            self.drop(keep=(self.max_conversations, self.max_tokens))

    def forget(self, conversation: str) -> None:
        """Let go what is kept of a conversation."""
        self._kept.pop(conversation, None)

    def drop(self, *, keep: tuple[int, int] = (0, 0)) -> bool:
        """Let go states nobody works on, oldest first, until so many conversations and tokens are left; tell if any."""
        n_tokens = sum(len(state.tokens) for state in self._kept.values())
        has_dropped = False
        for name, state in list(self._kept.items()):
            if len(self._kept) <= keep[0] and n_tokens <= keep[1]:
                break
            if not state.is_busy:
                n_tokens -= len(state.tokens)
                del self._kept[name]
                has_dropped = True
        return has_dropped

    @property
    def n_tokens(self) -> int:
        """How many tokens are kept in all."""
        return sum(len(state.tokens) for state in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

"""Language models in the Hugging Face format, by transformers, in this process.

Nothing heavy is imported before a model is loaded.
"""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streaming.backends.torch_runtime import load_pretrained, load_whole, need_transformers, torch_device, torch_dtype
from streaming.errors import ContextOverflow, ModelUnusable

from ...llm.drawing import Drawing
from ...llm.json_shape import parse_shape
from ...llm.labels import checked, label_tree
from ...llm.token_mask import Constraint, Tokens
from ...llm.values import Capabilities, LabelScores, Piece, Trace
from .stepper import Stepper, Urgency
from .transformers_settings import TransformersSettings
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

    from ...llm.labels import LabelTree
    from ...llm.values import Decoding, Prompt
    from .transformers_cache import State
    from .transformers_forward import Forward
    from .transformers_text import TokenText


class TransformersModel:
    """A causal language model. Made by `load`; implements `agent.ports.LanguageModel`.

    Label scores are exact: what is left of the prompt and all labels go through in one packed row (in a batch of rows
    for models that do not take a mask of ours). One thread works on all answers, a forward pass at a time.
    """

    def __init__(self, forward: Forward, text: TokenText, *, name: str, settings: TransformersSettings) -> None:
        self._name = name
        self._forward: Forward | None = forward
        self._text = text
        trained: int | None = getattr(forward.config, "max_position_embeddings", None)
        limits = [limit for limit in (trained, settings.context_length) if limit is not None and limit > 0]
        self._window = min(limits, default=None)
        self._block = settings.block
        self._ends = text.ends(forward.generation_config)
        self._tokens: Tokens | None = None
        self._stepper = Stepper(name)

    @classmethod
    def load(
        cls, path: Path, *, device: str = "auto", dtype: str = "auto", settings: TransformersSettings | None = None
    ) -> TransformersModel:
        """Return the model in a local folder (config.json, weights, tokenizer). Takes as long as they take to read.

        Args:
            path: the folder.
            device: "cpu", "cuda", or "auto", which takes a GPU where torch sees one.
            dtype: "float32", "float16", "bfloat16", or "auto": 32 bits on a processor, half of it on a GPU.
            settings: the rest.

        Raises:
            EngineMissing: torch or transformers is not installed.
            ModelUnusable: no such folder, files missing or damaged, no causal language model, no tokenizer.
            OutOfMemory: it does not fit.
            EngineFailed: there is no such device or number type.
        """
        transformers = need_transformers()
        from .transformers_forward import Forward  # noqa: PLC0415 - torch only when a model is loaded
        from .transformers_text import TokenText  # noqa: PLC0415 - as above

        path, settings = Path(path), settings or TransformersSettings()
        place = torch_device(device)
        number = torch_dtype(place, dtype)
        what = "language model"
        tokenizer = load_pretrained(
            lambda: transformers.AutoTokenizer.from_pretrained(str(path), local_files_only=True), path, what=what
        )
        text = TokenText(tokenizer)
        model = load_whole(transformers.AutoModelForCausalLM, path, what=what, dtype=number)
        forward = load_pretrained(lambda: Forward(model.to(place), settings=settings), path, what=what)
        return cls(forward, text, name=f"transformers:{path.name}", settings=settings)

    @property
    def name(self) -> str:
        """Engine and folder."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Exact label scores, raw logits, answers held to a schema."""
        return Capabilities(context_length=self._window, scoring="exact", traces=True, constrains=True)

    @property
    def packs_labels(self) -> bool:
        """Whether labels are scored in one packed row, else in a batch of rows; may be set, for comparison."""
        return self._engine.packs

    @packs_labels.setter
    def packs_labels(self, packs: bool) -> None:
        self._engine.packs = packs

    async def stream(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str = ""
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer piece by piece (see `LanguageModel.stream`)."""
        watch = Watch()

        def job() -> Generator[Piece | None, None, None]:
            return self._answer(prompt, decoding, conversation, watch)

        async with aclosing(self._stepper.stream(job)) as pieces:
            async for piece in pieces:
                if piece is not None:
                    yield piece

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """Return how likely each label is (see `LanguageModel.score`)."""
        wanted, watch = checked(labels), Watch()
        return await self._stepper.call(lambda: self._scored(prompt, wanted, conversation, watch))

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Return a greedy answer with its raw logits (see `LanguageModel.trace`)."""
        watch = Watch()
        return await self._stepper.call(lambda: self._traced(prompt, decoding, watch))

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """Work through a prompt while nobody waits (see `LanguageModel.prefill`)."""
        if not conversation:
            return 0
        return await self._stepper.call(lambda: self._prefilled(prompt, conversation), urgency=Urgency.AHEAD)

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return the length of the prompt in tokens, the beginning of the answer included."""

        def job() -> Generator[None, None, int]:
            yield
            return len(self._text.encode(prompt))

        return await self._stepper.call(job)

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return the ids of `text` alone."""
        return tuple(self._text.plain(text))

    def forget(self, conversation: str) -> None:
        """Free what is cached of a conversation, as soon as the step under way is over. Idempotent."""

        def errand() -> None:
            if self._forward is not None:
                self._forward.states.forget(conversation)

        self._stepper.post(errand)

    def close(self) -> None:
        """Free the model; answers under way fail. Idempotent."""
        self._stepper.close()
        self._forward = None

    # What follows runs on the stepper's thread.

    def _answer(
        self, prompt: Prompt, decoding: Decoding, conversation: str, watch: Watch
    ) -> Generator[Piece | None, None, None]:
        watch.begin()
        tokens = self._checked(self._text.encode(prompt), room=decoding.max_tokens)
        drawing = Drawing(decoding, ends=self._ends, constraint=self._constraint(decoding.schema))
        said = self._text.answer(tokens, stop=decoding.stop)
        forward = self._engine
        state = forward.take(conversation, tokens, n_usable=len(tokens) - 1)
        n_cached, n_said = len(state.tokens), 0
        try:
            yield from self._read(state, tokens)
            todo: Sequence[int] = tokens[len(state.tokens) :]
            while n_said < decoding.max_tokens and not drawing.is_over:
                logits = forward.logits(state, todo)
                token = drawing.next(logits.numpy(force=True))
                watch.first()
                if token in self._ends:
                    break
                n_said += 1
                piece = said.feed(token)
                todo = (token,)
                yield Piece(text=piece) if piece else None
                if said.is_over:
                    break
            yield Piece(text=said.flush(), usage=watch.usage(len(tokens), n_cached, n_said))
        finally:
            forward.states.give_back(conversation, state)

    def _scored(
        self, prompt: Prompt, labels: tuple[str, ...], conversation: str, watch: Watch
    ) -> Generator[None, None, LabelScores]:
        watch.begin()
        tokens = self._text.encode(prompt)
        tree = self._tree(prompt, tokens, labels)
        tokens = self._checked(tokens[: tree.n_before], room=max(tree.n_tokens))
        forward = self._engine
        state = forward.take(conversation, tokens, n_usable=len(tokens) - 1)
        n_cached = len(state.tokens)
        try:
            yield from self._read(state, tokens)
            logps = forward.scores(state, tokens, tree)
        finally:
            forward.states.give_back(conversation, state)
        watch.first()
        usage = watch.usage(len(tokens), n_cached, 0)
        return LabelScores(labels=labels, logps=logps, n_tokens=tree.n_tokens, method="exact", usage=usage)

    def _traced(self, prompt: Prompt, decoding: Decoding, watch: Watch) -> Generator[None, None, Trace]:
        watch.begin()
        tokens = self._checked(self._text.encode(prompt), room=decoding.max_tokens)
        said = self._text.answer(tokens, stop=decoding.stop)
        forward = self._engine
        state = forward.take("", tokens, n_usable=0)
        yield from self._read(state, tokens)
        todo: Sequence[int] = tokens[len(state.tokens) :]
        ids: list[int] = []
        rows: list[Any] = []
        text = ""
        while len(ids) < decoding.max_tokens and not said.is_over:
            row = forward.logits(state, todo).numpy(force=True)
            watch.first()
            token = int(row.argmax())
            if token in self._ends:
                break
            todo = (token,)
            ids.append(token)
            rows.append(row)
            text += said.feed(token)
            yield
        n_vocab = len(rows[0]) if rows else forward.n_vocab
        return Trace(
            text=text + said.flush(),
            token_ids=tuple(ids),
            token_texts=tuple(self._text.text_of(token) for token in ids),
            logits=np.stack(rows) if rows else np.empty((0, n_vocab), dtype=np.float32),
            usage=watch.usage(len(tokens), 0, len(ids)),
        )

    def _prefilled(self, prompt: Prompt, conversation: str) -> Generator[None, None, int]:
        tokens = self._checked(self._text.encode(prompt), room=0)
        forward = self._engine
        state = forward.take(conversation, tokens, n_usable=len(tokens))
        try:
            yield from forward.read(state, tokens[len(state.tokens) :])
        finally:
            forward.states.give_back(conversation, state)
        return len(tokens)

    def _read(self, state: State, tokens: Sequence[int]) -> Generator[None, None, None]:
        """Read `tokens` but for the last ones, at least one, which go into one pass with what comes next."""
        n_left = len(tokens) - len(state.tokens)
        if n_left > self._block:
            yield from self._engine.read(state, tokens[len(state.tokens) : -1])

    def _tree(self, prompt: Prompt, tokens: list[int], labels: tuple[str, ...]) -> LabelTree:
        try:
            tree = label_tree(tokens, self._text.encode_with(prompt, labels))
        except ValueError as trouble:
            raise ModelUnusable(f"{self._name} cannot score {', '.join(labels)}: {trouble}") from trouble
        if self._text.unknown is not None and self._text.unknown in tree.tokens:
            unknown = [
                label
                for label, path in zip(labels, tree.paths, strict=True)
                if any(tree.nodes[node].token == self._text.unknown for node in path)
            ]
            raise ModelUnusable(
                f"{self._name} has no tokens for {', '.join(unknown)}; use other labels or another model"
            )
        return tree

    def _checked(self, tokens: list[int], *, room: int) -> list[int]:
        """Return `tokens`, at least one.

        Raises:
            ContextOverflow: they do not fit, with `room` for more.
        """
        if not tokens:
            raise ModelUnusable(f"{self._name} has no token to begin with; give a prompt of at least one character")
        if self._window is not None and len(tokens) + room > self._window:
            raise ContextOverflow(
                f"prompt of {len(tokens)} tokens with room for {room} does not fit {self._name}'s window of "
                f"{self._window}; shorten the conversation",
                n_tokens=len(tokens),
                limit=self._window,
            )
        return tokens

    def _constraint(self, schema: Mapping[str, Any] | None) -> Constraint | None:
        if schema is None:
            return None
        if self._tokens is None:
            self._tokens = Tokens(self._text.token_bytes)
        return Constraint(parse_shape(schema), self._tokens)

    @property
    def _engine(self) -> Forward:
        assert self._forward is not None, "the stepper's thread is gone when the model is"
        return self._forward

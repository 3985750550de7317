"""A language model asks for a program's function: which one by its scores, then the arguments as it writes them."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from streaming.errors import EngineFailed

from ...behaviour import ToolCall
from ...llm.values import Decoding
from ...phrases import stable_hash
from ...reply.tools import ArgumentsInvalid, arguments_of, arguments_prompt, schema_of, takes_nothing, which

if TYPE_CHECKING:
    from streaming.events import Utterance

    from ...behaviour import Tool
    from ...conversation import Conversation
    from ...llm.values import Prompt
    from ...ports import LanguageModel
    from ...reply.tools import Options

MAX_TOKENS: Final = 512
"""Arguments are cut here, and cut ones are none."""

_N_TRIES: Final = 2
_VARIED: Final = 0.7
"""Temperature of the second try: the first one, greedy, would only come again."""


class Caller:
    """Asks one model in one conversation; `max_tokens` is what the program allows, None: no limit of its own."""

    def __init__(self, model: LanguageModel, *, conversation: str, max_tokens: int | None = None) -> None:
        self._model = model
        self._conversation = conversation
        self._max_tokens = MAX_TOKENS if max_tokens is None else max(1, min(max_tokens, MAX_TOKENS))

    async def choose(self, prompt: Prompt, options: Options, *, name: str) -> tuple[ToolCall, ...]:
        """Return the call of the likeliest tool, nothing where an answer is likelier.

        Args:
            prompt: for an answer, without notes.
            options: tools, and whether it may answer.
            name: id of the call.

        Raises:
            EngineFailed: the model fails, or wrote no arguments twice.
        """
        tool = options.tools[0]
        if len(options.labels) > 1:
            asked = which(prompt, options)
            scores = await self._model.score(asked, options.labels, conversation=self._conversation)
            chosen = options.chosen(scores)
            if chosen is None:
                return ()
            tool = chosen
        arguments = "{}" if takes_nothing(tool) else await self._arguments(prompt, tool)
        return (ToolCall(call=name, name=tool.name, arguments=arguments),)

    async def _arguments(self, prompt: Prompt, tool: Tool) -> str:
        asked = arguments_prompt(prompt, tool)
        schema = schema_of(tool)
        trouble = ArgumentsInvalid("")
        for attempt in range(_N_TRIES):
            temperature = _VARIED if attempt else 0.0
            decoding = Decoding(max_tokens=self._max_tokens, temperature=temperature, seed=attempt, schema=schema)
            try:
                return arguments_of(await self._written(asked, decoding), tool)
            except ArgumentsInvalid as invalid:
                trouble = invalid
        raise EngineFailed(f"{self._model.name} wrote no arguments for {tool.name}: {trouble}")

    async def _written(self, prompt: Prompt, decoding: Decoding) -> str:
        async with aclosing(self._model.stream(prompt, decoding, conversation=self._conversation)) as pieces:
            return "".join([piece.text async for piece in pieces])


def call_name(utterance: Utterance, conversation: Conversation) -> str:
    """Return an id for a call: the same conversation gives the same, every further answer another."""
    asides = conversation.asides
    known = f"{asides[-1].after} {asides[-1].aside.key} {asides[-1].aside.call}" if asides else ""
    number = stable_hash(conversation.session, utterance.utterance, conversation.n_turns, len(asides), known)
    return f"call_{number:016x}"

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (transformers types its tokenizers only in part.)
"""Text to tokens and back for a transformers model: prompts, labels behind them, answers as they come."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from streaming.errors import ModelUnusable

from ...llm.stopping import UntilStop
from ...llm.template import ChatTemplate, chunks
from ...llm.values import Message, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BYTE_TOKEN: Final = re.compile("<0x([0-9A-Fa-f]{2})>")
_WORD_START: Final = "\u2581"
_BROKEN: Final = "\ufffd"
_CONTEXT: Final = 4
"""Tokens of the prompt that are decoded with an answer's first, which may begin with a space or not."""
_LONGEST_CHARACTER: Final = 8
"""So many tokens may make up one character; if it is still broken after them, the model wrote nonsense."""


class TokenText:
    """A tokenizer with the chat template that belongs to it.

    Raises:
        ModelUnusable: the tokenizer is empty, or its template no template.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - any of transformers' tokenizers
        if not len(tokenizer):
            raise ModelUnusable("the model has no tokenizer: its folder lacks tokenizer.json or tokenizer.model")
        self._tokenizer = tokenizer
        self._template = ChatTemplate(
            _default_of(tokenizer.chat_template), bos=tokenizer.bos_token or "", eos=tokenizer.eos_token or ""
        )
        added = tokenizer.added_tokens_decoder
        self._special = frozenset(number for number, token in added.items() if token.special)
        self._specials = tuple(token.content for token in added.values() if token.content.strip())

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the prompt as the model will see it; what messages say is never a special token."""
        pieces = chunks(self._template.parts(prompt), specials=self._specials)
        return [*self._start(prompt), *(token for piece in pieces for token in self.plain(piece))]

    def encode_with(self, prompt: Prompt, labels: Sequence[str]) -> list[list[int]]:
        """Return the tokens of the prompt with each label behind it, each as one text.

        Tokenizers look at the text between special tokens only. So only what follows the last of them is tokenised for
        each label, if that is seen to give the same for the first label.
        """
        parts = self._template.parts(prompt)
        *before, last = chunks(parts, specials=self._specials) or ("",)
        head = [*self._start(prompt), *(token for piece in before for token in self.plain(piece))]
        at = max((last.rfind(special) + len(special) for special in self._specials if special in last), default=0)
        begun = self.plain(last[:at])
        if at and begun + self.plain(last[at:] + labels[0]) == self.plain(last + labels[0]):
            head += begun
            last = last[at:]
        return [[*head, *self.plain(last + label)] for label in labels]

    def plain(self, text: str) -> list[int]:
        """Return the tokens of `text`, none put before or after it."""
        return self._tokenizer(text, add_special_tokens=False).input_ids if text else []

    @property
    def unknown(self) -> int | None:
        """The token for what the tokenizer does not know."""
        return self._tokenizer.unk_token_id

    def ends(self, generation_config: Any) -> frozenset[int]:  # noqa: ANN401 - transformers' own
        """Return the tokens that end an answer: the model's, the tokenizer's, and what its template puts after one."""
        known = getattr(generation_config, "eos_token_id", None)
        found = set(known if isinstance(known, list) else [known])
        found.add(self._tokenizer.eos_token_id)
        said = Prompt(messages=(Message(role="user", text="x"), Message(role="assistant", text="y")))
        last = self._template.parts(said)[-1]
        written = (token for token in self.plain(last.text) if token in self._special or self.text_of(token).strip())
        if last.is_special and (first := next(written, None)) in self._special:
            found.add(first)
        return frozenset(token for token in found if token is not None)

    def answer(self, prompt: Sequence[int], *, stop: Sequence[str]) -> Answer:
        """Return what puts together the answer to a prompt, up to any of the texts `stop`."""
        return Answer(self, prompt=prompt, stop=stop)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones left out."""
        return self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def text_of(self, token: int) -> str:
        """Return what one token writes, the parts of a broken character replaced."""
        written = self.token_bytes[token] if token < len(self.token_bytes) else None
        return (written or b"").decode(errors="replace")

    @cached_property
    def token_bytes(self) -> tuple[bytes | None, ...]:
        """What each token writes, in UTF-8 (which may be a part of a character); None for special tokens."""
        texts = self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer))))
        read = self._reader()
        return tuple(
            None if number in self._special or text is None else read(number, text) for number, text in enumerate(texts)
        )

    def _reader(self) -> Callable[[int, str], bytes]:
        """Return how this tokenizer's numbers and names of tokens are read as bytes."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        kinds = json.dumps(json.loads(backend.to_str()).get("decoder")) if backend is not None else "Metaspace"
        if "ByteLevel" in kinds:
            return _byte_level
        if "ByteFallback" in kinds or "Metaspace" in kinds:
            return _sentencepiece
        return self._decoded

    def _decoded(self, number: int, _text: str) -> bytes:
        return self.decode([number]).encode()

    def _start(self, prompt: Prompt) -> list[int]:
        """Return the begin token, where the tokenizer puts one before a text and no template has done so."""
        if not prompt.is_raw or self._tokenizer.bos_token_id is None:
            return []
        first = self._tokenizer("a").input_ids[:1]
        return first if first == [self._tokenizer.bos_token_id] else []


class Answer:
    """Puts an answer's tokens together, as text that is only ever added to: a character comes when it is whole."""

    def __init__(self, text: TokenText, *, prompt: Sequence[int], stop: Sequence[str] = ()) -> None:
        self._text = text
        self._tokens = list(prompt[-_CONTEXT:])
        self._start, self._end = 0, len(self._tokens)
        self._until = UntilStop(stop)

    @property
    def is_over(self) -> bool:
        """Whether a stop text was reached."""
        return self._until.is_over

    def feed(self, token: int) -> str:
        """Return what the answer is now known to be longer by."""
        self._tokens.append(token)
        told, known = self._told()
        if known.endswith(_BROKEN) and len(self._tokens) - self._end < _LONGEST_CHARACTER:
            return ""
        self._start, self._end = self._end, len(self._tokens)
        return self._until.feed(known[len(told) :])

    def flush(self) -> str:
        """Return what was still waiting: the rest of a character, or of what began like a stop text."""
        told, known = self._told()
        self._end = len(self._tokens)
        return self._until.feed(known[len(told) :]) + self._until.flush()

    def _told(self) -> tuple[str, str]:
        """Return the text up to what was told last, and up to the end, from a little before it."""
        told = self._text.decode(self._tokens[self._start : self._end])
        return told, self._text.decode(self._tokens[self._start :])


def _default_of(template: str | dict[str, str] | None) -> str | None:
    """Return the chat template, of those under several names the default."""
    return template.get("default") if isinstance(template, dict) else template


def _byte_level(_number: int, text: str) -> bytes:
    return bytes(_BYTE_OF[character] for character in text if character in _BYTE_OF)


def _sentencepiece(_number: int, text: str) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(text)
    return bytes([int(byte[1], 16)]) if byte else text.replace(_WORD_START, " ").encode()


def _bytes_by_character() -> dict[str, int]:
    """Return what GPT-2 wrote bytes as: printable ones as themselves, the others as characters from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTE_OF: Final = _bytes_by_character()

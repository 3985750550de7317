"""Which token comes next: greedy or drawn, and held to a grammar where one is given."""

from __future__ import annotations

import codecs
import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from streaming.errors import EngineFailed

from ...llm.grammar import gbnf
from ...llm.sampling import draw
from .llama_cpp_native import last_words, library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...llm.values import Decoding
    from .llama_cpp_vocabulary import Vocabulary

SURROGATES = (b"\xed\xa0", b"\xed\xbf")
"""First and last beginning of characters that are none; Python's decoder objects only when they are complete."""
CANDIDATE = np.dtype([("token", np.int32), ("logit", np.float32), ("p", np.float32)])


class Drawing:
    """Draws the tokens of one answer. To be closed.

    Raises:
        ValueError: the schema uses what an answer cannot be held to.
        EngineFailed: llama.cpp refuses the grammar.
    """

    def __init__(self, decoding: Decoding, vocabulary: Vocabulary) -> None:
        self._decoding = decoding
        self._random = np.random.default_rng(decoding.seed)
        self._grammar = None if decoding.schema is None else _Grammar(gbnf(decoding.schema), vocabulary)

    def next(self, logits: NDArray[np.float32]) -> int:
        """Return the token to go on with. `logits` has shape (n_vocab,).

        Raises:
            EngineFailed: no token fits the grammar.
        """
        token = self._drawn(logits)
        if self._grammar is None:
            return token
        if not self._grammar.allows(token):
            # Only now is the whole vocabulary looked through: drawing again from what is left of it gives each token
            # the share it would have had, had the others never been there.
            left = self._grammar.filtered(logits)
            while not self._grammar.is_text(token := self._drawn(left)):
                left[token] = -np.inf
        self._grammar.accept(token)
        return token

    def close(self) -> None:
        """Free the grammar. Idempotent."""
        if self._grammar is not None:
            self._grammar.close()

    def _drawn(self, logits: NDArray[np.float32]) -> int:
        return draw(logits, self._random, temperature=self._decoding.temperature, top_p=self._decoding.top_p)


class _Grammar:
    def __init__(self, grammar: str, vocabulary: Vocabulary) -> None:
        self._lib = library()
        self._vocabulary = vocabulary
        self._text = codecs.getincrementaldecoder("utf-8")("strict")
        self._sampler = self._lib.llama_sampler_init_grammar(vocabulary.pointer, grammar.encode(), b"root")
        if not self._sampler:
            raise EngineFailed(f"llama.cpp refuses the grammar of the schema ({last_words()}); make the schema smaller")

    def allows(self, token: int) -> bool:
        row = np.zeros(1, dtype=CANDIDATE)
        row["token"] = token
        self._apply(row)
        return bool(np.isfinite(row["logit"][0])) and self.is_text(token)

    def filtered(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy in which the tokens that do not fit are out."""
        rows = np.zeros(len(logits), dtype=CANDIDATE)
        rows["token"] = np.arange(len(logits))
        rows["logit"] = logits
        self._apply(rows)
        return np.array(rows["logit"])

    def is_text(self, token: int) -> bool:
        """Tell whether the answer stays UTF-8: llama.cpp's grammars let through some byte sequences that are not."""
        before = self._text.getstate()
        try:
            self._text.decode(self._vocabulary.piece(token))
            begun = self._text.getstate()[0]
        except UnicodeDecodeError:
            return False
        finally:
            self._text.setstate(before)
        return not SURROGATES[0] <= begun[:2] <= SURROGATES[1]

    def accept(self, token: int) -> None:
        if not self._vocabulary.is_end(token):
            self._text.decode(self._vocabulary.piece(token))
            self._lib.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        sampler, self._sampler = self._sampler, None
        if sampler:
            self._lib.llama_sampler_free(sampler)

    def _apply(self, rows: NDArray[Any]) -> None:
        pointer: Any = rows.ctypes
        data = pointer.data_as(ctypes.POINTER(self._lib.llama_token_data))
        candidates = self._lib.llama_token_data_array(data=data, size=len(rows), selected=-1, sorted=False)
        self._lib.llama_sampler_apply(self._sampler, ctypes.byref(candidates))

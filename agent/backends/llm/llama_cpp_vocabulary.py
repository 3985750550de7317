"""A GGUF model's vocabulary: text to tokens and back, by llama.cpp's own tokenizer. Safe to use from any thread."""

from __future__ import annotations

import ctypes
import re
import threading
from typing import TYPE_CHECKING, Any, Final

from streaming.errors import EngineFailed

from ...llm.template import ChatTemplate, Part, chunks
from .llama_cpp_native import library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...llm.values import Prompt
    from .llama_cpp_native import Weights

UNKNOWN, CONTROL, USER_DEFINED, LSTRIP = 1 << 0, 1 << 3, 1 << 4, 1 << 7
NO_TOKEN: Final = -1


class Vocabulary:
    """Tokens of a loaded model, and the prompts made of them. Closed before the model is freed."""

    def __init__(self, weights: Weights) -> None:
        self._lib = library()
        self.pointer = self._lib.llama_model_get_vocab(weights.pointer)
        self._lock = threading.Lock()
        self.n_tokens = int(self._lib.llama_vocab_n_tokens(self.pointer))
        self._bos = int(self._lib.llama_vocab_bos(self.pointer))
        self._adds_bos = bool(self._lib.llama_vocab_get_add_bos(self.pointer)) and self._bos != NO_TOKEN
        source = weights.chat_template
        self.template = ChatTemplate(
            source, bos=self._text(self._bos), eos=self._text(int(self._lib.llama_vocab_eos(self.pointer)))
        )
        self._specials, self._is_cuttable = self._look_for_specials(source or "")

    def of_text(self, text: str, *, specials: bool = False) -> list[int]:
        """Return the tokens of `text` alone; with `specials`, texts of special tokens become those."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        with self._lock:
            pointer = self._open()
            for _ in range(2):
                found = (ctypes.c_int32 * size)()
                n = int(self._lib.llama_tokenize(pointer, data, len(data), found, size, False, specials))  # noqa: FBT003 - C
                if n >= 0:
                    return list(found[:n])
                size = -n
        raise EngineFailed(f"llama.cpp cannot tokenise a text of {len(text)} characters")

    def of_prompt(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a whole prompt: special ones only where the template wrote them."""
        return self._of_parts(self.template.parts(prompt), {})

    def of_labels(self, prompt: Prompt, labels: Sequence[str]) -> list[list[int]]:
        """Return the tokens of the prompt and then, label by label, those of the prompt that ends in it."""
        parts = self.template.parts(prompt)
        known: dict[str, list[int]] = {}
        texts = [parts, *((*parts, Part(text=label, is_special=False)) for label in labels)]
        return [self._of_parts(text, known) for text in texts]

    def piece(self, token: int) -> bytes:
        """Return the bytes a token adds to the text; none for special ones."""
        size = 64
        with self._lock:
            pointer = self._open()
            for _ in range(2):
                buffer = ctypes.create_string_buffer(size)
                n = int(self._lib.llama_token_to_piece(pointer, token, buffer, size, 0, False))  # noqa: FBT003 - C
                if n >= 0:
                    return buffer.raw[:n]
                size = -n
        return b""

    def is_end(self, token: int) -> bool:
        """Tell whether the model ends its turn with this token."""
        return bool(self._lib.llama_vocab_is_eog(self.pointer, token))

    def close(self) -> None:
        """Answer nothing any more. Idempotent."""
        with self._lock:
            self.pointer = None

    def _open(self) -> Any:  # noqa: ANN401 - a ctypes pointer
        if self.pointer is None:
            raise EngineFailed("the language model is closed; load it again")
        return self.pointer

    def _of_parts(self, parts: Sequence[Part], known: dict[str, list[int]]) -> list[int]:
        """Tokenise piece by piece, each text once; whole or cut before special tokens, the tokens are the same."""
        whole = "".join(part.text for part in parts)
        present = [special for special in self._specials if special in whole]
        tokens: list[int] = []
        for chunk in chunks(parts, specials=present):
            for text in self._cut(chunk, present):
                if text not in known:
                    known[text] = self.of_text(text, specials=True)
                tokens += known[text]
        if self._adds_bos and tokens[:1] != [self._bos]:
            tokens.insert(0, self._bos)
        return tokens

    def _cut(self, chunk: str, present: Sequence[str]) -> list[str]:
        if not present or not self._is_cuttable:
            return [chunk]
        return [text for text in re.split(f"(?={'|'.join(map(re.escape, present))})", chunk) if text]

    def _look_for_specials(self, template: str) -> tuple[tuple[str, ...], bool]:
        """Return the texts that act as special tokens, and whether text may be cut before them.

        Control tokens, and those of the user-defined ones that the chat template writes; the rest of these are runs of
        white space and the like, as good in speech as anywhere.
        """
        found: set[str] = set()
        strips = False
        for token in range(self.n_tokens):
            kind = int(self._lib.llama_vocab_get_attr(self.pointer, token))
            if kind & (CONTROL | UNKNOWN | USER_DEFINED):
                text = self._text(token)
                if kind & (CONTROL | UNKNOWN) or (len(text) > 1 and text in template):
                    found.add(text)
                strips = strips or bool(kind & LSTRIP)
        return tuple(sorted((text for text in found if text), key=len, reverse=True)), not strips

    def _text(self, token: int) -> str:
        if token == NO_TOKEN:
            return ""
        text = self._lib.llama_vocab_get_text(self.pointer, token)
        return bytes(text or b"").decode("utf-8", "replace")

"""What the outputs of a wav2vec 2.0-like model stand for, read from the files beside its weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ctc import Alphabet
from ..errors import ModelUnusable
from .torch_runtime import load_pretrained, need_transformers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FILE = "vocab.json"
_MARK = re.compile(r"<.+>|\[.+\]")


def read_alphabet(path: Path, *, n_outputs: int, blank: int) -> Alphabet:
    """Return the alphabet of the model in `path`; one of capitals only is read as small letters.

    Args:
        path: its folder.
        n_outputs: how many columns its answers have.
        blank: the blank by the model's own configuration, taken where the vocabulary names none.

    Raises:
        ModelUnusable: vocab.json is missing, damaged, or that of another model.
    """
    if not (path / _FILE).is_file():
        raise ModelUnusable(f"ctc model {path} has no {_FILE}; expected the characters its outputs stand for")
    tokenizer: Any = load_pretrained(
        lambda: need_transformers().Wav2Vec2CTCTokenizer.from_pretrained(str(path), local_files_only=True),
        path,
        what="vocabulary of",
    )
    symbols: list[str] = [tokenizer.decoder.get(i, "") for i in range(n_outputs)]
    if max(tokenizer.decoder, default=-1) >= n_outputs or not any(symbols):
        raise ModelUnusable(
            f"{_FILE} of {path} names {len(tokenizer.decoder)} symbols, the model has {n_outputs} outputs; "
            "expected the files of one model"
        )
    roles = _Roles.of(tokenizer, symbols, blank=blank)
    silent = {i for i, text in enumerate(symbols) if not text or _MARK.fullmatch(text)} | roles.special
    silent -= {roles.blank, roles.delimiter}
    spoken = [text for i, text in enumerate(symbols) if i not in {*silent, roles.blank, roles.delimiter}]
    if not spoken:
        raise ModelUnusable(f"{_FILE} of {path} holds no character; expected letters besides special tokens")
    if _has_no_small_letters(spoken):
        symbols = [text.lower() for text in symbols]
    delimiter = roles.delimiter if roles.delimiter >= 0 else None
    return Alphabet(symbols=tuple(symbols), blank=roles.blank, delimiter=delimiter, silent=frozenset(silent))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roles:
    """Which symbols are not letters; `delimiter` is -1 when words are not told apart."""

    blank: int
    delimiter: int
    special: set[int]

    @classmethod
    def of(cls, tokenizer: Any, symbols: list[str], *, blank: int) -> _Roles:  # noqa: ANN401 - a transformers tokenizer
        places = {text: i for i, text in enumerate(symbols) if text}
        gaps = [places[text] for text in (tokenizer.word_delimiter_token, "|", " ") if text in places]
        special = {int(i) for i in tokenizer.all_special_ids if 0 <= int(i) < len(symbols)}
        return cls(blank=places.get(tokenizer.pad_token, blank), delimiter=gaps[0] if gaps else -1, special=special)


def _has_no_small_letters(texts: Iterable[str]) -> bool:
    return not any(character.islower() for text in texts for character in text)

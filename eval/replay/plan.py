"""What is replayed, in which pieces, under which name: the same corpus and settings give the same plan. Pure.

A piece holds what must be heard together: one dialogue, in order; or some items that stand alone, each of which is a
conversation of its own. Pieces know nothing of each other, so that any number of workers gives the same rows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from agent.errors import ConfigInvalid
from agent.translation.condition import TranslationCondition, read_condition
from agent.translation.languages import language_code

from ..errors import CorpusUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from agent.events import EmotionSource

    from ..corpora.item import Corpus, Item

Hypotheses: TypeAlias = Literal["asr", "corpus", "text"]
"""Whose words are taken: those of our recogniser (where there is no sound, as "corpus"); those of the recognisers that
come with the corpus (where there are none, its transcript); its transcript."""

ALONE_AT_ONCE: Final = 5
"""Items that stand alone and make one piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """How a corpus is replayed; all that rows depend on besides the items and the engines.

    Attributes:
        emotion: what emotion may be read from.
        hypotheses: whose words are taken.
        profile: whose engines; None without a condition is the embedded engine, on every machine alike.
        condition: how the language model, and it alone, is asked; None: the profile's own recogniser.
        readings: of the corpus's recognisers only these, in this order ("corpus" only); empty: all, in its order.
        n_best: the emotion is read from so many readings only, the best ones; None: from all.
        context: emotion is read with so many earlier turns in view; 0: each utterance stands alone, and nothing is
            known of how its speaker usually sounds; None: what the engines take.
        answers: utterances are answered, too, in words.
        translate: language to translate into instead; `translate_as`: how that is asked for.
        adapter: folder of a fine-tuned adapter (`eval.training.adapter`) that stands for the profile's language model.
    """

    emotion: EmotionSource = "both"
    hypotheses: Hypotheses = "asr"
    profile: str | None = None
    condition: str | None = None
    readings: tuple[str, ...] = ()
    n_best: int | None = None
    context: int | None = None
    answers: bool = False
    translate: str | None = None
    translate_as: str = TranslationCondition().name
    adapter: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked for."""
        if self.readings and self.hypotheses != "corpus":
            raise ValueError(f"readings are chosen among the corpus's own, and the words are by {self.hypotheses!r}")
        if self.n_best is not None and self.n_best < 1:
            raise ValueError(f"expected at least one reading, got {self.n_best}")
        if self.context is not None and self.context < 0:
            raise ValueError(f"expected a context of 0 turns or more, got {self.context}")
        if self.translate is not None and self.answers:
            raise ValueError("utterances are answered or translated, expected one of the two")
        if self.translation is not None and not language_code(self.translation.target):
            raise ValueError(f"there is no language {self.translate!r}, expected a code such as fr, de, pt-BR")

    @property
    def translation(self) -> TranslationCondition | None:
        """How is translated; None where it is not."""
        return None if self.translate is None else read_condition(self.translate_as, target=self.translate)

    @property
    def wants_words(self) -> bool:
        """Whether something is to be said in answer to an utterance."""
        return self.answers or self.translate is not None

    @property
    def needs_engines(self) -> bool:
        """Whether a profile's engines are loaded."""
        return any(one is not None for one in (self.profile, self.condition, self.translate, self.adapter))


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Items heard together; `key` changes with all that their rows depend on. `first` is the place of the first."""

    key: str
    first: int
    items: tuple[Item, ...]


def pieces_of(corpus: Corpus, *, run: str, limit: int | None = None) -> tuple[Piece, ...]:
    """Return the pieces of a corpus, of its first `limit` items, in its order.

    Raises:
        CorpusUnreadable: there are no items, an id stands twice, or a dialogue is not in one piece and in order.
    """
    items = corpus.items if limit is None else corpus.items[:limit]
    _check(corpus.name, items)
    pieces: list[Piece] = []
    n_before = 0
    for some in _grouped(items):
        pieces.append(Piece(key=key_of(run, some), first=n_before, items=some))
        n_before += len(some)
    return tuple(pieces)


def check_settings(corpus: Corpus, settings: ReplaySettings) -> None:
    """Refuse what no item of a corpus brings.

    Raises:
        ConfigInvalid: a reading is asked for that it does not have.
    """
    names = dict.fromkeys(name for item in corpus.items for name, _ in item.hypotheses)
    if unknown := [name for name in settings.readings if name not in names]:
        told = f"only {', '.join(names)}" if names else "none at all"
        raise ConfigInvalid(f"{corpus.name} brings no readings by {', '.join(unknown)}, {told}")


def _grouped(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    for dialogue, run in groupby(items, key=lambda item: item.dialogue):
        together = tuple(run)
        step = len(together) if dialogue is not None else ALONE_AT_ONCE
        for at in range(0, len(together), step):
            yield together[at : at + step]


def _check(name: str, items: Sequence[Item]) -> None:
    if not items:
        raise CorpusUnreadable(f"{name} holds no items, there is nothing to replay")
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise CorpusUnreadable(f"{name}: id {item.id!r} stands twice, expected each once")
        seen.add(item.id)
    begun: set[str] = set()
    for dialogue, run in groupby(items, key=lambda item: item.dialogue):
        orders = [item.order for item in run]
        if dialogue is None:
            continue
        if dialogue in begun or orders != sorted(orders):
            raise CorpusUnreadable(f"{name}: dialogue {dialogue!r} is not in one piece and in order")
        begun.add(dialogue)


def record_of(item: Item, *, heard: bool = False) -> dict[str, Any]:
    """Return an item as plain values; of its recording the name and the size, not where it lies.

    `heard`: a hash of what the recording holds, too.
    """
    told: dict[str, Any] = {each.name: getattr(item, each.name) for each in fields(item)}
    if item.audio is not None:
        there = item.audio.stat() if item.audio.is_file() else None
        told["audio"] = [item.audio.name, None if there is None else there.st_size]
        if heard and there is not None:
            told["audio"].append(_content(item.audio, there.st_size, there.st_mtime_ns))
    return told


@cache
def _content(path: Path, size: int, changed_ns: int) -> str | None:
    """Return the SHA-256 of a file that many items may lie in, None where it cannot be read."""
    del size, changed_ns  # after a change it is read again
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def digest_of_items(items: Iterable[Item]) -> str:
    """Return a hash of what is known of items."""
    return digest([record_of(item) for item in items])


def key_of(run: str, items: Sequence[Item]) -> str:
    """Return the name of the part that holds the rows of these items; another one where anything of them differs."""
    return digest([run, [record_of(item, heard=True) for item in items]])[:32]


def digest(value: object) -> str:
    """Return the SHA-256 of plain values, in hexadecimal; keys in any order give the same."""
    return hashlib.sha256(canonical(value).encode("utf-8", "replace")).hexdigest()


def canonical(value: object) -> str:
    """Return plain values as JSON in one form."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def run_of(provenance: Mapping[str, Any]) -> str:
    """Return the name of a run: what its rows depend on besides the items, as a hash of 16 digits."""
    return digest(provenance)[:16]

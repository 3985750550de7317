"""What a corpus is, once read: utterances with what is known of them, grouped and split. Immutable; knows no format.

Readers (one module each) turn folders into a `Corpus`; replay and scoring know nothing else of corpora.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One utterance.

    Attributes:
        id: unique within the corpus, stable from run to run.
        dialogue, order: which conversation it belongs to, and its place there from 0; no dialogue: it stands alone.
        speaker, gender: as the corpus names them; None: not told.
        audio: where it can be heard; None: there are only words.
        start_s, end_s: the part of `audio` that is meant; `end_s` None: to its end.
        text: what was said, None: not told.
        hypotheses: readings of recognisers that come with the corpus, as (name of the recogniser, text), in its order.
        emotion: in the corpus's own label; None: none was agreed on.
        votes: label by label, how often annotators chose it.
        arousal, dominance, valence: in [0, 1], scaled by the reader from the corpus's own range.
        description: what annotators typed of the feeling in their own words.
        translation, target: a reference translation and its language.
        split: "train", "dev", "test", or a fold such as "Ses01"; "" where the corpus has none.
        is_to_be_scored: False: only part of the context (paper 000: the challenge's `need_prediction`).
        language: BCP 47 tag.
    """

    id: str
    dialogue: str | None = None
    order: int = 0
    speaker: str | None = None
    gender: str | None = None
    audio: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    text: str | None = None
    hypotheses: tuple[tuple[str, str], ...] = ()
    emotion: str | None = None
    votes: tuple[tuple[str, int], ...] = ()
    arousal: float | None = None
    dominance: float | None = None
    valence: float | None = None
    description: str | None = None
    translation: str | None = None
    target: str | None = None
    split: str = ""
    is_to_be_scored: bool = True
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something of a corpus that cannot be used: which item or file, and why. Listed and counted, never skipped."""

    where: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A corpus that was read: dialogues whole and in order, items that stand alone between them.

    `labels` maps the corpus's own labels to those of `agent.labels`; a label that is not there is left out of scoring
    by a stated rule (`unmapped`). `notes`: what is told of it although it is no fault.
    """

    name: str
    items: tuple[Item, ...]
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


class Reader(Protocol):
    """Reads one kind of corpus."""

    name: str
    """As on the command line: "iemocap", "meld", ..."""
    where_from: str
    """Who gives it to whom, under which licence, and what to download; for people."""

    def missing(self, root: Path) -> Sequence[str]:
        """Return what the folder (or file) lacks to be read, one line each; nothing: it can be read."""
        ...

    def read(self, root: Path) -> Corpus:
        """Return the corpus.

        Raises:
            CorpusUnreadable: it is not there, or not in the format expected, as a whole.
        """
        ...

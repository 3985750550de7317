"""What a corpus tells of who speaks: their gender, and worked examples by others. Nothing is guessed from the voice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from agent.backends.emotion.r3_settings import SpeakerFacts
from agent.r3.condition import Shot
from agent.r3.conditions import condition as named
from agent.r3.conditions import ensembles
from agent.r3.shots import Pooled, chosen

from .words import readings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..corpora.item import Corpus, Item
    from .plan import ReplaySettings

GENDERS: Final = {"f": "female", "m": "male", "woman": "female", "man": "male"}
"""How corpora write it, and how it is said."""


@dataclass(slots=True)
class Told:
    """What is told of the speaker of the item at work; items are worked on one after another."""

    facts: SpeakerFacts = field(default_factory=SpeakerFacts)

    def begin(self, item: Item) -> None:
        """Go on to another item."""
        self.facts = replace(self.facts, gender=gender_of(item))

    def show(self, shots: tuple[Shot, ...] | None) -> None:
        """Have these examples shown from now on."""
        self.facts = replace(self.facts, shots=shots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Utterances that may be worked examples, and how many of which labels are shown.

    Examples are chosen for each conversation, among others' utterances of other conversations.
    """

    n: int
    labels: tuple[str, ...]
    utterances: tuple[Pooled, ...]

    def shots(self, items: Iterable[Item]) -> tuple[Shot, ...]:
        """Return the examples for a conversation of these items."""
        under_test = list(items)
        return chosen(
            self.utterances,
            self.labels,
            n=self.n,
            speakers={item.speaker for item in under_test if item.speaker},
            dialogues={item.dialogue or item.id for item in under_test},
        )


def gender_of(item: Item) -> str | None:
    """Return the speaker's gender in a word, None where it is not told."""
    told = (item.gender or "").strip().lower()
    return GENDERS.get(told, told) or None


def pool_of(corpus: Corpus, settings: ReplaySettings) -> Pool | None:
    """Return the corpus's own utterances as examples, by the readings that are shown; None where none are.

    Raises:
        ConfigInvalid: there is no such condition.
    """
    if settings.condition is None or settings.condition in ensembles():
        return None
    condition = named(settings.condition)
    if not condition.shots:
        return None
    found = [
        Pooled(key=item.id, speaker=item.speaker or "", dialogue=item.dialogue or item.id, shot=shot)
        for item in corpus.items
        if item.is_to_be_scored and (shot := _shot(item, corpus, settings)) is not None
    ]
    usable = tuple(one for one in found if one.shot.label in condition.labels)
    return Pool(n=condition.shots, labels=condition.labels, utterances=usable)


def _shot(item: Item, corpus: Corpus, settings: ReplaySettings) -> Shot | None:
    """An item as an example; of one that is heard the readings are not known beforehand, the transcript stands in."""
    label = corpus.labels.get(item.emotion or "", item.emotion)
    whose = "text" if settings.hypotheses == "asr" else settings.hypotheses
    heard = tuple(one.text for one in readings(item, whose=whose, only=settings.readings))
    if label is None or not heard or not item.text:
        return None
    return Shot(hypotheses=heard, label=label, transcript=item.text)

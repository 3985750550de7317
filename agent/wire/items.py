"""The conversation as the client sees it: its items in order, and which utterance each belongs to.

Holds what was said in words, never sound. Bounded: the oldest items are forgotten. Knows nothing of events.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias, cast

Item: TypeAlias = dict[str, Any]
"""An item as it is told: `id`, `object`, `type`, `status` and what its type holds."""

ROOT: Final = "root"
"""In place of an item's id: before the first one."""

KEPT: Final = 4000
KEPT_CHARACTERS: Final = 4 * 2**20
"""Of all items together, as they were put in: a client may send a megabyte in each."""


class Items:
    """The items of one conversation, oldest first."""

    def __init__(self, *, kept: int = KEPT, kept_characters: int = KEPT_CHARACTERS) -> None:
        """Begin empty; of more than `kept` items, or more text than `kept_characters`, the oldest are forgotten."""
        self._kept = kept
        self._kept_characters = kept_characters
        self._size_of: dict[str, int] = {}
        self._n_characters = 0
        self._order: list[str] = []
        self._items: dict[str, Item] = {}
        self._id_of: dict[int, str] = {}
        self._utterance_of: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self._removed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    @property
    def last(self) -> str | None:
        """Id of the item at the end, None when there is none."""
        return self._order[-1] if self._order else None

    def add(self, item: Item, *, after: str | None = None) -> str | None:
        """Put an item at the end, or after another one, and return the id of the item before it.

        Args:
            item: with its `id`; kept as it is, not copied.
            after: id of an item, "root" for the start, None for the end.

        Raises:
            KeyError: there is no item `after`.
            ValueError: an item of this id is there already.
        """
        item_id: str = item["id"]
        if item_id in self._items:
            raise ValueError(f"there is an item {item_id} already, expected another id")
        place = self._place(after)
        previous = self._order[place - 1] if place else None
        self._order.insert(place, item_id)
        self._items[item_id] = item
        size = self._size_of[item_id] = _n_characters(item)
        self._n_characters += size
        while len(self._order) > self._kept or (self._n_characters > self._kept_characters and len(self._order) > 1):
            self.remove(self._order[0])
        return previous

    def _place(self, after: str | None) -> int:
        if after is None:
            return len(self._order)
        if after == ROOT:
            return 0
        if after not in self._items:
            raise KeyError(after)
        if after == self._order[-1]:
            return len(self._order)
        return self._order.index(after) + 1

    def before(self, item_id: str) -> str | None:
        """Return the id of the item before another one, None for the first and for one that is not there."""
        if item_id not in self._items:
            return None
        place = self._order.index(item_id)
        return self._order[place - 1] if place else None

    def get(self, item_id: str) -> Item | None:
        """Return the item of an id, None when it is not there."""
        return self._items.get(item_id)

    def remove(self, item_id: str) -> Item | None:
        """Take an item out and return it, None when it is not there.

        What it was named stays: that its turn is saved is told all the same.
        """
        item = self._items.pop(item_id, None)
        if item is not None:
            self._order.remove(item_id)
            self._n_characters -= self._size_of.pop(item_id)
            self._answered.pop(item_id, None)
            self._removed[item_id] = None
            if len(self._removed) > self._kept:
                del self._removed[next(iter(self._removed))]
        return item

    def was_there(self, item_id: str) -> bool:
        """Tell whether an item of this id has been taken out."""
        return item_id in self._removed

    def tool_of(self, call: str) -> str:
        """Return the name of the tool that was called by this id, "" where nobody knows."""
        held = (self._items[item_id] for item_id in reversed(self._order))
        return next((item["name"] for item in held if item["type"] == "function_call" and item["call_id"] == call), "")

    def name(self, utterance: int, item_id: str) -> None:
        """Say which item an utterance is, or will be once it is added."""
        self._id_of[utterance] = item_id
        self._utterance_of[item_id] = utterance
        if len(self._id_of) > 2 * self._kept:
            oldest = next(iter(self._id_of))
            self._utterance_of.pop(self._id_of.pop(oldest), None)

    def unname(self, utterance: int) -> None:
        """The utterance is void: no item will be of it."""
        item_id = self._id_of.pop(utterance, None)
        if item_id is not None:
            self._utterance_of.pop(item_id, None)

    def of_utterance(self, utterance: int) -> str | None:
        """Return the id of the item that an utterance is; None where none was named."""
        return self._id_of.get(utterance)

    def utterance_of(self, item_id: str) -> int | None:
        """Return the utterance that a user's item is, None for other items."""
        return self._utterance_of.get(item_id)

    def answers(self, item_id: str, utterance: int) -> None:
        """Say which utterance an agent's item answers."""
        self._answered[item_id] = utterance

    def answered_by(self, item_id: str) -> int | None:
        """Return the utterance that an agent's item answers, None for other items."""
        return self._answered.get(item_id)


def _n_characters(value: object) -> int:
    """Return how much text is in an item."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_n_characters, cast("dict[str, object]", value).values()))
    return sum(map(_n_characters, cast("list[object]", value))) if isinstance(value, list) else 0


def words_of(item: Item) -> str:
    """Return what is said in a message: its texts and transcripts, joined; sound and images say nothing here."""
    parts: list[dict[str, Any]] = item.get("content") or []
    found = (part.get("text") or part.get("transcript") or "" for part in parts)
    return " ".join(text.strip() for text in found if text.strip())

"""What a client does to the items of the conversation: create, retrieve, delete, truncate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..behaviour import TYPED, Forget, Truncate, Write
from .creating import Written, item_of, meaning
from .dialect import Step
from .faults import WireFault
from .hearing import added
from .items import ROOT
from .message import copied

if TYPE_CHECKING:
    from ..behaviour import SessionCommand
    from .answering import Answering
    from .ids import Ids
    from .items import Item, Items
    from .schema.client import ItemCreate, ItemDelete, ItemRetrieve, ItemTruncate

NOT_THERE: Final = "item_retrieve_invalid_item_id"
"""Code of a `conversation.item.retrieve` that finds nothing: stock clients know it by this name, and go on."""


class Arranging:
    """Arranges the items of a conversation at its client's wish. One per session."""

    def __init__(self, ids: Ids, *, items: Items, answering: Answering, session: str) -> None:
        self._ids = ids
        self._own = f"item_{session}_"
        self._items = items
        self._answering = answering
        self._n_typed = 0

    def create(self, event: ItemCreate) -> Step:
        """Put an item into the conversation.

        What the user wrote is an utterance like one that was spoken; anything else the model knows from here on, in
        the order it came in, wherever the item stands.

        Raises:
            WireFault: its id is taken, its place is not there, or it says nothing.
        """
        item = item_of(event.item, item_id=self._new_id(event.item.id))
        if item["type"] == "function_call" and "call_id" not in item:
            item["call_id"] = self._ids.call()
        meant = meaning(item, name_of=self._items.tool_of)
        try:
            previous = self._items.add(item, after=event.previous_item_id)
        except KeyError:
            message = f"there is no item {event.previous_item_id:.100}, expected the id of one, or root"
            raise WireFault("item_not_found", message, param="previous_item_id") from None
        command: SessionCommand = meant if not isinstance(meant, Written) else self._written(item, meant)
        return Step(line=(command,), events=tuple(added(self._ids, item, previous)))

    def _new_id(self, given: str | None) -> str:
        if given is None:
            return self._ids.item()
        # An item of ours may come back changed, as stock clients do; an id that is still to be given may not be taken.
        is_ours = given.startswith(self._own) and not self._items.was_there(given)
        if given == ROOT or given in self._items or is_ours:
            message = f"the id {given:.100} is taken, expected another one, or none"
            raise WireFault("item_create_invalid_item_id", message, param="item.id")
        return given

    def _written(self, item: Item, meant: Written) -> Write:
        utterance = TYPED + self._n_typed
        self._n_typed += 1
        self._items.name(utterance, item["id"])
        return Write(utterance=utterance, text=meant.text)

    def retrieve(self, event: ItemRetrieve) -> Step:
        """Show an item, in words: sound is not kept.

        Raises:
            WireFault: it is not there.
        """
        item = self._items.get(event.item_id)
        if item is None:
            raise WireFault(NOT_THERE, f"there is no item {event.item_id:.100} to retrieve", param="item_id")
        told = {"type": "conversation.item.retrieved", "event_id": self._ids.event(), "item": copied(item)}
        return Step(events=(told,))

    def delete(self, event: ItemDelete) -> Step:
        """Take an item out of the conversation, and out of what engines are shown; the turn log keeps it.

        Raises:
            WireFault: it is not there.
        """
        item_id = event.item_id
        answered = self._items.answered_by(item_id)
        item = self._items.remove(item_id)
        if item is None:
            message = f"there is no item {item_id:.100} to delete, expected the id of one"
            raise WireFault("item_not_found", message, param="item_id")
        told = {"type": "conversation.item.deleted", "event_id": self._ids.event(), "item_id": item_id}
        return Step(line=(self._forgetting(item, answered),), events=(told,))

    def _forgetting(self, item: Item, answered: int | None) -> SessionCommand:
        utterance = self._items.utterance_of(item["id"])
        if utterance is not None:
            return Forget(utterance=utterance)
        if answered is not None:
            # Of the answer nothing was heard; what it answered stays.
            return Truncate(utterance=answered, played_s=0.0)
        return Forget(key=item["id"])

    def truncate(self, event: ItemTruncate) -> Step:
        """Cut a message of the agent to what was heard of it.

        Raises:
            WireFault: there is no such message, or it is not so long.
        """
        command, events = self._answering.truncated(
            event.item_id, content_index=event.content_index, audio_end_ms=event.audio_end_ms
        )
        return Step(line=(command,), events=tuple(events))

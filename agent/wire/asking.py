"""`response.create`: what a client wants answered, and how, in the session's terms. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..behaviour import Aside, Respond
from .creating import Written, item_of, meaning
from .faults import WireFault
from .merging import merged
from .schema.items import ItemReference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..behaviour import Behaviour
    from .items import Item, Items
    from .schema.client import ResponseSettings
    from .schema.items import InputItem
    from .settings import SessionSettings

OVERRIDES: Final = ("instructions", "output_modalities", "tools", "tool_choice", "max_output_tokens")
"""Settings that a response may have of its own."""


def respond(
    response: ResponseSettings | None,
    *,
    request: str,
    settings: SessionSettings,
    items: Items,
    new_id: Callable[[], str],
) -> Respond:
    """Return what the session is asked to do.

    Args:
        response: the settings of this response, None: the session's.
        request: the id that the response will have.
        settings: the session's.
        items: the conversation, for references to it.
        new_id: names what has no name.

    Raises:
        WireFault: a setting that cannot be, an item that is not there or says nothing.
    """
    if response is None:
        return Respond(request=request)
    text, asides = None, ()
    if response.input is not None:
        text, asides = _input(response.input, items, new_id)
    return Respond(
        request=request,
        behaviour=_behaviour(response, settings),
        text=text,
        asides=asides,
        is_apart=response.conversation == "none",
    )


def _behaviour(response: ResponseSettings, settings: SessionSettings) -> Behaviour | None:
    given: Mapping[str, Any] = response.model_dump(exclude_unset=True)
    own = {name: given[name] for name in OVERRIDES if given.get(name) is not None}
    if not own:
        return None
    try:
        return merged(settings, own).behaviour()
    except WireFault as fault:
        fault.param = (fault.param or "").replace("session.", "response.", 1) or None
        raise


def _input(given: Sequence[InputItem], items: Items, new_id: Callable[[], str]) -> tuple[str | None, tuple[Aside, ...]]:
    """Return the last words of the user among the items, to be answered, and all the rest, to be known."""
    means = [
        meaning(_resolved(item, n, items, new_id), name_of=items.tool_of, param=f"response.input[{n}]")
        for n, item in enumerate(given)
    ]
    last = max((n for n, each in enumerate(means) if isinstance(each, Written)), default=None)
    asides = tuple(_known(each) for n, each in enumerate(means) if n != last)
    asked = None if last is None else means[last]
    return (asked.text if isinstance(asked, Written) else None), asides


def _resolved(item: InputItem, n: int, items: Items, new_id: Callable[[], str]) -> Item:
    if not isinstance(item, ItemReference):
        return item_of(item, item_id=item.id or new_id())
    held = items.get(item.id)
    if held is None:
        message = f"there is no item {item.id:.100}, expected the id of one of the conversation's"
        raise WireFault("item_not_found", message, param=f"response.input[{n}].id")
    return held


def _known(each: Written | Aside) -> Aside:
    """Return earlier words of the user as a note: only the last ones are answered."""
    return Aside(kind="note", text=f"The user said: {each.text}") if isinstance(each, Written) else each

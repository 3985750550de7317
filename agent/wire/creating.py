"""Items that a client puts into the conversation, and what the session is to know or answer of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..behaviour import Aside
from .faults import WireFault
from .items import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .items import Item
    from .schema.items import ConversationItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the user wrote."""

    text: str


def item_of(model: ConversationItem, *, item_id: str) -> Item:
    """Return an item as it is held and told: whole, without sound."""
    values = model.model_dump(mode="json", exclude_none=True)
    item: Item = {"id": item_id, "object": "realtime.item", "type": values.pop("type"), "status": "completed"}
    item |= {name: value for name, value in values.items() if name not in item}
    if "content" in item:
        item["content"] = [_part(part) for part in item["content"]]
    return item


def _part(part: dict[str, Any]) -> dict[str, Any]:
    held = {name: value for name, value in part.items() if name != "audio"}
    # Clients look for the key of a spoken part, known or not.
    return held | ({"transcript": held.get("transcript")} if held["type"] in {"input_audio", "output_audio"} else {})


def meaning(item: Item, *, name_of: Callable[[str], str], param: str = "item") -> Written | Aside:
    """Return what an item says to the session.

    Args:
        item: as `item_of` makes it.
        name_of: finds the name of the tool that was called by this id, "" where nobody knows.
        param: where the item stands in the client's event.

    Raises:
        WireFault: it holds sound without words, or nothing at all.
    """
    key: str = item["id"]
    match item["type"]:
        case "function_call":
            return Aside(kind="call", text=item["arguments"], key=key, call=item["call_id"], name=item["name"])
        case "function_call_output":
            call: str = item["call_id"]
            return Aside(kind="result", text=item["output"], key=key, call=call, name=name_of(call))
        case _:
            text = _said(item, param)
            if item["role"] == "user":
                return Written(text=text)
            kind: Literal["note", "agent"] = "note" if item["role"] == "system" else "agent"
            return Aside(kind=kind, text=text, key=key)


def _said(item: Item, param: str) -> str:
    text = words_of(item)
    if text:
        return text
    if any(part["type"] == "input_audio" for part in item["content"]):
        message = "sound inside an item is not heard, expected its transcript, or input_audio_buffer.append"
        raise WireFault("not_available", message, param=f"{param}.content")
    raise WireFault("invalid_field", "there are no words in the item, expected some text", param=f"{param}.content")

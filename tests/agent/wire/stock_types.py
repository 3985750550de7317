"""Server events against the models of the `openai` package and against ours."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import openai.types.realtime as stock
from pydantic import TypeAdapter

from agent.wire.schema.attune import ServerExtension
from agent.wire.schema.server import RealtimeServerEvent
from agent.wire.schema.translations import TranslationServerEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel


@cache
def _stock_models(*, translations: bool) -> dict[str, type[BaseModel]]:
    union = stock.RealtimeTranslationServerEvent if translations else stock.RealtimeServerEvent
    models = get_args(get_args(union)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models}


@cache
def _ours(*, translations: bool) -> TypeAdapter[Any]:
    if translations:
        return TypeAdapter(TranslationServerEvent | RealtimeServerEvent | ServerExtension)
    return TypeAdapter(RealtimeServerEvent | ServerExtension)


def checked(events: Iterable[dict[str, Any]], *, translations: bool = False) -> list[dict[str, Any]]:
    """Return the events as a client reads them, each valid by the package (but extensions) and by our schema."""
    read: list[dict[str, Any]] = []
    for event in events:
        told = json.loads(json.dumps(event, allow_nan=False))
        assert list(told)[:2] == ["type", "event_id"]
        if not told["type"].startswith("attune."):
            _stock_models(translations=translations)[told["type"]].model_validate(told, strict=True)
        _ours(translations=translations).validate_python(told)
        read.append(told)
    return read


def types(events: Iterable[dict[str, Any]]) -> list[str]:
    """Return what the events are."""
    return [event["type"] for event in events]

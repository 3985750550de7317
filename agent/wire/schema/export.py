"""The whole protocol as one JSON Schema (draft 2020-12), made from the models: what `/schema` serves."""

from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from ..faults import FAULTS
from .attune import Auth, ClientExtension, ServerExtension
from .client import RealtimeEvent
from .examples import EXAMPLES
from .server import ErrorEvent, RealtimeServerEvent
from .translations import TranslationEvent, TranslationServerEvent

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ID: Final = "urn:attune:realtime:1"

DESCRIPTION: Final = (
    "Events of Attune's WebSocket. /v1/realtime takes ClientEvent and sends ServerEvent: those of OpenAI's Realtime "
    "API, and attune.* for clients that ask for them by session.update (session.attune) or by the query "
    "(?attune=all). /v1/realtime/translations takes TranslationClientEvent and sends TranslationServerEvent. Times "
    "ending in _ms are milliseconds of the session's sound. Fields not named here are to be ignored."
)

EVENTS: Final[dict[str, tuple[type[BaseModel], ...]]] = {
    "ClientEvent": (Auth, *get_args(RealtimeEvent)),
    "ServerEvent": (*get_args(RealtimeServerEvent), *get_args(ServerExtension)),
    "TranslationClientEvent": (Auth, *get_args(TranslationEvent), *get_args(ClientExtension)),
    "TranslationServerEvent": (*get_args(TranslationServerEvent), ErrorEvent, *get_args(ServerExtension)),
}
"""The models of every direction of every endpoint."""


class _Plain(GenerateJsonSchema):
    """Without what says nothing new here: titles of fields, and OpenAPI's hints which of several models is meant."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        told = super().tagged_union_schema(schema)
        told.pop("discriminator", None)
        return told


def event_type(model: type[BaseModel]) -> str:
    """Return the `type` of the events that `model` describes."""
    return get_args(model.model_fields["type"].annotation)[0]


@cache
def models_of(union: str) -> dict[str, type[BaseModel]]:
    """Return the models of "ClientEvent", "ServerEvent", ... by the type of their events."""
    return {event_type(model): model for model in EVENTS[union]}


def json_schema() -> dict[str, Any]:
    """Return the schema of all events, with examples and the codes of errors."""
    models = list(dict.fromkeys(model for union in EVENTS.values() for model in union))
    places, document = models_json_schema([(m, "validation") for m in models], schema_generator=_Plain)
    definitions: dict[str, Any] = document["$defs"]
    name_of = {model: str(place["$ref"]).rpartition("/")[2] for (model, _), place in places.items()}
    for union, examples in EXAMPLES.items():
        for example in examples:
            definition = definitions[name_of[models_of(union)[example["type"]]]]
            definition.setdefault("examples", []).append(example)
    unions = {
        union: {"oneOf": [{"$ref": f"#/$defs/{name_of[model]}"} for model in members]}
        for union, members in EVENTS.items()
    }
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": "Attune",
        "description": DESCRIPTION,
        "anyOf": [{"$ref": f"#/$defs/{union}"} for union in unions],
        "$defs": unions | dict(sorted(definitions.items())),
        "x-error-codes": dict(FAULTS),
    }

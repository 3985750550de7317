# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# (jinja2 leaves parts of its nodes and filters untyped.)
"""The sandbox chat templates run in: what models' own templates expect to find, and nothing that reaches out of it."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any, Final, cast

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from jinja2.parser import Parser

DATE: Final = date(2024, 7, 26)
"""The day templates take it to be, the one Llama 3's own falls back to: a prompt must not change over night."""


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}` marks training targets; for us what is between them is just there."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def environment() -> ImmutableSandboxedEnvironment:
    """Return the sandbox, set up as transformers sets up its own."""
    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], autoescape=False
    )
    sandbox.filters["tojson"] = _tojson
    cast("dict[str, Any]", sandbox.globals).update(raise_exception=_refuse, strftime_now=DATE.strftime)
    return sandbox


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _tojson(value: Any, indent: int | None = None) -> str:  # noqa: ANN401 - whatever a template has at hand
    return json.dumps(value, ensure_ascii=False, indent=indent)

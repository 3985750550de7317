"""Pages written as HTML: one file, no script, nothing from outside. Colours and type are those of the live page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from agent.labels import EIGHT

from ..bench.machine import VERSION
from .run import RunPage

if TYPE_CHECKING:
    from .pair import PairPage

_END_OF_COLOURS: Final = "\n* {"
"""What follows the colours in the live page's style."""


def render(page: RunPage | PairPage) -> str:
    """Return a page as HTML; the same page gives the same text."""
    name = "run.html" if isinstance(page, RunPage) else "pair.html"
    rules = "\n".join(f'[data-label="{label}"] {{ --hue: var(--{label}); }}' for label in EIGHT)
    template = _environment().get_template(name)
    html = template.render(page=page, colours=colours(), label_rules=rules, version=VERSION)
    return "\n".join(line.rstrip() for line in html.splitlines() if line.strip()) + "\n"


@cache
def colours() -> str:
    """Return the colours and type of the live page, light and dark; paper is always light."""
    style = files("agent").joinpath("web/style/base.css").read_text("utf-8").partition(_END_OF_COLOURS)[0]
    light = style.partition(":root {")[2].partition("}")[0].replace("light dark", "light")
    return f"{style}\n@media print {{\n  :root {{{light}}}\n}}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("eval.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

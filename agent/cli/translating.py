"""What `attune talk --translate` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigInvalid
from ..translation.condition import TranslationCondition, read_condition
from ..translation.languages import language_code

if TYPE_CHECKING:
    from typing import TypeAlias

Translate: TypeAlias = Annotated[
    str | None,
    typer.Option("--translate", metavar="LANG", help="Say what you say in another language (fr, de, japanese, ...)."),
]
TranslateAs: TypeAlias = Annotated[
    str,
    typer.Option(
        "--translate-as",
        metavar="HOW",
        help="STYLE-[DIMENSION]TEMPLATE. Styles: chat, instruct, base (models that only go on with a text). Templates: "
        "1 plain, 2 instruction, 3 to 5 with arousal, dominance or valence. For instance base-arousal4.",
    ),
]
USUAL = TranslationCondition().name


def translation_of(named: str | None, *, how: str) -> TranslationCondition | None:
    """Return how to translate into the language that is named; None when none is.

    Raises:
        ConfigInvalid: that is no language, there is no such way, or a way is named and no language.
    """
    if named is None:
        if how != USUAL:
            raise ConfigInvalid(f"--translate-as is {how!r} and no language is named, expected one with --translate")
        return None
    target = language_code(named)
    if target is None:
        raise ConfigInvalid(f"--translate is {named!r}, expected a language such as fr, de, pt-BR or japanese")
    try:
        return read_condition(how, target=target)
    except ValueError as trouble:
        raise ConfigInvalid(f"--translate-as: {trouble}") from trouble

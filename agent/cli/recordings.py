"""What `--record` means: conversations are kept whole, sound and all, and said to be. Off unless asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..recording.recorder import Recordings, about_engines
from .engines import note

if TYPE_CHECKING:
    from ..assembly import Talk
    from ..config import Config

Record = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FOLDER",
        help="Record each conversation, sound and all, in a folder of its own here. Tell whoever talks: a server tells "
        "programs only (attune.session.info), and the page its Settings. "
        "`attune-eval recording` has it happen again.",
    ),
]


def recordings_in(folder: Path | None, *, profile: str, config: Config) -> Recordings | None:
    """Return where to record; None where that was not asked for."""
    if folder is None:
        return None
    return Recordings(folder=folder, about=about_engines(profile, config), note=note)


def about_talk(talk: Talk) -> dict[str, Any]:
    """Return what a recording has to know of what a conversation was to be."""
    translation = talk.translation
    return {
        "is_live": talk.is_live,
        "speaks": talk.speaks,
        "keeps": talk.keeps,
        "translate": None if translation is None else [translation.target, translation.name],
    }

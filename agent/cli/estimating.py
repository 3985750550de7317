"""Who estimates for a command: the embedded engine, a profile's, or its language model asked under one condition."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from streaming.errors import EngineFailed

from ..annotation import SOURCES, Annotator
from ..backends.emotion.choose import Asking, recognizer_of_condition
from ..config import load_config, with_options
from ..errors import ConfigInvalid
from .engines import chosen, loaded, loaded_transcribers, note
from .explain import explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TextIO

    from streaming.backends.choose import Transcribers

    from ..backends.choose import ProfileEngines
    from ..backends.llm.overheard import Overheard
    from ..config import Config
    from ..events import EmotionEstimate
    from ..ports import EmotionRecognizer


Explain = Annotated[
    bool, typer.Option("--explain", help="Print also the exact prompt, its cached share and what each source says.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What estimates are made with: without a profile and a condition the embedded engine, on every machine alike.

    Attributes:
        source: what emotion is read from.
        profile: whose engines; None with a condition: the one that the settings take.
        condition: how its language model, and it alone, is asked.
        falls_back: embedded engines may stand in for what is missing.
        folder: where relative paths of recordings begin.
    """

    source: str
    profile: str | None = None
    condition: str | None = None
    falls_back: bool = False
    folder: Path = Path()


@dataclass(slots=True, kw_only=True)
class Calls:
    """What a language model was asked about emotions since it was last looked at."""

    kept: list[Overheard] = field(default_factory=list["Overheard"])

    def hear(self, call: Overheard) -> None:
        """Keep a call. Replies and translations have cached conversations of other names."""
        if not call.conversation or call.conversation.endswith("/emotion"):
            self.kept.append(call)

    def take(self) -> list[Overheard]:
        """Return the calls, and begin anew."""
        taken, self.kept = self.kept, []
        return taken


def explainer(calls: Calls, *, out: TextIO) -> Callable[[EmotionEstimate], None]:
    """Return what prints how an estimate came about; where nobody looks, lines are as wide as they are."""
    console = Console(file=out, highlight=False, soft_wrap=not out.isatty())

    def tell(estimate: EmotionEstimate) -> None:
        console.print(explanation(estimate, calls.take()))

    return tell


@contextmanager
def annotator_of(
    wanted: Wanted, *, calls: Calls, tell: Callable[[EmotionEstimate], None] = lambda _: None
) -> Generator[Annotator]:
    """Give who estimates, with what the user wants for it loaded; `tell` is given the estimate of each row.

    Raises:
        ConfigInvalid: there is no such source, profile or condition.
        EngineFailed: an engine cannot be had, or a condition is to be asked and there is no language model.
    """
    if wanted.source not in SOURCES:
        raise ConfigInvalid(f"emotion is {wanted.source!r}, expected one of {', '.join(SOURCES)}")
    with ExitStack() as stack:
        if wanted.profile is None and wanted.condition is None:
            yield stack.enter_context(Annotator(source=wanted.source, folder=wanted.folder, tell=tell))
            return
        config = with_options(load_config(), {"profile": wanted.profile, "emotion": wanted.source})

        @cache
        def hearing() -> Transcribers | None:
            use = chosen(config, falls_back=wanted.falls_back, only=("transcriber",))
            return stack.enter_context(loaded_transcribers(use))

        recognizer = _recognizer(wanted, config, calls=calls, stack=stack)
        yield stack.enter_context(
            Annotator(source=wanted.source, folder=wanted.folder, recognizer=recognizer, hearing=hearing, tell=tell)
        )


def _recognizer(wanted: Wanted, config: Config, *, calls: Calls, stack: ExitStack) -> EmotionRecognizer:
    if wanted.condition is None:
        ports = ("emotion", "dimensions", "language_model")
        return _engines(wanted, config, ports=ports, calls=calls, stack=stack).recognizer
    engines = _engines(wanted, config, ports=("language_model",), calls=calls, stack=stack)
    if engines.language_model is None:
        raise EngineFailed(
            f"condition {wanted.condition} asks a language model, and profile {engines.profile} has none here: "
            "attune setup gets one, or name a profile that has one with --profile"
        )
    return recognizer_of_condition(engines.language_model, wanted.condition, asking=Asking(note=note))


def _engines(
    wanted: Wanted, config: Config, *, ports: tuple[str, ...], calls: Calls, stack: ExitStack
) -> ProfileEngines:
    use = chosen(config, falls_back=wanted.falls_back, only=ports)
    return stack.enter_context(loaded(use, overhear=calls.hear))

"""Loads what conversations are replayed with: once for each process, as a live program does."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from agent.backends.choose import Loading, load_engines
from agent.backends.emotion.choose import Asking, recognizer_of_condition
from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.cli.engines import chosen
from agent.config import load_config, with_options
from agent.models import user_store
from streaming.backends.embedded import EmbeddedEngines
from streaming.errors import EngineFailed

from .calls import KeptModel, Tape
from .dialogue import Bench
from .hearing import Ears
from .provenance import provenance_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from agent.backends.choose import ProfileEngines
    from agent.backends.llm.overheard import Overheard
    from agent.profiles import Profile

    from .calls import CallShelf
    from .plan import ReplaySettings


def profile_of(settings: ReplaySettings) -> Profile | None:
    """Return the profile whose engines are needed; None where the embedded engine does.

    Raises:
        ConfigInvalid: there is no such profile.
        EngineFailed: something it needs is not here.
    """
    if not settings.needs_engines:
        return None
    config = with_options(load_config(), {"profile": settings.profile, "emotion": settings.emotion})
    return chosen(config, only=ports_of(settings)).profile


def ports_of(settings: ReplaySettings) -> tuple[str, ...]:
    """Return the ports of a profile that a replay has something to do for."""
    reads = ("language_model",) if settings.condition is not None else ("emotion", "dimensions", "language_model")
    return (*(("transcriber",) if settings.hypotheses == "asr" else ()), *reads)


def provenance_here(settings: ReplaySettings) -> dict[str, Any]:
    """Return what rows would depend on, made here and now. Raises as `profile_of`."""
    return provenance_of(settings, profile=profile_of(settings), ports=ports_of(settings))


@contextmanager
def open_bench(
    settings: ReplaySettings, *, shelf: CallShelf, identity: str, note: Callable[[str], None]
) -> Generator[Bench]:
    """Give the engines, loaded; what hears starts with the first sound. `identity`: of the language model.

    Raises:
        EngineFailed, AgentError: an engine cannot be had, or a condition is to be asked and there is no language model.
    """
    with ExitStack() as stack:

        @cache
        def embedded() -> EmbeddedEngines:
            return stack.enter_context(closing(EmbeddedEngines(transcribes=False)))

        tape = Tape()
        profile = profile_of(settings)
        if profile is None:
            yield Bench(ears=Ears(embedded=embedded), recognizer=EmbeddedRecognizer(), tape=tape)
            return
        overhear = None if settings.condition is not None else _overhearing(tape)
        loading = Loading(store=user_store(), note=note, overhear=overhear)
        engines = stack.enter_context(closing(load_engines(profile, loading)))
        ears = Ears(embedded=embedded, transcribers=engines.transcribers)
        forget = _forgetting(engines)
        if settings.condition is None:
            yield Bench(ears=ears, recognizer=engines.recognizer, tape=tape, forget=forget)
            return
        if engines.language_model is None:
            raise EngineFailed(
                f"condition {settings.condition} asks a language model, and profile {engines.profile} has none here: "
                "attune setup gets one, or name a profile that has one with --profile"
            )
        model = KeptModel(engines.language_model, identity=identity, shelf=shelf, tape=tape)
        recognizer = recognizer_of_condition(model, settings.condition, asking=Asking(note=note))
        yield Bench(ears=ears, recognizer=recognizer, tape=tape, forget=forget)


def _overhearing(tape: Tape) -> Callable[[Overheard], None]:
    """Return what puts the calls of a profile's own recogniser on the tape: that they were made, not what was said."""

    def hear(call: Overheard) -> None:
        if call.usage is not None:
            tape.note({"call": call.call}, call.usage, from_shelf=False)

    return hear


def _forgetting(engines: ProfileEngines) -> Callable[[str], None]:
    model = engines.language_model

    def forget(session: str) -> None:
        if model is not None:
            for conversation in (session, f"{session}/emotion"):
                model.forget(conversation)

    return forget

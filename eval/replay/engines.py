"""Loads what conversations are replayed with: once for each process, as a live program does."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.backends.choose import Loading, load_engines
from agent.backends.emotion.choose import Asking, recognizer_of_condition
from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.reply.translator import LanguageModelTranslator
from agent.cli.engines import chosen
from agent.config import load_config, with_options
from agent.errors import ConfigInvalid
from agent.models import user_store
from streaming.backends.embedded import EmbeddedEngines
from streaming.errors import EngineFailed

from .calls import KeptModel, Tape
from .dialogue import Bench
from .hearing import Ears
from .provenance import provenance_of
from .told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from agent.backends.choose import ProfileEngines
    from agent.ports import EmotionRecognizer, LanguageModel, Responder
    from agent.profiles import Choice, Profile

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
    profile = chosen(config, only=ports_of(settings)).profile
    return profile if settings.adapter is None else with_adapter(profile, settings.adapter)


def with_adapter(profile: Profile, folder: str) -> Profile:
    """Return a profile whose language model is the one that the adapter in `folder` (an absolute path) was put on.

    Raises:
        ConfigInvalid: as `adaptable`.
        EngineFailed: the folder holds no adapter.
    """
    model = adaptable(profile)
    if not (Path(folder) / "adapter_config.json").is_file():
        raise EngineFailed(
            f"{folder} holds no adapter (adapter_config.json): name a folder that `attune-eval fit adapter` made"
        )
    return replace(profile, language_model=replace(model, model=folder))


def adaptable(profile: Profile) -> Choice:
    """Return the language model of a profile, if an adapter goes on it.

    Raises:
        ConfigInvalid: none does: it is not in the form of transformers.
    """
    model = profile.language_model
    if model.engine != "transformers":
        raise ConfigInvalid(
            f"an adapter goes on a model in the form of transformers, and the language model of profile {profile.name} "
            f'is {model}: name a profile with engine = "transformers"'
        )
    return model


def ports_of(settings: ReplaySettings) -> tuple[str, ...]:
    """Return the ports of a profile that a replay has something to do for."""
    hears = ("transcriber",) if settings.hypotheses == "asr" else ()
    reads = ("language_model",) if settings.condition is not None else ("emotion", "dimensions", "language_model")
    return (*hears, *reads, *(("reply",) if settings.answers else ()))


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

        tape, told = Tape(), Told()
        profile = profile_of(settings)
        if profile is None:
            yield Bench(ears=Ears(embedded=embedded), recognizer=EmbeddedRecognizer(), tape=tape)
            return

        def kept(model: LanguageModel) -> LanguageModel:
            return KeptModel(model, identity=identity, shelf=shelf, tape=tape)

        loading = Loading(store=user_store(), note=note, wrap=kept)
        engines = stack.enter_context(closing(load_engines(profile, loading)))
        yield Bench(
            ears=Ears(embedded=embedded, transcribers=engines.transcribers),
            recognizer=_recognizer(engines, settings, asking=Asking(note=note, facts=lambda: told.facts)),
            told=told,
            tape=tape,
            responder=_responders(engines, settings, note=note),
            forget=_forgetting(engines),
        )


def _recognizer(engines: ProfileEngines, settings: ReplaySettings, *, asking: Asking) -> EmotionRecognizer:
    """Return who reads emotion: the profile's own recogniser, or its language model alone under a condition.

    Raises:
        EngineFailed: a condition is to be asked and there is no language model.
    """
    if settings.condition is None:
        return engines.recognizer
    model = _model_for(f"condition {settings.condition} asks", engines)
    return recognizer_of_condition(model, settings.condition, asking=asking)


def _responders(
    engines: ProfileEngines, settings: ReplaySettings, *, note: Callable[[str], None]
) -> Callable[[], Responder]:
    """Return what makes who answers, or translates, in one conversation.

    Raises:
        EngineFailed: a translation is wanted and there is no language model.
    """
    condition = settings.translation
    if condition is None:
        return lambda: engines.responder
    model, told = _model_for("translating asks", engines), set[str]()

    def note_once(text: str) -> None:
        if text not in told:
            told.add(text)
            note(text)

    return lambda: LanguageModelTranslator(model, condition, note=note_once)


def _model_for(what: str, engines: ProfileEngines) -> LanguageModel:
    if engines.language_model is None:
        raise EngineFailed(
            f"{what} a language model, and profile {engines.profile} has none here: "
            "attune setup gets one, or name a profile that has one with --profile"
        )
    return engines.language_model


def _forgetting(engines: ProfileEngines) -> Callable[[str], None]:
    model = engines.language_model

    def forget(session: str) -> None:
        if model is not None:
            for conversation in (session, f"{session}/emotion", f"{session}/translation"):
                model.forget(conversation)

    return forget

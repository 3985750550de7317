"""The engines of a profile, loaded once for a process and shared by its conversations.

An adapter is imported only when it is chosen. What the embedded profile needs loads in milliseconds.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from streaming.backends.choose import TranscriberChoice, transcriber_for
from streaming.errors import EngineFailed, ModelUnusable

from ..errors import AgentError, ConfigInvalid
from ..persona import read_persona
from ..profiles.engines import ENGINES
from ..profiles.read import DEFAULT, is_path
from .emotion.choose import Asking, choose_recognizer
from .emotion.embedded import EmbeddedRecognizer
from .reply.reflective import ReflectiveResponder

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.backends.choose import Transcribers
    from streaming.remote import Endpoint

    from ..models import ModelStore
    from ..ports import DimensionsReader, EmotionRecognizer, LanguageModel, Responder, Speech
    from ..profiles import Choice, Profile
    from .llm.overheard import Overheard

T = TypeVar("T")

_FILES = {"gguf": "*.gguf", "piper": "*.onnx"}
"""Kinds of models that are one file of a folder; of one in several parts the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How engines are loaded.

    Attributes:
        store: where models of the registry lie.
        note: told, in one line, of what the user should know: an engine that another one stands in for.
        falls_back: the embedded engine of a port takes over when the chosen one cannot be had; else that is an error.
        overhear: told of each call to the language model.
        wrap: what goes around the language model before anybody is given it, for instance to keep its answers; what it
            returns is not closed with the engines, the model itself is.
        is_live: somebody waits for the answer: an estimate that is late comes in two steps. Else nothing depends on
            the clock.
    """

    store: ModelStore
    note: Callable[[str], None]
    falls_back: bool = False
    overhear: Callable[[Overheard], None] | None = None
    wrap: Callable[[LanguageModel], LanguageModel] | None = None
    is_live: bool = False


@dataclass(slots=True, kw_only=True)
class ProfileEngines:
    """What a process hears, feels, thinks and speaks with. `close` frees all of it.

    `transcribers` and `speech` are None where the embedded ones do: those start with each conversation.
    """

    profile: str
    recognizer: EmotionRecognizer
    responder: Responder
    transcribers: Transcribers | None = None
    language_model: LanguageModel | None = None
    speech: Speech | None = None
    stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def close(self) -> None:
        """Free the engines, the last one first. Idempotent."""
        self.stack.close()

    def __enter__(self) -> ProfileEngines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load_engines(profile: Profile, loading: Loading) -> ProfileEngines:
    """Load what a profile names. May take long; Ctrl-C ends it.

    Raises:
        EngineFailed, AgentError: an engine cannot be had, and nothing may stand in for it.
    """
    with ExitStack() as stack:
        loader = _Loader(loading, stack)
        transcribers = loader.load("transcriber", profile.transcriber, _transcribers)
        reader = loader.load("emotion", profile.emotion, _recognizer)
        dimensions = loader.load("dimensions", profile.dimensions, _dimensions)
        model = _wrapped(loader.load("language_model", profile.language_model, _language_model), loading)
        speech = loader.load("voice", profile.voice, _speech)
        return ProfileEngines(
            profile=profile.name,
            recognizer=choose_recognizer(
                profile.emotion,
                reader or EmbeddedRecognizer(),
                dimensions=dimensions,
                model=model,
                asking=Asking(note=loading.note, is_live=loading.is_live),
            ),
            responder=_responder(profile.reply, model),
            transcribers=transcribers,
            language_model=model,
            speech=speech,
            stack=stack.pop_all(),
        )


def embedded_engines() -> ProfileEngines:
    """Return what needs no download, no GPU and no key."""
    return ProfileEngines(profile=DEFAULT, recognizer=EmbeddedRecognizer(), responder=ReflectiveResponder())


def load_transcribers(profile: Profile, loading: Loading) -> Transcribers | None:
    """Load only what hears; None where that is the embedded engine.

    Raises:
        EngineFailed, AgentError: as `load_engines`.
    """
    with ExitStack() as stack:
        loaded = _Loader(loading, stack).load("transcriber", profile.transcriber, _transcribers)
        stack.pop_all()
        return loaded


@dataclass(frozen=True, slots=True)
class _Loader:
    """Loads one engine after another; what is loaded is freed with the stack."""

    loading: Loading
    stack: ExitStack

    def load(self, port: str, choice: Choice, load: Callable[[Choice, ModelStore], T | None]) -> T | None:
        """Return the engine, None where the embedded one does."""
        try:
            loaded = load(choice, self.loading.store)
        except ConfigInvalid:
            raise
        except (EngineFailed, AgentError) as trouble:
            if not self.loading.falls_back:
                raise
            self.loading.note(f"{port} {choice} cannot be had, the embedded one takes over: {trouble}")
            return None
        close: object = getattr(loaded, "close", None)
        if callable(close):
            self.stack.callback(close)
        return loaded


def _transcribers(choice: Choice, store: ModelStore) -> Transcribers | None:
    return None if choice.engine == "pocketsphinx" else transcriber_for(_transcriber_choice(choice, store))


def _transcriber_choice(choice: Choice, store: ModelStore) -> TranscriberChoice:
    kind = ENGINES["transcriber"][choice.engine].kind
    return TranscriberChoice(
        engine=choice.engine,
        path=None if kind is None else model_path(choice, kind=kind, store=store),
        device=choice.option("device", "auto"),
        compute_type=choice.option("compute_type", "auto"),
        language=choice.option("language"),
        endpoint=None if choice.url is None else _endpoint(choice),
        model=choice.model or "",
        members=tuple((_transcriber_choice(member, store), weight) for member, weight in choice.members),
    )


def _wrapped(model: LanguageModel | None, loading: Loading) -> LanguageModel | None:
    """Return the model as it is given out; what overhears it hears what is asked of it in fact."""
    model = _overheard(model, loading)
    return model if model is None or loading.wrap is None else loading.wrap(model)


def _overheard(model: LanguageModel | None, loading: Loading) -> LanguageModel | None:
    if model is None or loading.overhear is None:
        return model
    from .llm.overheard import OverheardModel  # noqa: PLC0415 - only where somebody listens

    return OverheardModel(model, loading.overhear)


def _recognizer(choice: Choice, store: ModelStore) -> EmotionRecognizer | None:
    """Return what reads by itself; what asks the language model has the embedded one beside it."""
    if choice.engine in {"embedded", "r3", "fused"}:
        return None
    from .emotion.audio_classification import AudioClassificationRecognizer  # noqa: PLC0415 - only when chosen

    path = model_path(choice, kind="audio-classification", store=store)
    return AudioClassificationRecognizer.load(path, device=choice.option("device", "auto"))


def _dimensions(choice: Choice, store: ModelStore) -> DimensionsReader | None:
    if choice.engine == "embedded":
        return None
    from .dims.wav2vec2 import Wav2Vec2Dimensions  # noqa: PLC0415 - only when chosen

    path = model_path(choice, kind="dimensions", store=store)
    return Wav2Vec2Dimensions.load(path, device=choice.option("device", "auto"))


def _language_model(choice: Choice, store: ModelStore) -> LanguageModel | None:
    device: str = choice.option("device", "auto")
    match choice.engine:
        case "llama-cpp":
            from .llm.llama_cpp import LlamaCppModel  # noqa: PLC0415 - only when chosen

            path = model_path(choice, kind="gguf", store=store)
            return LlamaCppModel.load(path, context_length=choice.option("context_length", 4096), device=device)
        case "transformers":
            from .llm.transformers_model import TransformersModel  # noqa: PLC0415 - only when chosen

            path = model_path(choice, kind="transformers", store=store)
            return TransformersModel.load(path, device=device, dtype=choice.option("dtype", "auto"))
        case "audio":
            from .llm.audio import AudioLanguageModel  # noqa: PLC0415 - only when chosen

            path = model_path(choice, kind="audio", store=store)
            return AudioLanguageModel.load(path, device=device, dtype=choice.option("dtype", "auto"))
        case "openai":
            from .llm.openai_compatible import OpenAiCompatibleModel  # noqa: PLC0415 - only when chosen

            return OpenAiCompatibleModel(_endpoint(choice), model=choice.model or "")
        case _:
            return None


def _responder(choice: Choice, model: LanguageModel | None) -> Responder:
    """Return who answers; without the model that was wanted for it (and may be done without) the reflective one."""
    if choice.engine == "reflective" or model is None:
        return ReflectiveResponder()
    from .reply.language_model import LanguageModelResponder  # noqa: PLC0415 - only when chosen

    persona: str | None = choice.option("persona")
    return LanguageModelResponder(model, persona=read_persona(None if persona is None else Path(persona).expanduser()))


def _speech(choice: Choice, store: ModelStore) -> Speech | None:
    match choice.engine:
        case "piper":
            from .tts.piper import PiperSpeech  # noqa: PLC0415 - only when chosen

            return PiperSpeech.load(model_path(choice, kind="piper", store=store))
        case "openai":
            from .tts.openai_speech import OpenAiSpeech  # noqa: PLC0415 - only when chosen

            voice: str = choice.option("voice", "alloy")
            return OpenAiSpeech(_endpoint(choice), model=choice.model or "", voice=voice)
        case "auto":
            return None
        case name:
            from .tts.choose import choose_speech  # noqa: PLC0415 - as its neighbours

            return choose_speech(name)


def _endpoint(choice: Choice) -> Endpoint:
    from streaming.remote import Endpoint  # noqa: PLC0415 - only when chosen

    try:
        return Endpoint(choice.url or "", key_from=choice.key_env)
    except ValueError as trouble:
        raise ConfigInvalid(str(trouble)) from trouble


def model_path(choice: Choice, *, kind: str, store: ModelStore) -> Path:
    """Return where the model of an engine lies: its folder, or its file for kinds that are one.

    Raises:
        ModelUnusable: it was not pulled, or there is nothing at the path given.
    """
    model = choice.model or ""
    path = Path(model).expanduser() if is_path(model) else store.require(model)
    if not path.exists():
        raise ModelUnusable(
            f"{path} does not exist, expected a model for {choice.engine}: correct the path in the profile"
        )
    if kind not in _FILES or path.is_file():
        return path
    found = sorted(path.rglob(_FILES[kind]))
    if not found:
        raise ModelUnusable(f"there is no {_FILES[kind]} in {path}, expected a model for {choice.engine}")
    return found[0]

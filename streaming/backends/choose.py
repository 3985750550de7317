"""Which engine turns speech into words, by name: loaded once, opened for each speaker.

An adapter is imported only when it is chosen.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import EngineFailed, ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..ports import Transcriber
    from ..remote import Endpoint

ENGINES: Final = ("pocketsphinx", "whisper", "ctc", "ensemble", "openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriberChoice:
    """One engine and what it is given.

    Attributes:
        engine: one of ENGINES.
        path: where its model lies ("whisper", "ctc").
        device: "auto", "cpu" or "cuda".
        compute_type: number type of "whisper"; "auto" goes by the hardware.
        language: code such as "en"; None: the engine finds out.
        endpoint: server of "openai".
        model: what that server calls its model.
        members: engines of "ensemble", each with its weight.
    """

    engine: str
    path: Path | None = None
    device: str = "auto"
    compute_type: str = "auto"
    language: str | None = None
    endpoint: Endpoint | None = None
    model: str = ""
    members: tuple[tuple[TranscriberChoice, float], ...] = ()


class Transcribers:
    """A loaded engine, shared by all speakers of a process; each speaker opens a transcriber of their own."""

    def __init__(self, open_one: Callable[[], Transcriber], *, close: Callable[[], None] = lambda: None) -> None:
        self._open = open_one
        self._close = close

    def open(self) -> Transcriber:
        """Return a transcriber for one speaker; its `close` leaves the shared engine alone.

        Raises:
            EngineFailed: it does not start.
        """
        return self._open()

    def close(self) -> None:
        """Free the shared engine, after the transcribers. Idempotent."""
        close, self._close = self._close, lambda: None
        close()


def transcriber_for(choice: TranscriberChoice) -> Transcribers:
    """Load the engine that was chosen. May take long.

    Raises:
        EngineFailed: it is unknown, its package is missing, or its model or device cannot be used.
    """
    match choice.engine:
        case "pocketsphinx":
            return _pocketsphinx()
        case "whisper":
            return _whisper(choice)
        case "ctc":
            return _ctc(choice)
        case "openai":
            return _openai(choice)
        case "ensemble":
            return _ensemble(choice)
        case _:
            raise EngineFailed(f"there is no transcriber {choice.engine!r}, expected one of {', '.join(ENGINES)}")


def _pocketsphinx() -> Transcribers:
    from .pocketsphinx import PocketSphinxTranscriber  # noqa: PLC0415 - imported only when chosen

    return Transcribers(PocketSphinxTranscriber)


def _whisper(choice: TranscriberChoice) -> Transcribers:
    from .whisper import WhisperEngine, WhisperSettings, WhisperTranscriber  # noqa: PLC0415 - as above

    path = _path(choice)
    engine = WhisperEngine.load(path, device=choice.device, compute_type=choice.compute_type)
    # In an ensemble there may be several: each goes by its model's name.
    settings = WhisperSettings(name=path.name)
    return Transcribers(
        lambda: WhisperTranscriber(engine, language=choice.language, settings=settings), close=engine.close
    )


def _ctc(choice: TranscriberChoice) -> Transcribers:
    from .ctc import CtcEngine, CtcTranscriber  # noqa: PLC0415 - as above

    path = _path(choice)
    engine = CtcEngine.load(path, device=choice.device)
    return Transcribers(lambda: CtcTranscriber(engine, name=path.name), close=engine.close)


def _openai(choice: TranscriberChoice) -> Transcribers:
    from ..remote.client import Client  # noqa: PLC0415 - as above
    from .openai_stt import OpenAiTranscriber  # noqa: PLC0415 - as above

    endpoint, model = choice.endpoint, choice.model
    if endpoint is None or not model:
        raise EngineFailed("the transcriber openai needs the address of a server and the name of its model")
    # One for all speakers: what a server cannot do, and that it is down, need be learnt once only.
    client = Client(endpoint, name=f"transcriber {model}")
    return Transcribers(
        lambda: OpenAiTranscriber(endpoint, model=model, language=choice.language, client=client), close=client.close
    )


def _ensemble(choice: TranscriberChoice) -> Transcribers:
    from .ensemble import EnsembleTranscriber, Member  # noqa: PLC0415 - as above

    with ExitStack() as loading:
        loaded: list[tuple[Transcribers, float]] = []
        for member, weight in choice.members:
            transcribers = transcriber_for(member)
            loading.callback(transcribers.close)
            loaded.append((transcribers, weight))
        stack = loading.pop_all()

    def open_one() -> Transcriber:
        with ExitStack() as opening:
            members: list[Member] = []
            for transcribers, weight in loaded:
                transcriber = transcribers.open()
                opening.callback(transcriber.close)
                members.append(Member(transcriber, weight))
            opening.pop_all()
            return EnsembleTranscriber(members)

    return Transcribers(open_one, close=stack.close)


def _path(choice: TranscriberChoice) -> Path:
    if choice.path is None:
        raise ModelUnusable(f"the transcriber {choice.engine} needs the path of a model")
    return choice.path

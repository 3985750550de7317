"""Whisper as a `Transcriber`: partials by local agreement while speaking, a final n-best with scores and word times.

The model is a `WhisperEngine`, shared by all sessions; each utterance is a `Talk` with it. What a session is told
depends on its own sound only: on no other session's, on no cut of the sound, and with `patience_s` None on no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ModelUnusable
from ..languages import SessionLanguage
from .whisper_engine import WhisperEngine
from .whisper_talk import Speaker, Talk
from .whisper_values import WhisperSettings

if TYPE_CHECKING:
    from ..events import Samples
    from .whisper_talk import Again, PendingTranscript

__all__ = ["WhisperEngine", "WhisperSettings", "WhisperTranscriber"]


class WhisperTranscriber:
    """One speaker's recogniser. One caller at a time, but `close` may come from another thread."""

    def __init__(
        self,
        engine: WhisperEngine,
        *,
        language: str | None = None,
        settings: WhisperSettings | None = None,
    ) -> None:
        """Use `engine`, which the caller closes; without `language` ("en") it is found from the first seconds.

        Raises:
            ModelUnusable: the model does not know the language, or cannot find it.
        """
        self._engine = engine
        self._settings = settings or WhisperSettings()
        fixed = language if language is not None or engine.is_multilingual else "en"
        if fixed is not None and not engine.speaks(fixed):
            known = "Whisper's languages, by code" if engine.is_multilingual else "en: the model speaks English only"
            raise ModelUnusable(f"the model does not know the language {fixed!r}; expected {known}")
        if fixed is None and not engine.can_detect:
            message = "the model cannot tell languages (its config.json has no lang_ids); name the language to expect"
            raise ModelUnusable(message)
        self._language = SessionLanguage(fixed, settings=self._settings.language)
        self._context: tuple[int, ...] = ()
        self._session = object()
        self._talk: Talk | None = None

    @property
    def name(self) -> str:
        """Short name of the engine."""
        return self._settings.name

    @property
    def language(self) -> str | None:
        """The session's language, None until it is known."""
        return self._language.settled

    @property
    def partial_lag_s(self) -> float:
        """Audio time between asking for a partial and collecting it."""
        return self._settings.partial_lag_s

    def start(self, utterance: int, at_s: float) -> None:
        """Begin an utterance; a final still owed for the one before is waited for, as its language is needed here."""
        self._end_talk()
        self._talk = Talk(
            self._engine,
            self._settings,
            speaker=Speaker(session=self._session, language=self._language, context=self._context),
            utterance=utterance,
            at_s=at_s,
        )

    def accept(self, samples: Samples) -> None:
        """Take the next sound of the utterance. Returns at once."""
        self._talking.accept(samples)

    def partial(self) -> PendingTranscript | Again:
        """Ask for a transcript of everything accepted so far."""
        return self._talking.partial()

    def finish(self) -> PendingTranscript:
        """Ask for the final n-best of everything accepted so far."""
        return self._talking.finish()

    def close(self) -> None:
        """Withdraw what is still asked. Idempotent."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None

    @property
    def _talking(self) -> Talk:
        assert self._talk is not None, "start() begins an utterance, and close() ends the last"
        return self._talk

    def _end_talk(self) -> None:
        """Learn from the utterance before: the language, and if wanted the words to go on from."""
        if self._talk is None:
            return
        answer, read, heard_s = self._talk.last_heard()
        if answer is not None and read is not None:
            if read.fault is None and read.nbest:
                self._language.hear(answer.shares, heard_s=heard_s)
            self._context = read.tokens[-self._settings.n_context :] if read.fault is None else ()
        self._talk.close()
        self._talk = None

"""The settings of a translation session, and what a client's update makes of them. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from ..behaviour import Behaviour
from ..translation.languages import language_code
from .faults import WireFault
from .schema.attune import AttuneOptions, EventGroup
from .settings import MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..events import EmotionSource

LANGUAGE: str = "session.audio.output.language"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationSettings:
    """How a translation session is set.

    Attributes:
        session, model: names, fixed.
        expires_at: when the session ends at the latest, seconds since 1970; 0: the server does not say.
        target: language code of the translation ("fr", "pt-br"), None until the client names one.
        transcription: model as the client named it; None: the user's own words are not told.
        noise_reduction: taken only to be shown again.
    """

    session: str
    model: str = MODEL
    expires_at: int = 0
    defaults: Behaviour = field(default_factory=Behaviour, compare=False)
    target: str | None = None
    transcription: Mapping[str, Any] | None = None
    noise_reduction: Mapping[str, Any] | None = None
    attune: AttuneOptions = field(default_factory=AttuneOptions)

    @property
    def emotion(self) -> EmotionSource:
        """What emotion may be read from: nothing where the user did not consent."""
        return "off" if self.attune.consent is False else self.attune.emotion or self.defaults.emotion

    def behaviour(self) -> Behaviour:
        """Return how the session is to behave: every utterance is translated, and speech stops no translation."""
        return replace(self.defaults, answers=self.target is not None, interrupts=False, emotion=self.emotion)

    def as_event(self) -> dict[str, Any]:
        """Return the `session` of `session.created` and `session.updated`."""
        options = self.attune.model_dump(mode="json", exclude_unset=True)
        heard = {"transcription": _copied(self.transcription), "noise_reduction": _copied(self.noise_reduction)}
        told: dict[str, Any] = {
            "id": self.session,
            "type": "translation",
            "model": self.model,
            "audio": {"input": heard, "output": {"language": self.target}},
            "expires_at": self.expires_at,
        }
        return told | ({"attune": options} if options else {})

    def merged(self, update: Mapping[str, Any]) -> TranslationSettings:
        """Return these settings with what a client says, as plain values: what is absent stays, null clears.

        Raises:
            WireFault: the language is none.
        """
        audio: Mapping[str, Any] = update.get("audio") or {}
        heard: Mapping[str, Any] = audio.get("input") or {}
        spoken: Mapping[str, Any] = audio.get("output") or {}
        changes: dict[str, Any] = {name: heard[name] for name in ("transcription", "noise_reduction") if name in heard}
        if "language" in spoken:
            changes["target"] = _language(spoken["language"])
        if "attune" in update:
            before = self.attune.model_dump(exclude_unset=True)
            given = update["attune"]
            changes["attune"] = AttuneOptions() if given is None else AttuneOptions.model_validate(before | dict(given))
        return replace(self, **changes)


def of_query(
    query: Mapping[str, str], *, session: str, model: str, defaults: Behaviour, expires_at: int
) -> TranslationSettings:
    """Return the settings that a session begins with.

    Args:
        query: of the address: `model`, `language` (of the translation), `attune` ("all" or a list of groups); what
            cannot be understood is passed over.
        session: its id.
        model: what it is called where the client names none.
        defaults: how the server lets sessions behave.
        expires_at: see `TranslationSettings`.
    """
    asked = [name.strip() for name in query.get("attune", "").split(",")]
    groups = [name for name in get_args(EventGroup) if name in asked]
    events = "all" if "all" in asked else groups
    return TranslationSettings(
        session=session,
        model=query.get("model") or model,
        expires_at=expires_at,
        defaults=defaults,
        target=language_code(query.get("language", "")),
        attune=AttuneOptions.model_validate({"events": events}) if events else AttuneOptions(),
    )


def _language(named: str | None) -> str | None:
    if named is None:
        return None
    code = language_code(named)
    if code is None:
        message = f"{named!s:.40} is no language, expected a code or an English name, as in fr, pt-BR or french"
        raise WireFault("invalid_field", message, param=LANGUAGE)
    return code


def _copied(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else dict(values)

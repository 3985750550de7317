"""Recorded conversations, again: the same listener and session hear them, and all that they say is compared.

Not compared is what tells of clocks and disks, not of the conversation:

- `metrics`: `emotion_ms`, `reply_ms`, `sound_ms` are wall-clock times; `cached_share`, `prefills_dropped` and
  `prefills_failed` say how far work ahead had come when it was needed. Where among the events they stand is when a
  turn was handed to the log: they are compared apart, utterance by utterance.
- `turn.saved`, `storage.degraded`: whether and when the disk took a turn. A replay keeps nothing.
- `cached_share` of `emotion.*`: as above, how far work ahead had come.

All else has to be the same, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from agent.assembly import Audience, Talk, converse
from agent.config import Config, load_config, with_options
from agent.hosting import Consent, Guest, open_host
from agent.recording.recorder import CLOCKED
from agent.translation.condition import read_condition
from streaming.errors import AudioUnreadable
from streaming.sources import LiveSource

from .rehearsal import Rehearsal, RehearsalSink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.backends.choose import ProfileEngines
    from agent.events import SessionEvent
    from agent.hosting import Listeners
    from agent.recording.reader import Recording

UNCOMPARED: Final[Mapping[str, frozenset[str]]] = {
    "metrics": frozenset({"emotion_ms", "reply_ms", "sound_ms", "cached_share", "prefills_dropped", "prefills_failed"}),
    "emotion.rolling": frozenset({"cached_share"}),
    "emotion.final": frozenset({"cached_share"}),
}
"""Fields that tell of clocks, by the event's type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The `n`th event (from 1, of those compared) is not the same; None: there is none there."""

    n: int
    recorded: Mapping[str, Any] | None
    replayed: Mapping[str, Any] | None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that differ."""
        if self.recorded is None or self.replayed is None:
            return ()
        names = dict.fromkeys([*self.recorded, *self.replayed])
        return tuple(name for name in names if self.recorded.get(name) != self.replayed.get(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of a replay.

    Attributes:
        events: as the replay told them.
        n_compared: events compared, of those recorded.
        differences: first come, first told; none: the conversation happened again.
        lost: where the replay lost its way, None: it did not.
    """

    events: tuple[Mapping[str, Any], ...]
    n_compared: int
    differences: tuple[Difference, ...]
    lost: str | None

    @property
    def is_same(self) -> bool:
        """Whether it is the same conversation."""
        return not self.differences and self.lost is None


async def replay_recording(
    recording: Recording, *, engines: ProfileEngines, config: Config, listeners: Listeners, patience_s: float = 60.0
) -> Replayed:
    """Have a recorded conversation happen again, as fast as it goes; nothing is kept.

    Args:
        recording: what is to happen again.
        engines: of the profile that it was held with.
        config: of it (`config_of`).
        listeners: open the listener of a conversation that a server held.
        patience_s: with nothing happening for so long, wall-clock seconds, the replay has lost its way.

    Raises:
        StreamingError, AgentError: an engine does not start, or dies.
    """
    rehearsal = Rehearsal(recording, patience_s=patience_s)
    if "talk" in recording.about:
        await _talk(recording, rehearsal, engines=engines, config=config)
    else:
        await _serve(recording, rehearsal, engines=engines, config=config, listeners=listeners)
    recorded, told = recording.events, rehearsal.told
    return Replayed(
        events=tuple(told),
        n_compared=sum(_is_ordered(event) or _is_metrics(event) for event in recorded),
        differences=compared(recorded, told, is_whole=recording.has_ended),
        lost=rehearsal.lost,
    )


def config_of(recording: Recording, *, profile: str | None = None) -> Config:
    """Return the settings a conversation was held with; of the user's own only the profiles there are to choose from.

    Args:
        recording: whose.
        profile: instead of the one it was held with.

    Raises:
        AudioUnreadable: the recording names none.
        ConfigInvalid: they make no sense here, or there is no such profile.
    """
    try:
        held = dict(recording.about["config"])
        name = profile or str(recording.about["profile"])
    except (KeyError, TypeError, ValueError):
        raise AudioUnreadable("the recording does not say by which settings it was made") from None
    config = Config(profiles=load_config().profiles)
    return with_options(config, held | {"profile": name}, where="the recording")


def compared(
    recorded: Sequence[Mapping[str, Any]], replayed: Sequence[Mapping[str, Any]], *, is_whole: bool = True
) -> tuple[Difference, ...]:
    """Return what is not the same. Of a recording that breaks off (not `is_whole`), more may have come after."""
    differences: list[Difference] = []
    for choose in (_in_order, _metrics_by_utterance):
        before, after = choose(recorded), choose(replayed)
        if not is_whole:
            known = {event.get("utterance") for event in before}
            after = after[: len(before)] if choose is _in_order else [e for e in after if e.get("utterance") in known]
        for i, (was, now) in enumerate(zip_longest(before, after)):
            if was != now:
                differences.append(Difference(n=i + 1, recorded=was, replayed=now))
    return tuple(differences)


def _in_order(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_comparable(event) for event in events if _is_ordered(event)]


def _metrics_by_utterance(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = [_comparable(event) for event in events if _is_metrics(event)]
    return sorted(found, key=lambda event: event.get("utterance", 0))


def _is_ordered(event: Mapping[str, Any]) -> bool:
    return event["type"] not in CLOCKED


def _is_metrics(event: Mapping[str, Any]) -> bool:
    return event["type"] == "metrics"


def _comparable(event: Mapping[str, Any]) -> dict[str, Any]:
    left_out = UNCOMPARED.get(event["type"], frozenset())
    return {name: value for name, value in event.items() if name not in left_out}


async def _nobody(event: SessionEvent) -> None:
    """Tell nobody: the rehearsal has heard it."""


async def _talk(recording: Recording, rehearsal: Rehearsal, *, engines: ProfileEngines, config: Config) -> None:
    about = recording.about["talk"]
    translate = about["translate"]
    talk = Talk(
        is_live=about["is_live"],
        speaks=about["speaks"],
        keeps=False,
        session=recording.session,
        translation=None if translate is None else read_condition(translate[1], target=translate[0]),
        sink=RehearsalSink(),
    )
    audience = Audience(tell=_nobody, level=lambda _: None, note=lambda _: None)
    source = LiveSource()
    await converse(source, engines=engines, config=config, talk=talk, audience=audience, witness=rehearsal)


async def _serve(
    recording: Recording, rehearsal: Rehearsal, *, engines: ProfileEngines, config: Config, listeners: Listeners
) -> None:
    is_translation = recording.about.get("endpoint") == "translations"
    target: Callable[[], str] | None = (lambda: "en") if is_translation else None
    async with open_host(engines, config=config, listeners=listeners, keeps=False, note=lambda _: None) as host:
        guest = Guest(
            session=recording.session,
            source=LiveSource(),
            sink=RehearsalSink(),
            tell=_nobody,
            consent=lambda: Consent(given=False, source=config.emotion),
            target=target,
            keeps=False,
            witness=rehearsal,
        )
        await host.hold(guest)

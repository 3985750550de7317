"""Who has the floor when the user speaks over a reply: the thresholds, and the verdict on what has been heard.

Pure and without state: `agent.bargein` gathers the evidence over time and acts on the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .errors import ConfigInvalid

if TYPE_CHECKING:
    from .overlap import Overlap

ResumeReason: TypeAlias = Literal["back-channel", "no words", "echo", "too short", "silence", "reply ended"]
CancelReason: TypeAlias = Literal["stop word", "words", "long speech"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeInSettings:
    """When speech over a reply counts.

    Attributes:
        min_speech_s, min_words: a reply is cancelled from this much voice and this many real words on.
        min_final_speech_s: once the user has finished, one real word is enough, if the voice lasted this long.
        long_speech_s: this much voice cancels without words too (weeping, another language), except a crisis reply
            and except where all words heard are back-channels or echo.
        min_p_back_channel: a finished utterance of fewer than `min_words` real words is a back-channel all the same
            when readings that hold none have this share of the n-best list (recognisers write "well" for "wow").
        silence_s: a duck that nothing confirmed ends after this much silence.
        max_back_channels: so many back-channels in a row are still listening ("yeah, okay"), more are a bid to speak.
        echo_guard: take runs of words that the agent has just said for its own echo.
        echo_share: share of the words, in (0, 1], from which all are taken for echo.
        echo_tail_s: how long after a reply its echo may still be heard; what lasts longer is no echo.
    """

    min_speech_s: float = 0.45
    min_words: int = 2
    min_final_speech_s: float = 0.25
    long_speech_s: float = 1.2
    min_p_back_channel: float = 0.2
    silence_s: float = 2.0
    max_back_channels: int = 2
    echo_guard: bool = True
    echo_share: float = 0.6
    echo_tail_s: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.min_final_speech_s <= self.min_speech_s <= self.long_speech_s:
            raise ConfigInvalid(
                "barge-in needs 0 < min_final_speech_s <= min_speech_s <= long_speech_s, "
                f"got {self.min_final_speech_s}, {self.min_speech_s}, {self.long_speech_s}"
            )
        if self.silence_s <= 0 or self.echo_tail_s < 0:
            raise ConfigInvalid(
                f"barge-in needs silence_s > 0 and echo_tail_s >= 0, got {self.silence_s}, {self.echo_tail_s}"
            )
        if self.min_words < 1 or self.max_back_channels < 0:
            raise ConfigInvalid(
                "barge-in needs min_words >= 1 and max_back_channels >= 0, "
                f"got {self.min_words}, {self.max_back_channels}"
            )
        if not (0 < self.echo_share <= 1 and 0 < self.min_p_back_channel <= 1):
            raise ConfigInvalid(
                "echo_share and min_p_back_channel must lie in (0, 1], "
                f"got {self.echo_share} and {self.min_p_back_channel}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Speech over a reply: `voiced_s` of voice, what was `found` in its words, `is_over` once these are final.

    `p_back_channel` is the share of the final n-best that reads as words without a real one, in [0, 1].
    """

    voiced_s: float
    found: Overlap
    p_back_channel: float = 0.0
    is_over: bool = False
    is_crisis: bool = False


def judge(evidence: Evidence, settings: BargeInSettings) -> CancelReason | ResumeReason | None:
    """Return why the reply must stop or may go on; None while that is open."""
    found = evidence.found
    if found.is_stop:
        return "stop word"
    if found.n_real >= settings.min_words and evidence.voiced_s >= settings.min_speech_s:
        return "words"
    if evidence.is_over:
        return _judge_final(evidence, settings)
    is_open = found.n_real > 0 or found.n_words == 0
    if is_open and not evidence.is_crisis and evidence.voiced_s >= settings.long_speech_s:
        return "long speech"
    return None


def _judge_final(evidence: Evidence, settings: BargeInSettings) -> CancelReason | ResumeReason:
    found = evidence.found
    is_doubtful = found.n_real < settings.min_words and evidence.p_back_channel >= settings.min_p_back_channel
    if found.n_real and not is_doubtful:
        return "words" if evidence.voiced_s >= settings.min_final_speech_s else "too short"
    if found.is_echo:
        return "echo"
    return "back-channel" if found.n_words else "no words"

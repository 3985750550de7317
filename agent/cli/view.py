"""What a person at the terminal sees while they talk: level, words as they come, the feeling in them, the answer.

`TalkView` only draws: it takes the session's events and gives something rich can print. It decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from streaming.events import (
    AudioDropped,
    EngineTrouble,
    RollingProsody,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Utterance,
)

from ..events import EmotionEstimate, Metrics, ReplyDelta, ReplyDone, StorageDegraded
from ..history import visible
from ..jsonl import UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..events import SessionEvent

COLOURS = {"angry": "red", "happy": "yellow", "neutral": "white", "sad": "blue", UNCLEAR: "bright_black"}
FLOOR_DB, CEILING_DB = -60.0, 0.0
LEVEL_WIDTH, BAR_WIDTH = 20, 16
FULL, EMPTY = "█", "░"
INDENT = " " * 8


def bar(share: float, *, width: int) -> str:
    """Return `share` in [0, 1] as a bar of `width` characters."""
    n_full = round(min(max(share, 0.0), 1.0) * width)
    return FULL * n_full + EMPTY * (width - n_full)


def words_line(transcript: Transcript) -> Text:
    """Return a partial's words, those that may still change dimmed; a final's words as they are."""
    if transcript.is_final:
        return Text(visible(transcript.text), style="not bold default")
    words = visible(transcript.text).split()
    stable, guess = words[: transcript.n_stable], words[transcript.n_stable :]
    return Text(" ".join(stable), style="not bold default").append(
        (" " if stable and guess else "") + " ".join(guess), style="dim"
    )


def emotion_line(estimate: EmotionEstimate) -> Text:
    """Return the most likely label by name, then the distribution as bars; fits 80 columns with its indent."""
    top = estimate.top or UNCLEAR
    line = Text(f"{top:<8}", style=COLOURS.get(top, "magenta"))
    for label, p in zip(estimate.labels, estimate.distribution, strict=True):
        line.append(f"  {label} ", style="dim").append(bar(p, width=5), style=COLOURS.get(label, "magenta"))
    return line


def evidence_line(estimate: EmotionEstimate) -> Text | None:
    """Return arousal, valence and what speaks for the label, None when there is nothing to say."""
    parts: list[str] = []
    if estimate.arousal is not None and estimate.valence is not None:
        parts.append(f"arousal {estimate.arousal:.2f} · valence {estimate.valence:.2f}")
    evidence = estimate.evidence
    reasons = [f"“{visible(word.word)}”" for word in evidence.words if word.label == estimate.top]
    reasons += [cue.cue for cue in evidence.cues if cue.label == estimate.top]
    if reasons:
        parts.append("because of " + ", ".join(reasons))
    return Text(" · ".join(parts), style="dim italic") if parts else None


@dataclass(slots=True, kw_only=True)
class _Shown:
    """What there is to show of one utterance; the next one may begin before this one is answered."""

    words: Text = field(default_factory=Text)
    emotion: EmotionEstimate | None = None
    prosody: tuple[str, ...] = ()
    reply: str = ""


@dataclass(slots=True)
class TalkView:
    """The live part of the screen; what is finished goes to `print_above` and scrolls away."""

    print_above: Callable[[RenderableType], None]
    level_db: float = FLOOR_DB
    hint: str = ""
    _is_talking: bool = False
    _shown: dict[int, _Shown] = field(default_factory=dict[int, _Shown])

    def show(self, event: SessionEvent) -> None:
        """Take in one event."""
        match event:
            case SpeechStarted():
                self._is_talking = True
                # An utterance that was never answered (a back-channel, a noise) makes room.
                self._shown = {n: shown for n, shown in self._shown.items() if shown.reply}
            case SpeechEnded():
                self._is_talking = False
            case Transcript():
                self._of(event.utterance).words = words_line(event)
            case RollingProsody() | Utterance():
                self._of(event.utterance).prosody = event.prosody.words
            case EmotionEstimate():
                self._of(event.utterance).emotion = event
            case ReplyDelta():
                self._of(event.utterance).reply += event.text
            case _:
                self._show_finished(event)

    def _of(self, utterance: int) -> _Shown:
        return self._shown.setdefault(utterance, _Shown())

    def _show_finished(self, event: SessionEvent) -> None:
        match event:
            case ReplyDone():
                self._finish_turn(event)
            case Metrics():
                self.print_above(metrics_line(event))
            case EngineTrouble() | StorageDegraded():
                self.print_above(Text(f"  {visible(event.message)}", style="red"))
            case AudioDropped():
                self.print_above(Text(f"  {event.seconds:.1f} s of sound lost: the machine is too busy", style="red"))
            case _:
                pass

    def _finish_turn(self, reply: ReplyDone) -> None:
        shown = self._shown.pop(reply.utterance, _Shown())
        self.print_above(_you(shown.words))
        for line in _feeling(shown.emotion):
            self.print_above(line)
        self.print_above(_attune(reply.text + (" …" if reply.interrupted else "")))

    def render(self) -> RenderableType:
        """Return the live part as it is now."""
        share = (self.level_db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)
        state = "listening" if self._is_talking else self.hint
        lines: list[RenderableType] = [
            Text(bar(share, width=LEVEL_WIDTH), style="green").append(f"  {state}", style="dim")
        ]
        for shown in self._shown.values():
            lines.append(_you(shown.words))
            if shown.prosody:
                lines.append(Text(INDENT + ", ".join(shown.prosody), style="dim"))
            lines += _feeling(shown.emotion)
            if shown.reply:
                lines.append(_attune(shown.reply))
        return Group(*lines)


def _you(words: Text) -> Text:
    return Text(f"{'you':<8}", style="bold green").append(words)


def _attune(text: str) -> Text:
    return Text(f"{'attune':<8}", style="bold cyan").append(visible(text), style="not bold default")


def _feeling(estimate: EmotionEstimate | None) -> list[Text]:
    if estimate is None:
        return []
    lines = [emotion_line(estimate), evidence_line(estimate)]
    return [Text(INDENT).append(line) for line in lines if line is not None]


def metrics_line(metrics: Metrics) -> Text:
    """Return where the time of a turn went."""
    parts = [
        f"{name} {value:.0f} ms"
        for name, value in (
            ("endpoint", metrics.endpoint_wait_ms),
            ("emotion", metrics.emotion_ms),
            ("words", metrics.reply_ms),
            ("sound", metrics.sound_ms),
        )
        if value is not None
    ]
    return Text("        " + " · ".join(parts), style="bright_black")

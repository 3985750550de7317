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
from ..jsonl import UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..events import SessionEvent

COLOURS = {"angry": "red", "happy": "yellow", "neutral": "white", "sad": "blue", UNCLEAR: "bright_black"}
FLOOR_DB, CEILING_DB = -60.0, 0.0
LEVEL_WIDTH, BAR_WIDTH = 20, 16
FULL, EMPTY = "█", "░"


def bar(share: float, *, width: int) -> str:
    """Return `share` in [0, 1] as a bar of `width` characters."""
    n_full = round(min(max(share, 0.0), 1.0) * width)
    return FULL * n_full + EMPTY * (width - n_full)


def words_line(transcript: Transcript) -> Text:
    """Return a partial's words, those that may still change dimmed; a final's words as they are."""
    if transcript.is_final:
        return Text(transcript.text)
    words = transcript.text.split()
    stable, guess = words[: transcript.n_stable], words[transcript.n_stable :]
    return Text(" ".join(stable)).append((" " if stable and guess else "") + " ".join(guess), style="dim")


def emotion_line(estimate: EmotionEstimate) -> Text:
    """Return the distribution as bars, the top label first by name, and what it rests on."""
    top = estimate.top or UNCLEAR
    line = Text(f"{top:<8}", style=COLOURS.get(top, "magenta"))
    for label, p in zip(estimate.labels, estimate.distribution, strict=True):
        line.append(f"  {label} ", style="dim").append(bar(p, width=6), style=COLOURS.get(label, "magenta"))
    if estimate.arousal is not None and estimate.valence is not None:
        line.append(f"  arousal {estimate.arousal:.2f}  valence {estimate.valence:.2f}", style="dim")
    return line


def evidence_line(estimate: EmotionEstimate) -> Text | None:
    """Return the words and cues an estimate rests on, None when there are none."""
    parts = [f"“{word.word}”" for word in estimate.evidence.words] + [cue.cue for cue in estimate.evidence.cues]
    return Text("  because of " + ", ".join(parts), style="dim italic") if parts else None


@dataclass(slots=True)
class TalkView:
    """The live part of the screen; what is finished goes to `print_above` and scrolls away."""

    print_above: Callable[[RenderableType], None]
    level_db: float = FLOOR_DB
    hint: str = ""
    _words: Text = field(default_factory=Text)
    _emotion: EmotionEstimate | None = None
    _prosody: tuple[str, ...] = ()
    _reply: str = ""
    _is_talking: bool = False

    def show(self, event: SessionEvent) -> None:
        """Take in one event."""
        match event:
            case SpeechStarted():
                self._is_talking, self._words, self._emotion, self._prosody = True, Text(), None, ()
            case SpeechEnded():
                self._is_talking = False
            case Transcript():
                self._words = words_line(event)
            case RollingProsody():
                self._prosody = event.prosody.words
            case EmotionEstimate():
                self._emotion = event
            case ReplyDelta():
                self._reply += event.text
            case _:
                self._show_finished(event)

    def _show_finished(self, event: SessionEvent) -> None:
        match event:
            case Utterance():
                self._words, self._prosody = words_line(event.transcript), event.prosody.words
            case ReplyDone():
                self._finish_turn(event)
            case Metrics():
                self.print_above(metrics_line(event))
            case EngineTrouble() | StorageDegraded():
                self.print_above(Text(f"  {event.message}", style="red"))
            case AudioDropped():
                self.print_above(Text(f"  {event.seconds:.1f} s of sound lost: the machine is too busy", style="red"))
            case _:
                pass

    def _finish_turn(self, reply: ReplyDone) -> None:
        self.print_above(Text("you     ", style="bold green").append(self._words))
        if self._emotion is not None:
            self.print_above(Text("        ").append(emotion_line(self._emotion)))
            if evidence := evidence_line(self._emotion):
                self.print_above(Text("      ").append(evidence))
        text = reply.text + (" …" if reply.interrupted else "")
        self.print_above(Text("attune  ", style="bold cyan").append(text))
        self._words, self._emotion, self._prosody, self._reply = Text(), None, (), ""

    def render(self) -> RenderableType:
        """Return the live part as it is now."""
        share = (self.level_db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)
        state = "listening" if self._is_talking else self.hint
        lines: list[RenderableType] = [
            Text(bar(share, width=LEVEL_WIDTH), style="green").append(f"  {state}", style="dim")
        ]
        if self._words:
            lines.append(Text("you     ", style="bold green").append(self._words))
        if self._prosody:
            lines.append(Text("        " + ", ".join(self._prosody), style="dim"))
        if self._emotion is not None:
            lines.append(Text("        ").append(emotion_line(self._emotion)))
        if self._reply:
            lines.append(Text("attune  ", style="bold cyan").append(self._reply))
        return Group(*lines)


def metrics_line(metrics: Metrics) -> Text:
    """Return where the time of a turn went."""
    parts = [
        f"{name} {value:.0f} ms"
        for name, value in (
            ("endpoint wait", metrics.endpoint_wait_ms),
            ("emotion", metrics.emotion_ms),
            ("first words", metrics.reply_ms),
            ("first sound", metrics.sound_ms),
        )
        if value is not None
    ]
    return Text("        " + " · ".join(parts), style="bright_black")

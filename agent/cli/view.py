"""What a person at the terminal sees while they talk: level, words as they come, the feeling in them, the answer.

`TalkView` only draws: it takes the session's events and gives something rich can print. It decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
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
from ..labels import FALLBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..events import SessionEvent

COLOURS = {"angry": "red", "happy": "yellow", "neutral": "white", "sad": "blue", UNCLEAR: "bright_black"}
"""Colours of the labels that have one of their own."""

CONFLICT, SURE = 0.3, 0.5
"""Divergence of words and voice from which it is shown, and how sure the voice must be."""

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


def colour_of(label: str) -> str:
    """Return the colour of a label."""
    return COLOURS.get(label, "magenta")


def emotion_line(estimate: EmotionEstimate) -> Text:
    """Return the most likely label by name, then the distribution as bars; fits 80 columns with its indent."""
    top = estimate.top or UNCLEAR
    line = Text(f"{visible(top):<8}", style=colour_of(top))
    for label, p in zip(estimate.labels, estimate.distribution, strict=True):
        line.append(f"  {label} ", style="dim").append(bar(p, width=5), style=colour_of(label))
    return line


def ambiguity_line(estimate: EmotionEstimate) -> Text | None:
    """Return what one label does not tell: a second one that is close, badges for what is hidden or at odds.

    None when there is nothing of it.
    """
    parts: list[Text] = []
    if len(estimate.compound) > 1:
        first, *others = (visible(label) for label in estimate.compound)
        parts.append(Text(f"{first}, close to {' and '.join(others)}", style=colour_of(first)))
    badges = (
        "corrected by you" if estimate.is_corrected else "",
        f"hidden: {visible(estimate.hidden)}" if estimate.hidden else "",
        _conflict(estimate),
    )
    parts += [Text(f" {badge} ", style="reverse") for badge in badges if badge]
    return Text("  ").join(parts) if parts else None


def _conflict(estimate: EmotionEstimate) -> str:
    """Return how words and voice are at odds; empty where they are not, or the voice is only calmer than the words.

    The same rule by which the reflective listener speaks of it (`agent.reply.mood`).
    """
    text, voice = estimate.text_distribution, estimate.voice_distribution
    if text is None or voice is None or (estimate.conflict or 0.0) < CONFLICT or max(voice) < SURE:
        return ""
    said, heard = (estimate.labels[values.index(max(values))] for values in (text, voice))
    return "" if heard in {said, FALLBACK} else f"words {visible(said)}, voice {visible(heard)}"


def reason_line(estimate: EmotionEstimate) -> Text | None:
    """Return how a language model understood the words, and why it judged so; None where it said nothing of either."""
    understood, reason = (" ".join((text or "").split()) for text in (estimate.revised_text, estimate.reason))
    parts = [f"understood as “{visible(understood)}”"] if understood else []
    parts += [visible(reason)] if reason else []
    return Text(" · ".join(parts), style="dim italic") if parts else None


def estimate_lines(estimate: EmotionEstimate) -> list[Text]:
    """Return all there is to say of an estimate, a line for each kind of it."""
    lines = (emotion_line(estimate), ambiguity_line(estimate), evidence_line(estimate), reason_line(estimate))
    return [line for line in lines if line is not None]


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
    explanations: list[RenderableType] = field(default_factory=list[RenderableType])


@dataclass(slots=True)
class TalkView:
    """The live part of the screen; what is finished goes to `print_above` and scrolls away.

    `explain`, where given, draws how each final estimate came about, at the moment it is told of.
    """

    print_above: Callable[[RenderableType], None]
    level_db: float = FLOOR_DB
    hint: str = ""
    explain: Callable[[EmotionEstimate], RenderableType] | None = None
    _is_talking: bool = False
    _n_finished: int = 0
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
                self._take_estimate(event)
            case ReplyDelta():
                self._of(event.utterance).reply += event.text
            case _:
                self._show_finished(event)

    def _take_estimate(self, estimate: EmotionEstimate) -> None:
        explained = [self.explain(estimate)] if self.explain is not None and estimate.is_final else []
        if estimate.utterance <= self._n_finished:
            self._show_afterthought(estimate, explained)
            return
        shown = self._of(estimate.utterance)
        shown.emotion = estimate
        shown.explanations += explained

    def _show_afterthought(self, estimate: EmotionEstimate, explained: Sequence[RenderableType]) -> None:
        """Show what came after its turn had scrolled away: a correction whole, else only the reason."""
        lines = estimate_lines(estimate) if estimate.is_corrected else [reason_line(estimate)]
        for line in lines:
            if line is not None:
                self.print_above(Text(INDENT).append(line))
        for explanation in explained:
            self.print_above(Padding(explanation, (0, 0, 0, len(INDENT))))

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
        self._n_finished = max(self._n_finished, reply.utterance)
        self.print_above(_you(shown.words))
        for line in _feeling(shown.emotion):
            self.print_above(line)
        for explanation in shown.explanations:
            self.print_above(Padding(explanation, (0, 0, 0, len(INDENT))))
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
    return [Text(INDENT).append(line) for line in estimate_lines(estimate)]


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

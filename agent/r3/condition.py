"""What a language model is asked about an emotion, as a value: every cell of the papers' tables is one.

So is what is asked live by default. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..labels import BIG_FOUR

Block: TypeAlias = Literal[3, 4, 5, 6, 7, 8, 9]
"""Knowledge prompts by the paper's numbers: 3 gender, 4 paralinguistics, 5 trigger, 6 ASR relation, 7-9 stimuli."""

Elicitation: TypeAlias = Literal[
    "label",
    "answer",
    "percentages",
    "token",
    "token_words",
    "choices",
    "numeric",
    "chain",
]
"""Where the distribution comes from.

"label": how likely each label is to come next (ours); "answer": the label of the written answer, all mass on it (paper
000); "percentages": as the model writes them (paper 001, text level); "token", "token_words": its equations 1-2 over
all steps or those of emotion words; "choices", "numeric", "chain": keys of multiple choice, a number, reasoning that
ends in a probability (folktexts).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class R3Condition:
    """One way to ask.

    Attributes:
        labels: the label set, in the order it is named (paper 000, Table VI).
        task: "r3" revises, reasons and recognises in one prompt; "baseline" only predicts (templates 1 and 2);
            "single" and "ambiguous" are paper 001's, "probabilities" its baseline (a dictionary of probabilities).
        wording: the verb of the baseline.
        transcripts: what is shown of the recogniser's list: all of it, or its best reading.
        n_best: at most this many hypotheses.
        blocks: knowledge prompts, in numeric order.
        paralinguistics: which descriptors block 4 names.
        positive, negative: which stimulus stands in blocks 7 and 8.
        stress: StressPrompt level put before everything, None for none.
        revise, reasoning: ablations of Table IV.
        context: turns before the utterance that are shown.
        shots: worked examples from the pool.
        framing: plain chat, Alpaca sections, or the task-activating exchange (papers_spec 1.5).
        layout: "paper" is the paper's order; "stable_first" puts what never changes first, for the model's cache.
        hears: the sound itself goes with the prompt, for models that can take it.
        hints: the small model's top emotions and trigger words are offered (HEF).
        elicitation: where the distribution comes from.
        norm: "token" and "token_words": what makes logits a distribution, equation 2 or a softmax.
        explain: live, have the reason and revised text written after the label was scored.
        max_tokens, temperature: of written answers (the paper: 100 and 1e-4).
    """

    labels: tuple[str, ...] = BIG_FOUR
    task: Literal["r3", "baseline", "single", "ambiguous", "probabilities"] = "r3"
    wording: Literal["predict", "select"] = "predict"
    transcripts: Literal["nbest", "best"] = "nbest"
    n_best: int = 10
    blocks: tuple[Block, ...] = (4, 5, 6, 8)
    paralinguistics: tuple[str, ...] = ("pitch", "pitch range", "energy", "speaking rate", "jitter", "shimmer")
    positive: str = "EP02"
    negative: str = "NP04"
    stress: Literal["low", "moderate", "high"] | None = None
    revise: bool = True
    reasoning: bool = True
    context: int = 0
    shots: int = 0
    framing: Literal["chat", "alpaca", "task_activating"] = "chat"
    layout: Literal["paper", "stable_first"] = "paper"
    hears: bool = False
    hints: bool = False
    elicitation: Elicitation = "answer"
    norm: Literal["linear", "softmax"] = "linear"
    explain: bool = False
    max_tokens: int = 100
    temperature: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if len(set(self.labels)) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"expected at least two labels, each once, got {self.labels}")
        if list(self.blocks) != sorted(set(self.blocks)) or not set(self.blocks) <= set(range(3, 10)):
            raise ValueError(f"expected blocks from 3 to 9 in rising order, got {self.blocks}")
        if min(self.n_best, self.max_tokens) < 1 or min(self.context, self.shots) < 0:
            raise ValueError("expected n_best and max_tokens of at least 1, context and shots of at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A worked example: what was heard, and the answer that is right."""

    hypotheses: tuple[str, ...]
    label: str
    transcript: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is shown of one earlier turn: who spoke, and the best reading of it (never a gold label).

    `called` is what the speaker said it was when they corrected an estimate; shown live only.
    """

    speaker: str
    text: str
    called: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known of an utterance when it is asked about. Text is already cleaned (`agent.r3.untrusted`).

    Attributes:
        hypotheses: best first; their posteriors beside them.
        levels: descriptor to one of five levels (`streaming.describe.levels`); what is not measurable is missing.
        cross_wer: mean disagreement of the hypotheses, in [0, 1].
        gender: from corpus metadata or the user's own word, never from the voice.
        context: earlier turns, oldest first.
        hints: (label, probability) of the small model, best first, and the words it went by.
    """

    hypotheses: tuple[str, ...]
    posteriors: tuple[float, ...] = ()
    levels: tuple[tuple[str, str], ...] = ()
    cross_wer: float | None = None
    gender: str | None = None
    speaker: str = "A"
    context: tuple[Heard, ...] = ()
    shots: tuple[Shot, ...] = ()
    hints: tuple[tuple[str, float], ...] = ()
    triggers: tuple[str, ...] = ()

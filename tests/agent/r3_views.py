"""What the tests of R3 ask about: one utterance after thirty turns, as live values and as a view."""

from __future__ import annotations

import numpy as np

from agent.conversation import Conversation
from agent.events import Turn
from agent.r3.condition import R3Condition, Shot, View
from agent.r3.context import view_of
from streaming.events import Hypothesis, Prosody, Transcript, Utterance

HYPOTHESES = (
    "i am so happy that you came",
    "i'm so happy that you came",
    "i am so happy that you game",
    "i am sew happy you came",
)
SHOTS = tuple(
    Shot(hypotheses=(f"{words} one", f"{words} won"), label=label, transcript=f"{words} one", reason=reason)
    for words, label, reason in (
        ("leave me", "angry", "The speaker sends somebody away."),
        ("what a lovely", "happy", "The speaker praises."),
        ("the third", "neutral", "Nothing is judged."),
        ("i lost the only", "sad", "The speaker lost something."),
    )
)
PROSODY = Prosody(pitch_rel_st=-1.6, pitch_range_st=7.0, energy_rel_db=-7.5, rate_rel=1.0, jitter=0.05, voiced_s=1.4)
HINTS = ((("sad", 0.46), ("neutral", 0.31)), ("happy",))


def utterance(*texts: str, cross_wer: float | None = 0.21, posterior: float | None = None) -> Utterance:
    """A final utterance with these hypotheses, best first."""
    total = len(texts) * (len(texts) + 1) / 2
    nbest = tuple(
        Hypothesis(
            text=text,
            logp=-float(i),
            posterior=(len(texts) - i) / total if posterior is None else posterior,
            source="scripted",
        )
        for i, text in enumerate(texts)
    )
    transcript = Transcript(utterance=31, revision=1, at_s=99.0, is_final=True, nbest=nbest)
    return Utterance(
        utterance=31,
        start_s=97.0,
        end_s=98.5,
        decided_s=99.0,
        transcript=transcript,
        prosody=PROSODY,
        samples=np.zeros(0, np.float32),
        cross_wer=cross_wer,
    )


def turn(i: int, *, text: str = "", reply: str = "") -> Turn:
    """The i-th turn, from 1."""
    return Turn(
        session="s",
        seq=i,
        utterance=i,
        start_s=3.0 * i,
        end_s=3.0 * i + 1,
        text=text or f"this is what i said {i}",
        nbest=(),
        estimate=None,
        prosody_words=(),
        reply=reply or f"I hear you {i}.",
        interrupted=False,
    )


def conversation(n: int = 30) -> Conversation:
    """A conversation of n turns."""
    talk = Conversation(session="s")
    for i in range(1, n + 1):
        talk = talk.with_turn(turn(i))
    return talk


def view(condition: R3Condition, *texts: str, n_turns: int = 30) -> View:
    """What the condition shows of an utterance with these hypotheses (else the usual) after n turns."""
    heard = utterance(*(texts or HYPOTHESES))
    return view_of(heard, conversation(n_turns), condition, gender="female", shots=SHOTS * 3, hints=HINTS)

"""What was said, given in writing instead of spoken: hypotheses, utterances and earlier turns from texts. Pure."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

from streaming.audio import SAMPLE_RATE, silence
from streaming.events import Hypothesis, Prosody, Transcript, Utterance
from streaming.nbest import cross_wer

from .conversation import Conversation
from .errors import AgentError
from .events import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Samples

SOURCE = "given"

LONGEST = 20_000
"""Characters: a quarter of an hour of speech."""


class NBestInvalid(AgentError):
    """A list of hypotheses is not in a form that is read."""


def given(*texts: str | None) -> tuple[Hypothesis, ...]:
    """Return texts as hypotheses that are equally likely, best first; blank ones and None are none."""
    kept = [text for text in texts if text is not None and text.strip()]
    return tuple(Hypothesis(text=text, logp=0.0, posterior=1 / len(kept), source=SOURCE) for text in kept)


def parse_nbest(lines: str) -> tuple[Hypothesis, ...]:
    """Return the hypotheses of a file: one a line, best first, or the first line of `attune transcribe --json`.

    Raises:
        NBestInvalid: JSON that holds no list of hypotheses.
    """
    first, _, _ = lines.strip().partition("\n")
    if not first.startswith("{"):
        return given(*(line.strip() for line in lines.splitlines()))
    try:
        found = [_hypothesis(entry) for entry in json.loads(first)["nbest"]]
    except (ValueError, KeyError, TypeError, RecursionError) as trouble:
        raise NBestInvalid(
            'expected a hypothesis a line, or JSON with "nbest": [{"text": …, "posterior": …}]'
        ) from trouble
    return tuple(found)


def _hypothesis(entry: object) -> Hypothesis:
    if isinstance(entry, str):
        return Hypothesis(text=entry, logp=0.0, posterior=0.0, source=SOURCE)
    if not isinstance(entry, dict):
        raise TypeError
    told = cast("dict[str, Any]", entry)
    posterior = float(told.get("posterior", 0.0))
    if not isinstance(told["text"], str) or not math.isfinite(posterior):
        raise TypeError
    return Hypothesis(text=told["text"], logp=float(told.get("logp", 0.0)), posterior=posterior, source=SOURCE)


def utterance_of(
    hypotheses: Sequence[Hypothesis] = (),
    *,
    transcript: Transcript | None = None,
    prosody: Prosody | None = None,
    samples: Samples | None = None,
) -> Utterance:
    """Return the one utterance of a session: hypotheses, or a transcript that is there already, and how it sounds."""
    sound = silence(0) if samples is None else samples
    said = transcript or Transcript(utterance=1, revision=1, at_s=0.0, is_final=True, nbest=tuple(hypotheses))
    end_s = len(sound) / SAMPLE_RATE
    return Utterance(
        utterance=1,
        start_s=0.0,
        end_s=end_s,
        decided_s=end_s,
        transcript=said,
        prosody=prosody or Prosody(),
        samples=sound,
        language=said.language or "en",
        cross_wer=cross_wer(said.nbest),
    )


def typed(text: str, *, utterance: int, at_s: float) -> Utterance:
    """Return what somebody wrote instead of saying it, at stream time `at_s`; there is no voice in it.

    Of more than `LONGEST` characters the end is left out.
    """
    nbest = given(text[:LONGEST])
    said = Transcript(utterance=utterance, revision=1, at_s=at_s, is_final=True, nbest=nbest)
    return Utterance(
        utterance=utterance,
        start_s=at_s,
        end_s=at_s,
        decided_s=at_s,
        transcript=said,
        prosody=Prosody(),
        samples=silence(0),
    )


def conversation_of(texts: Sequence[str] = (), *, session: str = SOURCE) -> Conversation:
    """Return a conversation in which `texts` were said before, oldest first, and nothing was answered."""
    conversation = Conversation(session=session)
    for number, text in enumerate(texts, start=1):
        turn = Turn(
            session=session,
            seq=number,
            utterance=number,
            start_s=0.0,
            end_s=0.0,
            text=text,
            nbest=((text, 1.0),),
            estimate=None,
            prosody_words=(),
            reply="",
            interrupted=False,
        )
        conversation = conversation.with_turn(turn)
    return conversation

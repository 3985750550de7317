"""Choosing the answer: a pure function of the utterance, its estimate and the conversation so far.

Order of things: danger, another language, nothing heard, something with an answer of its own, words too uncertain, and
then what is expressed: words against voice, a change, the unclear, the feeling, the matter. What is said is at most two
sentences, a question never twice in a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..phrases import stable_hash
from ..safety import answer, check, vet
from ..topics import Topics, topics_in, topics_of, words_of
from .mood import FAMILIES, HARD, Mood, change_of, mood_of
from .script import Act, act_of, script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Utterance

    from ..conversation import Conversation
    from ..events import EmotionEstimate, Turn

_SENTENCES = re.compile(r"[^.!?]+[.!?]+")
_ECHO = 6
"""How many turns something hard to bear colours what is said next, unless something good comes up."""
_SHORT_ACTS = frozenset({"yes", "no", "unsure", "backchannel", "fine", "better"})
_NAMING = ("you sound", "you seem", "come across", "comes across", "strikes me")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySettings:
    """When the listener hedges, doubts and notices.

    Attributes:
        hedge_below: confidence under which a feeling is named in the first person and with doubt.
        conflict_above: divergence of words and voice (`EmotionEstimate.conflict`) from which it is spoken of.
        change_above: change of valence or arousal against the turn before from which it is spoken of.
        min_posterior: word posterior under which a word is never said back.
        max_cross_wer: disagreement of the hypotheses above which nothing is said back.
        garbled_above: the same, above which the listener asks instead.
    """

    hedge_below: float = 0.6
    conflict_above: float = 0.3
    change_above: float = 0.25
    min_posterior: float = 0.5
    max_cross_wer: float = 0.4
    garbled_above: float = 0.65

    def __post_init__(self) -> None:
        """Check that all are shares.

        Raises:
            ValueError: one lies outside [0, 1].
        """
        for name in self.__slots__:
            value: float = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; expected a share between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in the conversation an answer is given."""

    session: str
    turn: int
    last: str
    recent: str
    said: frozenset[str]
    topics: Topics
    is_heavy: bool

    def say(self, pool: str, **slots: str | tuple[str, ...]) -> str:
        return script().pools[pool].pick(self.turn, session=self.session, slots=slots, avoid=self.said)

    def toss(self, about: str, sides: int) -> int:
        """Return a number below `sides`: the same for the same turn, spread evenly over turns."""
        return stable_hash(self.session, self.turn, about) % sides

    @property
    def may_ask(self) -> bool:
        return "?" not in self.last and self.toss("ask", 3) > 0

    @property
    def fresh_topic(self) -> str | None:
        """The topic, unless it was in the last answer."""
        topic = self.topics.phrase
        return topic if topic and topic not in self.last.casefold() else None


def reply_to(
    utterance: Utterance,
    estimate: EmotionEstimate | None,
    conversation: Conversation,
    *,
    settings: ReplySettings | None = None,
) -> tuple[str, ...]:
    """Return the answer, sentence by sentence; the same arguments give the same answer."""
    settings = settings or ReplySettings()
    place = _place(utterance, conversation, settings)
    text = utterance.transcript.text
    readings = [hypothesis.text for hypothesis in utterance.transcript.nbest]
    if finding := check(text, alternatives=readings, locale=conversation.locale):
        return _split(answer(finding, session=place.session, turn=place.turn, avoid=place.said))
    return tuple(
        vet(sentence) for sentence in _sentences(utterance, estimate, conversation, place=place, settings=settings)
    )


def _sentences(
    utterance: Utterance,
    estimate: EmotionEstimate | None,
    conversation: Conversation,
    *,
    place: _Place,
    settings: ReplySettings,
) -> tuple[str, ...]:
    text = utterance.transcript.text
    if utterance.language.split("-")[0].casefold() not in {"en", ""}:
        return (place.say("other.language"),)
    if not words_of(text):
        return (place.say("other.repeat"),)
    mood = None
    if estimate is not None:
        mood = mood_of(estimate, hedge_below=settings.hedge_below, conflict_above=settings.conflict_above)
    act = act_of(text)
    if act and not (mood and mood.heard and act.name in _SHORT_ACTS):
        return _acted(act, place, conversation)
    if utterance.cross_wer is not None and utterance.cross_wer > settings.garbled_above and "?" not in place.last:
        return (place.say("other.garbled"),)
    if mood is None or estimate is None:
        return _plainly(place)
    before = conversation.turns[-1].estimate if conversation.turns else None
    change = change_of(estimate, before, at_least=settings.change_above)
    sure = mood.sure and before is not None and before.confidence >= settings.hedge_below
    return _felt(mood, change if sure else None, place)


def _acted(act: Act, place: _Place, conversation: Conversation) -> tuple[str, ...]:
    """Answer something that has an answer of its own, at times with a question after it."""
    earlier = _earlier_topic(conversation, place) if act.then == "callback" else None
    if earlier and place.toss("callback", 2):
        return (place.say("other.callback", topic=earlier),)
    said = act.say.pick(place.turn, session=place.session, slots={}, avoid=place.said)
    if act.ask is None or "?" in said or not place.may_ask:
        return (said,)
    return said, act.ask.pick(place.turn, session=place.session, slots={}, avoid=place.said)


def _felt(mood: Mood, change: str | None, place: _Place) -> tuple[str, ...]:
    """Answer what is expressed."""
    if mood.said and mood.heard and "your voice sounds" not in place.last:
        words = script()
        first = place.say("conflict.plain", said=words.said[mood.said], heard=words.heard[mood.heard])
        return (first, place.say("conflict.ask")) if place.may_ask else (first,)
    if mood.family is None:
        return _unclear(place)
    if change and " than " not in place.recent:
        return _with_more(place.say(f"change.{change}", sounds=_sounds(mood)), mood.family, place)
    if mood.family == "neutral":
        return _plainly(place)
    if any(naming in place.last.casefold() for naming in _NAMING):
        return _matter(mood.family, place)
    return _with_more(_named(mood, mood.family, place), mood.family, place)


def _named(mood: Mood, family: str, place: _Place) -> str:
    """Name the feeling: with what it is about where that can be said, and with doubt where there is doubt."""
    slots = {"word": script().words[family]["high" if mood.aroused else "low"], "sounds": _sounds(mood)}
    group = "name" if mood.sure else "hedge"
    if mood.sure and place.topics.clause and place.toss("clause", 2):
        return place.say("name.clause", clause=place.topics.clause, **slots)
    if place.fresh_topic:
        return place.say(f"{group}.topic", topic=place.fresh_topic, **slots)
    return place.say(f"{group}.plain", **slots)


def _plainly(place: _Place) -> tuple[str, ...]:
    """Answer what sounds matter-of-fact; after something hard to bear, gently."""
    return _matter("quiet" if place.is_heavy else "neutral", place)


def _matter(family: str, place: _Place) -> tuple[str, ...]:
    """Answer the matter without naming a feeling: say it back, or stay with it."""
    if place.topics.clause and place.toss("mirror", 2):
        return _with_more(place.say("mirror.plain", clause=place.topics.clause), family, place)
    if family == "neutral" and place.fresh_topic and place.may_ask:
        return (place.say("ask.neutral_topic", topic=place.fresh_topic),)
    return _with_more(place.say(f"with.{family}"), family, place)


def _unclear(place: _Place) -> tuple[str, ...]:
    """Ask how it is; or, right after a question, stay with the matter."""
    if "?" in place.last and place.topics.clause:
        return _with_more(place.say("mirror.plain", clause=place.topics.clause), "neutral", place)
    if "?" in place.last:
        return _plainly(place)
    if place.topics.clause and place.toss("unclear", 2):
        return place.say("mirror.plain", clause=place.topics.clause), place.say("ask.neutral_plain")
    if place.fresh_topic:
        return (place.say("unclear.topic", topic=place.fresh_topic),)
    return (place.say("unclear.plain"),)


def _with_more(first: str, family: str, place: _Place) -> tuple[str, ...]:
    """Return the sentence with a question, an invitation or nothing after it."""
    if "?" in first:
        return (first,)
    if place.may_ask:
        return first, _asked(first, family, place)
    return (first, place.say("invite.plain")) if place.toss("invite", 2) and "listening" not in first else (first,)


def _asked(first: str, family: str, place: _Place) -> str:
    kind = "hard" if family in HARD else "good" if family == "happy" else "neutral"
    topic = place.fresh_topic
    if topic and topic not in first.casefold() and place.toss("ask about", 3):
        return place.say(f"ask.{kind}_topic", topic=topic)
    return place.say(f"ask.{kind}_plain")


def _sounds(mood: Mood) -> tuple[str, ...]:
    return ("you sound",) if mood.from_voice else ("you seem", "you come across as")


def _place(utterance: Utterance, conversation: Conversation, settings: ReplySettings) -> _Place:
    turns = conversation.turns
    return _Place(
        session=conversation.session,
        turn=max(utterance.utterance, turns[-1].utterance + 1 if turns else 0),
        last=turns[-1].reply if turns else "",
        recent=" ".join(turn.reply for turn in turns[-3:]),
        said=frozenset(sentence for turn in turns for sentence in _split(turn.reply)),
        topics=topics_of(utterance, min_posterior=settings.min_posterior, max_cross_wer=settings.max_cross_wer),
        is_heavy=_is_heavy(turns[-_ECHO:], settings),
    )


def _is_heavy(turns: Sequence[Turn], settings: ReplySettings) -> bool:
    """Tell whether the last clear thing in `turns` was hard to bear."""
    for turn in reversed(turns):
        estimate = turn.estimate
        if turn.is_crisis or ((act := act_of(turn.text)) and act.name == "loss"):
            return True
        family = FAMILIES.get(estimate.top) if estimate and estimate.top else None
        if estimate and estimate.confidence >= settings.hedge_below and family not in {None, "neutral"}:
            return family in HARD
    return False


def _earlier_topic(conversation: Conversation, place: _Place) -> str | None:
    """Return what the user spoke of in the last turns and the last answer did not mention."""
    for turn in reversed(conversation.turns[-6:]):
        topic = topics_in(turn.text).phrase
        if topic and topic not in place.last.casefold() and not turn.is_crisis:
            return topic
    return None


def _split(text: str) -> tuple[str, ...]:
    return tuple(sentence.strip() for sentence in _SENTENCES.findall(text)) or ((text,) if text else ())

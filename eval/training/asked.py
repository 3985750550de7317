"""Pairs to fine-tune on, from a corpus: what the model is asked about an item in a replay, and what would be right.

Emotion: the very prompts of a condition, taken down while the items are replayed by a model that only listens.
Translation: the templates of `agent.translation`, filled in with the words and the estimates of a ledger.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from agent.backends.choose import Loading, load_transcribers
from agent.backends.emotion.choose import Asking, recognizer_of_condition
from agent.backends.llm.overheard import OverheardModel
from agent.backends.llm.scripted import ScriptedModel
from agent.llm.values import Usage
from agent.models import user_store
from agent.r3.blocks import answered
from agent.r3.condition import Shot
from agent.r3.conditions import condition as condition_of
from agent.r3.untrusted import cleaned
from agent.translation.compose import compose
from streaming.backends.embedded import EmbeddedEngines

from ..replay.calls import Tape
from ..replay.dialogue import Bench, replay_dialogue
from ..replay.engines import profile_of
from ..replay.hearing import Ears
from ..replay.plan import ReplaySettings, pieces_of
from .adapter import AdapterRefused, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.backends.llm.overheard import Overheard
    from agent.llm.values import Prompt
    from agent.r3.condition import R3Condition
    from agent.translation.condition import TranslationCondition

    from ..corpora.item import Corpus, Item
    from ..replay.row import Row

UNKNOWN: Final = Usage(n_prompt=None, n_cached=None)
WRITTEN: Final = ("answer", "label")
"""Elicitations for which it is known what the model should write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What training pairs were made of: the pairs, and how many items gave none (no label, no words, context only)."""

    pairs: tuple[Pair, ...]
    n_left_out: int


def emotion_pairs(
    corpus: Corpus,
    settings: ReplaySettings,
    *,
    limit: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Asked:
    """Return what `settings.condition` asks about the items, and their true labels, written as it wants them.

    The transcript, where one is asked for, is the true one; a reason is left out: no corpus tells any.

    Args:
        corpus: whose items, in its order; earlier turns of a dialogue are shown as in a replay.
        settings: of the replay the model is trained for.
        limit: only the first so many items.
        progress: told how many items are done, from time to time.
        note: told what people should know.

    Raises:
        AdapterRefused: there is no one condition, or it asks for what no label is the answer to.
        CorpusUnreadable, ConfigInvalid, EngineFailed, AgentError: as for a replay.
    """
    condition = _condition(settings)
    found: list[Pair] = []
    n_items = 0
    with ExitStack() as stack:
        bench = _listening(stack, settings, note=note)
        for piece in pieces_of(corpus, run="", limit=limit):
            for some in _conversations(piece.items):
                name = some[0].dialogue or some[0].id
                for outcome in replay_dialogue(some, session=f"{corpus.name}/{name}", bench=bench, settings=settings):
                    found += _emotion_pair(outcome.item, outcome.model, corpus=corpus, condition=condition)
            n_items += len(piece.items)
            progress(n_items)
    return Asked(pairs=tuple(found), n_left_out=n_items - len(found))


def _condition(settings: ReplaySettings) -> R3Condition:
    if settings.condition is None:
        raise AdapterRefused("name the condition that the model is to be trained for (--condition)")
    condition = condition_of(settings.condition)
    if condition.elicitation not in WRITTEN or condition.task not in {"r3", "baseline"}:
        raise AdapterRefused(
            f"condition {settings.condition} asks for more than a label, and a corpus does not tell what to write; "
            "expected one that is answered with a label, such as r3 or baseline"
        )
    return condition


def _listening(stack: ExitStack, settings: ReplaySettings, *, note: Callable[[str], None]) -> Bench:
    """Return engines as `settings` have them, but for the language model: what is asked of it is put on the tape."""
    tape = Tape()

    def hear(call: Overheard) -> None:
        tape.note({"call": call.call, "prompt": call.prompt}, call.usage or UNKNOWN, from_shelf=False)

    opened: list[EmbeddedEngines] = []

    def embedded() -> EmbeddedEngines:
        if not opened:
            opened.append(stack.enter_context(closing(EmbeddedEngines(transcribes=False))))
        return opened[0]

    profile = profile_of(settings)
    transcribers = None
    if profile is not None and settings.hypotheses == "asr":
        transcribers = load_transcribers(profile, Loading(store=user_store(), note=note))
        if transcribers is not None:
            stack.enter_context(closing(transcribers))
    model = OverheardModel(ScriptedModel([""]), hear)
    recognizer = recognizer_of_condition(model, settings.condition or "", asking=Asking(note=note))
    return Bench(ears=Ears(embedded=embedded, transcribers=transcribers), recognizer=recognizer, tape=tape)


def _conversations(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    if items[0].dialogue is not None:
        yield items
    else:
        yield from ([item] for item in items)


def _emotion_pair(
    item: Item, calls: Sequence[dict[str, Any]], *, corpus: Corpus, condition: R3Condition
) -> Iterator[Pair]:
    label = corpus.labels.get(item.emotion or "")
    text = cleaned(item.text or "")
    tells_text = condition.task == "r3" and condition.revise
    if not calls or not item.is_to_be_scored or label not in condition.labels or (tells_text and not text):
        return
    prompt: Prompt = calls[0]["prompt"]
    right = answered(condition, Shot(hypotheses=(), label=label, transcript=text))
    yield Pair(item=item.id, prompt=prompt, answer=right.removeprefix(prompt.answer_start))


def translation_pairs(items: Sequence[Item], condition: TranslationCondition, *, rows: Sequence[Row] = ()) -> Asked:
    """Return what `condition` asks for each item, and its reference translation.

    Args:
        items: those trained on.
        condition: how is translated; an item whose dimension is not known is asked without it, as in a replay.
        rows: what was heard and estimated of them; without rows the words are the transcript's.
    """
    heard = {row.item: row for row in rows}
    found = [pair for item in items for pair in _translation_pair(item, heard.get(item.id), condition=condition)]
    return Asked(pairs=tuple(found), n_left_out=len(items) - len(found))


def _translation_pair(item: Item, row: Row | None, *, condition: TranslationCondition) -> Iterator[Pair]:
    said = item.text if row is None else next((str(one["text"]) for one in row.nbest), "")
    text, right = cleaned(said or ""), " ".join((item.translation or "").split())
    if not text or not right:
        return
    final = row.estimates[-1] if row is not None and row.estimates else {}
    value = final.get(condition.dimension) if condition.has_emotion else None
    prompt = compose(condition, text=text, source=item.language, value=value).prompt
    # A text that is gone on with has a space before the next word; an answer in a chat has none.
    yield Pair(item=item.id, prompt=prompt, answer=f" {right}" if prompt.is_raw else right)


def without_translation(settings: ReplaySettings) -> ReplaySettings:
    """Return a replay that tells the words and the estimates which the translation of `settings` rests on.

    It is the same for all dimensions and templates that carry one: a corpus is heard once for them.
    """
    condition = settings.translation
    reads = condition is not None and condition.has_emotion
    return replace(
        settings,
        translate=None,
        translate_as=ReplaySettings().translate_as,
        adapter=None,
        emotion=settings.emotion if reads else "off",
    )

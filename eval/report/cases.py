"""Items to look at: those a run got most wrong, and those that two runs tell differently. Pure.

Every list says how it was chosen and of how many; ties stand in the order of the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import jiwer
import numpy as np

from ..replay.words import TRANSCRIPT
from ..score.measure import final_of, is_scored, listed
from ..score.said import NOT_SAID
from ..score.words import NORMALISERS, readings
from .feelings import NONE_SAID
from .values import Case, CaseList, Told, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..replay.row import Row
    from ..score.measure import Normaliser
    from ..score.said import Said

Sounding: TypeAlias = "Callable[[Row], tuple[str, str]]"
"""Gives the sound of an item as a data address, and a note: why there is none, or that it was cut."""

SHARES: Final = 3
"""Labels shown of a distribution."""
READINGS: Final = 5
"""Readings that can be unfolded."""
TURNS: Final = 2
"""Turns shown before an item."""
NOT_DONE: Final = {"unreadable": "could not be read", "failed": "an engine failed", "no_speech": "no word was heard"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Rows of one run with what they say; `name`: which of two runs, "" of one."""

    rows: tuple[Row, ...]
    said: Said
    normaliser: Normaliser
    name: str = ""

    def p_true(self) -> list[float]:
        """Return the share each row gives its true label, 0 where it has none."""
        truth = enumerate(listed(self.said.truth))
        return [0.0 if label == NOT_SAID else float(self.said.distributions[at, label]) for at, label in truth]

    def is_right(self, at: int) -> bool:
        """Tell whether the label of a row was told right."""
        return bool(self.said.predicted[at] == self.said.truth[at])

    def told(self, at: int) -> Told:
        """Return what a row says of the feeling."""
        labels, answer = self.said.labels, int(self.said.predicted[at])
        label = top = NONE_SAID if answer == NOT_SAID else labels[answer]
        if not self.said.is_answered[at]:
            own = str(final_of(self.rows[at]).get("top") or "nothing")
            label, top = NONE_SAID, own if answer == NOT_SAID else f"{own}, counts as {top}"
        if not self.said.has_distribution[at]:
            return Told(top=top, label=label)
        shares = self.said.distributions[at]
        likeliest = sorted(range(len(labels)), key=lambda label: (-shares[label], label))[:SHARES]
        return Told(
            top=top,
            label=label,
            shares=tuple((labels[label], round(100 * float(shares[label]))) for label in likeliest),
        )

    def errors(self, at: int) -> tuple[int, int] | None:
        """Return a row's word errors and words; None where they do not count, are not known or were not heard."""
        row = self.rows[at]
        text = row.truth.get("text")
        if not is_scored(row) or not isinstance(text, str) or (row.nbest and row.nbest[0].get("source") == TRANSCRIPT):
            return None
        clean = NORMALISERS[self.normaliser][0]
        said, heard = clean(text), clean(first_reading(row))
        counts = jiwer.process_words(said, heard)
        return counts.substitutions + counts.deletions + counts.insertions, len(said.split())


def first_reading(row: Row) -> str:
    """Return what was heard first of a row, "" nothing."""
    return next(iter(readings(row)), "")


def compared(row: Row, normaliser: Normaliser) -> tuple[Word, ...]:
    """Return the words of a row as they were said, those missed and those added told apart."""
    clean = NORMALISERS[normaliser][0]
    text = row.truth.get("text")
    said, heard = clean(text if isinstance(text, str) else ""), clean(first_reading(row))
    if not isinstance(text, str) or not (said and heard):
        kind = "same" if not isinstance(text, str) else "missed" if said else "added"
        return (Word(text=said or heard, kind=kind),) if said or heard else ()
    true, other = said.split(), heard.split()
    found: list[Word] = []
    for chunk in jiwer.process_words(said, heard).alignments[0]:
        missed = " ".join(true[chunk.ref_start_idx : chunk.ref_end_idx])
        added = " ".join(other[chunk.hyp_start_idx : chunk.hyp_end_idx])
        if chunk.type == "equal":
            found.append(Word(text=missed, kind="same"))
        else:
            found += [Word(text=text, kind=kind) for text, kind in ((missed, "missed"), (added, "added")) if text]
    return tuple(found)


def worst_feelings(heard: Heard, *, most: int, sounding: Sounding) -> CaseList:
    """Return the items told wrong with the most share on another label than the true one."""
    p_true = heard.p_true()
    wrong = [at for at in _labelled(heard) if not heard.is_right(at)]
    gap = {at: float(heard.said.distributions[at].max()) - p_true[at] for at in wrong}
    first = sorted(wrong, key=lambda at: (-gap[at], at))[:most]
    return CaseList(
        title="Feelings told wrong, the surest first",
        gloss="by how much more share the likeliest label got than the true one",
        cases=tuple(
            _case(at, (heard,), why=f"the true label got {100 * p_true[at]:.0f} %", sounding=sounding) for at in first
        ),
        n_all=len(wrong),
        empty="No item bears a label of the set." if not _labelled(heard) else "None: every label was told right.",
    )


def worst_words(heard: Heard, *, most: int, sounding: Sounding) -> CaseList:
    """Return the items with the highest word error rate; of equal ones the longer first."""
    errors = {at: found for at in range(len(heard.rows)) if (found := heard.errors(at)) and found[1]}
    wrong = [at for at, (n_wrong, _) in errors.items() if n_wrong]
    first = sorted(wrong, key=lambda at: (-errors[at][0] / errors[at][1], -errors[at][1], at))[:most]
    return CaseList(
        title="Words heard worst",
        gloss="by word error rate, of equal ones the longer first",
        cases=tuple(
            _case(
                at,
                (heard,),
                why=_counted(*errors[at]),
                sounding=sounding,
            )
            for at in first
        ),
        n_all=len(wrong),
        empty="None: every word was heard right." if errors else "The words were given, or no item tells its text.",
    )


def not_done(heard: Heard, *, most: int, sounding: Sounding) -> CaseList:
    """Return the items that came to nothing, with what was wrong."""
    found = [at for at, row in enumerate(heard.rows) if row.status in NOT_DONE]
    cases = tuple(_case(at, (heard,), why=NOT_DONE[heard.rows[at].status], sounding=sounding) for at in found[:most])
    return CaseList(
        title="Not done",
        gloss="in the order of the corpus; those that are to be scored count in every figure",
        cases=cases,
        n_all=len(found),
        empty="None: every item was heard and estimated.",
    )


def changed(a: Heard, b: Heard, *, most: int, sounding: Sounding) -> tuple[CaseList, CaseList, CaseList]:
    """Return the items that only A, that only B told right, and those whose words changed; rows go in pairs."""
    p_a, p_b = a.p_true(), b.p_true()
    labelled = _labelled(a)
    lost = [at for at in labelled if a.is_right(at) and not b.is_right(at)]
    won = [at for at in labelled if b.is_right(at) and not a.is_right(at)]
    change = {at: p_b[at] - p_a[at] for at in labelled}

    def chosen(some: Iterable[int], *, way: int, title: str) -> CaseList:
        held = list(some)
        first = sorted(held, key=lambda at: (-way * change[at], at))[:most]
        cases = tuple(
            _case(at, (a, b), why=f"true label: {100 * p_a[at]:.0f} % → {100 * p_b[at]:.0f} %", sounding=sounding)
            for at in first
        )
        gloss = "by how much the share of the true label changed"
        return CaseList(title=title, gloss=gloss, cases=cases, n_all=len(held), empty="None.")

    return (
        chosen(won, way=1, title="Only B tells the feeling right"),
        chosen(lost, way=-1, title="Only A tells the feeling right"),
        _changed_words(a, b, most=most, sounding=sounding),
    )


def _changed_words(a: Heard, b: Heard, *, most: int, sounding: Sounding) -> CaseList:
    pairs = [(at, a.errors(at), b.errors(at)) for at in range(len(a.rows))]
    counts = {at: (one[0], other[0]) for at, one, other in pairs if one and other and one[0] != other[0]}
    first = sorted(counts, key=lambda at: (-abs(counts[at][1] - counts[at][0]), at))[:most]
    cases = tuple(
        _case(at, (a, b), why=f"errors: {counts[at][0]} → {counts[at][1]}", sounding=sounding) for at in first
    )
    return CaseList(
        title="Words that changed",
        gloss="by how many errors more or fewer there are",
        cases=cases,
        n_all=len(counts),
        empty="None: both heard the same number of words wrong in every item.",
    )


def agreement(a: Heard, b: Heard) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return how many items both, only A (row 1), only B and neither (row 2) told right; None without labels."""
    labelled = _labelled(a)
    if not labelled:
        return None
    right = [(a.is_right(at), b.is_right(at)) for at in labelled]
    n = {key: right.count(key) for key in ((True, True), (True, False), (False, True), (False, False))}
    return (n[True, True], n[True, False]), (n[False, True], n[False, False])


def _labelled(heard: Heard) -> list[int]:
    return listed(np.flatnonzero(heard.said.truth != NOT_SAID))


def _case(at: int, runs: Sequence[Heard], *, why: str, sounding: Sounding) -> Case:
    row = runs[0].rows[at]
    sound, note = sounding(row)
    truth = int(runs[0].said.truth[at])
    own = row.truth.get("emotion") or row.truth.get("label")
    where = [row.speaker, None if row.dialogue is None else f"{row.dialogue}, turn {row.order + 1}"]
    words = [(run.name, compared(run.rows[at], run.normaliser)) for run in runs]
    if len({text for _, text in words}) == 1:
        words = [("", words[0][1])]
    return Case(
        item=row.item,
        where=" · ".join(part for part in where if part),
        why=why,
        truth=str(own or "") if truth == NOT_SAID else runs[0].said.labels[truth],
        is_left_out=truth == NOT_SAID,
        words=tuple(words),
        told=tuple((run.name, run.told(at)) for run in runs),
        before=_before(row, runs[0].rows),
        notes=_of_runs(runs, at),
        details=_details(runs, at),
        sound=sound,
        sound_note=note,
    )


def _counted(n_errors: int, n_words: int) -> str:
    return f"{n_errors} error{'s' * (n_errors != 1)} in {n_words} word{'s' * (n_words != 1)}"


def _before(row: Row, rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """The turns just before a row in its dialogue."""
    if row.dialogue is None:
        return ()
    held = [one for one in rows if (one.corpus, one.dialogue) == (row.corpus, row.dialogue) and one.order < row.order]
    last = sorted(held, key=lambda one: one.order)[-TURNS:]
    return tuple((one.speaker or "", str(one.truth.get("text") or first_reading(one))) for one in last)


def _of_runs(runs: Sequence[Heard], at: int) -> tuple[str, ...]:
    """The notes of an item; those that one of two runs alone has say whose they are."""
    by_run = [(run.name, _notes(run.rows[at])) for run in runs]
    shared = set(by_run[0][1]).intersection(*(notes for _, notes in by_run))
    found = [note if note in shared else f"{name}: {note}" for name, notes in by_run for note in notes]
    return tuple(dict.fromkeys(found))


def _notes(row: Row) -> list[str]:
    final = final_of(row)
    apart = [
        f"{name} alone: {label} {100 * share:.0f} %"
        for name, key in (("words", "words_only"), ("voice", "voice_only"))
        for label, share in _likeliest(final.get(key))
    ]
    said = [_joined((row.prosody or {}).get("words")), "; ".join(apart), final.get("reason"), row.problem]
    return [text for text in said if isinstance(text, str) and text]


def _likeliest(distribution: object) -> list[tuple[str, float]]:
    """The likeliest label of a distribution with its share, in a list; an empty one where there is none."""
    if not isinstance(distribution, dict):
        return []
    told = cast("dict[str, object]", distribution)
    known = [(label, float(share)) for label, share in told.items() if isinstance(share, int | float)]
    return sorted(known, key=lambda pair: (-pair[1], pair[0]))[:1]


def _joined(words: object) -> str:
    return ", ".join(map(str, cast("list[object]", words))) if isinstance(words, list) else ""


def _details(runs: Sequence[Heard], at: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What can be unfolded of an item, of each run: readings, the answer beside the reference, texts of a model."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for run in runs:
        row, side = run.rows[at], f", {run.name}" if run.name else ""
        reference = row.truth.get("translation")
        answers = [f"said: {row.answer}" if row.answer else "", f"reference: {reference}" if reference else ""]
        lines = {
            "Readings": [_reading(each) for each in row.nbest[:READINGS]] if len(row.nbest) > 1 else [],
            "Answer": [line for line in answers if line] if row.answer else [],
            "What the model wrote": [text for call in row.model if isinstance(text := call.get("text"), str) and text],
        }
        found += [(f"{name}{side}", tuple(some)) for name, some in lines.items() if some]
    return tuple(found)


def _reading(each: Mapping[str, object]) -> str:
    share = each.get("posterior")
    told = f"{100 * share:.0f} % " if isinstance(share, int | float) else ""
    return f"{told}{each.get('text') or 'nothing'}"

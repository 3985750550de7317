"""The n-best lists of several recognisers made into one. Pure: lists in, list out.

Scores of different systems are never compared. Each system's list is a distribution of its own; a reading's merged
probability is the weighted mean of what the systems give it, P(h) = sum over s of w_s P_s(h), over readings that are
alike after normalisation. The paper R3 takes one reading from each of ten systems, in the order of their error rates:
`EnsembleSettings(order="given", max_per_system=1)`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from .events import Hypothesis, Word
from .nbest import edits, normalise
from .rover import Ballot, RoverSettings, vote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Order: TypeAlias = Literal["mbr", "given"]

ROVER = "rover"
_LITTLE = (
    "a an the of to in on at by for from with and or but so as that this it its it's is are was were be been am i'm "
    "i you he she we they me him her us them my your his our their do does did have has had will would can could "
    "uh um oh ah er well"
)
_FUNCTION_WORDS = frozenset(_LITTLE.split())
_LEAST_P = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSettings:
    """How lists are merged.

    Attributes:
        order: "mbr" ranks by expected word error rate and fills up with what differs; "given" takes the first reading
            of each system in the order of the systems, then the second of each, ...
        n_best: readings in the merged list.
        max_per_system: readings that come from one system, when there are others.
        temperature: of each system's distribution: above 1 flattens it, below 1 sharpens it.
        n_pool: readings, the most probable ones, that are compared with one another.
        rover_first: put the word-by-word vote first, as a reading of the source "rover" where nobody said just that.
        max_chars_per_s: readings that spell more per second of sound are no speech.
        max_compression: readings that compress better than this go round in circles.
        vote: how words are voted on.
    """

    order: Order = "mbr"
    n_best: int = 10
    max_per_system: int = 6
    temperature: float = 1.0
    n_pool: int = 30
    rover_first: bool = False
    max_chars_per_s: float = 25.0
    max_compression: float = 2.4
    vote: RoverSettings = field(default_factory=RoverSettings)

    def __post_init__(self) -> None:
        """Check the values."""
        if self.order not in {"mbr", "given"}:
            raise ValueError(f"order is {self.order!r}, expected mbr or given")
        if not 1 <= self.n_best <= self.n_pool:
            raise ValueError(f"n_best is {self.n_best}, expected 1 to n_pool ({self.n_pool})")
        if self.max_per_system < 1:
            raise ValueError(f"max_per_system is {self.max_per_system}, expected at least 1")
        if min(self.temperature, self.max_chars_per_s, self.max_compression) <= 0:
            raise ValueError("temperature, max_chars_per_s and max_compression are expected above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemNbest:
    """What one system says, best first; `weight` is how much it counts, above 0."""

    nbest: tuple[Hypothesis, ...]
    weight: float = 1.0


@dataclass(slots=True, kw_only=True, eq=False)
class _Reading:
    """A reading of one or more systems; `best` is that of the system that gives it most."""

    words: list[str]
    best: Hypothesis
    system: int
    gives: float
    p: float
    risk: float = 0.0

    @property
    def content(self) -> list[str]:
        """The words that carry meaning; all of them when there are only others."""
        return [word for word in self.words if word not in _FUNCTION_WORDS] or self.words


def merge(
    systems: Sequence[SystemNbest], *, span: tuple[float, float], settings: EnsembleSettings | None = None
) -> tuple[Hypothesis, ...]:
    """Return the merged list: distinct readings, each with the source and spelling of the system that gives it most.

    Posteriors sum to 1 and `logp` (log of the merged probability) falls. Where the order asked for is not that of the
    merged probabilities, neighbours that stand the wrong way round share their probability evenly (isotonic
    regression). A voted reading of its own is given as much as the most probable one. Systems whose whole list is
    refused do not count; when those that heard nothing make up more than half of the weight, the list is empty.

    Args:
        systems: their lists; an empty one says that nothing was heard.
        span: stream time of the sound, seconds.
        settings: how.
    """
    settings = settings or EnsembleSettings()
    seconds = span[1] - span[0]
    kept = [
        (
            replace(
                system, nbest=tuple(h for h in system.nbest if is_plausible(h.text, seconds=seconds, settings=settings))
            ),
            system,
        )
        for system in systems
    ]
    counted = [clean for clean, system in kept if clean.nbest or not system.nbest]
    weight = sum(system.weight for system in counted)
    silent = sum(system.weight for system in counted if not system.nbest)
    if not counted or silent > weight / 2 or silent == weight:
        return ()
    readings = _readings(counted, temperature=settings.temperature)
    chosen = _chosen(readings, counted, settings)
    if settings.rover_first:
        chosen = _with_vote(chosen, readings[: settings.n_pool], span=span, settings=settings)
    return _ranked(chosen)


def is_plausible(text: str, *, seconds: float, settings: EnsembleSettings | None = None) -> bool:
    """Tell speech from what recognisers make up: no words, more characters than can be spoken, endless repetition."""
    settings = settings or EnsembleSettings()
    plain = normalise(text)
    spelled = plain.encode()
    if not plain or len(plain) > settings.max_chars_per_s * seconds > 0:
        return False
    return len(spelled) / len(zlib.compress(spelled)) <= settings.max_compression


def _readings(systems: Sequence[SystemNbest], *, temperature: float) -> list[_Reading]:
    """Return the distinct readings with their merged probabilities, the most probable first."""
    found: dict[str, _Reading] = {}
    weight = sum(system.weight for system in systems if system.nbest)
    for index, system in enumerate(systems):
        for hypothesis, share in zip(system.nbest, _shares(system.nbest, temperature), strict=True):
            gives = system.weight / weight * share
            key = normalise(hypothesis.text)
            known = found.get(key)
            if known is None:
                found[key] = _Reading(words=key.split(), best=hypothesis, system=index, gives=gives, p=gives)
                continue
            known.p += gives
            if gives > known.gives:
                known.best, known.system, known.gives = hypothesis, index, gives
    return sorted(found.values(), key=lambda reading: -reading.p)


def _shares(nbest: Sequence[Hypothesis], temperature: float) -> list[float]:
    """Return the system's distribution over its own list, tempered: a softmax of its log-posteriors."""
    powers = [max(h.posterior, _LEAST_P) ** (1 / temperature) for h in nbest]
    return [power / sum(powers) for power in powers]


def _chosen(readings: list[_Reading], systems: Sequence[SystemNbest], settings: EnsembleSettings) -> list[_Reading]:
    """Return the readings of the merged list, in their order."""
    if settings.order == "given":
        return _in_turns(readings, systems, settings)
    pool = readings[: settings.n_pool]
    _set_risks(pool)
    best = min(pool, key=lambda reading: reading.risk)
    chosen = _filled([best], [reading for reading in pool if reading is not best], settings)
    return sorted(chosen, key=lambda reading: (reading.risk, -reading.p))


def _in_turns(
    readings: Sequence[_Reading], systems: Sequence[SystemNbest], settings: EnsembleSettings
) -> list[_Reading]:
    by_text = {normalise(reading.best.text): reading for reading in readings}
    chosen: list[_Reading] = []
    for place in range(settings.max_per_system):
        for system in systems:
            if place < len(system.nbest):
                reading = by_text[normalise(system.nbest[place].text)]
                if reading not in chosen:
                    reading.best = system.nbest[place]
                    chosen.append(reading)
    return chosen[: settings.n_best]


def _set_risks(pool: Sequence[_Reading]) -> None:
    """Set each reading's expected word error rate, if each of the others may be what was said (minimum Bayes risk)."""
    total = sum(reading.p for reading in pool)
    for i, reading in enumerate(pool):
        for other in pool[:i]:
            n_edits = edits(other.words, reading.words)
            reading.risk += other.p / total * n_edits / len(other.words)
            other.risk += reading.p / total * n_edits / len(reading.words)


def _filled(chosen: list[_Reading], rest: Sequence[_Reading], settings: EnsembleSettings) -> list[_Reading]:
    """Return `chosen` and the most probable of `rest`, those first that differ in a word that carries meaning."""
    is_alone = len({reading.system for reading in [*chosen, *rest]}) == 1
    most = settings.n_best if is_alone else settings.max_per_system
    for must_differ in (True, False):
        for reading in rest:
            has_room = len(chosen) < settings.n_best and sum(other.system == reading.system for other in chosen) < most
            is_new = reading not in chosen
            if has_room and is_new and not (must_differ and any(o.content == reading.content for o in chosen)):
                chosen.append(reading)
    return chosen


def _with_vote(
    chosen: list[_Reading], pool: Sequence[_Reading], *, span: tuple[float, float], settings: EnsembleSettings
) -> list[_Reading]:
    """Return the list with the word-by-word vote first; the last reading makes room for it."""
    pivot = chosen[0]
    voters = [pivot, *(reading for reading in pool if reading is not pivot)]
    ballots = [Ballot(words=_timed(reading.best, span), weight=reading.p) for reading in voters]
    words = vote(ballots, settings=settings.vote)
    text = " ".join(word.text for word in words)
    key = normalise(text)
    if not key:
        return chosen
    said = next((reading for reading in voters if normalise(reading.best.text) == key), None)
    if said is None:
        p = max(reading.p for reading in voters)
        voted = Hypothesis(text=text, logp=0.0, posterior=0.0, source=ROVER, words=words)
        said = _Reading(words=key.split(), best=voted, system=-1, gives=p, p=p)
    return [said, *(reading for reading in chosen if reading is not said)][: settings.n_best]


def _timed(hypothesis: Hypothesis, span: tuple[float, float]) -> tuple[Word, ...]:
    """Return the words, spread evenly over the sound when the system gives no times."""
    if hypothesis.words:
        return hypothesis.words
    texts = hypothesis.text.split()
    each_s = (span[1] - span[0]) / len(texts)
    return tuple(
        Word(text=text, start_s=span[0] + i * each_s, end_s=span[0] + (i + 1) * each_s) for i, text in enumerate(texts)
    )


def _ranked(chosen: Sequence[_Reading]) -> tuple[Hypothesis, ...]:
    shares = falling(reading.p for reading in chosen)
    total = sum(shares)
    return tuple(
        replace(reading.best, logp=math.log(max(share, _LEAST_P)), posterior=share / total)
        for reading, share in zip(chosen, shares, strict=True)
    )


def falling(values: Iterable[float]) -> list[float]:
    """Return the nearest values (least squares) that never rise; their sum stays."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, n = value, 1
        while pools and pools[-1][0] / pools[-1][1] < total / n:
            before, n_before = pools.pop()
            total, n = total + before, n + n_before
        pools.append((total, n))
    return [total / n for total, n in pools for _ in range(n)]

"""What a page shows, ready to be written: texts as they stand there, places in percent of an axis. Pure values.

Every picture is also a table: its numbers stand as text beside or below it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure on an axis, as a row of a table.

    Attributes:
        name, gloss: what it is, and in plain words.
        value, unit, interval: as printed; an undefined one has no value and a `reason`.
        draws: how often it was undefined when drawn again, in words.
        n: rows it is about.
        signature: its number below, 0: none.
        begin, end: the bar; low, high: the interval; all in percent of the axis, None: nothing is drawn.
        label: a feeling that gives the colour.
        group: the rows it is of.
        tone: "better", "worse" or "" for a difference.
        side: which of two runs, "A", "B" or "".
    """

    name: str
    value: str = ""
    unit: str = ""
    interval: str = ""
    draws: str = ""
    n: int = 0
    signature: int = 0
    begin: float | None = None
    end: float | None = None
    low: float | None = None
    high: float | None = None
    label: str = ""
    gloss: str = ""
    reason: str = ""
    group: str = "all"
    tone: str = ""
    side: str = ""
    more: tuple[str, ...] = ()
    """Further cells, as printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Bars under one heading."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undefined:
    """Figures that are not defined for one reason."""

    names: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """How often one label was called another: the count, its share of the row as printed, and that in [0, 1]."""

    n: int
    share: str
    weight: float
    column: str
    is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A confusion matrix: rows are true labels with their counts, columns what was said."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[MatrixCell, ...]], ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Estimates about as sure: `sure` and `right` are means in [0, 1], None in an empty bin."""

    low: float
    high: float
    n: int
    sure: float | None
    right: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How sure estimates are beside how often they are right; `reason`: why there is none."""

    bins: tuple[Bin, ...] = ()
    error: str = ""
    reason: str = ""
    title: str = ""

    @property
    def most(self) -> int:
        """How many there are in the fullest bin."""
        return max((each.n for each in self.bins), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A place on the plane of valence and arousal, each in [0, 1]."""

    valence: float
    arousal: float
    label: str
    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Some places; `reason`: why there are none."""

    title: str
    dots: tuple[Dot, ...] = ()
    means: tuple[Dot, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A step on the time axis: what it took at the median, drawn from `begin` to `end` percent; `late`: the 95th.

    `cells`: n, median, 95th and 99th percentile, the longest, as printed.
    """

    name: str
    gloss: str
    begin: float
    end: float
    late: float
    cells: tuple[str, ...]
    is_sound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of what was said or heard: "same", "missed", "added"; one heard as another is both."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an estimate says, in words and as a label, and the likeliest labels with their shares in percent."""

    top: str
    label: str
    shares: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One item to look at.

    Attributes:
        item, where: its id; dialogue, place in it, speaker.
        why: what puts it here, in words.
        truth: its true label, "" none; `is_left_out`: which is none of the set, so that it counts nowhere.
        words: what was said beside what was heard, of each run, or once where both heard the same.
        told: estimates, of one run or of both.
        before: what was said just before, at most two turns, as (speaker, text).
        notes: prosody in words, what words and voice say alone, the estimate's reason, what went wrong.
        details: what can be unfolded, as (heading, lines): readings, answers, what a language model wrote.
        sound: a WAV as a data address, "" none; `sound_note`: why there is none, or that it was cut.
    """

    item: str
    where: str
    why: str
    truth: str = ""
    is_left_out: bool = False
    words: tuple[tuple[str, tuple[Word, ...]], ...] = ()
    told: tuple[tuple[str, Told], ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    details: tuple[tuple[str, tuple[str, ...]], ...] = ()
    sound: str = ""
    sound_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseList:
    """Cases of one kind: how they were chosen, and how many there are besides."""

    title: str
    gloss: str
    cases: tuple[Case, ...] = ()
    n_all: int = 0
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something known of the run; `texts` are one of a run, or one each of A and B."""

    name: str
    texts: tuple[str, ...] = field(default_factory=tuple)

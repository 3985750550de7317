"""Figures of the voice model on speakers it has not heard: leave one speaker out, through the run-time code.

"own speech" means: the mean of the speaker's other utterances, unlabelled, drawn at random over the emotions. One real
conversation is less balanced than that, so these figures are an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.backends.emotion.voice import SEVEN, VoiceModel
from agent.labels import BIG_FOUR
from streaming.events import Acoustics

from .degrade import generator
from .voice import NEUTRAL, VoiceSettings, train_weights
from .voice_table import voice_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.backends.emotion.voice import VoiceEstimate

    from .emodb import Clip
    from .voice_table import VoiceTable

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.intp]

HIGH_AROUSAL: Final = ("angry", "disgusted", "fearful", "happy")

N_DRAWS: Final = 3
N_BOOTSTRAP: Final = 1000
N_BINS: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What of the speaker was heard before: `n` random other utterances (None: all), or only neutral ones."""

    n: int | None
    is_neutral: bool = False

    @property
    def words(self) -> str:
        """The same for a table."""
        if self.n == 0:
            return "no speaker data"
        if self.n is None:
            return "centred on the speaker"
        return f"after {self.n} {'neutral ' * self.is_neutral}utterances"


CONDITIONS: Final = (Heard(n=0), Heard(n=5), Heard(n=20), Heard(n=None), Heard(n=5, is_neutral=True))
"""Bars exist for the first and the fourth; a real conversation lies near the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure, in percent, with its 95 % bootstrap interval over speakers.

    Attributes:
        measure: "Big Four UA", "seven classes UA", "arousal UA" (unweighted accuracy: mean recall) or "Big Four ECE"
            (expected calibration error of the most likely class, 15 bins, without the caution of the shipped model).
        condition: what was heard of the speaker before, in words.
        n: utterances it rests on, each counted once.
    """

    measure: str
    condition: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What the model said of speakers it had not heard, one entry per utterance and draw."""

    speaker: NDArray[np.str_]
    label: Ints
    big_four: Floats
    seven: Floats
    arousal: Floats

    @property
    def four(self) -> Ints:
        """The true label as an index into BIG_FOUR, -1 where it is none of them."""
        return np.array([BIG_FOUR.index(name) if name in BIG_FOUR else -1 for name in SEVEN], np.intp)[self.label]

    @property
    def is_high(self) -> Ints:
        """1 where the acted emotion is one of high arousal, else 0."""
        return np.array([int(name in HIGH_AROUSAL) for name in SEVEN], np.intp)[self.label]

    def rows(self, keep: Ints) -> Answers:
        """Return some of the entries."""
        return Answers(
            speaker=self.speaker[keep],
            label=self.label[keep],
            big_four=self.big_four[keep],
            seven=self.seven[keep],
            arousal=self.arousal[keep],
        )


def evaluate(clips: Sequence[Clip], settings: VoiceSettings | None = None) -> list[Figure]:
    """Return the figures of models that are each trained without the speaker they are asked about.

    Raises:
        CorpusUnreadable: fewer than four speakers, or a class is missing.
    """
    settings = settings or VoiceSettings()
    table = voice_table(clips, copies=settings.copies)
    answers = left_out(table, settings)
    return [figure for heard in CONDITIONS for figure in figures_of(answers[heard], condition=heard.words)]


def left_out(table: VoiceTable, settings: VoiceSettings, *, caution: float = 1.0) -> dict[Heard, Answers]:
    """Return for each of CONDITIONS what models without the speaker say of each clip (caution: see `VoiceModel`)."""
    parts: dict[Heard, list[Answers]] = {heard: [] for heard in CONDITIONS}
    for speaker in np.unique(table.speaker):
        out = table.speaker == speaker
        model = VoiceModel(train_weights(table.rows(~out), settings), caution=caution)
        clips = table.rows(out & (table.copy == 0))
        for heard in CONDITIONS:
            for draw in range(N_DRAWS):
                rng = generator(str(speaker), heard.words, str(draw))
                parts[heard].append(asked(model, clips, heard=heard, rng=rng))
    return {heard: _joined(answers) for heard, answers in parts.items()}


def asked(model: VoiceModel, clips: VoiceTable, *, heard: Heard, rng: np.random.Generator) -> Answers:
    """Return what the model says of one speaker's clips after others of them were heard."""
    pool = np.flatnonzero(clips.label == NEUTRAL) if heard.is_neutral else np.arange(len(clips.label))
    estimates: list[VoiceEstimate] = []
    for i, features in enumerate(clips.features):
        others = rng.permutation(pool[pool != i])[: heard.n]
        mean = clips.features[others].mean(axis=0) if len(others) else None
        estimates.append(model.estimate(Acoustics(features=features, speaker_mean=mean, n_speaker=len(others))))
    return Answers(
        speaker=clips.speaker,
        label=clips.label,
        big_four=np.stack([e.big_four for e in estimates]),
        seven=np.stack([e.seven for e in estimates]),
        arousal=np.array([e.arousal for e in estimates]),
    )


def figures_of(answers: Answers, *, condition: str) -> list[Figure]:
    """Return all measures of some answers (every utterance asked N_DRAWS times) with their intervals."""
    in_four = answers.rows(np.flatnonzero(answers.four >= 0))
    measures: list[tuple[str, Answers, Callable[[Answers], float]]] = [
        ("Big Four UA", in_four, lambda a: recall(a.four, a.big_four.argmax(axis=1))),
        ("seven classes UA", answers, lambda a: recall(a.label, a.seven.argmax(axis=1))),
        ("arousal UA", answers, lambda a: recall(a.is_high, (a.arousal > 0.5).astype(np.intp))),
        ("Big Four ECE", in_four, lambda a: calibration_error(a.four, a.big_four)),
    ]
    figures: list[Figure] = []
    for name, part, measure in measures:
        low, high = interval(part, measure)
        figures.append(
            Figure(
                measure=name,
                condition=condition,
                value=100 * measure(part),
                low=100 * low,
                high=100 * high,
                n=len(part.label) // N_DRAWS,
            )
        )
    return figures


def recall(truth: Ints, said: Ints) -> float:
    """Return the mean over classes of the share recognised (unweighted accuracy), in [0, 1]."""
    return float(np.mean([(said[truth == c] == c).mean() for c in np.unique(truth)]))


def calibration_error(truth: Ints, distributions: Floats) -> float:
    """Return how far confidence lies from accuracy on average, over 15 even bins (Guo et al. 2017), in [0, 1]."""
    confidence = distributions.max(axis=1)
    is_right = (distributions.argmax(axis=1) == truth).astype(np.float64)
    bins = np.minimum((confidence * N_BINS).astype(np.intp), N_BINS - 1)
    gaps = np.bincount(bins, weights=is_right - confidence, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def interval(answers: Answers, measure: Callable[[Answers], float]) -> tuple[float, float]:
    """Return the 95 % interval of a measure when speakers are drawn with replacement; seeded."""
    rng = np.random.default_rng(0)
    rows: list[Ints] = [np.flatnonzero(answers.speaker == speaker) for speaker in sorted(set(answers.speaker.tolist()))]
    values: list[float] = []
    for _ in range(N_BOOTSTRAP):
        drawn: list[Ints] = [rows[i] for i in rng.integers(0, len(rows), len(rows)).tolist()]
        values.append(measure(answers.rows(np.concatenate(drawn))))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _joined(parts: Sequence[Answers]) -> Answers:
    return Answers(
        speaker=np.concatenate([p.speaker for p in parts]),
        label=np.concatenate([p.label for p in parts]),
        big_four=np.concatenate([p.big_four for p in parts]),
        seven=np.concatenate([p.seven for p in parts]),
        arousal=np.concatenate([p.arousal for p in parts]),
    )

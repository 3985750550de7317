"""How PocketSphinx is used, and what is carried between utterances. Knows neither the engine nor its process."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..stability import StabilitySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PocketSphinxSettings:
    """Settings of recogniser and k-best search; the defaults are measured, see `attune-eval bench transcribe`.

    Attributes:
        n_best: readings in a final.
        n_search: readings the k-best search looks for before like ones are merged.
        per_node: partial readings kept at each node of the lattice.
        cold_start_s: sound heard before the first search of a session begins, to know the cepstral mean.
        min_link_posterior: lattice links below it are left out of the k-best search.
        language_weight: weight of the language model in the k-best search.
        insertion: factor for each word in the k-best search.
        max_phone_s: words that take longer per phone are no speech (the longest in real speech was 0.34 s).
        n_doubtful, min_sure: results of at most that many words need that mean word posterior.
        temperature: divides scores before posteriors are taken; 12 gives the best of ten readings the highest
            likelihood on 60 utterances (read, oratory, synthetic, clean and noisy), and near the best Brier score.
        partial_lag_s: audio time between asking for a partial and collecting it.
        answer_within_s: an engine that is silent for longer counts as dead.
        stability: when a word of a partial is promised.
    """

    n_best: int = 10
    n_search: int = 15
    per_node: int = 30
    cold_start_s: float = 1.2
    min_link_posterior: float = 0.001
    language_weight: float = 9.5
    insertion: float = 0.65
    max_phone_s: float = 0.45
    n_doubtful: int = 2
    min_sure: float = 0.1
    temperature: float = 12.0
    partial_lag_s: float = 0.1
    answer_within_s: float = 60.0
    stability: StabilitySettings = field(default_factory=StabilitySettings)

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.n_best <= self.n_search:
            raise ValueError(f"n_best is {self.n_best}, expected 1 to n_search ({self.n_search})")
        if self.per_node < self.n_search:
            raise ValueError(f"per_node is {self.per_node}, expected at least n_search ({self.n_search})")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}, expected more than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """Mean cepstrum of `n_frames` frames of sound, 13 values."""

    values: tuple[float, ...]
    n_frames: int

    def blended(self, other: Mean) -> Mean:
        """Return the mean over both stretches of sound, each counted by its length."""
        n_frames = max(1, self.n_frames + other.n_frames)
        pairs = zip(self.values, other.values, strict=True)
        values = tuple((a * self.n_frames + b * other.n_frames) / n_frames for a, b in pairs)
        return Mean(values=values, n_frames=n_frames)

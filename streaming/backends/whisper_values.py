"""How Whisper is used, what is asked of it and what it answers. Knows neither the engine nor its packages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..hallucination import GuardSettings
from ..languages import LanguageSettings
from ..stability import StabilitySettings

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy as np
    from numpy.typing import NDArray

    from ..languages import Shares

NAME = "whisper"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperSettings:
    """Settings of one session's transcriber.

    Attributes:
        name: what hypotheses give as their source.
        n_best: readings in a final.
        n_beams: hypotheses of the beam search of a final.
        n_samples: hypotheses drawn besides, for diversity. CTranslate2's draws cannot be repeated, so that with any a
            replay differs from what was said live; hence none.
        sampling_temperature: of those draws.
        length_penalty: exponent of the length in the beam search; scores told are plain sums all the same.
        temperature: divides the sums before posteriors are taken. 1 takes the model at its word; Whisper is known to
            be over-confident, so fit it on finals of one's own recordings with texts: the value that gives the best
            reading of each list the highest likelihood.
        partial_lag_s: audio time between asking for a partial and collecting it; with a listener that asks every
            0.2 s this makes one every 0.4 s.
        partial_every_s: new sound below which a partial is not decoded anew.
        shortest_s: sound below which nothing is decoded.
        silence_peak: sound that never exceeds it is silence, 0 to 1.
        patience_s: a partial that takes longer by the wall clock is given up (`Superseded`); None waits for ever, so
            that replay and live do not differ.
        pad_to_s: lengths to which sound is padded with silence before it is encoded, ascending; the shortest that
            holds it is taken, the last must be 30. The model was trained on 30 s only: shorter ones make CPUs several
            times faster at a loss in words that depends on the model, so measure it before use.
        longest_s: sound decoded at once; of longer utterances the beginning is decoded once and then stands.
        use_context: begin a final with the words of the one before. Off: what was wrong once is then wrong again.
        n_context: tokens of that at most.
        stability: when a word of a partial is promised.
        guard: when a decoding is not believed.
        language: how the language is found when none is given.
    """

    name: str = NAME
    n_best: int = 10
    n_beams: int = 10
    n_samples: int = 0
    sampling_temperature: float = 0.9
    length_penalty: float = 1.0
    temperature: float = 1.0
    partial_lag_s: float = 0.2
    partial_every_s: float = 0.3
    shortest_s: float = 0.1
    silence_peak: float = 1e-4
    patience_s: float | None = None
    pad_to_s: tuple[float, ...] = (30.0,)
    longest_s: float = 28.0
    use_context: bool = False
    n_context: int = 48
    stability: StabilitySettings = field(
        default_factory=lambda: StabilitySettings(n_agree=2, hold_back_s=0.4, normalised=True)
    )
    guard: GuardSettings = field(default_factory=GuardSettings)
    language: LanguageSettings = field(default_factory=LanguageSettings)

    def __post_init__(self) -> None:
        """Check the values."""
        if self.n_best < 1 or self.n_beams < 1 or self.n_samples < 0:
            got = f"{self.n_best}, {self.n_beams} and {self.n_samples}"
            raise ValueError(f"expected n_best and n_beams of at least 1 and n_samples of at least 0, got {got}")
        if min(self.temperature, self.sampling_temperature) <= 0:
            got = f"{self.temperature} and {self.sampling_temperature}"
            raise ValueError(f"expected temperature and sampling_temperature above 0, got {got}")
        if list(self.pad_to_s) != sorted(self.pad_to_s) or not self.pad_to_s or self.pad_to_s[-1] != 30.0:
            raise ValueError(f"pad_to_s is {self.pad_to_s}, expected ascending seconds that end with 30.0")
        if self.pad_to_s[0] < 1.0:
            raise ValueError(f"pad_to_s is {self.pad_to_s}, expected at least 1 s")
        if not 10.0 <= self.longest_s <= 28.0:
            raise ValueError(f"longest_s is {self.longest_s}, expected 10 to 28 (the model hears 30)")
        if self.patience_s is not None and self.patience_s <= 0:
            raise ValueError(f"patience_s is {self.patience_s}, expected seconds above 0, or None")

    def n_padded(self, n_frames: int) -> int:
        """Return to how many frames of 10 ms such sound is padded."""
        return next(round(100 * s) for s in self.pad_to_s if n_frames <= round(100 * s) or s == self.pad_to_s[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """What one call of the model does for all its rows.

    Attributes:
        n_frames: length of the padded features.
        n_beams, n_samples, sampling_temperature, length_penalty: of the search.
        max_tokens: longest hypothesis.
        no_repeat: phrases of so many tokens may come once only; 0 lets them.
    """

    n_frames: int
    n_beams: int = 1
    n_samples: int = 0
    sampling_temperature: float = 1.0
    length_penalty: float = 1.0
    max_tokens: int = 224
    no_repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One row: sound to be decoded.

    Attributes:
        features: float32, shape (n_mels, n), not padded.
        options: of the call.
        language: code; None to find it, by `evidence` of the session and this sound.
        evidence, allowed: see `streaming.languages`.
        context: tokens of what was said before.
    """

    features: NDArray[np.float32]
    options: DecodeOptions
    language: str | None = None
    evidence: Shares = ()
    allowed: tuple[str, ...] = ()
    context: tuple[int, ...] = ()

    @property
    def bucket(self) -> Hashable:
        """Equal for questions that one call can take together."""
        return (self.options, self.language is None, len(self.context))

    @property
    def heard_s(self) -> float:
        """Length of the sound."""
        return self.features.shape[1] / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One hypothesis: text tokens, and the plain sum of their log-probabilities, the mark of the end included."""

    tokens: tuple[int, ...]
    logp: float
    text: str

    @property
    def mean_logp(self) -> float:
        """Mean log-probability of a token, the mark of the end included."""
        return self.logp / (len(self.tokens) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardWord:
    """A word with its times from the start of the sound and its probability, None where it was not aligned."""

    text: str
    start_s: float
    end_s: float
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model makes of a question.

    Attributes:
        language: the one it was decoded in.
        shares: of the languages, best first; empty when it was given.
        p_no_speech: the model's probability that there is no speech.
        hypotheses: by falling score, those with a number for a score only.
        words: of the first hypothesis, by its alignment to the sound.
    """

    language: str
    shares: Shares
    p_no_speech: float
    hypotheses: tuple[Decoded, ...]
    words: tuple[HeardWord, ...]

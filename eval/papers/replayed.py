"""A cell's figure from a replay of the corpus: replayed where it is not there yet, then scored."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from streaming.errors import EngineFailed

from ..bench.machine import VERSION
from ..errors import CorpusUnreadable
from ..replay.engines import profile_of, provenance_here
from ..replay.forecast import forecast
from ..replay.plan import ReplaySettings, digest, digest_of_items, run_of
from ..replay.run import plan_of, replay
from ..score.ledger import read_ledgers
from ..score.measure import ScoreSettings
from ..score.report import score as score_ledger
from ..signature import sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..corpora.item import Corpus
    from ..replay.run import Plan
    from ..score.ledger import Ledger
    from ..score.report import Figure
    from .cell import PaperRun

CALLS: Final = "calls"
"""Folder beside the runs of answers of language models, by what was asked: what several cells ask is asked once."""
NONE: Final = "none"
"""The engine of a port that a profile has nothing for."""
_DIGITS: Final = 8
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`cell.Source`: replays the corpus as `settings` say, into a folder that is named by them, and scores it.

    Sources of the same settings share the folder, whatever they read off it.

    Attributes:
        name: of the figure, as `score` calls it: "UA", "BD", "BLEU".
        score: how rows are scored; its `figures` are set here.
        splits: only items of these; empty: all.
        scale, decimals: how it is printed where the paper prints it otherwise (a share, not percent).
    """

    settings: ReplaySettings = field(default_factory=ReplaySettings)
    name: str = "UA"
    score: ScoreSettings = field(default_factory=ScoreSettings)
    splits: tuple[str, ...] = ()
    scale: float | None = None
    decimals: int | None = None

    def forecast(self, run: PaperRun) -> str:
        """Return what would be replayed.

        Raises:
            EngineFailed: a language model is to be asked, and the profile has none here.
            CorpusUnreadable, ConfigInvalid: as `plan`.
        """
        plan = self.plan(run)
        if plan.n_missing:
            self._check_model()
        lines = [line for line in forecast(plan, workers=run.workers).splitlines() if not line.startswith("problem:")]
        return f"{plan.job.out.name}: {'; '.join(lines)}"

    def figure(self, run: PaperRun) -> Figure:
        """Replay what is missing, and return the figure.

        Raises:
            EvalError, AgentError, EngineFailed, OSError: it cannot be made.
        """
        found = figure_of(self.ledger(run), self.name, score=self.score)
        signature = sign(self.told(run) | dict(found.signature.fields), version=VERSION)
        return replace(
            found,
            signature=signature,
            scale=found.scale if self.scale is None else self.scale,
            decimals=found.decimals if self.decimals is None else self.decimals,
        )

    def told(self, run: PaperRun) -> dict[str, object]:
        """Return what a signature says of a replay, so that it can be read without the run's folder."""
        settings = self.settings
        told: dict[str, object] = {
            "corpus": run.corpus.name,
            "splits": "+".join(self.splits) or None,
            "profile": settings.profile or "usual",
            "condition": settings.condition,
            "translate": settings.translate and f"{settings.translate} {settings.translate_as}",
            "words": "+".join(settings.readings) or settings.hypotheses,
        }
        return {name: " ".join(str(value).split()) for name, value in told.items() if value is not None}

    def ledger(self, run: PaperRun) -> Ledger:
        """Replay what is missing, and return the rows. Raises as `figure`."""
        plan = self.plan(run)
        done = plan.n_items - plan.n_missing
        if plan.n_missing or not (plan.job.out / "rows.jsonl").is_file():
            run.note(f"{plan.job.out.name}: {plan.n_missing} of {plan.n_items} items to be replayed")
        replay(plan, workers=run.workers, progress=_counting(run.progress, done=done, of=plan.n_items), note=run.note)
        return read_ledgers([plan.job.out])

    def plan(self, run: PaperRun) -> Plan:
        """Return the plan of the replay.

        Raises:
            CorpusUnreadable: the corpus has nothing of the splits.
            ConfigInvalid, EngineFailed: there is no such profile or condition, or something it needs is not here.
        """
        corpus = part_of(run.corpus, self.splits)
        place = run.out / self.folder(corpus)
        return plan_of(corpus, self.settings, out=place, limit=run.limit, calls=run.out / CALLS)

    def _check_model(self) -> None:
        """Refuse to ask a language model where there is none, as the replay would once it is under way."""
        way = self.settings.condition or (self.settings.translate and self.settings.translate_as)
        profile = profile_of(self.settings) if way else None
        if profile is not None and profile.language_model.engine == NONE:
            raise EngineFailed(
                f"{way} asks a language model, and profile {profile.name} has none here: "
                "name a profile that has one (--profile)"
            )

    def folder(self, corpus: Corpus) -> str:
        """Return the name of the run's folder: what it holds in words, and a hash of all that tells it from others."""
        settings = self.settings
        whose = "text" if settings.hypotheses == "text" else "asr" if settings.hypotheses == "asr" else "corpus"
        named = (settings.condition or settings.translate_as if settings.translate else settings.condition) or "own"
        told = [settings.profile or "embedded", named, "+".join(settings.readings[:1]) or whose]
        if len(settings.readings) > 1:
            told[-1] = f"{len(settings.readings)}-readings"
        # The run: after a change of code, prompts or weights the rows are others, and lie elsewhere.
        run = run_of(provenance_here(settings))
        which = [run, asdict(settings), list(self.splits), corpus.name, digest_of_items(corpus.items)]
        return f"{_NO_NAME.sub('-', ' '.join(told).lower()).strip('-')}-{digest(which)[:_DIGITS]}"


def figure_of(ledger: Ledger, name: str, *, score: ScoreSettings) -> Figure:
    """Return one figure of a ledger.

    Raises:
        ScoreImpossible: there is none of that name, or the rows give no label set.
    """
    (found,) = score_ledger(ledger, replace(score, figures=(name,))).figures
    return found


def part_of(corpus: Corpus, splits: tuple[str, ...]) -> Corpus:
    """Return the items of some splits, all where none is named.

    Raises:
        CorpusUnreadable: it has nothing of them.
    """
    if not splits:
        return corpus
    items = tuple(item for item in corpus.items if item.split in splits)
    if not items:
        there = ", ".join(dict.fromkeys(item.split for item in corpus.items if item.split)) or "none"
        raise CorpusUnreadable(f"{corpus.name} has nothing of {', '.join(splits)}, only: {there}")
    return replace(corpus, items=items)


def _counting(progress: Callable[[int, int], None], *, done: int, of: int) -> Callable[[int], None]:
    """Return what adds up the items that are done; it is told of as many as each piece has."""
    n_done = done
    progress(n_done, of)

    def count(n: int) -> None:
        nonlocal n_done
        n_done += n
        progress(n_done, of)

    return count

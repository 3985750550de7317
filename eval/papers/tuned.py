"""A cell's figure from a model that is fine-tuned first: per fold, then the held-out items are replayed and scored."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from agent.backends.choose import model_path
from agent.models import user_store

from ..bench.machine import VERSION
from ..errors import EvalError
from ..replay.engines import adaptable, profile_of, provenance_here
from ..replay.plan import ReplaySettings, digest, digest_of_items
from ..replay.provenance import identity_of
from ..score.ledger import Ledger
from ..score.measure import ScoreSettings
from ..signature import fingerprint, sign
from ..training.adapter import AdapterSettings, Base, fit_adapter, read_card
from ..training.asked import Asked, emotion_pairs, translation_pairs, without_translation
from .replayed import Replayed, figure_of, part_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.profiles import Profile

    from ..corpora.item import Corpus, Item
    from ..score.report import Figure
    from ..training.adapter import Step, Trained
    from .cell import PaperRun

ADAPTERS: Final = "adapters"
"""Folder, among the runs, of what is trained."""
_DIGITS: Final = 8


class AdapterMissing(EvalError):
    """An adapter that was to be taken is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Splits that are trained on, by which the epoch is chosen (none: the last is taken), and that are scored."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    held_out: tuple[str, ...] = ()


def left_out(corpus: Corpus) -> tuple[Fold, ...]:
    """Return a fold for each split of a corpus, trained on all others: paper 000's five sessions.

    Nothing for a corpus of one split or of none.
    """
    splits = tuple(dict.fromkeys(item.split for item in corpus.items if item.split))
    others = {split: tuple(other for other in splits if other != split) for split in splits}
    return tuple(Fold(train=train, test=(split,)) for split, train in others.items() if train)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """`cell.Source`: puts an adapter on the profile's language model for each fold, and replays what it has not seen.

    Trained on are the very prompts of the replay. Rows of all folds are scored as one set. Cells of the same settings
    share adapters and replays, whatever they read off them; training that was broken off goes on after its last epoch.
    Adapters that lie in `PaperRun.adapters`, or among the runs, under a fold's name (`called`) are taken as they are.

    Attributes:
        settings: of the replay; with a condition, or a language to translate into, and a profile.
        name, score: as for `Replayed`.
        folds: what is trained on, and what is scored.
        training: how.
    """

    settings: ReplaySettings
    name: str = "UA"
    score: ScoreSettings = field(default_factory=ScoreSettings)
    folds: tuple[Fold, ...] = ()
    training: AdapterSettings = field(default_factory=AdapterSettings)

    def forecast(self, run: PaperRun) -> str:
        """Return what would be trained and replayed. Raises as `figure`, but nothing is loaded."""
        return "; ".join(self._forecast(run, fold) for fold in self._folds())

    def figure(self, run: PaperRun) -> Figure:
        """Train and replay what is missing, and return the figure.

        Raises:
            AdapterMissing: an adapter that was to be taken is not there.
            EvalError, AgentError, EngineFailed, OSError: it cannot be made.
        """
        found = figure_of(self.ledger(run), self.name, score=self.score)
        signature = sign(self._signed(run) | dict(found.signature.fields), version=VERSION)
        return replace(found, signature=signature)

    def ledger(self, run: PaperRun) -> Ledger:
        """Train and replay what is missing, and return the rows of all folds. Raises as `figure`."""
        found = [self._replayed(self.adapter(run, fold), fold).ledger(run) for fold in self._folds()]
        return Ledger(
            rows=tuple(row for ledger in found for row in ledger.rows),
            times=tuple(times for ledger in found for times in ledger.times),
        )

    def called(self, fold: Fold) -> str:
        """Return the name of a fold's adapter: "base-arousal3", "r3-without-Ses05"."""
        way = self.settings.translate_as if self.settings.translate else self.settings.condition or "own"
        return way if len(self.folds) == 1 else f"{way}-without-{'-'.join(fold.test)}"

    def adapter(self, run: PaperRun, fold: Fold) -> Path:
        """Return the folder of a fold's adapter, trained where it is not there yet. Raises as `figure`."""
        given = self._given(run, fold)
        if given is not None:
            return given
        place = self._place(run, fold)
        return place if read_card(place) is not None else self.train(run, fold, place=place).path

    def train(self, run: PaperRun, fold: Fold, *, place: Path) -> Trained:
        """Return a fold's adapter, trained into the folder `place`. Raises as `figure`, and as `fit_adapter`."""
        base = base_of(self._profile())
        pairs = self._asked(run, fold.train)
        held_out = self._asked(run, fold.held_out) if fold.held_out else None
        chosen = "" if held_out is None else f"; the epoch is chosen by {len(held_out.pairs)} others"
        left = f", {pairs.n_left_out} items of that part give none" if pairs.n_left_out else ""
        run.note(f"{place.name}: {len(pairs.pairs)} pairs to train on{left}{chosen}")
        trained = fit_adapter(
            pairs.pairs,
            held_out=held_out.pairs if held_out else (),
            base=base,
            out=place,
            settings=self.training,
            progress=lambda step: _tell(run, step, self.training),
        )
        if trained.n_too_long:
            run.note(f"{place.name}: {trained.n_too_long} pairs are too long and were left out")
        return trained

    def told(self, run: PaperRun, fold: Fold) -> str:
        """Return what would be trained of a fold, and for how long. Raises as `figure`, but nothing is loaded."""
        self._profile()
        n_items, n_held_out = (len(_items(run, splits)) for splits in (fold.train, fold.held_out))
        chosen = f", the best by {n_held_out} others" if n_held_out else ""
        return f"fine-tuned for {self.training.epochs} epochs on {n_items} items{chosen}"

    def _signed(self, run: PaperRun) -> dict[str, object]:
        """Return what a signature says of the replays, and of the adapters: their weights as a hash."""
        folds = self._folds()
        told = Replayed(settings=self.settings, splits=folds[0].test if len(folds) == 1 else ()).told(run)
        weights = [
            file.read_bytes() for fold in folds for file in sorted(self.adapter(run, fold).glob("adapter_model.*"))
        ]
        return told | {"tuned": f"lora#{fingerprint(weights)}", "folds": len(folds)}

    def _folds(self) -> Sequence[Fold]:
        if not self.folds:
            raise AdapterMissing("the corpus has no splits to train on and to hold out; give one that has")
        return self.folds

    def _replayed(self, adapter: Path | None, fold: Fold) -> Replayed:
        settings = replace(self.settings, adapter=None if adapter is None else str(adapter.resolve()))
        return Replayed(settings=settings, name=self.name, score=self.score, splits=fold.test)

    def _profile(self) -> Profile:
        """Return the profile whose model is trained; one that no adapter goes on is refused here, before any work."""
        profile = profile_of(self.settings)
        if profile is None:
            raise AdapterMissing("name the profile whose language model is to be fine-tuned (--profile)")
        adaptable(profile)
        return profile

    def _given(self, run: PaperRun, fold: Fold) -> Path | None:
        there = (run.adapters or run.out / ADAPTERS) / self.called(fold)
        if (there / "adapter_config.json").is_file():
            return there
        if run.adapters is not None:
            raise AdapterMissing(f"{there} holds no adapter (adapter_config.json), expected one to be taken from there")
        return None

    def _place(self, run: PaperRun, fold: Fold) -> Path:
        """Return where a fold's adapter goes: its name, and a hash of what it depends on.

        Our code is no part of that, so that what took hours is not made anew after every change; the prompts are.
        """
        provenance = provenance_here(self.settings)
        parts = [_items(run, splits) for splits in (fold.train, fold.held_out)]
        told: list[Any] = [
            *(provenance[name] for name in ("settings", "condition", "engines", "prompts_sha256")),
            *(digest_of_items(items) for items in parts),
            asdict(self.training),
            dict(run.corpus.labels),
        ]
        return run.out / ADAPTERS / f"{self.called(fold)}-{digest(told)[:_DIGITS]}"

    def _asked(self, run: PaperRun, splits: tuple[str, ...]) -> Asked:
        corpus = part_of(run.corpus, splits)
        condition = self.settings.translation
        if condition is None:
            n_items = len(_items(run, splits))
            return emotion_pairs(
                corpus,
                self.settings,
                limit=run.limit,
                progress=lambda n: run.progress(n, n_items),
                note=run.note,
            )
        items = _items(run, splits)
        if self.settings.hypotheses == "text" and not condition.has_emotion:
            return translation_pairs(items, condition)
        heard = Replayed(settings=without_translation(self.settings), splits=splits).ledger(run)
        return translation_pairs(items, condition, rows=heard.rows)

    def _forecast(self, run: PaperRun, fold: Fold) -> str:
        given = self._given(run, fold)
        if given is not None:
            return self._replayed(given, fold).forecast(run)
        place = self._place(run, fold)
        if read_card(place) is not None:
            return self._replayed(place, fold).forecast(run)
        return f"{place.name}: {self.told(run, fold)}; then {self._replayed(None, fold).forecast(run)}"


def base_of(profile: Profile) -> Base:
    """Return the language model of a profile as what an adapter goes on.

    Raises:
        ConfigInvalid, ModelUnusable: it is none in the form of transformers, or not here.
    """
    choice = adaptable(profile)
    return Base(
        path=model_path(choice, kind="transformers", store=user_store()),
        identity=identity_of(choice),
        device=choice.option("device", "auto"),
        dtype=choice.option("dtype", "auto"),
    )


def _items(run: PaperRun, splits: tuple[str, ...]) -> tuple[Item, ...]:
    """Return the items of some splits, as many as the run takes of them."""
    return part_of(run.corpus, splits).items[: run.limit] if splits else ()


def _tell(run: PaperRun, step: Step, training: AdapterSettings) -> None:
    run.progress((step.epoch - 1) * step.n_pairs + step.n_done, training.epochs * step.n_pairs)

"""What Table IV of paper 003 is made of: utterances with votes in three splits, and who adjusts their soft labels."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import anyio
import numpy as np

from agent.backends.choose import Loading, load_engines
from agent.cli.engines import chosen
from agent.config import load_config, with_options
from agent.labels import EIGHT
from agent.models import user_store
from prompts import load
from streaming.errors import EngineFailed

from ..distances import vote_shares
from ..errors import CorpusUnreadable
from ..replay.calls import CallShelf, KeptModel, Tape
from ..replay.plan import digest, digest_of_items
from ..replay.provenance import identity_of
from ..training.relabel import Batching, Typed, relabel, relabel_by_words
from ..training.relabelled import Relabelled, changes, read_relabelled, write_relabelled
from .replayed import NONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from agent.ports import LanguageModel
    from agent.profiles import Profile

    from ..corpora.item import Corpus, Item
    from ..metrics import Floats
    from .cell import PaperRun

Split: TypeAlias = Literal["train", "dev", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "dev", "test")
BATCHES: Final[Mapping[str, Batching]] = {
    "paper": Batching(),
    "repository": Batching(separator="|"),
    "one-by-one": Batching(size=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Utterances that somebody voted for one of EIGHT of, by split; test1 and test2 are joined, as in the paper."""

    train: tuple[Item, ...]
    dev: tuple[Item, ...]
    test: tuple[Item, ...]
    labels: Mapping[str, str]
    corpus: str

    def of(self, split: str) -> tuple[Item, ...]:
        """Return the items of a split."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]

    @property
    def n_heard(self) -> int:
        """How many utterances have sound."""
        return sum(item.audio is not None for split in SPLITS for item in self.of(split))

    @property
    def key(self) -> str:
        """A hash of all of it."""
        return digest([digest_of_items(self.of(split)) for split in SPLITS] + [sorted(self.labels.items())])[:16]

    def targets(self, split: str, adjusted: Mapping[str, Relabelled] | None = None) -> Floats:
        """Return soft labels, shape (n, 8), not smoothed: adjusted ones where there are, else the raters'."""
        known: Mapping[str, Relabelled] = {} if adjusted is None else adjusted
        found = [known[one.id].shares if one.id in known else _shares(one, self.labels) for one in self.of(split)]
        return np.array(found).reshape(-1, len(EIGHT))

    def typed(self, splits: Sequence[str]) -> list[Typed]:
        """Return what was typed, with the votes beside it."""
        return [
            Typed(name=item.id, words=item.description.replace("; ", ","), shares=shares)
            for split in splits
            for item in self.of(split)
            if item.description and (shares := _shares(item, self.labels)) is not None
        ]

    def blocks(self, *, at_least: int) -> tuple[str, list[str]]:
        """Return what of the test set is drawn again: speakers where they are told and are enough, else utterances."""
        speakers = [item.speaker for item in self.test]
        if None not in speakers and len(set(speakers)) >= at_least:
            return "speaker", [str(speaker) for speaker in speakers]
        return "item", [item.id for item in self.test]

    def told(self, adjusted: Mapping[str, Relabelled]) -> str:
        """Return how many of the labels that were to be adjusted are, for signatures."""
        before = {item.id: _shares(item, self.labels) for item in (*self.train, *self.dev)}
        made = changes({name: shares for name, shares in before.items() if shares is not None}, adjusted)
        n = len(self.typed(("train", "dev"))) or len(before)
        return f"0 of {n}" if made is None else f"{made.n} of {n}, {made.n_changed} changed by {made.mean_l1:.3f}"


def material(run: PaperRun) -> Material:
    """Return what a run trains and measures on; of each split at most `run.limit` utterances.

    Raises:
        CorpusUnreadable: there is no split to train on, or none to measure on, with votes.
    """
    corpus, limit = run.corpus, run.limit
    voted = [item for item in corpus.items if item.is_to_be_scored and _shares(item, corpus.labels) is not None]
    parts = {split: tuple(item for item in voted if _split(item) == split)[:limit] for split in SPLITS}
    lacking = [split for split in ("train", "test") if not parts[split]]
    if lacking:
        raise CorpusUnreadable(
            f"{corpus.name} has no utterances with votes for {', '.join(EIGHT)} in {' and '.join(lacking)}: "
            "a head is trained on one split and measured on another"
        )
    return Material(
        train=parts["train"], dev=parts["dev"], test=parts["test"], labels=corpus.labels, corpus=corpus.name
    )


def has_typed(corpus: Corpus) -> bool:
    """Tell whether anybody typed anything."""
    return any(item.description for item in corpus.items)


def _split(item: Item) -> str:
    return "test" if item.split.startswith("test") else item.split


def _shares(item: Item, labels: Mapping[str, str]) -> Floats | None:
    counts: dict[str, int] = {}
    for label, n in item.votes:
        name = labels.get(label, label)
        counts[name] = counts.get(name, 0) + n
    return vote_shares(counts, EIGHT)


class Annotator(Protocol):
    """Adjusts soft labels by what was typed."""

    @property
    def name(self) -> str:
        """As columns and signatures show it."""
        ...

    @property
    def how(self) -> str:
        """How it does, for signatures."""
        ...

    @property
    def reads_words(self) -> bool:
        """Whether it has nothing to do where nobody typed anything."""
        ...

    def calls(self, n: int) -> int:
        """Return how often a language model is asked about `n` utterances.

        Raises:
            ConfigInvalid, EngineFailed: there is no such profile, or it has no language model here.
            CorpusUnreadable: a table that is read in its place is none.
        """
        ...

    def adjusted(self, data: Material, run: PaperRun) -> Mapping[str, Relabelled]:
        """Return the adjusted soft labels of training and development, by item.

        Raises:
            EvalError, AgentError, EngineFailed, OSError: they cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTable:
    """Reads what somebody's model made of them (`output_train.csv`, `output_dev.csv` of paper 003's repository)."""

    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        """See `Annotator`."""
        return "+".join(path.name for path in self.paths)

    @property
    def how(self) -> str:
        """See `Annotator`."""
        return "table"

    @property
    def reads_words(self) -> bool:
        """See `Annotator`: the words were read when the table was made."""
        return False

    def calls(self, n: int) -> int:
        """See `Annotator`."""
        del n
        read_relabelled(self.paths)
        return 0

    def adjusted(self, data: Material, run: PaperRun) -> Mapping[str, Relabelled]:
        """See `Annotator`."""
        del run
        found = read_relabelled(self.paths)
        known = {item.id for item in (*data.train, *data.dev)}
        if not known & found.keys():
            raise CorpusUnreadable(
                f"{self.name}: none of its {len(found)} utterances is in {data.corpus}, split train or dev"
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ByWords:
    """Mixes in what the small word model reads, 25 %: no language model needed, and none of the paper's."""

    name: str = "word-model"
    how: str = "25 % word model"
    reads_words: bool = True

    def calls(self, n: int) -> int:
        """See `Annotator`."""
        del n
        return 0

    def adjusted(self, data: Material, run: PaperRun) -> Mapping[str, Relabelled]:
        """See `Annotator`."""
        del run
        return relabel_by_words(data.typed(("train", "dev")))


@dataclass(frozen=True, slots=True, kw_only=True)
class ByModel:
    """Asks the language model of a profile, with the paper's prompt; what it says is kept, call by call."""

    profile: str | None
    batching: str = "paper"

    @property
    def name(self) -> str:
        """See `Annotator`."""
        return self.profile or "the usual profile"

    @property
    def how(self) -> str:
        """See `Annotator`."""
        return f"prompt, {self.batching}"

    @property
    def reads_words(self) -> bool:
        """See `Annotator`."""
        return True

    def calls(self, n: int) -> int:
        """See `Annotator`."""
        self._profile()
        return ceil(n / BATCHES[self.batching].size)

    def adjusted(self, data: Material, run: PaperRun) -> Mapping[str, Relabelled]:
        """See `Annotator`."""
        typed = data.typed(("train", "dev"))
        profile = self._profile()
        identity = digest([identity_of(profile.language_model), load("typed_description").id])
        folder = run.out / "typed"
        place = folder / f"relabelled-{digest([identity, self.how, data.key])[:16]}.csv"
        if place.is_file():
            return read_relabelled([place])
        with closing(load_engines(profile, Loading(store=user_store(), note=run.note))) as engines:
            assert engines.language_model is not None
            shelf = CallShelf(folder / "calls")
            model = KeptModel(engines.language_model, identity=identity, shelf=shelf, tape=Tape())
            found = anyio.run(_relabelled, model, typed, BATCHES[self.batching], run)
        folder.mkdir(parents=True, exist_ok=True)
        write_relabelled(place, found)
        if len(found) < len(typed):
            run.note(f"{self.name} never answered {len(typed) - len(found)} of {len(typed)} items: they stay")
        if (made := changes({one.name: one.shares for one in typed}, found)) is not None:
            run.note(made.line)
        return found

    def _profile(self) -> Profile:
        """Return the profile whose language model is asked. Raises as `calls`."""
        profile = chosen(with_options(load_config(), {"profile": self.profile}), only=("language_model",)).profile
        if profile.language_model.engine == NONE:
            raise EngineFailed(
                f"soft labels are adjusted by a language model, and profile {profile.name} has none here: name a "
                "profile that has one (--profile), give a table (--relabelled), or settle annotator=word-model"
            )
        return profile


async def _relabelled(
    model: LanguageModel, typed: Sequence[Typed], batching: Batching, run: PaperRun
) -> dict[str, Relabelled]:
    return await relabel(model, typed, batching, progress=run.progress)

"""Fine-tuning of a language model by a small adapter (LoRA) on pairs of a prompt and its right answer.

What is trained on is what the model is asked later, token for token; the loss is on the answer alone. An adapter's
folder loads like a model (`TransformersModel.load`), with its base where it lay.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from ..errors import EvalError
from ..replay.plan import digest
from ..replay.provenance import CARD

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from agent.llm.values import Prompt

EPOCHS: Final = "epochs"
"""Folder, in the adapter's, of what a run that was broken off goes on from."""
_OF_MODELS: Final = ("adapter_config.json", "config.json")
"""Files that tell what a folder holds."""
_TOLD: Final = ("key", "epochs", "best", "n_pairs", "n_held_out", "n_too_long")
"""What must stand in a card."""

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Number: TypeAlias = Literal["auto", "float32", "float16", "bfloat16"]


class AdapterRefused(EvalError):
    """There is nothing to train on, or the folder holds another adapter."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """What a model is asked and the answer that is right; `item`: of the corpus, for messages."""

    item: str
    prompt: Prompt
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """How an adapter is trained; papers 000 and 002 tell the learning rate, the decay and the epochs of the first.

    Attributes:
        learning_rate, weight_decay: of AdamW; the rate stays as it is.
        epochs: at most so many; the one with the least loss on the held-out pairs is kept, without such the last.
        batch: pairs a step; at_once: of these in one pass, fewer where memory turns out to be short.
        max_tokens: prompt and answer together; longer pairs are left out and counted.
        rank, alpha, dropout: of the adapter; None: peft's own (in 0.21: 8, 8, 0).
        targets: layers that get one; none named: those peft has for the architecture (Llama: q_proj, v_proj).
        clip: longest gradient, 0: any.
        seed: of the adapter's first weights, the order of the pairs and dropout.
    """

    learning_rate: float = 1e-4
    weight_decay: float = 1e-5
    epochs: int = 5
    batch: int = 8
    at_once: int = 8
    max_tokens: int = 2048
    rank: int | None = None
    alpha: int | None = None
    dropout: float | None = None
    targets: tuple[str, ...] = ()
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        sizes = (
            self.epochs,
            self.batch,
            self.at_once,
            self.max_tokens,
            *(n for n in (self.rank, self.alpha) if n is not None),
        )
        if min(sizes) < 1 or not self.learning_rate > 0 or not min(self.weight_decay, self.clip, self.seed) >= 0:
            raise ValueError(
                f"expected sizes of 1 or more, a learning rate above 0, decay, clip and seed from 0, got {self}"
            )
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"expected a dropout from 0 to below 1, got {self.dropout}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The model an adapter is put on: its folder, and what tells it from others (`replay.provenance.identity_of`)."""

    path: Path
    identity: Mapping[str, Any] = field(default_factory=dict[str, Any])
    device: Device = "auto"
    dtype: Number = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Mean loss in nats per token of an answer: on what was trained on, while it was; on the held-out pairs after."""

    number: int
    train: float | None
    held_out: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An adapter that was trained.

    Attributes:
        path: its folder.
        epochs: from 0, the base by itself; `best` is the one kept.
        n_pairs, n_held_out: trained on, and chosen by.
        n_too_long: pairs of both that were left out.
    """

    path: Path
    epochs: tuple[Epoch, ...]
    best: int
    n_pairs: int
    n_held_out: int
    n_too_long: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far training is: in which epoch, how many of its pairs, and the mean loss in it so far."""

    epoch: int
    n_done: int
    n_pairs: int
    loss: float | None


def key_of(pairs: Sequence[Pair], held_out: Sequence[Pair], *, base: Base, settings: AdapterSettings) -> str:
    """Return a hash of all that an adapter depends on besides versions of packages."""
    told = [[_record(pair) for pair in some] for some in (pairs, held_out)]
    return digest([told, dict(base.identity), asdict(settings)])[:16]


def fit_adapter(
    pairs: Sequence[Pair],
    *,
    held_out: Sequence[Pair] = (),
    base: Base,
    out: Path,
    settings: AdapterSettings | None = None,
    progress: Callable[[Step], None] = lambda _: None,
) -> Trained:
    """Train an adapter, or go on where it was broken off after an epoch; one that is there already is returned.

    Args:
        pairs: to train on.
        held_out: to choose the epoch by; never trained on.
        base: the model; never changed.
        out: folder of the adapter.
        settings: how.
        progress: told after each step.

    Raises:
        AdapterRefused: there are no pairs, all are too long, `out` holds another adapter or a model, or one is trained
            there.
        EngineMissing: peft or torch is not installed.
        ModelUnusable, OutOfMemory, EngineFailed: the base cannot be loaded or trained.
        OSError: `out` cannot be written.
    """
    settings = settings or AdapterSettings()
    if not pairs:
        raise AdapterRefused("there are no pairs to train on, expected items with a right answer in the training split")
    key = key_of(pairs, held_out, base=base, settings=settings)
    with _taken(out):
        done = _done(out, key)
        if done is not None:
            shutil.rmtree(out / EPOCHS, ignore_errors=True)
            return _trained(out, done)
        from .backends.lora import LoraJob, train  # noqa: PLC0415 - torch only where something is trained

        told = train(LoraJob(base=base, out=out, key=key, settings=settings), pairs, held_out, progress)
        card = {"key": key, "base": dict(base.identity), "settings": asdict(settings), **told}
        part = out / f".{CARD}"
        part.write_text(json.dumps(card, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
        part.replace(out / CARD)
        # Not before: without them and the card a run broken off here would begin anew.
        shutil.rmtree(out / EPOCHS)
        return _trained(out, card)


@contextmanager
def _taken(out: Path) -> Generator[None]:
    """Hold a folder, made if missing, for one training; the lock is on the folder itself and leaves nothing there."""
    out.mkdir(parents=True, exist_ok=True)
    held = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise AdapterRefused(
            f"{out} is being trained by another program: wait for it, or choose another folder"
        ) from None
    finally:
        os.close(held)


def _done(out: Path, key: str) -> dict[str, Any] | None:
    """Return what is told of this very adapter, None where it is not trained to its end.

    Raises:
        AdapterRefused: the folder holds another one, or a model.
    """
    found = read_card(out)
    if found is None and not (out / EPOCHS).is_dir() and (others := [n for n in _OF_MODELS if (out / n).exists()]):
        raise AdapterRefused(
            f"{out} holds a model or an adapter that was not trained here ({', '.join(others)}); choose another folder"
        )
    if found is not None and found["key"] != key:
        raise AdapterRefused(
            f"{out} holds an adapter trained on other pairs, from another model or in another way; "
            "choose another folder, or remove it"
        )
    return found


def read_card(folder: Path) -> dict[str, Any] | None:
    """Return what is told of the adapter in a folder (written last), None where there is no whole one of ours.

    Raises:
        AdapterRefused: what is told cannot be read.
    """
    file = folder / CARD
    if not file.is_file():
        return None
    try:
        card: object = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterRefused(f"{file} cannot be read ({error}); remove the folder and train again") from error
    if not isinstance(card, dict) or any(name not in card for name in _TOLD):
        raise AdapterRefused(f"{file} is no card of an adapter; remove the folder and train again")
    return cast("dict[str, Any]", card)


def _trained(out: Path, card: Mapping[str, Any]) -> Trained:
    return Trained(
        path=out,
        epochs=tuple(Epoch(**told) for told in card["epochs"]),
        best=card["best"],
        n_pairs=card["n_pairs"],
        n_held_out=card["n_held_out"],
        n_too_long=card["n_too_long"],
    )


def _record(pair: Pair) -> list[Any]:
    prompt = pair.prompt
    said = [[message.role, message.text] for message in prompt.messages]
    return [pair.item, said, prompt.answer_start, prompt.is_raw, pair.answer]

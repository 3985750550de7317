"""LoRA by peft on any causal model of transformers: a plain loop, so that a run broken off goes on as if it had not."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (peft and transformers type their models only in part.)

from __future__ import annotations

import json
import math
import shutil
import warnings
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from agent.backends.llm.transformers_text import TokenText
from streaming.backends.extras import need
from streaming.backends.torch_runtime import (
    load_pretrained,
    load_whole,
    need_transformers,
    torch_device,
    torch_dtype,
    translated_memory_errors,
)
from streaming.errors import ModelUnusable, OutOfMemory

from ..adapter import EPOCHS, AdapterRefused, Epoch, Step
from .lora_tokens import Example, batch_of, example_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from ..adapter import AdapterSettings, Base, Pair

_FILES: Final = ("adapter_config.json", "adapter_model.safetensors")
_WHAT: Final = "language model"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraJob:
    """What is trained, where it goes, and the name of all that it depends on."""

    base: Base
    out: Path
    key: str
    settings: AdapterSettings


def train(
    job: LoraJob, pairs: Sequence[Pair], held_out: Sequence[Pair], progress: Callable[[Step], None]
) -> dict[str, Any]:
    """Train, keep the best epoch in `job.out` and return what is to be told of it, as plain values.

    Raises: as `adapter.fit_adapter`.
    """
    run = _Run(job, progress)
    learned, judged = run.examples(pairs), run.examples(held_out)
    if not learned:
        raise AdapterRefused(f"all {len(pairs)} pairs are longer than {job.settings.max_tokens} tokens")
    epochs = run.resume() or [Epoch(number=0, train=None, held_out=run.loss(judged))]
    while len(epochs) <= job.settings.epochs:
        number = len(epochs)
        loss = run.learn(learned, number=number)
        epochs.append(Epoch(number=number, train=loss, held_out=run.loss(judged)))
        run.keep(epochs)
    best = best_of(epochs)
    run.finish(best)
    return {
        "epochs": [asdict(epoch) for epoch in epochs],
        "best": best,
        "n_pairs": len(learned),
        "n_held_out": len(judged),
        "n_too_long": len(pairs) + len(held_out) - len(learned) - len(judged),
        "trainable": run.n_trainable,
        "packages": {name: need(name, extra="torch").__version__ for name in ("torch", "transformers", "peft")},
    }


def best_of(epochs: Sequence[Epoch]) -> int:
    """Return the number of the trained epoch with the least loss on held-out pairs, the last where there are none."""
    known = [epoch for epoch in epochs[1:] if epoch.held_out is not None and math.isfinite(epoch.held_out)]
    return min(known, key=lambda epoch: (epoch.held_out, epoch.number)).number if known else epochs[-1].number


class _Run:
    """A model with its adapter, the optimiser, and the folder both are kept in from epoch to epoch."""

    def __init__(self, job: LoraJob, progress: Callable[[Step], None]) -> None:
        transformers = need_transformers()
        peft = need("peft", extra="torch")
        self._job, self._progress = job, progress
        self._settings = job.settings
        self._at_once = job.settings.at_once
        base = job.base
        self._device = torch_device(base.device)
        self._tokenizer = load_pretrained(
            lambda: transformers.AutoTokenizer.from_pretrained(str(base.path), local_files_only=True),
            base.path,
            what=_WHAT,
        )
        self._text = TokenText(self._tokenizer)
        number = torch_dtype(self._device, base.dtype)
        model = load_whole(transformers.AutoModelForCausalLM, base.path, what=_WHAT, dtype=number)
        self._ends = self._text.ends(model.generation_config)
        window = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
        self._longest = min(n for n in (window, self._settings.max_tokens) if n)
        with torch.random.fork_rng(devices=[]), _quiet():
            torch.manual_seed(self._settings.seed)
            self._model = _with_adapter(peft, model, self._settings, base.path).to(self._device)
        self._weights = [weight for weight in self._model.parameters() if weight.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._weights, lr=self._settings.learning_rate, weight_decay=self._settings.weight_decay
        )

    @property
    def n_trainable(self) -> int:
        return sum(weight.numel() for weight in self._weights)

    def examples(self, pairs: Sequence[Pair]) -> list[Example]:
        """Return the pairs as tokens, those that fit."""
        eos = self._tokenizer.eos_token_id
        found = (example_of(pair, self._text, ends=self._ends, eos=eos) for pair in pairs)
        return [example for example in found if len(example.tokens) <= self._longest]

    def learn(self, examples: Sequence[Example], *, number: int) -> float:
        """Go through all examples once, in an order of this epoch; return the mean loss per token of an answer."""
        settings = self._settings
        order = np.random.default_rng([settings.seed, number]).permutation(len(examples)).tolist()
        total, n_tokens = 0.0, 0
        self._model.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed * 1000 + number)  # dropout, where there is some
            for at in range(0, len(order), settings.batch):
                some = [examples[place] for place in order[at : at + settings.batch]]
                total += self._step(some)
                n_tokens += sum(example.n_answer for example in some)
                done = min(at + settings.batch, len(order))
                self._progress(Step(epoch=number, n_done=done, n_pairs=len(order), loss=total / n_tokens))
        if not math.isfinite(total):
            raise ModelUnusable(
                f"training came to nothing in epoch {number}: the loss is no number; use a lower learning rate"
            )
        return total / n_tokens

    def _step(self, some: Sequence[Example]) -> float:
        """Learn from one batch, in smaller passes where memory is short; return the sum of its losses."""
        while True:
            try:
                with translated_memory_errors():
                    total = self._gradients(some)
                break
            except OutOfMemory:
                if self._at_once == 1:
                    raise
                self._at_once = -(-self._at_once // 2)
        if self._settings.clip:
            torch.nn.utils.clip_grad_norm_(self._weights, self._settings.clip)
        self._optimiser.step()
        return total

    def _gradients(self, some: Sequence[Example]) -> float:
        """Put the gradients of a batch's mean loss into the weights; return the sum of its losses."""
        n_tokens = sum(example.n_answer for example in some)
        total = 0.0
        self._optimiser.zero_grad(set_to_none=True)
        for at in range(0, len(some), self._at_once):
            loss = self._losses(some[at : at + self._at_once])
            (loss / n_tokens).backward()
            total += float(loss.detach())
        return total

    def loss(self, examples: Sequence[Example]) -> float | None:
        """Return the mean loss per token of an answer, None where there are no examples; nothing is learned."""
        if not examples:
            return None
        self._model.eval()
        at_once = self._at_once
        with torch.inference_mode(), translated_memory_errors():
            sums = [float(self._losses(examples[at : at + at_once])) for at in range(0, len(examples), at_once)]
        return sum(sums) / sum(example.n_answer for example in examples)

    def _losses(self, some: Sequence[Example]) -> torch.Tensor:
        batch = batch_of(some, device=self._device)
        logits = self._model(input_ids=batch.tokens, attention_mask=batch.mask).logits[:, :-1]
        wanted = batch.wanted[:, 1:]
        told = wanted >= 0
        return torch.nn.functional.cross_entropy(logits[told].float(), wanted[told], reduction="sum")

    def keep(self, epochs: Sequence[Epoch]) -> None:
        """Keep the epoch just learned, whole or not at all; of earlier ones only the best so far."""
        folder = self._job.out / EPOCHS
        place, part = folder / str(epochs[-1].number), folder / "part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        self._save(part)
        torch.save(self._optimiser.state_dict(), part / "optimiser.pt")
        told = {"key": self._job.key, "epochs": [asdict(epoch) for epoch in epochs]}
        (part / "epoch.json").write_text(json.dumps(told), "utf-8")
        part.replace(place)
        for other in folder.iterdir():
            if other.name not in {place.name, str(best_of(epochs))}:
                shutil.rmtree(other)

    def _save(self, folder: Path) -> None:
        """Write the adapter as peft reads it, without the model card that peft adds."""
        from peft import get_peft_model_state_dict  # noqa: PLC0415 - loads much
        from safetensors.torch import save_file  # noqa: PLC0415 - as above

        weights = get_peft_model_state_dict(self._model, save_embedding_layers=False)
        save_file({name: weight.cpu().contiguous() for name, weight in weights.items()}, folder / _FILES[1])
        config = copy(self._model.peft_config["default"])
        config.inference_mode = True
        config.save_pretrained(folder)

    def resume(self) -> list[Epoch]:
        """Return the epochs that were learned already, the last one's state put back; nothing where there is none."""
        folder = self._job.out / EPOCHS
        found = sorted((int(one.name) for one in folder.glob("[0-9]*")), reverse=True) if folder.is_dir() else []
        if not found:
            return []
        last = folder / str(found[0])
        told: dict[str, Any] = json.loads((last / "epoch.json").read_text("utf-8"))
        if told["key"] != self._job.key:
            shutil.rmtree(folder)
            return []
        from peft import set_peft_model_state_dict  # noqa: PLC0415 - loads much
        from safetensors.torch import load_file  # noqa: PLC0415 - as above

        set_peft_model_state_dict(self._model, load_file(last / _FILES[1]))
        self._optimiser.load_state_dict(torch.load(last / "optimiser.pt", weights_only=True))
        return [Epoch(**epoch) for epoch in told["epochs"]]

    def finish(self, best: int) -> None:
        """Put the best epoch and the tokenizer into the folder itself; what a broken run goes on from stays."""
        folder = self._job.out / EPOCHS
        for name in _FILES:
            shutil.copyfile(folder / str(best) / name, self._job.out / name)
        self._tokenizer.save_pretrained(self._job.out)


def _with_adapter(peft: Any, model: Any, settings: AdapterSettings, path: Path) -> Any:  # noqa: ANN401 - of peft
    options = {
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "target_modules": list(settings.targets) or None,
    }
    known = {name: value for name, value in options.items() if value is not None}
    try:
        return peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **known))
    except ValueError as trouble:
        raise ModelUnusable(
            f"{path} takes no adapter so: {trouble}; name the layers that should get one (--target q_proj, ...)"
        ) from trouble


@contextmanager
def _quiet() -> Generator[None]:
    """Keep what the libraries tell each other's developers from the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

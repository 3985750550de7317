"""What an adapter is trained on, made from a corpus, and the command that does it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agent.translation.condition import read_condition
from eval.commands import app
from eval.corpora.item import Item
from eval.replay.plan import ReplaySettings
from eval.replay.row import Row
from eval.tiny.llama import tiny_llama
from eval.training.adapter import AdapterRefused
from eval.training.asked import emotion_pairs, translation_pairs
from tests.eval.replay.toy import toy_corpus

if TYPE_CHECKING:
    from pathlib import Path

    from eval.tiny.llama import TinyLlama


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyLlama:
    return tiny_llama(tmp_path_factory.mktemp("tiny"), n_layers=1, width=32, context=4096)


def test_emotion_is_trained_on_with_the_very_prompt_and_the_label_as_it_is_to_be_written():
    corpus = toy_corpus(n_dialogues=1, n_alone=1)
    told = emotion_pairs(corpus, ReplaySettings(hypotheses="corpus", condition="context-5"))

    assert told.n_left_out == 1  # the one that stands alone has a label which is none of ours
    assert [pair.item for pair in told.pairs] == ["d0_0", "d0_1", "d0_2"]
    assert told.pairs[0].answer == "Transcript: I am so happy today 0\nEmotion: happy"
    third = " ".join(message.text for message in told.pairs[2].prompt.messages)
    assert "okay then\n" in third
    assert "this is terrible and I hate it" in third  # an earlier turn, as it was heard


def test_what_is_only_context_is_shown_and_not_trained_on():
    corpus = toy_corpus(n_dialogues=1, n_alone=0)
    first, *others = corpus.items
    corpus = replace(corpus, items=(replace(first, is_to_be_scored=False), *others))
    told = emotion_pairs(corpus, ReplaySettings(hypotheses="corpus", condition="context-5"))
    assert ([pair.item for pair in told.pairs], told.n_left_out) == (["d0_1", "d0_2"], 1)
    assert "I am so happy today" in told.pairs[0].prompt.messages[-1].text


def test_the_first_items_alone_are_taken():
    told = emotion_pairs(toy_corpus(), ReplaySettings(hypotheses="text", condition="baseline"), limit=2)
    assert [pair.item for pair in told.pairs] == ["d0_0", "d0_1"]


def test_a_scored_label_is_trained_on_right_after_where_it_is_scored():
    corpus = toy_corpus(n_dialogues=1, n_alone=0)
    told = emotion_pairs(corpus, ReplaySettings(hypotheses="corpus", condition="r3-label"))
    assert {(pair.prompt.answer_start, pair.answer.partition("\n")[0]) for pair in told.pairs} == {
        ("Emotion:", " happy")
    }


@pytest.mark.parametrize("condition", ["ambiguous-text", "r3-percentages", None])
def test_what_no_label_answers_cannot_be_trained_for(condition: str | None):
    with pytest.raises(AdapterRefused):
        emotion_pairs(toy_corpus(), ReplaySettings(hypotheses="corpus", condition=condition))


def row(arousal: float | None, *, text: str = "heard so") -> Row:
    estimates: list[dict[str, Any]] = [{"top": "happy", "arousal": arousal}]
    return Row(item="a", corpus="c", run="r", status="ok", nbest=[{"text": text}], estimates=estimates)


ITEM = Item(id="a", text="I am  here", translation="Je suis  là", target="fr")


@pytest.mark.parametrize(
    ("way", "rows", "prompt", "answer"),
    [
        ("base-1", [], "English: I am here\nFrench:", " Je suis là"),
        ("base-arousal3", [row(0.7)], "English with arousal: heard so\nFrench:", " Je suis là"),
        ("base-arousal3", [row(0.5)], "English without arousal: heard so\nFrench:", " Je suis là"),
        ("base-arousal3-from-middle", [row(0.5)], "English with arousal: heard so\nFrench:", " Je suis là"),
        ("base-arousal4", [row(0.2)], "English: heard so\nFrench without arousal:", " Je suis là"),
        ("base-arousal5", [row(0.7)], "English: [arousal positive] heard so\nFrench:", " Je suis là"),
        ("base-arousal5", [row(None)], "English: heard so\nFrench:", " Je suis là"),
        ("base-2", [], "[INST] Translate from English to French: I am here [/INST]", " Je suis là"),
        ("chat-1", [], "English: I am here\nFrench:", "Je suis là"),
    ],
)
def test_translation_is_trained_on_with_the_templates_it_is_asked_with(
    way: str, rows: list[Row], prompt: str, answer: str
):
    (pair,) = translation_pairs([ITEM], read_condition(way, target="fr"), rows=rows).pairs
    assert (pair.prompt.messages[-1].text, pair.answer) == (prompt, answer)


def test_items_without_words_or_translation_are_counted():
    items = [ITEM, replace(ITEM, id="b", translation=None), replace(ITEM, id="c", text=" ")]
    assert translation_pairs(items, read_condition("base-1", target="fr")).n_left_out == 2


# --- the command


@pytest.fixture
def profile(tmp_path: Path, tiny: TinyLlama) -> str:
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    model = f'{{ engine = "transformers", model = "{tiny.hf}", device = "cpu" }}'
    path.write_text(f"[profiles.tiny]\nlanguage_model = {model}\n", "utf-8")
    return "tiny"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.jsonl"
    lines = [
        {"id": f"{split}{at}", "text": f"word {at}", "translation": f"mot {at}", "target": "fr", "split": split}
        for split in ("train", "dev")
        for at in range(2)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return path


def command(manifest: Path, *more: str) -> Any:
    told = ["fit", "adapter", "manifest", str(manifest), "--profile", "tiny", "--epochs", "1", *more]
    return CliRunner().invoke(app, told)


@pytest.mark.usefixtures("profile")
def test_the_command_says_what_it_would_do_then_trains_and_tells_the_losses(tmp_path: Path, manifest: Path):
    more = ["--out", str(tmp_path / "out"), "--translate", "french", "--held-out", "dev"]
    dry = command(manifest, *more, "--dry-run")
    assert dry.stdout == "base-1: fine-tuned for 1 epochs on 2 items, the best by 2 others\n"
    assert not (tmp_path / "out").exists()
    done = command(manifest, *more)
    assert done.exit_code == 0, done.output
    assert "| 1 | " in done.stdout
    assert "Epoch 1 is in" in done.stdout
    words = ["replay", "manifest", str(manifest), "--profile", "tiny", "--hypotheses", "text", "--translate", "fr"]
    words += ["--translate-as", "base-1", "--adapter", str(tmp_path / "out"), "--out", str(tmp_path / "run")]
    replayed = CliRunner().invoke(app, words)
    assert replayed.exit_code == 0, replayed.output
    told = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["provenance"]["engines"]["language_model"]
    assert (told["model"], told["engine"]) == ("out", "transformers")


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "name a condition"),
        (["--translate", "fr", "--translate-as", "aloud"], "no way to translate"),
        (["--translate", "fr", "--held-out", "test"], "no split test, expected some of: train, dev"),
        (["--translate", "fr", "--held-out", "dev", "--train", "dev"], "cannot be trained on and held out"),
        (["--translate", "fr", "--held-out", "dev", "--held-out", "train"], "all splits of manifest are held out"),
        (["--condition", "r3", "--translate-as", "chat-1"], "'chat-1' and no language is named"),
        (["--translate", "fr", "--seed", "-1"], "greater than or equal to 0"),
        (["--translate", "fr", "--profile", "embedded"], "an adapter goes on a model in the form of transformers"),
        (["--translate", "fr", "--dropout", "1"], "a dropout from 0"),
    ],
)
def test_the_command_refuses_what_cannot_be_trained(tmp_path: Path, manifest: Path, more: list[str], said: str):
    done = command(manifest, "--out", str(tmp_path / "out"), *more)
    assert done.exit_code
    assert said in " ".join(f"{done.output}{done.exception}".replace("│", " ").split())

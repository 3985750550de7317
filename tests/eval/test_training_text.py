"""Training of the word model on a corpus made on the spot, its readers, and what it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from agent.backends.emotion.spoken import tokens_of
from agent.backends.emotion.text import TextModel, load_text_model, read_text_weights, text_weights_of
from agent.labels import BIG_FOUR, EIGHT
from eval.errors import CorpusUnreadable
from eval.signature import parse_signature
from eval.statistics import Resampling
from eval.training.goemotions import (
    EIGHT_OF,
    LABELS,
    NARROW,
    WIDE,
    Comment,
    big_four_targets,
    eight_targets,
    read_goemotions,
    soft_targets,
    target_of,
)
from eval.training.linear import LinearSettings, contrast_scales, fit_calibration, train_head
from eval.training.meld import read_meld
from eval.training.report import FitReport
from eval.training.text import TextSettings, count_comments, rows_of, train_text
from eval.training.text_figures import judged_comments, judged_lines, text_rows
from eval.training.weights import write_weights

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SETTINGS = TextSettings(n_grams=400, folds=2)
PHRASES = {
    "anger": ("i hate this", "you make me so angry", "shut up you idiot", "this is furious nonsense"),
    "joy": ("i love this", "what a happy day", "i am so glad", "this is great fun"),
    "neutral": ("the train leaves at nine", "i read it in the paper", "they live in the city", "see the table"),
    "sadness": ("i am so sad", "i miss my friend", "she died last year", "i cried all night"),
    "disgust": ("that smells disgusting", "gross and nasty", "what a revolting mess", "disgusting food"),
    "disapproval": ("i do not agree", "that is wrong of them", "bad idea really", "i disapprove of it"),
    "fear": ("i am scared", "this is terrifying", "i was afraid of it", "so frightening"),
    "surprise": ("wow i did not expect that", "what a surprise", "really wow", "unexpected indeed"),
}
PLACES = ("at home", "in town", "on monday", "once more", "with them", "in the end")


def corpus() -> list[Comment]:
    return [
        Comment(text=f"{phrase} {place}", labels=(label,))
        for place in PLACES
        for label, phrases in PHRASES.items()
        for phrase in phrases
    ]


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return train_text(corpus(), settings=SETTINGS, progress=lambda _: None)


def test_the_model_learns_what_it_is_shown(arrays: dict[str, np.ndarray]):
    model = TextModel(text_weights_of(arrays))
    four, eight = judged_comments(model, corpus(), split="train")
    assert (four.said == four.truth).mean() > 0.95
    assert (eight.said == eight.truth).mean() > 0.95


def test_the_model_weighs_what_it_has_not_seen(arrays: dict[str, np.ndarray]):
    found = TextModel(text_weights_of(arrays)).estimate("I HATE you, on Sunday!")
    assert BIG_FOUR[int(found.big_four.argmax())] == "angry"
    assert "hate" in [trigger.word for trigger in found.triggers(0)]


def test_training_again_gives_the_same_bytes(arrays: dict[str, np.ndarray], tmp_path: Path):
    write_weights(tmp_path / "one.npz", arrays)
    again = train_text(corpus(), settings=SETTINGS, progress=lambda _: None)
    write_weights(tmp_path / "two.npz", again)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_written_weights_read_back_as_they_were(arrays: dict[str, np.ndarray], tmp_path: Path):
    path = tmp_path / "deep" / "text.npz"
    write_weights(path, arrays)
    for model in (TextModel(read_text_weights(path)), TextModel(text_weights_of(arrays))):
        assert model.estimate("i am so sad").big_four.sum() == pytest.approx(1)
    read, held = read_text_weights(path), text_weights_of(arrays)
    assert read.weights.tolist() == held.weights.tolist()
    assert read.keys.tolist() == sorted(held.keys.tolist())


def test_only_as_many_n_grams_are_kept_as_asked(arrays: dict[str, np.ndarray]):
    assert len(arrays["keys"]) == SETTINGS.n_grams
    assert arrays["weights"].dtype == np.int8
    assert arrays["weights"].shape == (SETTINGS.n_grams, len(BIG_FOUR) + len(EIGHT))


def test_rows_are_what_the_agent_computes(arrays: dict[str, np.ndarray]):
    weights = text_weights_of(arrays)
    text = "i hate this so much and i love this so much"
    row = rows_of([tokens_of(text)], keys=weights.keys, idf=weights.idf)
    expected = np.asarray(row @ weights.weights)[0, : len(BIG_FOUR)] / weights.temperature[0]
    assert TextModel(weights).estimate(text).contributions.sum(axis=0) == pytest.approx(expected)


def test_an_n_gram_counts_once_per_comment():
    keys, counts = count_comments([tokens_of("sad sad sad"), tokens_of("sad")])
    assert sorted(keys.tolist()) == keys.tolist()
    assert counts.max() == 2


def test_scales_favour_features_that_tell_classes_apart():
    rows = sparse.csr_matrix(np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]] * 5))
    targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]] * 5)
    telling, even = contrast_scales(rows, targets, LinearSettings())
    assert telling > even
    assert contrast_scales(rows, targets, LinearSettings(contrast=0.0)) == pytest.approx([1.0, 1.0])


def test_a_rare_class_is_not_drowned_by_its_prior():
    rows = sparse.csr_matrix(np.zeros((100, 1)))
    targets = np.zeros((100, 2))
    targets[:95, 0], targets[95:, 1] = 1.0, 1.0
    assert train_head(rows, targets, LinearSettings()).bias == pytest.approx([0.0, 0.0], abs=1e-2)


def test_calibration_finds_the_temperature_and_the_offset_it_was_made_with():
    random = np.random.default_rng(3)
    true = random.normal(size=(6000, 3))
    made_with = np.array([0.5, 0.0, -0.5])
    shares = np.exp(true + made_with)
    shares /= shares.sum(axis=1, keepdims=True)
    classes = np.array([random.choice(3, p=row) for row in shares], dtype=np.intp)
    # With the classes made to count alike, the offset goes where the prior put it.
    weights = np.log(6000 / 3 / np.bincount(classes))
    temperature, offset = fit_calibration(true * 2.0, classes)
    assert temperature == pytest.approx(2.0, rel=0.1)
    assert offset == pytest.approx(made_with + weights - weights.mean(), abs=0.12)
    assert offset.sum() == pytest.approx(0)


@pytest.mark.parametrize(
    ("labels", "narrow", "wide", "eight"),
    [
        (("anger", "annoyance"), "angry", "angry", "angry"),
        (("joy", "neutral"), "happy", "happy", "happy"),
        (("gratitude",), None, "happy", "happy"),
        (("anger", "sadness"), None, None, None),
        (("fear",), None, None, "fearful"),
        (("disapproval",), None, "angry", "contemptuous"),
        (("neutral",), "neutral", "neutral", "neutral"),
    ],
)
def test_labels_fall_in_one_group_or_none(labels: tuple[str, ...], narrow: str, wide: str, eight: str):
    assert target_of(labels, NARROW) == narrow
    assert target_of(labels, WIDE) == wide
    assert target_of(labels, EIGHT_OF) == eight


def test_soft_targets_share_a_comment_between_its_labels():
    comments = [Comment(text="x", labels=("anger", "fear", "neutral")), Comment(text="y", labels=("neutral",))]
    assert soft_targets(comments, WIDE, BIG_FOUR).tolist() == [[0.5, 0, 0, 0], [0, 0, 1, 0]]


def test_every_goemotions_label_has_a_place_among_the_eight():
    assert set(EIGHT_OF) == set(LABELS)
    comments = [Comment(text="x", labels=("anger", "sadness")), Comment(text="x", labels=("fear",))]
    assert big_four_targets(comments).tolist() == [-1, -1]
    assert eight_targets(comments).tolist() == [-1, EIGHT.index("fearful")]


def test_goemotions_is_read_line_by_line(tmp_path: Path):
    (tmp_path / "train.tsv").write_text('He said "no\u2028way"\t2,27\tid1\nfine\t17\tid2\r\n', encoding="utf-8")
    found = read_goemotions(tmp_path, split="train")
    assert [comment.labels for comment in found] == [("anger", "neutral"), ("joy",)]
    assert found[0].text == 'He said "no\u2028way"'


@pytest.mark.parametrize("line", ["no tabs", "text\t99\tid", "text\tjoy\tid", "a\t1\tid\textra"])
def test_a_line_that_is_no_comment_is_told_with_its_place(tmp_path: Path, line: str):
    (tmp_path / "dev.tsv").write_text(f"fine\t17\tid2\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusUnreadable, match=r"dev\.tsv:2"):
        read_goemotions(tmp_path, split="dev")


def test_missing_corpora_are_told(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match=r"expected GoEmotions"):
        read_goemotions(tmp_path, split="train")
    with pytest.raises(CorpusUnreadable, match="expected MELD"):
        read_meld(tmp_path / "dev.csv")
    (tmp_path / "dev.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(CorpusUnreadable, match="expected MELD"):
        read_meld(tmp_path / "dev.csv")


def test_a_class_without_comments_cannot_be_learnt():
    with pytest.raises(CorpusUnreadable, match="0 comments are fearful"):
        train_text([each for each in corpus() if each.labels != ("fear",)], settings=SETTINGS, progress=print)


def test_figures_carry_interval_and_signature(arrays: dict[str, np.ndarray], tmp_path: Path):
    (tmp_path / "dev.csv").write_text(
        'Utterance,Emotion,Dialogue_ID\n"I hate this, Joey!",anger,0\nI love this,joy,0\nAt nine.,neutral,1\n'
        "I cried all night,sadness,1\nGross,disgust,2\n",
        encoding="utf-8",
    )
    model = TextModel(text_weights_of(arrays))
    quick = Resampling(draws=20)
    dialogue = judged_lines(model, read_meld(tmp_path / "dev.csv"), split="dev")
    four, _ = judged_comments(model, corpus(), split="train")
    for part, n in ((dialogue, 4), (four, 4 * 4 * len(PLACES))):
        rows = text_rows(part, where="here", version="0.1.0", resampling=quick)
        assert rows[0].figure == "here, Big Four UA"
        assert rows[0].n == n
        assert parse_signature(str(rows[0].signature)).get("seed") == "1"
    printed = FitReport(rows=tuple(rows), written=(("text.npz", "0123abcd"),)).text()
    assert "here, Big Four UA: 100.0 [100.0, 100.0]" in printed
    assert "wrote text.npz #0123abcd" in printed


def test_an_undefined_figure_prints_its_reason(arrays: dict[str, np.ndarray]):
    model = TextModel(text_weights_of(arrays))
    part, _ = judged_comments(model, [each for each in corpus() if each.labels != ("joy",)], split="x")
    row = text_rows(part, where="here", version="0.1.0", resampling=Resampling(draws=5))[0]
    assert "here, Big Four UA: undefined: no utterance is happy" in FitReport(rows=(row,), written=()).text()


@pytest.mark.data
def test_the_shipped_weights_hold_what_the_issue_asks_on_the_parts_that_are_here():
    if not (DATA / "goemotions" / "dev.tsv").exists():
        pytest.skip(f"{DATA} is missing")
    quick = Resampling(draws=50)
    four, eight = judged_comments(load_text_model(), read_goemotions(DATA / "goemotions", split="dev"), split="dev")
    lines = judged_lines(load_text_model(), read_meld(DATA / "meld" / "dev.csv"), split="dev")
    bars = ((four, 75.2), (eight, 60.0), (lines, 38.0))
    for part, bar in bars:
        value = text_rows(part, where="", version="0.1.0", resampling=quick)[0].value
        assert value is not None
        assert value >= bar

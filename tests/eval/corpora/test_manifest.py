"""The plain manifest: what it can say, and the one line it gets for each thing that is wrong with it."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.corpora.manifest import READER
from eval.corpora.manifest_row import FIELDS, RowInvalid, item_of
from eval.errors import CorpusUnreadable
from streaming.wav import wav_bytes

if TYPE_CHECKING:
    from eval.corpora.item import Corpus

SOUND = wav_bytes(np.linspace(-0.1, 0.1, 1_600, dtype=np.float32))
FULL: dict[str, Any] = {
    "id": "a1",
    "dialogue": "d1",
    "order": 2,
    "speaker": "Ann",
    "gender": "female",
    "audio": "a.wav",
    "start_s": 0.01,
    "end_s": 0.05,
    "text": "Good morning.",
    "hypotheses": [{"name": "whisper", "text": "good morning"}, "good mourning", ""],
    "emotion": "joy",
    "votes": {"joy": 2, "sad": 1, "neutral": 0},
    "arousal": 0.7,
    "dominance": 0.5,
    "valence": 1,
    "description": "bright",
    "translation": "Bonjour.",
    "target": "fr",
    "split": "dev",
    "scored": False,
    "language": "en-GB",
}


def manifest(folder: Path, *rows: object, name: str = "manifest.jsonl") -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / name).write_bytes("\n".join(lines).encode())
    return folder / name


def told(corpus: Corpus) -> list[str]:
    return [f"{problem.where}: {problem.why}" for problem in corpus.problems]


def test_every_field_is_read(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(SOUND)
    assert set(FULL) == set(FIELDS)
    corpus = READER.read(manifest(tmp_path, FULL))
    item = corpus.items[0]
    assert not corpus.problems
    assert item.audio == tmp_path / "a.wav"
    assert item.hypotheses == (("whisper", "good morning"), ("2", "good mourning"), ("3", ""))
    assert item.votes == (("joy", 2), ("sad", 1))
    assert (item.arousal, item.valence, item.is_to_be_scored) == (0.7, 1.0, False)
    assert (item.emotion, corpus.labels["joy"]) == ("joy", "happy")
    assert (item.start_s, item.end_s, item.translation, item.language) == (0.01, 0.05, "Bonjour.", "en-GB")


def test_a_csv_says_the_same_in_cells(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(SOUND)
    header = [name for name in FULL if name not in {"hypotheses", "votes"}]
    cells = ",".join(str(FULL[name]) for name in header)
    text = f"\ufeff{','.join(header)},votes,hypotheses\r\n{cells},joy:2; sad: 1,good morning | good mourning\r\n"
    (tmp_path / "manifest.csv").write_bytes(text.encode())
    item = READER.read(tmp_path).items[0]
    assert item.votes == (("joy", 2), ("sad", 1))
    assert item.hypotheses == (("1", "good morning"), ("2", "good mourning"))
    assert (item.order, item.arousal, item.is_to_be_scored) == (0, 0.7, False)  # places are counted from 0


def test_byte_order_mark_line_ends_and_forms_of_letters_change_nothing(tmp_path: Path):
    rows = [{"id": "é", "text": "café"}, {"text": "naïve", "dialogue": "x"}]
    plain = READER.read(manifest(tmp_path, *rows)).items
    lines = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "manifest.jsonl").write_bytes(
        b"\xef\xbb\xbf" + unicodedata.normalize("NFD", lines + "\r\n\r\n").encode()
    )
    assert READER.read(tmp_path).items == plain


def test_ids_that_are_the_same_in_other_letters_are_doubled(tmp_path: Path):
    two = [{"id": unicodedata.normalize(form, "é"), "text": form} for form in ("NFC", "NFD")]
    corpus = READER.read(manifest(tmp_path, *two))
    assert [item.text for item in corpus.items] == ["NFC"]
    assert len(corpus.problems) == 1
    assert "twice" in corpus.problems[0].why


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("arousal", 1.7, "arousal is 1.7, expected a number in [0, 1]"),
        ("valence", "high", 'valence is "high", expected a number'),
        ("valence", float("nan"), "valence is NaN, expected a number that is finite"),
        ("dominance", True, "dominance is true, expected a number"),
        ("order", 1.5, "order is 1.5, expected a whole number from 0"),
        ("order", "first", 'order is "first", expected a whole number from 0'),
        ("start_s", -1, "start_s is -1, expected seconds from 0"),
        ("end_s", 0, "end_s is 0.0, expected more than start_s (0.0)"),
        ("speaker", ["Ann"], 'speaker is ["Ann"], expected text'),
        ("speaker", "  ", 'speaker is "  ", expected text that is not blank'),
        ("scored", "perhaps", 'scored is "perhaps", expected true or false'),
        ("votes", "many", 'votes is "many", expected votes like {"angry": 2, "sad": 1} or "angry:2; sad:1"'),
        ("votes", {"sad": -1}, 'votes is {"sad": -1}, expected votes like {"angry": 2, "sad": 1} or "angry:2; sad:1"'),
        ("votes", "sad:1; sad:2", 'votes is "sad:1; sad:2", expected each label once'),
        (
            "hypotheses",
            [1],
            "hypotheses is [1], expected hypotheses like "  # noqa: ISC004 - one sentence
            '["one", "two"], [{"name": "asr", "text": "one"}] or "one | two"',
        ),
    ],
)
def test_a_field_that_cannot_be_used_costs_only_itself(tmp_path: Path, field: str, value: object, why: str):
    corpus = READER.read(manifest(tmp_path, {"text": "well"}, {"text": "yes", field: value}))
    assert told(corpus) == [f"manifest.jsonl:2: {why}"]
    assert [item.text for item in corpus.items] == ["well", "yes"]


def test_a_sound_with_a_name_no_disk_can_hold_is_told(tmp_path: Path):
    corpus = READER.read(manifest(tmp_path, {"id": "a", "audio": "x" * 300}))
    assert [problem.where for problem in corpus.problems] == ["a"]
    assert "too long" in corpus.problems[0].why


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "is not JSON"),
        ("[1]", "is JSON, but no object"),
        ('{"emotion": "sad"}', "holds neither audio nor text nor hypotheses"),
        ('{"text": ""}', "holds neither audio nor text nor hypotheses"),
    ],
)
def test_a_line_that_is_no_item_is_told_by_its_number(tmp_path: Path, line: str, why: str):
    corpus = READER.read(manifest(tmp_path, {"text": "one"}, "", line, {"text": "two"}))
    assert [item.id for item in corpus.items] == ["line-1", "line-4"]
    assert told(corpus)[0].startswith(f"manifest.jsonl:3: {why}")


def test_unknown_labels_and_unknown_fields_are_told(tmp_path: Path):
    rows = [{"text": "a", "emotion": "sad", "emtion": 1}, {"text": "b", "emotion": "zesty", "emtion": 2}]
    corpus = READER.read(manifest(tmp_path, *rows))
    field, label = told(corpus)
    assert field.startswith("field 'emtion': is not known and left unread; expected id, dialogue")
    assert "unknown label 'zesty'" in label
    assert corpus.items[1].emotion == "zesty"
    assert "zesty" not in corpus.labels


def test_items_without_an_emotion_among_others_are_told_once(tmp_path: Path):
    rows = [{"text": "a", "emotion": "sad"}, *({"text": "b"} for _ in range(7))]
    corpus = READER.read(manifest(tmp_path, *rows))
    assert told(corpus) == ["emotion: 7 of 8 items tell none: line-2, line-3, line-4, line-5, line-6, …"]


def test_one_bad_sound_among_many_is_told_and_all_stay(tmp_path: Path):
    n = 200
    for at in range(n):
        (tmp_path / f"{at}.wav").write_bytes(SOUND)
    (tmp_path / "7.wav").write_bytes(b"")
    (tmp_path / "8.wav").write_bytes(SOUND[:-800])
    (tmp_path / "9.wav").write_bytes(b"hello, this is text")
    (tmp_path / "10.wav").unlink()
    (tmp_path / "11.wav").unlink()
    (tmp_path / "11.wav").mkdir()
    corpus = READER.read(manifest(tmp_path, *({"id": f"u{at}", "audio": f"{at}.wav"} for at in range(n))))
    assert len(corpus.items) == n
    assert [problem.where for problem in corpus.problems] == ["u7", "u8", "u9", "u10", "u11"]
    assert all("\n" not in problem.why for problem in corpus.problems)


def test_dialogues_come_whole_and_in_order(tmp_path: Path):
    rows = [
        {"id": "x2", "dialogue": "x", "order": 5, "text": "2"},
        {"id": "alone", "text": "3"},
        {"id": "x1", "dialogue": "x", "order": 1, "text": "1"},
        {"id": "y1", "dialogue": "y", "text": "4"},
        {"id": "y2", "dialogue": "y", "text": "5"},
    ]
    corpus = READER.read(manifest(tmp_path, *rows))
    assert [(item.id, item.order) for item in corpus.items] == [
        ("x1", 0),
        ("x2", 1),
        ("alone", 0),
        ("y1", 0),
        ("y2", 1),
    ]
    assert not corpus.problems


def test_two_items_at_one_place_are_told(tmp_path: Path):
    rows = [{"id": id_, "dialogue": "x", "order": 3, "text": id_} for id_ in "ab"]
    assert told(READER.read(manifest(tmp_path, *rows))) == ["b: has place 3 of dialogue x, as a has"]


def test_leaks_between_splits_are_told(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(SOUND)
    rows = [{"id": split, "speaker": "Ann", "split": split, "audio": "a.wav"} for split in ("train", "test")]
    assert told(READER.read(manifest(tmp_path, *rows))) == [
        "splits train and test: 1 speaker in common (Ann): figures of one tell less of strangers",
        "test: is the same stretch of sound as train",
    ]


def test_what_is_no_manifest_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match=r"holds 0 of manifest.jsonl and manifest.csv"):
        READER.read(tmp_path)
    with pytest.raises(CorpusUnreadable, match="is not there"):
        READER.read(tmp_path / "no.jsonl")
    (tmp_path / "m.txt").write_text("{}")
    with pytest.raises(CorpusUnreadable, match="its format is not known"):
        READER.read(tmp_path / "m.txt")
    (tmp_path / "m.jsonl").write_bytes(b'{"text": "caf\xe9"}')
    with pytest.raises(CorpusUnreadable, match="is not UTF-8"):
        READER.read(tmp_path / "m.jsonl")
    (tmp_path / "m.csv").write_text("hello,there\n1,2\n")
    with pytest.raises(CorpusUnreadable, match="no column audio, text or hypotheses"):
        READER.read(tmp_path / "m.csv")
    (tmp_path / "e.jsonl").write_bytes(b"")
    with pytest.raises(CorpusUnreadable, match="not one item"):
        READER.read(tmp_path / "e.jsonl")
    manifest(tmp_path, {"text": "a"})
    manifest(tmp_path, "text", "a", name="manifest.csv")
    assert "holds 2 of" in READER.missing(tmp_path)[0]


def test_a_broken_csv_row_is_told_by_its_line(tmp_path: Path):
    corpus = READER.read(manifest(tmp_path, "text,emotion", "one,sad", "two,sad,more", name="manifest.csv"))
    assert [item.text for item in corpus.items] == ["one"]
    assert "line 3" in corpus.problems[0].why


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
@settings(max_examples=300, deadline=None)
def test_whatever_a_line_holds_it_is_an_item_or_refused_with_reasons_in_one_line(row: dict[str, Any]):
    try:
        item, faults = item_of(row, line=1, folder=Path("nowhere"))
    except RowInvalid as error:
        item, faults = None, [str(error)]
    assert all("\n" not in fault for fault in faults)
    if item is not None:
        assert item.audio is not None or item.text is not None or item.hypotheses
        assert item.arousal is None or 0 <= item.arousal <= 1
        assert json.dumps(item.text, ensure_ascii=False).encode()

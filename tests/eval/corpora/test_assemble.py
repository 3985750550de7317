"""What every reader's items go through: ids, order, labels, sound; counts, splits, twins."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.corpora.assemble import assemble
from eval.corpora.examine import contents, heard
from eval.corpora.item import Corpus, Item
from eval.corpora.labels import LabelTable, label_table
from eval.corpora.reading import audio_fault, other_format, read_table, read_text, scaled
from eval.corpora.splits import shared_speakers
from eval.errors import CorpusUnreadable
from tests.eval.corpora.released import wav, written

TABLE = LabelTable(to={"ang": "angry"}, left_out=frozenset({"fru"}), none=frozenset({"xxx"}))
TURNS = st.lists(st.tuples(st.sampled_from([None, "a", "b"]), st.integers(0, 9)), max_size=12)


@given(turns=TURNS)
def test_dialogues_are_whole_in_order_and_counted_from_0(turns: list[tuple[str | None, int]]):
    items = [Item(id=str(n), dialogue=dialogue, order=order) for n, (dialogue, order) in enumerate(turns)]
    corpus = assemble("made", items, table=TABLE)
    assert {item.id for item in corpus.items} == {item.id for item in items}
    runs = [item.dialogue or item.id for item in corpus.items]
    firsts = list(dict.fromkeys(runs))
    assert runs == [name for name in firsts for _ in range(runs.count(name))]
    wanted = {item.id: item.order for item in items}
    for name in firsts:
        turns_of = [item for item in corpus.items if (item.dialogue or item.id) == name]
        assert [item.order for item in turns_of] == list(range(len(turns_of)))
        assert [wanted[item.id] for item in turns_of] == sorted(wanted[item.id] for item in turns_of)


def test_a_label_is_mapped_known_unknown_or_none():
    labels = ("ang", "fru", "xxx", "", "glad", None)
    corpus = assemble("made", [Item(id=str(n), emotion=own) for n, own in enumerate(labels)], table=TABLE)
    assert [item.emotion for item in corpus.items] == ["ang", "fru", None, None, "glad", None]
    assert [(problem.where, problem.why) for problem in corpus.problems] == [
        ("3", "no emotion stands where one is expected"),
        ("4", "unknown label 'glad': expected one of ang, fru"),
    ]


def test_a_vote_for_an_unknown_label_is_told_of_once():
    (problem,) = assemble("made", [Item(id="1", emotion="hm", votes=(("hm", 2), ("ang", 1)))], table=TABLE).problems
    assert problem.why.startswith("unknown label 'hm'")


def test_sound_many_items_share_is_told_of_once(tmp_path: Path):
    items = [Item(id=str(n), audio=tmp_path / "talk.wav", start_s=float(n)) for n in range(3)]
    (problem,) = assemble("made", items, table=TABLE).problems
    assert problem.where == "0"
    assert problem.why.endswith("no such file or directory (and 2 more items need it)")


@pytest.mark.parametrize("corpus", ["iemocap", "gensec", "msp_podcast", "meld"])
def test_labels_stand_for_one_of_ours(corpus: str):
    from agent.labels import EIGHT  # noqa: PLC0415 - here only

    assert set(label_table(corpus).to.values()) <= set(EIGHT)


def test_a_directory_in_place_of_sound_is_a_fault(tmp_path: Path):
    (tmp_path / "a.wav").mkdir()
    assert audio_fault(tmp_path / "a.wav") == "a.wav is not a file"
    assert audio_fault(wav(tmp_path / "b.wav")) is None


def test_a_header_that_could_not_know_its_length_is_no_fault(tmp_path: Path):
    path = wav(tmp_path / "a.wav")
    path.write_bytes(b"RIFF\xff\xff\xff\xff" + path.read_bytes()[8:])
    assert audio_fault(path) is None


def test_text_is_the_same_however_it_was_saved(tmp_path: Path):
    path = written(tmp_path / "a.txt", "\ufeffcafe\u0301\r\nune\rdeux\n")
    assert read_text(path) == "café\nune\ndeux\n"


def test_a_cell_may_hold_lines_commas_and_quotes(tmp_path: Path):
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as held:
        csv.writer(held).writerows([("a", "b"), ('one,\n"two"', " 2 "), ("3", "4")])
    rows, problems = read_table(path, ("a", "b"))
    assert [dict(row.cells) for row in rows] == [{"a": 'one,\n"two"', "b": "2"}, {"a": "3", "b": "4"}]
    assert [row.number for row in rows] == [3, 4]
    assert problems == []


def test_a_row_too_long_or_too_short_is_told_of(tmp_path: Path):
    rows, problems = read_table(written(tmp_path / "a.csv", "a,b\n1\n1,2,3\n1,2\n"), ("a", "b"))
    assert len(rows) == 1
    assert [problem.why for problem in problems] == [
        "line 2 has not the header's 2 columns but 1",
        "line 3 has not the header's 2 columns but more",
    ]


@pytest.mark.parametrize("text", ["", '"a,b\n', "b\n1\n"])
def test_a_table_that_is_none_is_one_line(tmp_path: Path, text: str):
    with pytest.raises(CorpusUnreadable) as caught:
        read_table(written(tmp_path / "a.csv", text), ("a",))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("rating", "expected"), [("1", 0.0), (4, 0.5), ("7.0", 1.0), ("", None), (None, None)])
def test_ratings_are_moved_to_0_to_1(rating: str | float | None, expected: float | None):
    assert scaled(rating, low=1, high=7) == expected


def test_other_formats_under_the_name_of_a_wav_are_told_and_are_no_fault(tmp_path: Path):
    for name, head in (
        ("a", b"fLaC\0\0\0\x22"),
        ("b", b"fLaC"),
        ("c", b"ID3"),
        ("d", b"\0\0\0\x18ftypM4A "),
        ("e", b"nothing"),
    ):
        (tmp_path / f"{name}.wav").write_bytes(head)
    items = [Item(id=name, audio=tmp_path / f"{name}.wav", text=name) for name in "abcde"]

    corpus = assemble("made", items, table=LabelTable(to={}))

    assert [(note.where, note.why) for note in corpus.notes] == [
        ("a.wav and 1 more", "named .wav, FLAC within: heard all the same"),
        ("c.wav", "named .wav, MP3 within: heard all the same"),
        ("d.wav", "named .wav, MP4 within: heard all the same"),
    ]
    assert [problem.where for problem in corpus.problems] == ["e"]
    assert [other_format(tmp_path / name) for name in ("e.wav", "none.wav", "a.flac")] == [None] * 3


def test_what_the_check_counts_of_shared_speakers_is_what_the_corpus_tells_of():
    items = [
        Item(id=f"{split}{speaker}", speaker=speaker, split=split, text="x")
        for split, speakers in (("train", "abcdefg"), ("dev", "abcdefh"), ("", "a"), ("test", "i"))
        for speaker in speakers
    ]
    corpus = assemble("made", items, table=LabelTable(to={}))

    assert contents(corpus).shared_speakers == {("train", "dev"): tuple("abcdef")}
    assert [(problem.where, problem.why) for problem in corpus.problems] == [
        (
            "splits train and dev",
            "6 speakers in common (a, b, c, d, e, …): figures of one tell less of strangers",
        )
    ]


def test_contents_are_counted():
    items = (
        Item(id="1", dialogue="d", speaker="s", split="train", emotion="ang", text="", votes=(("ang", 1),)),
        Item(
            id="2", dialogue="d", speaker="t", split="train", emotion="ang", audio=Path("a.wav"), is_to_be_scored=False
        ),
        Item(id="3", speaker="s", split="dev", emotion="fru", hypotheses=(("asr", "x"),)),
        Item(id="4"),
    )
    held = contents(Corpus(name="made", items=items, labels={"ang": "angry"}))
    assert (held.n_items, held.n_dialogues, held.n_to_be_scored) == (4, 1, 1)
    assert (held.n_with_audio, held.n_with_text, held.n_with_votes, held.n_with_hypotheses) == (1, 1, 1, 1)
    assert held.by_split == {"train": 2, "dev": 1, "": 1}
    assert held.by_label == {("ang", "angry"): 2, ("fru", None): 1, (None, None): 1}
    assert held.by_speaker == {"s": 2, "t": 1, None: 1}
    assert held.shared_speakers == {("train", "dev"): ("s",)}


def test_speakers_nobody_named_are_in_no_two_splits():
    items = (Item(id="1", split="a"), Item(id="2", split="b"))
    assert shared_speakers(items) == {}


def test_the_same_sound_in_two_splits_is_found_and_what_cannot_be_heard_is_told_of(tmp_path: Path):
    sounds = [wav(tmp_path / "a.wav"), wav(tmp_path / "b.wav"), wav(tmp_path / "c.wav", seed=1), tmp_path / "d.wav"]
    (tmp_path / "d.wav").write_bytes(b"RIFF")
    splits = ("train", "test", "test", "test")
    items = tuple(Item(id=path.stem, audio=path, split=split) for path, split in zip(sounds, splits, strict=True))
    twin, broken = heard(Corpus(name="made", items=items))
    assert (twin.where, twin.why) == ("b.wav", "the same sound as a.wav, which is in train, not test")
    assert broken.where == "d.wav"


def test_a_recording_that_items_of_two_splits_are_cut_from_is_found(tmp_path: Path):
    sound = wav(tmp_path / "a.wav")
    parts = tuple(Item(id=str(at), audio=sound, split=split) for at, split in enumerate(("train", "test", "train")))
    (found,) = heard(Corpus(name="made", items=parts))
    assert (found.where, found.why) == ("a.wav", "one recording with items of train and test")
    assert heard(Corpus(name="made", items=parts[::2])) == []

"""Readers of corpora that are told by file names and tables, on small folders of the right shape."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.labels import EIGHT
from eval.corpora import crema_d, emodb, emonet_voice, goemotions, libri_trans, manifest, must_c, ravdess, tess
from eval.corpora.gathering import labels_of
from eval.errors import CorpusUnreadable
from streaming.wav import wav_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from eval.corpora.item import Corpus, Item, Reader

READERS: tuple[Reader, ...] = (
    crema_d.READER,
    emodb.READER,
    emonet_voice.READER,
    goemotions.READER,
    libri_trans.READER,
    manifest.READER,
    must_c.READER,
    ravdess.READER,
    tess.READER,
)
LABELLED = ("crema-d", "emodb", "emonet-voice", "goemotions", "manifest", "ravdess", "tess")
SOUND = wav_bytes(np.linspace(-0.1, 0.1, 1_600, dtype=np.float32))


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(SOUND)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def by_id(corpus: Corpus) -> dict[str, Item]:
    return {item.id: item for item in corpus.items}


def told(corpus: Corpus) -> list[str]:
    return [f"{problem.where}: {problem.why}" for problem in corpus.problems]


@pytest.mark.parametrize("name", LABELLED)
def test_every_label_maps_to_one_of_ours_and_none_is_both_scored_and_left_out(name: str):
    table = labels_of(name)
    assert set(table.to.values()) <= set(EIGHT)
    assert "neutral" in table.to.values() or name == "emonet-voice"
    assert not table.none & set(table.to)


def test_the_forty_categories_of_emonet_voice_are_all_known():
    table = labels_of("emonet-voice")
    assert len(table.left_out | set(table.to)) == 41  # "Jealousy & Envy" has two spellings


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_an_empty_folder_lacks_something_and_cannot_be_read(reader: Reader, tmp_path: Path):
    assert reader.missing(tmp_path)
    assert reader.where_from
    with pytest.raises(CorpusUnreadable):
        reader.read(tmp_path)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_folder_that_is_not_there_lacks_something(reader: Reader, tmp_path: Path):
    assert reader.missing(tmp_path / "nowhere")


def test_ravdess_is_read_from_its_names_without_song_and_video(tmp_path: Path):
    put(
        tmp_path,
        "Actor_01/03-01-05-02-02-01-01.wav",
        "Actor_24/03-01-02-01-01-01-24.wav",
        "Actor_01/03-02-05-02-02-01-01.wav",
        "Actor_01/01-01-05-02-02-01-01.mp4",
        "Actor_01/._03-01-05-02-02-01-01.wav",
        "Actor_01/notes.wav",
    )
    corpus = ravdess.READER.read(tmp_path)
    assert not ravdess.READER.missing(tmp_path)
    items = by_id(corpus)
    assert list(items) == ["03-01-02-01-01-01-24", "03-01-05-02-02-01-01"]
    angry, calm = items["03-01-05-02-02-01-01"], items["03-01-02-01-01-01-24"]
    assert (angry.emotion, angry.gender, angry.speaker, angry.split) == ("angry", "male", "01", "fold1")
    assert angry.text == "Dogs are sitting by the door"
    assert (calm.emotion, calm.gender, calm.split) == ("calm", "female", "fold6")
    assert "calm" not in corpus.labels
    assert told(corpus) == ["Actor_01/notes.wav: is not named like a clip of ravdess"]


def test_tess_knows_its_speakers_in_spite_of_one_odd_name(tmp_path: Path):
    put(tmp_path, "OAF_neutral/OA_bite_neutral.wav", "OAF_Fear/OAF_back_fear.wav", "YAF_ps/YAF_back_ps.wav")
    corpus = tess.READER.read(tmp_path)
    items = by_id(corpus)
    assert items["OA_bite_neutral"].speaker == items["OAF_back_fear"].split == "OAF"
    assert items["YAF_back_ps"].text == "Say the word back"
    assert corpus.labels[items["YAF_back_ps"].emotion or ""] == "surprised"
    assert not corpus.problems


def test_emodb_leaves_one_speaker_out_at_a_time(tmp_path: Path):
    put(tmp_path, "wav/03a01Fa.wav", "wav/16b10Lc.wav")
    items = by_id(emodb.READER.read(tmp_path))
    assert items["03a01Fa"].emotion == "happiness"
    assert items["03a01Fa"].language == "de"
    assert (items["16b10Lc"].gender, items["16b10Lc"].split) == ("female", "16")


def votes_table(*rows: str) -> str:
    return "\r\n".join(["\ufeff,A,D,F,H,N,S,fileName,numResponses,emoVote", *rows, ""])


def test_crema_d_takes_what_was_heard_in_the_voice_alone(tmp_path: Path):
    put(tmp_path, *(f"AudioWAV/{name}.wav" for name in ("1001_IEO_ANG_MD", "1002_DFA_SAD_XX", "1040_TIE_HAP_XX")))
    write(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex\n1001,51,Male\n1002,21,Female\n")
    write(
        tmp_path / crema_d.VOTES,
        votes_table(
            "100009,5,5,0,0,1,1,1001_IEO_ANG_MD,12,A:D",
            "200009,9,0,0,0,0,0,1001_IEO_ANG_MD,9,A",  # the face alone
            "100010,0,0,0,0,7,3,1002_DFA_SAD_XX,10,N",
            "100011,0,0,0,0,1,0,1003_WSI_NEU_XX,1,N",
            "100012,x,0,0,0,1,0,1004_WSI_NEU_XX,1,N",
        ),
    )
    corpus = crema_d.READER.read(tmp_path)
    items = by_id(corpus)
    tied, sad = items["1001_IEO_ANG_MD"], items["1002_DFA_SAD_XX"]
    assert tied.emotion is None
    assert tied.votes == (("ANG", 5), ("DIS", 5), ("NEU", 1), ("SAD", 1))
    assert (sad.emotion, sad.gender, sad.split, sad.text) == ("NEU", "female", "fold2", "Don't forget a jacket")
    assert items["1040_TIE_HAP_XX"].split == "fold1"
    assert told(corpus) == [
        "processedResults/tabulatedVotes.csv:6: votes that are no numbers",
        "1040_TIE_HAP_XX: nobody's votes on the voice are told",
        "1003_WSI_NEU_XX: has votes, but no sound file in AudioWAV",
    ]
    played = by_id(crema_d.CremaD(truth="played").read(tmp_path))
    assert played["1002_DFA_SAD_XX"].emotion == "SAD"


def test_crema_d_without_votes_says_that_emotions_are_those_played(tmp_path: Path):
    put(tmp_path, "AudioWAV/1001_IEO_ANG_MD.wav")
    assert "tabulatedVotes.csv is not there" in crema_d.READER.missing(tmp_path)[0]
    corpus = crema_d.READER.read(tmp_path)
    assert corpus.items[0].emotion == "ANG"
    assert "those the actors played" in corpus.problems[0].why


def libri(root: Path, *, french: str = "Bonjour.\n\n") -> None:
    put(root, "test/audiofiles/12-34-0001.wav", "test/audiofiles/12-34-0002.wav")
    write(root / "test/alignments.meta", "head\na b c d 12-34-0001.wav\na b c d 12-34-0002\n")
    write(root / "test/test.en", "Hello.\u2028Hello?\r\nWell.\r\n")
    write(root / "test/test.fr", french)
    write(root / "test/test_gtranslate.fr", "Salut.\nBien.\n")


def test_libri_trans_pairs_lines_and_tells_of_an_empty_side(tmp_path: Path):
    libri(tmp_path)
    assert not libri_trans.READER.missing(tmp_path)
    corpus = libri_trans.READER.read(tmp_path)
    first, second = corpus.items
    assert (first.id, first.text, first.translation, first.target) == (
        "test/12-34-0001",
        "Hello.\u2028Hello?",
        "Bonjour.",
        "fr",
    )
    assert second.translation is None
    assert told(corpus) == ["test/12-34-0002: its translation is empty"]
    google = libri_trans.LibriTrans(reference="google").read(tmp_path)
    assert [item.translation for item in google.items] == ["Salut.", "Bien."]


def test_libri_trans_with_lines_that_do_not_pair_is_refused(tmp_path: Path):
    libri(tmp_path, french="Bonjour.\n")
    with pytest.raises(CorpusUnreadable, match="2 alignments, 2 English and 1 French lines"):
        libri_trans.READER.read(tmp_path)
    (tmp_path / "test/test.fr").unlink()
    assert libri_trans.READER.missing(tmp_path) == [f"{tmp_path / 'test/test.fr'} is not there"]


def test_must_c_cuts_talks_into_segments_in_order(tmp_path: Path):
    data = tmp_path / "en-de" / "data" / "dev"
    put(data, "wav/ted_767.wav")
    entry = "{{duration: {}, offset: {}, rW: 9, uW: 0, speaker_id: spk.767, wav: ted_767.wav}}"
    yaml = [f"- {entry.format('3.500000', '16.080000')}", f"- {entry.format('1.5', '20.0')}", "- {duration: x}"]
    write(data / "txt/dev.yaml", "\n".join(yaml))
    write(data / "txt/dev.en", "One.\nTwo.\nThree.\n")
    write(data / "txt/dev.de", "Eins.\nZwei.\nDrei.\n")
    for root in (tmp_path, tmp_path / "en-de"):
        assert not must_c.READER.missing(root)
        corpus = must_c.READER.read(root)
        first, second = corpus.items
        assert (first.start_s, first.end_s, first.order) == (16.08, pytest.approx(19.58), 0)
        assert (second.id, second.dialogue, second.speaker) == ("dev/ted_767-0001", "dev/ted_767", "spk.767")
        assert (second.translation, second.target, second.split) == ("Zwei.", "de", "dev")
        assert [problem.where for problem in corpus.problems] == ["dev.yaml:3"]


def test_goemotions_agrees_on_labels_that_mean_the_same_and_takes_votes_from_the_raw_files(tmp_path: Path):
    write(
        tmp_path / "dev.tsv",
        "So glad\t17,1\tc1\r\nHm\t4\tc2\r\nOh\t2,17\tc3\r\nbroken line\r\nNo\t99\tc5\r\nNo\t-1\tc6\r\n",
    )
    labels = ",".join(goemotions.LABELS)
    row = ["0"] * len(goemotions.LABELS)
    row[17] = "1"
    write(tmp_path / "goemotions_1.csv", f"text,id,{labels}\nSo glad,c1,{','.join(row)}\nSo glad,c1,{','.join(row)}\n")
    corpus = goemotions.READER.read(tmp_path)
    items = by_id(corpus)
    assert [item.emotion for item in corpus.items] == ["joy", "approval", None]
    assert items["c1"].votes == (("joy", 2),)
    assert items["c1"].split == "dev"
    assert "approval" not in corpus.labels
    assert [problem.where for problem in corpus.problems] == ["dev.tsv:4", "dev.tsv:5", "dev.tsv:6"]


def test_emonet_voice_agrees_when_every_expert_heard_the_category(tmp_path: Path):
    put(tmp_path, "a.wav", "b.wav")
    both = (
        "\"[{'human-1': {'Impatience%20and%20Irritability': 2}}, {'human-4': {'Impatience%20and%20Irritability': 1}}]\""
    )
    one = "\"[{'human-1': {'Shame': 1}}, {'human-4': {'Shame': 0}}]\""
    bad = ["[]", "nonsense", "\"[{'h': {'Shame': 1}}, {'i': {'Fear': 2}}]\"", "[{'h': {'Shame': 3}}]", "[{'h': 1}]"]
    rows = [f"a.wav,{both}", f"b.wav,{one}", *(f"c.wav,{label}" for label in bad)]
    write(tmp_path / "labels.csv", "file,label\n" + "\n".join(rows))
    corpus = emonet_voice.READER.read(tmp_path)
    first, second = corpus.items
    assert (first.emotion, first.votes) == ("Impatience and Irritability", (("Impatience and Irritability", 2),))
    assert (second.emotion, second.votes) == (None, (("Shame", 1),))
    assert corpus.labels[first.emotion or ""] == "angry"
    assert [problem.where for problem in corpus.problems] == [f"labels.csv:{line}" for line in range(4, 9)]


def test_names_in_decomposed_letters_are_found_too(tmp_path: Path):
    put(tmp_path, unicodedata.normalize("NFD", "é.wav"))
    write(tmp_path / "labels.csv", "file,label\n" + unicodedata.normalize("NFC", "é.wav") + ",[{'h': {'Fear': 1}}]\n")
    corpus = emonet_voice.READER.read(tmp_path)
    assert not corpus.problems


def test_sound_that_is_missing_empty_or_cut_short_is_told_and_stays(tmp_path: Path):
    names = ["wav/03a01Fa.wav", "wav/03a01Nc.wav", "wav/03a01Wa.wav"]
    put(tmp_path, *names)
    (tmp_path / names[0]).write_bytes(b"")
    (tmp_path / names[1]).write_bytes(SOUND[:-800])
    corpus = emodb.READER.read(tmp_path)
    assert len(corpus.items) == 3
    assert [problem.where for problem in corpus.problems] == ["03a01Fa", "03a01Nc"]
    assert "empty" in corpus.problems[0].why
    assert "truncated" in corpus.problems[1].why

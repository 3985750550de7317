"""Table IV of paper 003 on made voices: cells, who adjusts labels, what is kept, and what is undefined."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from eval.commands_paper import register
from eval.corpora.item import Corpus, Item
from eval.errors import CorpusUnreadable
from eval.papers.discrepancies import settle
from eval.papers.fill import fill
from eval.papers.published import TableUnknown
from eval.papers.typed import RELABELLED, UPSTREAM, UpstreamUnknown, given, table
from eval.papers.typed_cells import Trained
from eval.papers.typed_labels import material
from eval.training.relabelled import COLUMNS
from eval.training.upstream import VoiceFeatures, hear
from streaming.errors import EngineFailed
from tests.eval.papers.scripted import PROFILE, behind_a_profile, run_of, wav

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from eval.papers.cell import PaperRun, Table
    from eval.score.report import Figure
    from streaming.events import Samples

RATE = 16_000
OURS = VoiceFeatures().name
TO = {"A": "angry", "S": "sad", "H": "happy", "N": "neutral"}
N_OF = {"train": 40, "dev": 12, "test1": 12, "test2": 8}


def spoken(hz: float, seed: int) -> Samples:
    """Half a second of a voice."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 2) / RATE
    hz *= 2 ** (rng.normal(0, 0.5) / 12)
    sound = sum(0.6**k * np.sin(2 * np.pi * k * hz * t) for k in range(1, 12))
    return (0.1 * np.asarray(sound) * (1 + 0.5 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A corpus whose pitch follows the emotion; every second utterance has something typed of it."""
    folder = tmp_path_factory.mktemp("voices")
    items: list[Item] = []
    for split, n in N_OF.items():
        for at in range(n):
            label = "ASHN"[at % 4]
            name = f"{split}_{at:02}"
            items.append(
                Item(
                    id=name,
                    speaker=f"{split}{at % 6}",
                    audio=wav(folder / f"{name}.wav", spoken(100 + 60 * (at % 4), seed=at)),
                    votes=((label, 3), ("N", 1), ("Other", 1)),
                    description="Concerned; Annoyed" if at % 2 else None,
                    split=split,
                )
            )
    return Corpus(name="msp-podcast", items=tuple(items), labels=TO)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


def made(
    corpus: Corpus,
    *chosen: str,
    profiles: tuple[str | None, ...] = (PROFILE,),
    given: Mapping[str, str] | None = None,
) -> Table:
    return table("4", profiles=profiles, settled=settle(chosen) | dict(given or {}), corpus=corpus)


def figure(of: Table, column: str, run: PaperRun, *, row: str = OURS) -> Figure:
    (found,) = (cell for cell in of.cells if (cell.row, cell.column) == (row, column))
    assert found.source is not None
    return found.source.figure(run)


def answer(n: int) -> str:
    """What a model might say of `n` items, more than asked about at once."""
    told = dict.fromkeys(COLUMNS, 0.0) | {"angry": 0.4, "neutral": 0.6}
    return json.dumps([{"index": number} | told | {"reason": "annoyed"} for number in range(1, n + 1)])


def test_the_table_fills_with_labels_of_a_language_model(
    voices: Corpus, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    models = behind_a_profile([answer(30)], home=tmp_path, monkeypatch=monkeypatch)
    notes: list[str] = []
    filled = fill(made(voices), run_of(voices, out, notes=notes))
    found = {each.cell.column: each for each in filled.cells if each.cell.row == OURS}
    without, adjusted, gain = (found[column].figure for column in ("W/O", "W/", "Relative gain"))
    assert filled.n_failed == 0
    assert without is not None
    assert adjusted is not None
    assert gain is not None
    assert without.value is not None
    assert adjusted.value is not None
    # Four of eight classes are true at all: no head can do better than one half.
    assert 0.3 < without.value <= 0.5
    assert adjusted.value != without.value
    assert gain.value == pytest.approx((adjusted.value - without.value) / without.value)
    assert (gain.scale, gain.decimals, without.decimals) == (100.0, 2, 3)
    assert without.low is not None
    assert str(without.signature).count("blocks:speaker:12") == 1
    assert adjusted.signature.get("adjusted") == "26 of 26, 26 changed by 1.150"
    assert adjusted.signature.get("by") == "prompt, paper"
    assert adjusted.signature.get("corpus") == "msp-podcast"
    # One batch of 30 and the rest of none: 26 were typed in train and dev.
    assert sum(len(model.asked) for model in models) == 1
    (note,) = notes
    assert note.startswith(
        "26 soft labels adjusted, 26 of them changed, by 1.1500 in sum on average, most of all angry"
    )


def test_what_was_asked_and_heard_is_kept(voices: Corpus, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile([answer(30)], home=tmp_path, monkeypatch=monkeypatch)
    before = figure(made(voices), "Relative gain", run_of(voices, out))
    models = behind_a_profile(["nothing"], home=tmp_path, monkeypatch=monkeypatch)
    for heads in (out / "typed" / "heads").iterdir():
        heads.unlink()
    for table_of_labels in (out / "typed").glob("relabelled-*.csv"):
        table_of_labels.unlink()
    assert figure(made(voices), "Relative gain", run_of(voices, out)) == before
    assert not any(model.asked for model in models)


def test_published_tables_stand_in_for_a_model(voices: Corpus, out: Path, tmp_path: Path):
    path = tmp_path / "output_train.csv"
    lines = [f"train_{at:02}.wav,1,0,0,0,0,0,0,0,all anger" for at in range(40)]
    path.write_text("\n".join([f",{','.join(COLUMNS)},reason", *lines]) + "\n", "utf-8")
    of = made(voices, given={RELABELLED: str(path)})
    assert of.columns == ("W/O", "W/", "Relative gain")
    without, adjusted = (figure(of, column, run_of(voices, out)) for column in ("W/O", "W/"))
    assert without.value is not None
    assert adjusted.value is not None
    # Told that all is anger, the head says so.
    assert adjusted.value < without.value
    assert adjusted.signature.get("labels") == "output_train.csv"
    tested = next(item.id for item in voices.items if item.split.startswith("test"))
    for name in ("elsewhere", tested):
        path.write_text("\n".join([f",{','.join(COLUMNS)},reason", f"{name}.wav,1,0,0,0,0,0,0,0,r"]), "utf-8")
        with pytest.raises(CorpusUnreadable, match="none of its 1 utterances is in msp-podcast, split train or dev"):
            figure(of, "W/", run_of(voices, out))


def test_the_word_model_needs_no_profile(voices: Corpus, out: Path):
    found = figure(made(voices, "annotator=word-model", profiles=()), "W/", run_of(voices, out))
    assert found.value is not None
    assert found.signature.get("labels") == "word-model"


def test_macro_f1_can_be_taken_batch_by_batch_and_on_smoothed_labels(voices: Corpus, out: Path):
    whole = figure(made(voices), "W/O", run_of(voices, out))
    smooth = figure(made(voices, "truth=smoothed"), "W/O", run_of(voices, out))
    batches = figure(made(voices, "batches=batch"), "W/O", run_of(voices, out))
    assert smooth.value == whole.value
    assert smooth.signature.get("held") == "above 1/8 of smoothed"
    # 20 utterances are one batch of 32.
    assert batches.value == whole.value
    assert batches.signature.get("f1") == "batch"


def test_without_typed_words_there_is_nothing_to_adjust(voices: Corpus, out: Path):
    mute = Corpus(
        name="quiet",
        items=tuple(
            Item(id=i.id, audio=i.audio, votes=i.votes, split=i.split, speaker=i.speaker) for i in voices.items
        ),
        labels=TO,
    )
    of = made(mute)
    assert "Nobody typed anything in quiet" in of.notes[-1]
    found = figure(of, "W/", run_of(mute, out))
    assert (found.value, found.reason) == (None, "nobody typed anything in training or development")
    assert figure(of, "W/O", run_of(mute, out)).value is not None


def test_a_table_of_labels_needs_no_words(voices: Corpus, out: Path, tmp_path: Path):
    mute = Corpus(name="quiet", items=tuple(replace(item, description=None) for item in voices.items), labels=TO)
    labels = tmp_path / "labels.csv"
    rows = "".join(f"train_{at:02}.wav,1,0,0,0,0,0,0,0,r\n" for at in range(20))
    labels.write_text(f",{','.join(COLUMNS)},reason\n{rows}", "utf-8")
    of = made(mute, given={RELABELLED: str(labels)})
    found = figure(of, "W/", run_of(mute, out))
    assert found.value is not None
    assert str(found.signature.get("adjusted")).startswith("20 of 52")


def test_a_profile_without_a_language_model_fails_alone(voices: Corpus, out: Path):
    of = made(voices, profiles=("embedded",))
    with pytest.raises(EngineFailed, match="annotator=word-model"):
        figure(of, "W/", run_of(voices, out))
    filled = fill(of, run_of(voices, out))
    assert filled.n_failed == 2


def test_material_joins_the_tests_and_keeps_only_what_has_votes(voices: Corpus, out: Path):
    more = Corpus(
        name="m",
        items=(*voices.items, Item(id="x", split="train", votes=(("Other", 3),)), Item(id="y", split="train")),
        labels=TO,
    )
    found = material(run_of(more, out))
    assert (len(found.train), len(found.dev), len(found.test)) == (40, 12, 20)
    assert found.targets("test")[0] == pytest.approx([0.75, 0, 0, 0, 0, 0.25, 0, 0])
    assert len(material(run_of(more, out, limit=3)).test) == 3
    assert found.typed(["dev"])[0].words == "Concerned,Annoyed"
    with pytest.raises(CorpusUnreadable, match="in test"):
        material(run_of(Corpus(name="m", items=voices.items[:3], labels=TO), out))


def test_an_upstream_in_a_folder_stands_beside_its_row(voices: Corpus, tmp_path: Path):
    pytest.importorskip("transformers")
    from eval.tiny.wav2vec2 import tiny_ctc  # noqa: PLC0415 - needs transformers

    path = tiny_ctc(tmp_path / "model", kind="wavlm", seed=1)
    small = run_of(voices, tmp_path / "out", limit=5)
    of = made(voices, "annotator=word-model", given={f"{UPSTREAM}WavLM": str(path)})
    found = figure(of, "W/O", small, row="WavLM")
    assert found.value is not None
    (kept, *_) = (tmp_path / "out" / "typed" / "features").iterdir()
    assert np.load(kept)["features"].shape == (5, 3, 32)
    average = figure(of, "W/O", small, row="Average")
    own = figure(of, "W/O", small)
    assert own.value is not None
    assert average.value == pytest.approx((found.value + own.value) / 2)


@pytest.mark.parametrize(("how", "expected"), [("of-averages", 0.1 / 0.6), ("mean-of-gains", (0.5 + 0.0) / 2)])
def test_the_average_gain_is_taken_as_it_is_settled(how: str, expected: float):
    of = made(Corpus(name="none", items=()), f"gain={how}")
    (cell,) = (each for each in of.cells if (each.row, each.column) == (OURS, "Relative gain"))
    assert isinstance(cell.source, Trained)
    gain = cell.source.gain({"without": [0.2, 0.4], "with": [0.3, 0.4]})
    assert gain.value == pytest.approx(expected)
    assert cell.source.gain({"without": [0.0], "with": [0.3]}).value is None


def test_recordings_that_cannot_be_heard_are_told_and_give_no_features(voices: Corpus, tmp_path: Path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no sound")
    quiet = wav(tmp_path / "quiet.wav", np.zeros(RATE, np.float32))
    items = [voices.items[0], Item(id="b", audio=broken), Item(id="q", audio=quiet), Item(id="n", text="only words")]
    found = hear(items, VoiceFeatures(), folder=tmp_path / "f")
    assert np.isfinite(found.features[0]).all()
    assert np.isnan(found.features[1:]).all()
    assert len(found.problems) == 1
    assert found.problems[0].startswith("b: ")
    (kept,) = (tmp_path / "f").iterdir()
    again = hear(items, VoiceFeatures(), folder=tmp_path / "f")
    assert again.features.tobytes() == found.features.tobytes()
    assert again.problems == found.problems
    kept.write_bytes(kept.read_bytes()[:100])
    assert hear(items, VoiceFeatures(), folder=tmp_path / "f").features.tobytes() == found.features.tobytes()
    with pytest.raises(EngineFailed, match="heard nothing in any of 1"):
        hear(items[3:], VoiceFeatures(), folder=tmp_path / "f")


def test_several_processes_hear_the_same(voices: Corpus, tmp_path: Path):
    one = hear(voices.items, VoiceFeatures(), folder=tmp_path / "one")
    seen: list[tuple[int, int]] = []
    two = hear(
        voices.items,
        VoiceFeatures(),
        folder=tmp_path / "two",
        workers=2,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert two.features.tobytes() == one.features.tobytes()
    assert seen == [(64, 72), (72, 72)]


def test_every_cell_is_made_or_says_why_not(voices: Corpus):
    of = made(voices, profiles=(PROFILE, None))
    assert all((cell.source is None) == bool(cell.why) for cell in of.cells)
    assert of.columns == (
        "W/O",
        f"W/, {PROFILE}",
        f"Relative gain, {PROFILE}",
        "W/, the usual profile",
        "Relative gain, the usual profile",
    )
    published = {(cell.row, cell.column): cell.published for cell in of.cells}
    assert published["WavLM", "W/O"] == 0.350
    assert published["Average", f"Relative gain, {PROFILE}"] == 3.08
    assert published[OURS, "W/O"] is None
    with pytest.raises(TableUnknown, match="expected one of 4"):
        table("2", profiles=(), settled=settle([]), corpus=voices)


def test_a_forecast_tells_how_often_a_model_is_asked(
    voices: Corpus, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    behind_a_profile([], home=tmp_path, monkeypatch=monkeypatch)
    (cell,) = (each for each in made(voices).cells if (each.row, each.column) == (OURS, "W/"))
    assert cell.source is not None
    told = cell.source.forecast(run_of(voices, out))
    assert "72 utterances to be heard" in told
    assert "26 soft labels to be adjusted by asking, 1 calls" in told


def test_the_command_takes_tables_and_upstreams(voices: Corpus, tmp_path: Path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [
        {
            "id": item.id,
            "audio": str(item.audio),
            "votes": {TO[label]: n for label, n in item.votes[:1]},
            "speaker": item.speaker,
            "description": item.description,
            "split": item.split,
        }
        for item in voices.items
    ]
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    labels = tmp_path / "labels.csv"
    labels.write_text(f",{','.join(COLUMNS)},reason\ntrain_01.wav,1,0,0,0,0,0,0,0,r\n", "utf-8")
    app = typer.Typer()
    register(app)
    command = ["paper", "typed", "manifest", str(folder), "--table", "4", "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(app, [*command, "--relabelled", str(labels), "--limit", "8"])
    assert found.exit_code == 0, found.output
    assert "adjusted:1 of 8, 1 changed by 2.000" in found.output
    assert OURS in (tmp_path / "out" / "typed-table4.md").read_text("utf-8")
    planned = CliRunner().invoke(app, [*command, "--relabelled", str(labels), "--dry-run"])
    assert "26 soft labels to be adjusted by labels.csv, 0 calls" in planned.output
    wrong = CliRunner().invoke(app, [*command, "--upstream", f"BERT={folder}"])
    assert wrong.exit_code == 2
    assert "no upstream" in wrong.output
    other = ["paper", "r3", "manifest", str(folder), "--table", "1", "--out", str(tmp_path / "o")]
    assert CliRunner().invoke(app, [*other, "--relabelled", str(labels)]).exit_code == 2


def test_upstreams_are_given_by_row_and_folder(tmp_path: Path):
    assert given(relabelled=(), upstreams=[f"W2V2 R={tmp_path}"]) == {f"{UPSTREAM}W2V2 R": str(tmp_path)}
    for wrong in ("W2V2 R", "W2V2 R=", f"Average={tmp_path}", f"W2V2={tmp_path}/none"):
        with pytest.raises(UpstreamUnknown, match="no upstream"):
            given(relabelled=(), upstreams=[wrong])

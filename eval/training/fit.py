"""`attune-eval fit emotion`: trains the embedded emotion model and says how good it is on what it has not seen.

Same folders, same versions of numpy, scipy and scikit-learn: the same bytes.
"""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Final

from agent.backends.emotion.text import TextModel, read_text_weights

from ..signature import fingerprint, sign
from ..statistics import Resampling
from .card import CARD
from .emodb import read_emodb
from .goemotions import read_goemotions
from .meld import read_meld
from .pairs import paired_rows
from .report import FitReport, Row
from .text import TextSettings, train_text
from .text_figures import judged_comments, judged_lines, text_rows
from .voice import VoiceSettings, save, train
from .voice_figures import N_BOOTSTRAP, Heard, figures_of, left_out
from .voice_table import voice_table
from .weights import write_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .emodb import Clip
    from .text_figures import Judged
    from .voice_figures import Answers

TEXT_FILE, VOICE_FILE, CARD_FILE = "text.npz", "voice.npz", "README.md"
HELD_OUT: Final = ("dev", "test")
PAIRED: Final = (Heard(n=0), Heard(n=None))
"""What is known of the speaker where words and voices are put together."""


def fit_emotion(
    goemotions_dir: Path,
    emodb_dir: Path,
    out_dir: Path,
    *,
    meld_dir: Path | None = None,
    progress: Callable[[str], None] = print,
    settings: TextSettings | None = None,
) -> FitReport:
    """Train words and voice, write text.npz, voice.npz and their model card to `out_dir`, and return the figures.

    Figures are taken on GoEmotions dev (and test, where the folder has it), on EmoDB with each speaker left out in
    turn and, without any training or calibration on it, on the MELD files found in `meld_dir`.

    Raises:
        CorpusUnreadable: a folder is not the corpus it should be.
    """
    release = version_of("attune")
    comments = read_goemotions(goemotions_dir, split="train")
    clips = read_emodb(emodb_dir)
    write_weights(out_dir / TEXT_FILE, train_text(comments, settings=settings or TextSettings(), progress=progress))
    progress("voice: all speakers")
    save(train(clips), out_dir / VOICE_FILE)
    model = TextModel(read_text_weights(out_dir / TEXT_FILE))
    progress("figures: words")
    rows, words = _word_rows(model, goemotions_dir, release=release)
    rows += _meld_rows(model, meld_dir, release=release)
    progress("figures: voice, each speaker left out in turn")
    rows += _voice_rows(clips, words, release=release)
    files = (TEXT_FILE, VOICE_FILE)
    report = FitReport(
        rows=tuple(rows),
        written=tuple((name, fingerprint([(out_dir / name).read_bytes()])) for name in files),
    )
    (out_dir / CARD_FILE).write_text(CARD.replace("{table}", report.table()), encoding="utf-8")
    return report


def _word_rows(model: TextModel, directory: Path, *, release: str) -> tuple[list[Row], Judged]:
    """The figures on each held-out split that is there, and the Big Four answers on the first."""
    rows: list[Row] = []
    kept: list[Judged] = []
    for split in HELD_OUT:
        if split != "dev" and not (directory / f"{split}.tsv").exists():
            continue
        parts = judged_comments(model, read_goemotions(directory, split=split), split=split)
        kept.append(parts[0])
        for part in parts:
            rows += text_rows(part, where=f"words, GoEmotions {split}", version=release, resampling=Resampling())
    return rows, kept[0]


def _meld_rows(model: TextModel, directory: Path | None, *, release: str) -> list[Row]:
    rows: list[Row] = []
    for split in ("train", "dev", "test"):
        path = None if directory is None else directory / f"{split}.csv"
        if path is not None and path.exists():
            part = judged_lines(model, read_meld(path), split=split)
            rows += text_rows(part, where=f"words, MELD {split}, zero-shot", version=release, resampling=Resampling())
    return rows


def _voice_rows(clips: Sequence[Clip], words: Judged, *, release: str) -> list[Row]:
    settings = VoiceSettings()
    table = voice_table(clips, copies=settings.copies)
    data = f"emodb#{fingerprint([clip.file.encode() for clip in clips])}"
    rows: list[Row] = []
    fields = {"words": words.fields["data"], "voices": data}
    pairs: list[Row] = []
    for heard, answers in left_out(table, settings).items():
        rows += _figures(answers, condition=heard.words, data=data, release=release)
        if heard in PAIRED:
            pairs += paired_rows(
                words, answers, heard=heard.words, data=fields, version=release, resampling=Resampling(draws=200)
            )
    return rows + pairs


def _figures(answers: Answers, *, condition: str, data: str, release: str) -> list[Row]:
    fields = {"data": data, "split": "leave-one-speaker-out", "heard": condition.replace(" ", "-")}
    signature = sign({**fields, "bootstrap": "speakers", "draws": N_BOOTSTRAP, "seed": 0}, version=release)
    return [
        Row(
            figure=f"voice, EmoDB, {condition}, {figure.measure}",
            value=figure.value,
            low=figure.low,
            high=figure.high,
            n=figure.n,
            signature=signature,
        )
        for figure in figures_of(answers, condition=condition)
    ]

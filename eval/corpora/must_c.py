"""MuST-C: TED talks in English with translations into eight languages and more (Di Gangi et al. 2019)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..errors import CorpusUnreadable
from .gathering import gathered, read_lines
from .item import Item, Problem
from .sounds import located

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .item import Corpus, Reader

SPLITS: Final = ("train", "dev", "tst-COMMON", "tst-HE")
_PAIR: Final = re.compile(r"en-([a-z]{2,3})")
_FIELD: Final = re.compile(r"(\w+):\s*([^,}]+)")


class MustC:
    """A talk is a dialogue of one speaker, its segments in order. The two test sets keep their own names as splits."""

    name: str = "must-c"
    where_from: str = (
        "mt.fbk.eu/must-c (on request), CC BY-NC-ND 4.0; unpack a language pair: "
        "en-fr/data/{train,dev,tst-COMMON,tst-HE}/{txt,wav}"
    )

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        pairs = _pairs(root)
        if not pairs:
            return [f"{root} neither is nor holds a folder like en-fr with data/ in it"]
        found = [(data, split, target) for target, data in pairs.items() for split in SPLITS if (data / split).is_dir()]
        if not found:
            return [f"{root} holds none of the sets {', '.join(SPLITS)}"]
        needed = [
            path for data, split, target in found for path in (*_texts(data, split, target), data / split / "wav")
        ]
        return [f"{path} is not there" for path in needed if not path.exists()]

    def read(self, root: Path) -> Corpus:
        """See `Reader`.

        Raises:
            CorpusUnreadable: no set, or one whose files have different numbers of lines.
        """
        pairs = _pairs(root)
        items: list[Item] = []
        problems: list[Problem] = []
        for target, data in pairs.items():
            prefix = f"en-{target}/" if len(pairs) > 1 else ""
            for split in SPLITS:
                if (data / split).is_dir():
                    items += _split_items(data, split, target=target, prefix=prefix, problems=problems)
        return gathered(self.name, items, root=root, problems=problems)


def _pairs(root: Path) -> dict[str, Path]:
    """Return the data folder of each target language in or at `root`."""
    folders = (root, *sorted(root.glob("en-*")))
    return {
        match[1]: folder / "data"
        for folder in folders
        if (match := _PAIR.fullmatch(folder.resolve().name)) and (folder / "data").is_dir()
    }


def _texts(data: Path, split: str, target: str) -> tuple[Path, Path, Path]:
    folder = data / split / "txt"
    return folder / f"{split}.yaml", folder / f"{split}.en", folder / f"{split}.{target}"


def _split_items(data: Path, split: str, *, target: str, prefix: str, problems: list[Problem]) -> Iterator[Item]:
    segments, english, translated = (read_lines(path) for path in _texts(data, split, target))
    if not len(segments) == len(english) == len(translated):
        raise CorpusUnreadable(
            f"{data / split / 'txt'}: {len(segments)} segments, {len(english)} English and {len(translated)} {target} "
            "lines; expected as many of each"
        )
    counts: dict[str, int] = {}
    for line, (segment, said, translation) in enumerate(zip(segments, english, translated, strict=True), start=1):
        fields = dict(_FIELD.findall(segment))
        try:
            yield _item(
                fields,
                said=said,
                translation=translation,
                split=split,
                target=target,
                prefix=prefix,
                counts=counts,
                data=data,
            )
        except (KeyError, ValueError) as error:
            problems.append(
                Problem(where=f"{split}.yaml:{line}", why=f"no duration, offset, speaker_id and wav ({error})")
            )


def _item(  # noqa: PLR0913 - the columns of three files
    fields: Mapping[str, str],
    *,
    said: str,
    translation: str,
    split: str,
    target: str,
    prefix: str,
    counts: dict[str, int],
    data: Path,
) -> Item:
    start_s, duration_s = float(fields["offset"]), float(fields["duration"])
    wav, speaker = fields["wav"].strip(), fields["speaker_id"].strip()
    talk = f"{prefix}{split}/{wav.removesuffix('.wav')}"
    order = counts[talk] = counts.get(talk, -1) + 1
    return Item(
        id=f"{talk}-{order:04d}",
        dialogue=talk,
        order=order,
        speaker=speaker,
        audio=located(data / split / "wav" / wav),
        start_s=start_s,
        end_s=start_s + duration_s,
        text=said.strip() or None,
        translation=translation.strip() or None,
        target=target,
        split=split,
    )


READER: Reader = MustC()

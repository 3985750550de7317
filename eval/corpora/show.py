"""How a corpus is shown: Markdown for people, a plain object for programs. Pure."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from agent.history import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .examine import Contents
    from .item import Problem, Reader

MOST: Final = 20
"""Speakers, and problems, that are shown to people one by one; the rest is counted."""


def reader_table(readers: Iterable[Reader]) -> str:
    """Return a table of readers."""
    return _table(("corpus", "from whom, under which licence, what"), [(one.name, one.where_from) for one in readers])


def as_text(
    name: str, held: Contents, problems: Sequence[Problem], *, where_from: str, notes: Sequence[Problem] = ()
) -> str:
    """Return what a corpus holds, what is to be known of it (`notes`) and what is wrong with it."""
    parts = [
        f"{name}: {where_from}",
        _totals(held),
        _table(("split", "items"), [(split or "(none)", str(n)) for split, n in held.by_split.items()]),
        _table(
            ("label", "ours", "items"),
            [(own or "(none agreed)", ours or "—", str(n)) for (own, ours), n in held.by_label.items()],
        ),
        _speakers(held.by_speaker),
        _shared(held),
        *(visible(f"note: {note.where}: {note.why}") for note in notes),
        _problems(problems),
    ]
    return "\n\n".join(parts)


def as_record(name: str, held: Contents) -> dict[str, Any]:
    """Return what a corpus holds with string keys only; what is not told is null."""
    plain = [field.name for field in fields(held) if field.name.startswith("n_")]
    record: dict[str, Any] = {"corpus": name} | {field: getattr(held, field) for field in plain}
    record["by_split"] = dict(held.by_split)
    record["by_label"] = [{"label": own, "ours": ours, "n": n} for (own, ours), n in held.by_label.items()]
    record["by_speaker"] = [{"speaker": speaker, "n": n} for speaker, n in held.by_speaker.items()]
    record["shared_speakers"] = [
        {"splits": list(pair), "speakers": list(speakers)} for pair, speakers in held.shared_speakers.items()
    ]
    return record


def _totals(held: Contents) -> str:
    return (
        f"{held.n_items} items in {held.n_dialogues} dialogues; {held.n_to_be_scored} have a label that is scored, "
        f"{held.n_with_text} words, {held.n_with_audio} sound, {held.n_with_votes} votes, "
        f"{held.n_with_hypotheses} transcripts of recognisers"
    )


def _speakers(by_speaker: Mapping[str | None, int]) -> str:
    shown = [(speaker or "(not told)", str(n)) for speaker, n in list(by_speaker.items())[:MOST]]
    rest = len(by_speaker) - len(shown)
    return _table(("speaker", "items"), shown) + (f"\n\nand {rest} more speakers" if rest else "")


def _shared(held: Contents) -> str:
    if not held.shared_speakers:
        return "no speaker that is named stands in two splits"
    lines = [
        f"- {' and '.join(split or '(none)' for split in pair)}: {len(speakers)} ({visible(', '.join(speakers[:5]))}"
        f"{', …' if len(speakers) > 5 else ''})"
        for pair, speakers in held.shared_speakers.items()
    ]
    return "\n".join(("speakers in two splits, so that results on one tell less of strangers:", *lines))


def _problems(problems: Sequence[Problem]) -> str:
    if not problems:
        return "no problems"
    lines = [visible(f"- {problem.where}: {problem.why}") for problem in problems[:MOST]]
    rest = len(problems) - len(lines)
    return "\n".join(
        (
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''}:",
            *lines,
            *([f"- and {rest} more (--json lists all)"] if rest else []),
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(visible(cell.replace('|', '/')) for cell in line)} |" for line in lines)

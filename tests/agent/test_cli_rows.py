"""`attune emotion` on rows of text, good and bad; recordings are in `test_cli_talk`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Attune = Callable[..., CompletedProcess[str]]

HAPPY, SAD = b'{"id": 1, "text": "i am so happy"}', b'{"id": "two", "text": "i miss him so much"}'


def test_rows_come_from_standard_input_and_go_to_standard_output(attune: Attune):
    ran = attune("emotion", "--jsonl", "-", stdin=HAPPY + b"\n" + SAD)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [(row["id"], row["top"]) for row in map(json.loads, ran.stdout.splitlines())] == [
        (1, "happy"),
        ("two", "sad"),
    ]


def test_windows_files_are_read(attune: Attune, tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + HAPPY + b"\r\n\r\n" + SAD + b"\r\n")
    ran = attune("emotion", "--jsonl", path)
    assert (ran.returncode, len(ran.stdout.splitlines())) == (0, 2)


def test_a_row_that_is_no_text_is_told_in_its_place(attune: Attune):
    ran = attune("emotion", "--jsonl", "-", stdin=HAPPY + b'\n{"id": 2, "text": "\xff"}\n' + SAD)
    assert ran.returncode == 3
    first, second, third = map(json.loads, ran.stdout.splitlines())
    assert (first["id"], third["id"]) == (1, "two")
    assert second["error"].startswith("line 2: not UTF-8")
    assert ran.stderr == 'attune: 1 of 3 rows could not be read (see their "error")\n'


def test_no_rows_are_no_error(attune: Attune):
    ran = attune("emotion", "--jsonl", "-")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("source", ["text", "voice", "both"])
def test_the_same_rows_give_the_same_bytes(attune: Attune, source: str):
    args = ("emotion", "--jsonl", "-", "--emotion", source)
    first, second = attune(*args, stdin=HAPPY + b"\n" + SAD), attune(*args, stdin=HAPPY + b"\n" + SAD)
    assert first.stdout == second.stdout
    if source == "voice":
        assert {row["top"] for row in map(json.loads, first.stdout.splitlines())} == {"unclear"}


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("--jsonl", "missing.jsonl"), 3, "cannot read missing.jsonl: No such file or directory"),
        (("--jsonl", "/"), 3, "cannot read /: Is a directory"),
        (("--jsonl", "-", "--out", "/no/folder/out.jsonl"), 3, "cannot write /no/folder/out.jsonl"),
        (("--jsonl", "-", "--emotion", "off"), 2, "expected one of text, voice, both"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    attune: Attune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, told: str
):
    monkeypatch.chdir(tmp_path)
    ran = attune("emotion", *args, stdin=HAPPY)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (code, "", 1)
    assert told in ran.stderr


def test_rows_are_not_written_over_themselves(attune: Attune, tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(HAPPY)
    ran = attune("emotion", "--jsonl", rows, "--out", rows)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert rows.read_bytes() == HAPPY

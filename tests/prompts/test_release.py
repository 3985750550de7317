"""Releasing prompts."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

import prompts.__main__ as command
from prompts.release import ReleaseRefused, released

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "# what an index says first\n\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.toml").write_text(HEAD, "utf-8")
    version(tmp_path, "greet", 1, "Hello $name.")
    return tmp_path


def version(folder: Path, name: str, number: int, text: str) -> None:
    path = folder / name / f"v{number}"
    path.mkdir(parents=True, exist_ok=True)
    (path / "user.txt").write_text(text, "utf-8")


def release(folder: Path, *names: str) -> dict[str, dict[str, object]]:
    text = released(folder, names)
    assert text.startswith(HEAD)
    (folder / "index.toml").write_text(text, "utf-8")
    return tomllib.loads(text)


def test_a_new_version_becomes_current(folder: Path):
    assert release(folder, "greet")["greet"]["current"] == 1
    version(folder, "greet", 2, "Good day $name.")
    index = release(folder, "greet")
    assert index["greet"]["current"] == 2
    assert list(tomllib.loads(released(folder, []))["greet"]["sha256"]) == ["1", "2"]


def test_releasing_twice_changes_nothing(folder: Path):
    release(folder, "greet")
    assert released(folder, ["greet"]) == (folder / "index.toml").read_text("utf-8")


def test_a_current_version_that_was_set_back_stays(folder: Path):
    version(folder, "greet", 2, "Good day $name.")
    release(folder, "greet")
    index = folder / "index.toml"
    index.write_text(index.read_text("utf-8").replace("current = 2", "current = 1"), "utf-8")
    assert release(folder, "greet")["greet"]["current"] == 1


def test_a_released_version_that_changed_is_refused(folder: Path):
    release(folder, "greet")
    version(folder, "greet", 1, "Hi $name.")
    with pytest.raises(ReleaseRefused, match=r"greet/v1 was released and must not change: add a new version"):
        released(folder, ["greet"])


def test_others_stay_as_they_are_and_the_index_is_sorted(folder: Path):
    release(folder, "greet")
    version(folder, "bye", 1, "Bye.")
    assert list(release(folder, "bye")) == ["bye", "greet"]


def test_a_prompt_without_versions_is_refused(folder: Path):
    with pytest.raises(ReleaseRefused, match="greeting has no version on disk"):
        released(folder, ["greeting"])


def test_the_command_writes_the_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(command, "FOLDER", folder)
    assert command.main(["release", "greet"]) == 0
    assert "[greet.sha256]" in (folder / "index.toml").read_text("utf-8")
    version(folder, "greet", 1, "Hi $name.")
    assert command.main(["release", "greet"]) == 2
    assert "must not change" in capsys.readouterr().err

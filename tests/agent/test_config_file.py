"""Setting the profile in a user's file: that line and no other letter."""

from __future__ import annotations

import os
import stat
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config_file import ConfigUnwritable, set_profile, with_profile
from agent.errors import ConfigInvalid

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'profile = "cpu"\n'),
        ('profile = "gpu"\n', 'profile = "cpu"\n'),
        ("  profile='gpu'   # mine\nlocale = \"de\"", '  profile="cpu"   # mine\nlocale = "de"'),
        ('# a word\nlocale = "de"\n', 'profile = "cpu"\n# a word\nlocale = "de"\n'),
        ('[profiles.a]\nprofile = "x"\n', 'profile = "cpu"\n[profiles.a]\nprofile = "x"\n'),
        ('locale = "de"\r\n', 'profile = "cpu"\r\nlocale = "de"\r\n'),
        ('# profile = "old"\n', 'profile = "cpu"\n# profile = "old"\n'),
    ],
)
def test_only_the_line_of_the_profile_changes(before: str, after: str):
    assert with_profile(before, "cpu") == after
    assert tomllib.loads(after)["profile"] == "cpu"


@pytest.mark.parametrize(
    "text",
    ['text = """\nprofile = "inside a text"\n"""\n', '"profile" = "quoted key"\n', "profile = 3\n", "profile ="],
)
def test_a_file_that_cannot_be_changed_safely_is_left_alone(text: str):
    with pytest.raises(ConfigInvalid, match='set profile = "cpu" by hand'):
        with_profile(text, "cpu")


LINES = st.lists(
    st.sampled_from(
        [
            'locale = "de"',
            "# profile = 'no'",
            "",
            "list = [1,",
            "2]",
            "[profiles.x]",
            'voice = "none"',
            "profile = 'gpu'",
        ]
    ),
    max_size=8,
)


@given(LINES, st.sampled_from(["cpu", "my profile", 'a"b', "ü\\"]))
def test_whatever_is_in_the_file_nothing_else_changes(lines: list[str], name: str):
    text = "\n".join(lines)
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ConfigInvalid):
            with_profile(text, name)
        return
    assert tomllib.loads(with_profile(text, name)) == before | {"profile": name}


def test_a_missing_file_is_made_with_its_folder(tmp_path: Path):
    path = tmp_path / "new" / "config.toml"
    set_profile(path, "cpu")
    assert path.read_text() == 'profile = "cpu"\n'


def test_a_file_keeps_its_rights_and_a_link_stays_a_link(tmp_path: Path):
    real, link = tmp_path / "real.toml", tmp_path / "config.toml"
    real.write_text("# mine\n")
    real.chmod(0o600)
    link.symlink_to(real)
    set_profile(link, "cpu")
    assert link.is_symlink()
    assert real.read_text() == 'profile = "cpu"\n# mine\n'
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.toml", "real.toml"]


def test_a_file_that_may_not_be_written_is_told_with_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "config.toml"
    path.write_text("# mine\n")

    # Whoever runs the tests as root may write everything.
    def refused(*_: object) -> bool:
        return False

    monkeypatch.setattr(os, "access", refused)
    with pytest.raises(ConfigUnwritable, match=r'permission denied\): add the line profile = "cpu"'):
        set_profile(path, "cpu")
    assert path.read_text() == "# mine\n"


def test_a_folder_that_is_none_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigUnwritable, match="cannot write"):
        set_profile(tmp_path / "file" / "config.toml", "cpu")


def test_a_file_in_another_encoding_is_left_alone(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"# \xfc\n")
    with pytest.raises(ConfigUnwritable, match="not UTF-8"):
        set_profile(path, "cpu")
    assert path.read_bytes() == b"# \xfc\n"


def test_a_write_that_breaks_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "config.toml"
    path.write_text("# mine\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigUnwritable, match="no space left"):
        set_profile(path, "cpu")
    assert path.read_text() == "# mine\n"
    assert [p.name for p in tmp_path.iterdir()] == ["config.toml"]

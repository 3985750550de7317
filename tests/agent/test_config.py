from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import Config, config_path, load_config, with_options
from agent.errors import ConfigInvalid


def write(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "attune.toml"
    path.write_text(text, "utf-8")
    return {"ATTUNE_CONFIG": str(path)}


def test_without_a_file_the_defaults_hold(tmp_path: Path):
    assert load_config({"HOME": str(tmp_path)}) == Config(database=tmp_path / ".local/share/attune/attune.db")


def test_only_the_given_environment_counts(tmp_path: Path):
    (tmp_path / "attune").mkdir()
    (tmp_path / "attune" / "config.toml").write_text('locale = "fr-FR"', "utf-8")
    config = load_config({"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)})
    assert (config.locale, config.database) == ("fr-FR", tmp_path / "attune" / "attune.db")
    assert load_config({"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}).locale == "en-US"


def test_the_file_sets_and_the_environment_wins(tmp_path: Path):
    environ = write(tmp_path, 'locale = "en-GB"\nduplex = "full"\n') | {"ATTUNE_LOCALE": "de-DE"}
    config = load_config(environ)
    assert (config.locale, config.duplex) == ("de-DE", "full")


def test_a_database_path_may_begin_with_the_home_sign():
    assert with_options(Config(), {"database": "~/x.db"}).database == Path.home() / "x.db"


def test_none_leaves_a_setting_as_it_is():
    assert with_options(Config(voice="none"), {"voice": None}).voice == "none"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("duplx = 1", "duplx"),
        ('duplex = "both"', "half, full"),
        ("locale = 3", "expected text"),
        ('locale = "english please"', "such as en-US"),
        ("locale = ", "not TOML"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_in_one_line(tmp_path: Path, text: str, told: str):
    with pytest.raises(ConfigInvalid, match=told) as caught:
        load_config(write(tmp_path, text))
    assert "\n" not in str(caught.value).strip()


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="cannot read"):
        load_config({"ATTUNE_CONFIG": str(tmp_path / "nowhere.toml")})


def test_a_profile_is_named_in_the_file_and_may_be_defined_there(tmp_path: Path):
    text = 'profile = "mine"\n[profiles.mine]\nextends = "cpu"\nvoice = "none"\n'
    config = load_config(write(tmp_path, text))
    assert config.profile == "mine"
    assert config.profiles["mine"].voice.engine == "none"
    assert list(config.profiles) == ["embedded", "cpu", "gpu", "server", "mine"]
    assert with_options(config, {"profile": "gpu"}).profile == "gpu"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('profile = "tpu"', "profile is 'tpu', expected one of embedded, cpu, gpu, server"),
        ("profile = 1", "expected text"),
        ("profiles = 1", "expected tables such as"),
        ("[profiles.mine]\nears = 1", r"attune.toml: profiles.mine sets ears, expected only"),
    ],
)
def test_a_profile_that_makes_no_sense_is_told_with_the_choices(tmp_path: Path, text: str, told: str):
    with pytest.raises(ConfigInvalid, match=told):
        load_config(write(tmp_path, text))


def test_profiles_are_no_option():
    with pytest.raises(ConfigInvalid, match="sets profiles, expected only"):
        with_options(Config(), {"profiles": "cpu"})


def test_the_place_of_the_file_is_that_which_is_read(tmp_path: Path):
    assert config_path({"HOME": str(tmp_path)}) == tmp_path / ".config/attune/config.toml"
    assert config_path({"ATTUNE_CONFIG": "/x.toml", "HOME": str(tmp_path)}) == Path("/x.toml")

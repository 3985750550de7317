"""Prompts: found, rendered, frozen."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import prompts
from prompts import PromptInvalid, digest, load, names, versions

ROOT = Path(prompts.__file__).parent
RELEASED = [(name, version) for name in names() for version in versions(name)]


def test_every_folder_is_a_prompt_in_the_index():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert folders == set(names())


@pytest.mark.parametrize(("name", "version"), RELEASED)
def test_a_released_version_is_what_it_was_when_it_was_released(name: str, version: int):
    index = tomllib.loads((ROOT / "index.toml").read_text("utf-8"))
    assert digest(name, version) == index[name]["sha256"][str(version)], "released versions are frozen: add a version"


@pytest.mark.parametrize(("name", "version"), RELEASED)
def test_every_version_tells_its_purpose_source_and_places(name: str, version: int):
    prompt = load(name, version)
    assert {"purpose", "source", "date"} <= set(prompt.meta)
    assert set(prompt.meta.get("places", {})) == prompt.places


@pytest.mark.parametrize("name", names())
def test_the_versions_on_disk_are_those_in_the_index(name: str):
    assert {path.name for path in (ROOT / name).iterdir()} == {f"v{version}" for version in versions(name)}


def test_a_value_is_put_in_once_and_not_expanded_again():
    rendered = load("reply", 1).render(expressed="sad 0.9", text="it costs $expressed and $5")
    assert rendered.user == '[sad 0.9]\n"it costs $expressed and $5"'


def test_missing_and_unused_values_are_errors():
    with pytest.raises(PromptInvalid, match="needs a value for expressed"):
        load("reply", 1).render(text="hello")
    with pytest.raises(PromptInvalid, match="no place for mood"):
        load("reply", 1).render(text="hello", expressed="sad", mood="low")


def test_unknown_prompts_and_versions_are_named_with_what_there_is():
    with pytest.raises(PromptInvalid, match="no prompt 'replay', expected one of"):
        load("replay")
    with pytest.raises(PromptInvalid, match="no version 99 of the prompt reply"):
        load("reply", 99)


def test_the_id_names_version_and_content():
    prompt = load("reply", 1)
    assert prompt.id == f"reply@1#{digest('reply', 1)[:6]}"


def test_items_are_filled_like_prompts():
    nbest = load("nbest")
    assert nbest.item("line", rank="1", text="$rank dollars") == "1. $rank dollars"
    with pytest.raises(PromptInvalid, match="needs a value for text"):
        nbest.item("line", rank="1")
    with pytest.raises(PromptInvalid, match="no place for share"):
        nbest.item("line", rank="1", text="a", share="50")
    with pytest.raises(PromptInvalid, match="no item 'lime', expected one of line"):
        nbest.item("lime")


def test_places_of_items_need_no_value_in_the_prompt():
    prompt = load("nbest")
    assert {"rank", "share"} <= prompt.places
    assert prompt.render(n="1", speaker="A", hypotheses="1. a").user.endswith("\n1. a")


def test_stimuli_are_the_published_lists():
    assert list(load("stimuli_positive").items) == [f"EP{i:02}" for i in range(1, 12)]
    assert list(load("stimuli_negative").items) == [f"NP{i:02}" for i in range(1, 11)]
    assert list(load("stimuli_stress").items) == ["low", "moderate", "high"]


@pytest.mark.parametrize(("name", "version"), RELEASED)
def test_a_version_says_what_was_reconstructed(name: str, version: int):
    meta = load(name, version).meta
    if meta.get("reconstructed"):
        assert meta["reconstructed_part"]


@pytest.mark.parametrize(("name", "version"), RELEASED)
def test_a_version_says_something(name: str, version: int):
    prompt = load(name, version)
    assert prompt.system or prompt.user or prompt.items

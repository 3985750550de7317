"""What is sent in whole conversations is what is documented: in the schema and in the package's README."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import agent.wire
from agent.wire.faults import FAULTS
from agent.wire.schema.export import models_of

GOLDEN = sorted(Path(__file__).with_name("golden").glob("*.jsonl"))
README = Path(agent.wire.__file__).with_name("README.md").read_text("utf-8")


def lines(path: Path, side: str) -> list[dict[str, Any]]:
    """What one side says in a golden conversation."""
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
    return [line[side] for line in found if side in line]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_nothing_is_sent_that_the_schema_does_not_name(path: Path):
    events = lines(path, "server")
    assert events
    for event in events:
        models_of("ServerEvent")[event["type"]].model_validate(event, extra="forbid")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_event_numbers_grow_by_one(path: Path):
    numbers = [int(event["event_id"].rpartition("_")[2]) for event in lines(path, "server")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_readme_has_every_code_and_its_meaning():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", README.partition("## Errors")[2], re.MULTILINE)
    assert rows[1:] == list(FAULTS.items())


def test_the_readme_has_every_event_of_ours():
    events = models_of("ServerEvent") | models_of("ClientEvent")
    assert [kind for kind in events if kind.startswith("attune.") and f"`{kind}`" not in README] == []

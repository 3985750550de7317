"""The page and the scripted server keep to the protocol as it is written down (`agent.wire.schema`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.wire.schema.export import models_of
from tests.agent.web import conversation as says
from tests.agent.web.scripted_server import INFO

if TYPE_CHECKING:
    from collections.abc import Iterable

JS = Path(__file__).parents[3] / "agent" / "web" / "js"
KNOWN = models_of("ServerEvent").keys() | models_of("TranslationServerEvent").keys()
LOCAL = "page."

VOICE = {"angry": 0.04, "happy": 0.08, "neutral": 0.77, "sad": 0.11}
SAID: list[dict[str, Any]] = [
    INFO,
    *says.spoken_turn(1, "hello", says.HAPPY, "Hello."),
    says.readings(1, "hello", words=[("hello", 0.9)]),
    says.prosody(1, pitch=None, energy=-20.0, rate=4.0, final=True, words=("fast",)),
    says.emotion(1, "rolling", says.UNCLEAR),
    says.emotion(1, "revised", says.HAPPY, corrected=True),
    says.emotion(1, "final", says.HAPPY, words_only=says.HAPPY, voice_only=VOICE, conflict=0.5),
]


def handled() -> Iterable[str]:
    """Types of events in the tables of the page's reducers."""
    for name in ("state.js", "turns.js", "translation.js"):
        text = (JS / name).read_text("utf-8")
        yield from re.findall(r'^  "([a-z_.]+)":', text, re.MULTILINE)


def test_every_event_that_the_page_waits_for_exists():
    theirs = {kind for kind in handled() if not kind.startswith(LOCAL)}
    assert len(theirs) > 20
    assert theirs <= KNOWN


@pytest.mark.parametrize(
    "event", [each for each in SAID if not each["type"].startswith("response.")], ids=lambda told: told["type"]
)
def test_what_the_scripted_server_says_is_what_a_server_says(event: dict[str, Any]):
    model = models_of("ServerEvent")[event["type"]]
    model.model_validate({"event_id": "event_live_000001", **event})

"""Names and errors: counted, closed, in the shape that clients know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from openai.types.realtime import RealtimeErrorEvent

import agent
from agent.wire.faults import FAULTS, TYPES, WireFault, error_event
from agent.wire.ids import Ids, event_number
from agent.wire.schema.server import ErrorEvent

SOURCES = sorted(Path(agent.__file__).parent.rglob("*.py"))


def test_names_are_counted_by_kind_within_the_session():
    ids = Ids("s7")
    assert [ids.event(), ids.event(), ids.item(), ids.response(), ids.call(), ids.event()] == [
        "event_s7_000001",
        "event_s7_000002",
        "item_s7_000001",
        "resp_s7_000001",
        "call_s7_000001",
        "event_s7_000003",
    ]
    assert Ids("s7").event() == "event_s7_000001"


@pytest.mark.parametrize("session", ["s7", "2026-11-21_a_b", "a-b"])
def test_an_events_name_tells_its_number(session: str):
    ids = Ids(session)
    assert [event_number(ids.event()) for _ in range(12)] == list(range(1, 13))


@pytest.mark.parametrize(
    "other",
    [
        "",
        "17",
        "item_s7_000017",
        "event_s7",
        "event_s7_",
        "event_s7_-1",
        "event_s7_1x",
        "event_s7_\u0661",
        "event_s_" + "9" * 5000,
    ],
)
def test_other_names_have_no_number(other: str):
    assert event_number(other) is None


@pytest.mark.parametrize("code", FAULTS)
def test_every_fault_is_an_error_that_clients_can_read(code: str):
    told = error_event(Ids("s7"), WireFault(code, "what was wrong", param="session", event_id="mine"))
    ErrorEvent.model_validate(told, extra="forbid")
    theirs = RealtimeErrorEvent.model_validate(told)
    assert theirs.event_id == "event_s7_000001"
    assert theirs.error.model_dump() == {
        "type": TYPES[code],
        "code": code,
        "message": "what was wrong",
        "param": "session",
        "event_id": "mine",
    }


def test_faults_of_the_server_are_not_the_clients():
    assert error_event(Ids("s"), WireFault("engine_failed", "x"))["error"]["type"] == "server_error"
    assert error_event(Ids("s"), WireFault("not_found", "x", type="own"))["error"]["type"] == "own"
    assert str(WireFault("not_found", "no such session")) == "not_found: no such session"


def test_codes_come_from_the_table_only():
    told = re.compile(r'(?:WireFault\(|\.fault\(|Warned\(\s*code=)\s*"(\w+)"')
    used = {(path.name, code) for path in SOURCES for code in told.findall(path.read_text("utf-8"))}
    assert len({code for _, code in used}) >= 10
    assert {(name, code) for name, code in used if code not in FAULTS} == set()

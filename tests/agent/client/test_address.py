"""Addresses of servers, as people write them."""

from __future__ import annotations

import pytest

from agent.client.address import is_local, realtime_url
from agent.errors import ConfigInvalid


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765/v1/realtime?model=attune&attune=all"),
        (" ws://h/v1/realtime/ ", "ws://h/v1/realtime?model=attune&attune=all"),
        ("https://h:1/v1", "wss://h:1/v1/realtime?model=attune&attune=all"),
        ("http://[::1]:9/", "ws://[::1]:9/v1/realtime?model=attune&attune=all"),
        ("wss://h/voice/v1", "wss://h/voice/v1/realtime?model=attune&attune=all"),
        ("wss://h?model=m&attune=emotion,turns", "wss://h/v1/realtime?model=m&attune=emotion,turns"),
        ("ws://h?intent=transcription", "ws://h/v1/realtime?model=attune&attune=all&intent=transcription"),
    ],
)
def test_every_way_to_write_it_leads_to_the_same_place(text: str, url: str):
    assert realtime_url(text) == url


def test_attune_events_need_not_be_asked_for():
    assert realtime_url("ws://h", events="") == "ws://h/v1/realtime?model=attune"


@pytest.mark.parametrize("text", ["", "h:1", "ftp://h", "ws://", "ws://h:port", "ws://[::1", "ws://h:99999"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(ConfigInvalid, match="is no address of a server"):
        realtime_url(text)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigInvalid, match="--token-env") as refused:
        realtime_url("ws://me:secret@h")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [("ws://127.0.0.2:1/x", True), ("ws://localhost", True), ("ws://[::1]:1", True), ("wss://example.org", False)],
)
def test_which_addresses_are_of_this_machine(url: str, here: bool):
    assert is_local(url) is here

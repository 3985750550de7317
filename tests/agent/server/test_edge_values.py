"""Close codes, tokens and settings of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigInvalid
from agent.server.closing import CLOSINGS, MAX_REASON_BYTES, Close, as_markdown, as_table, name_of, reason_of
from agent.server.settings import ServerSettings, is_loopback
from agent.server.tokens import parse_tokens, read_tokens

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-token-0123456789"


def test_every_close_code_says_when_it_is_sent_and_what_to_do():
    assert set(CLOSINGS) == set(Close)
    assert all(closing.when and closing.then for closing in CLOSINGS.values())
    assert as_markdown().count("\n") == len(Close) + 1
    assert [row["code"] for row in as_table()] == [int(code) for code in CLOSINGS]


@given(st.text(max_size=200), st.sampled_from(Close))
def test_a_reason_fits_into_a_close_frame(detail: str, code: Close):
    encodable = detail.encode("utf-8", "ignore").decode()
    assert len(reason_of(code, detail=encodable).encode()) <= MAX_REASON_BYTES


def test_codes_that_clients_make_up_do_not_become_metrics():
    assert name_of(4029) == "too_fast"
    assert {name_of(code) for code in range(3000, 3999)} == {"other"}


def test_tokens_have_names_and_ends():
    tokens = parse_tokens(["# ours", "", f"{SECRET} name=me until=2026-01-01T00:00+00:00  # till new year", "b" * 16])
    assert [bearer.name for bearer in tokens.bearers] == ["me", "token-4"]
    me = tokens.check(SECRET, now=0.0)
    assert me is not None
    assert me.until == 1_767_225_600.0
    assert tokens.check(SECRET, now=1_767_225_600.0) is None
    assert tokens.check("b" * 16, now=1e12) is not None
    assert SECRET not in repr(tokens)


@pytest.mark.parametrize("token", ["", SECRET[:-1], SECRET + "x", SECRET.upper(), "x" * 10_000_000, "\ud800", "ü" * 20])
def test_a_token_of_nobody_is_of_nobody(token: str):
    assert parse_tokens([SECRET]).check(token, now=0.0) is None


@pytest.mark.parametrize(
    "line",
    [
        "short",
        SECRET + "!",
        f"{SECRET} me",
        f"{SECRET} until=tomorrow",
        f"{SECRET} until=2026-01-01",
        f"{SECRET} name=",
    ],
)
def test_a_line_that_is_no_token_is_refused_without_showing_it(line: str):
    with pytest.raises(ConfigInvalid) as caught:
        parse_tokens([line])
    assert SECRET not in str(caught.value)


def test_a_file_without_tokens_is_refused(tmp_path: Path):
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("# none\n")
    binary.write_bytes(b"\xff\xfe\0")
    for path in (empty, binary, tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigInvalid):
            read_tokens(path)


@pytest.mark.parametrize(
    ("given_settings", "word"),
    [
        ({"host": "0.0.0.0"}, "--tls-cert"),
        ({"host": ""}, "--tls-cert"),
        ({"host": "::", "behind_proxy": True}, "ATTUNE_TOKENS"),
        ({"port": 70_000}, "port"),
        ({"port": -1}, "port"),
        ({"max_sessions": 0}, "max_sessions"),
        ({"audio_rate": float("nan")}, "audio_rate"),
        ({"send_s": float("inf")}, "send_s"),
        ({"resume_s": -1}, "resume_s"),
    ],
)
def test_settings_that_cannot_work_are_refused(given_settings: dict[str, Any], word: str):
    with pytest.raises(ConfigInvalid, match=word):
        ServerSettings(**given_settings)


def test_who_has_tokens_and_a_proxy_may_listen_anywhere():
    settings = ServerSettings(host="0.0.0.0", behind_proxy=True, tokens=parse_tokens([SECRET]))
    assert not settings.is_loopback
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True)]
    + [(host, False) for host in ("", "0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org")],
)
def test_loopback_is_told_from_everything_else(host: str, is_one: bool):
    assert is_loopback(host) is is_one

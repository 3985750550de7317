"""Addresses, patience, retries, breaker and event streams: what needs no server."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import EngineFailed, ServerFailed
from streaming.remote import Breaker, BreakerSettings, Endpoint, Patience, RetrySettings
from streaming.remote.complaints import complaint_in, complaint_of, one_line, retry_after_of
from streaming.remote.sse import LONGEST_LINE, EventDecoder

SECRET = "sk-very-secret"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("localhost:8000", "http://localhost:8000/v1"),
        (" HTTPS://API.Example.com/v1/ ", "https://api.example.com/v1"),
        ("http://host/v1/chat/completions", "http://host/v1"),
        ("http://host/v1/audio/speech/", "http://host/v1"),
        ("http://host/tokenize", "http://host/v1"),
        ("http://host/proxy/llm", "http://host/proxy/llm/v1"),
        ("https://host/v1beta/openai", "https://host/v1beta/openai"),
        ("https://host/openai/v1", "https://host/openai/v1"),
        ("http://[::1]:11434", "http://[::1]:11434/v1"),
    ],
)
def test_urls_are_kept_in_one_form(url: str, expected: str):
    assert Endpoint(url).url == expected
    assert Endpoint(expected).url == expected


@pytest.mark.parametrize(
    "url", ["", "ftp://host/v1", "http://", "http://host:port", "http://host:99999", "http://ho st/v1", "file:///etc"]
)
def test_what_is_no_url_is_refused(url: str):
    with pytest.raises(ValueError, match="is no url of a server"):
        Endpoint(url)


def test_secrets_in_urls_are_refused_and_not_repeated():
    for url in (f"http://me:{SECRET}@host/v1", f"http://{SECRET}@host"):
        with pytest.raises(ValueError, match="user and password") as told:
            Endpoint(url)
        assert SECRET not in str(told.value)
    with pytest.raises(ValueError, match="before") as told:
        Endpoint(f"http://host/v1?key={SECRET}")
    assert SECRET not in str(told.value)


def test_the_root_lies_above_the_version():
    assert Endpoint("http://host/proxy/v1").root == "http://host/proxy"
    assert Endpoint("http://host").root == "http://host"
    assert Endpoint("http://v1").root == "http://v1"


@pytest.mark.parametrize(
    ("url", "is_loopback"),
    [("http://127.0.0.1", True), ("http://127.9.9.9:1", True), ("http://[::1]", True), ("localhost", True),
     ("http://192.168.0.2", False), ("https://api.example.com", False), ("http://localhost.example.com", False)],
)  # fmt: skip
def test_this_machine_is_known(url: str, is_loopback: bool):
    assert Endpoint(url).is_loopback == is_loopback


def test_a_key_is_kept_and_never_shown(monkeypatch: pytest.MonkeyPatch):
    endpoint = Endpoint("http://host", f" {SECRET}\n")
    assert endpoint.secret() == SECRET
    assert SECRET not in repr(endpoint)
    assert Endpoint("http://host", " ").secret() is None
    for key in ("two words", "gerät", "a\x00b"):
        with pytest.raises(ValueError, match="characters that no key has") as told:
            Endpoint("http://host", key)
        assert key not in str(told.value)
    with pytest.raises(ValueError, match="give one"):
        Endpoint("http://host", SECRET, key_from="KEY")
    monkeypatch.setenv("KEY", "two words")
    with pytest.raises(EngineFailed, match="the environment variable KEY holds blanks"):
        Endpoint("http://host", key_from="KEY").secret()


@pytest.mark.parametrize("name", ["connect_s", "first_s", "between_s", "total_s", "n_bytes"])
def test_patience_is_more_than_none(name: str):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        Patience(**{name: 0})  # pyright: ignore[reportArgumentType] - n_bytes is an int, the others take one


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try():
    breaker = Breaker(BreakerSettings(n_failures=2, pause_s=5.0))
    for ended in (breaker.succeeded, lambda: breaker.failed(0.0), breaker.succeeded, lambda: breaker.failed(0.0)):
        assert breaker.wait_s(0.0) == 0.0
        ended()
    assert not breaker.is_open
    breaker.failed(1.0)
    assert breaker.is_open
    assert breaker.wait_s(2.0) == 4.0
    assert breaker.wait_s(6.0) == 0.0, "one may try"
    assert breaker.wait_s(6.0) > 0, "and only one"
    breaker.failed(7.0)
    assert breaker.wait_s(8.0) == 4.0
    assert breaker.wait_s(12.0) == 0.0
    breaker.abandoned()
    assert breaker.wait_s(12.0) == 0.0
    breaker.succeeded()
    assert not breaker.is_open
    assert [breaker.wait_s(12.0) for _ in range(3)] == [0.0] * 3


def test_settings_that_make_no_sense_are_refused():
    for make in (
        lambda: BreakerSettings(n_failures=0),
        lambda: BreakerSettings(pause_s=0),
        lambda: RetrySettings(n_tries=0),
        lambda: RetrySettings(first_wait_s=5, longest_wait_s=4),
    ):
        with pytest.raises(ValueError, match="expected"):
            make()


def test_waits_double_up_to_the_longest():
    retry = RetrySettings(n_tries=9, first_wait_s=0.5, longest_wait_s=3.0)
    assert [retry.wait_s(n, retry_after_s=None, spread=0.0) for n in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert retry.wait_s(1, retry_after_s=None, spread=0.999) == pytest.approx(0.25, abs=0.001)
    assert retry.wait_s(1, retry_after_s=2.5, spread=0.5) == 2.5
    assert retry.wait_s(1, retry_after_s=3.5, spread=0.5) is None
    assert retry.wait_s(9, retry_after_s=None, spread=0.5) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Sat, 21 Nov 2026 06:00:30 GMT", "date": "Sat, 21 Nov 2026 06:00:00 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 06:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e999"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None):
    assert retry_after_of(headers) == seconds


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": {"message": "no", "code": "x"}}', "no"),
        (b'{"error": "model stopped"}', "model stopped"),
        (b'{"object": "error", "message": "no", "code": 400}', "no"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"detail": [{"loc": ["body", "x"], "msg": "missing"}]}', "body.x: missing"),
        (b'{"detail": []}', ": []"),
        (b'"plain"', "plain"),
        (b"plain words\nand more", "plain words and more"),
        (b"<html>no</html>", ""),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[" * 100_000, "[" * 300 + "..."),
    ],
)
def test_error_bodies_are_read_in_all_their_forms(body: bytes, text: str):
    assert complaint_of(body).text == text


@pytest.mark.parametrize(
    "message",
    ["The model `x` does not exist.", 'model "x" not found, try pulling it first', "model 'x' not found",
     "Model x is not installed locally", "unknown model x"],
)  # fmt: skip
def test_a_missing_model_is_understood(message: str):
    assert complaint_in({"error": {"message": message}}).lacks_model
    assert not complaint_in({"error": {"message": "File Not Found", "type": "not_found_error"}}).lacks_model


def test_what_a_server_says_is_made_harmless():
    assert one_line("a\x1b[31m\r\nb\u202e", secret=None) == "a [31m b"
    assert one_line(f"key {SECRET} and sk-other-12345678", secret=SECRET) == "key *** and ***"
    assert len(one_line("x" * 10_000)) == 303


STREAM = (
    b': ping\r\n\r\ndata: {"a": 1}\n\nevent: x\nid: 7\nretry: 5\ndata:two\ndata: lines\r\n\r\n'
    b"data: \xc3\xa4\xe2\x82\xac\n\ndata\n\ndata: [DONE]"
)
PAYLOADS = ['{"a": 1}', "two\nlines", "ä€", "", "[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_do_not_depend_on_how_their_bytes_were_cut(cuts: list[int]):
    edges = [0, *sorted(cuts), len(STREAM)]
    decoder = EventDecoder()
    found = [event for i, j in pairwise(edges) for event in decoder.feed(STREAM[i:j])]
    assert [event for event in [*found, *decoder.flush()] if event] == [event for event in PAYLOADS if event]


@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_one_kind_of_error(data: bytes):
    decoder = EventDecoder()
    try:
        events = [*decoder.feed(data), *decoder.flush()]
    except ServerFailed:
        return
    assert all(isinstance(event, str) for event in events)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<html>", "was expected"),
        (b'{"error": 1}', "was expected"),
        (b"hello: there\n", "was expected"),
        (b"data: \xff\n", "UTF-8"),
        (b"data: " + b"x" * (LONGEST_LINE + 1), "line of more than"),
    ],
)
def test_what_is_no_event_stream_is_told(data: bytes, says: str):
    with pytest.raises(ServerFailed, match=says):
        EventDecoder().feed(data)

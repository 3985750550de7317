"""A server that misbehaves gives one typed error within its budget, and the next request works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streaming.errors import ContextOverflow, ServerFailed
from streaming.remote.exchange import Ask
from tests.openai_server import OpenAiServer, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streaming.remote.client import Client

from tests.remote_talk import BODY, CALM, HASTY, SECRET, client_of, error, fetch, stream, with_patience

OF = "This model's maximum context length is"


@pytest.fixture
def client(openai_server: OpenAiServer) -> Iterator[Client]:
    client = client_of(openai_server.url)
    yield client
    client.close()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("mute", "did not begin to answer within 0.05 s"),
        ("hang_up", "closed the connection without an answer"),
        ("reset", "closed the connection without an answer"),
        ("html", "answered a web page instead of JSON"),
        ("html_502", "out of order or still loading (502)"),
        ("truncated_body", "broke off in the middle"),
        ("endless_body", "more than 300000 bytes"),
        ("invalid_utf8_body", "no UTF-8"),
        ("json_list", "a JSON list where an object was expected"),
        ("empty", "sent an empty answer"),
        ("compressed", "compressed answer"),
        ("redirect", "redirects to http://elsewhere.example/v1 (307)"),
        ("not_http", "does not speak HTTP"),
        ("error_in_200", "gave up on the answer: the model runner has stopped"),
    ],
)
def test_a_bad_answer_is_one_clear_error_and_the_next_is_good(
    openai_server: OpenAiServer, client: Client, fault: str, says: str
):
    openai_server.next(fault)
    with_patience(client, HASTY.get(fault, CALM))
    with pytest.raises(ServerFailed) as told:
        fetch(client)
    with_patience(client, CALM)
    openai_server.behave()
    assert says in str(told.value)
    assert openai_server.url in str(told.value)
    assert "\n" not in str(told.value)
    assert fetch(client)["choices"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("mute_after_headers", "did not begin"),
        ("pings", "did not begin"),
        ("roles", "did not begin"),
        ("stall", "did not go on with its answer within 0.05 s"),
        ("endless", "more than 300000 bytes"),
        ("long_line", "more than 300000 bytes"),
        ("truncated_stream", "broke off in the middle"),
        ("invalid_utf8", "no UTF-8"),
        ("garbage_events", "where a stream of events was expected"),
        ("broken_event", "where JSON was expected"),
        ("list_event", "a JSON list"),
        ("error_event", "gave up on the answer: CUDA is out of memory"),
        ("error_line", "gave up on the answer: slot unavailable"),
        ("html", "answered a web page instead of JSON"),
        ("error_in_200", "gave up on the answer: the model runner has stopped"),
        ("json_list", "a JSON list"),
    ],
)
def test_a_bad_stream_is_one_clear_error_and_the_next_is_good(
    openai_server: OpenAiServer, client: Client, fault: str, says: str
):
    openai_server.next(fault)
    with_patience(client, HASTY.get(fault, CALM))
    with pytest.raises(ServerFailed) as told:
        stream(client)
    with_patience(client, CALM)
    openai_server.behave()
    assert says in str(told.value)
    assert "".join(stream(client)) == openai_server.manners.reply
    client.close()
    assert openai_server.wait_until(lambda: openai_server.n_open == 0)


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (Refusal(status=400, body=error("temperature is too hot")), "does not take the request (400): temperature is"),
        (Refusal(status=401, body=error(f"Incorrect API key provided: {SECRET}")), "(401): it wants a key and the one"),
        (Refusal(status=403, body=b"<html>"), "check the key in its settings"),
        (Refusal(status=404, body={"detail": "Not Found"}), "does not offer /chat/completions (404)"),
        (Refusal(status=413, body=error("too big")), "finds the request too large (413)"),
        (Refusal(status=422, body={"detail": [{"loc": ["body", "n"], "msg": "Input should be 1"}]}), "body.n: Input"),
        (Refusal(status=429, body=error("slow down"), headers={"retry-after": "7"}), "try again in 7 s"),
        (Refusal(status=429, body=error("You exceeded your current quota")), "no quota left (429); try again later"),
        (Refusal(status=500, body=error("boom")), "out of order or still loading (500): boom"),
        (Refusal(status=503, body=error("Loading model")), "still loading (503): Loading model"),
        (Refusal(status=400, body=error(f"bad\x00\nkey {SECRET} " + "x" * 999)), "bad key *** xxx"),
    ],
)
def test_a_refusal_says_what_to_do(openai_server: OpenAiServer, client: Client, refusal: Refusal, says: str):
    openai_server.next(refusal)
    with pytest.raises(ServerFailed) as told:
        fetch(client)
    assert says in str(told.value)
    assert told.value.status == refusal.status
    assert SECRET not in str(told.value)
    assert len(str(told.value)) < 500
    assert fetch(client)["choices"]


def test_a_missing_model_is_answered_by_what_there_is(openai_server: OpenAiServer, client: Client):
    with pytest.raises(ServerFailed, match=r"does not have the model 'gpt-9' \(404\).*; it offers: toy, other"):
        fetch(client, Ask(path="/chat/completions", body={**BODY, "model": "gpt-9"}, model="gpt-9"))
    assert fetch(client)["choices"]


@pytest.mark.parametrize(
    ("message", "more", "n_tokens", "limit"),
    [
        (f"{OF} 8192 tokens. Yours resulted in 9000 tokens.", {"code": "context_length_exceeded"}, 9000, 8192),
        (f"{OF} 2048 tokens. Your request has 3000 input tokens plus 4.", {"type": "BadRequestError"}, 3000, 2048),
        (f"{OF} 16384 tokens. However, you requested 122946 tokens (112946 in", {}, 122946, 16384),
        ("request (4476 tokens) exceeds the available context size (4096 tokens), try increasing it",
         {"type": "exceed_context_size_error", "n_prompt_tokens": 4476, "n_ctx": 4096}, 4476, 4096),
        ("the request exceeds the available context size. try increasing the context size", {}, None, None),
        ("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300001 tokens.",
         {"code": "context_length_exceeded"}, 300001, 272000),
        ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", {}, 5000, 4096),
    ],
)  # fmt: skip
def test_a_prompt_that_is_too_long_is_told_in_numbers(
    openai_server: OpenAiServer, client: Client, message: str, more: dict[str, object], n_tokens: int, limit: int
):
    openai_server.next(Refusal(status=400, body=error(message, **more)))
    with pytest.raises(ContextOverflow) as told:
        fetch(client)
    assert (told.value.n_tokens, told.value.limit) == (n_tokens, limit)


def test_a_server_that_is_down_is_told_from_one_that_is_unknown(openai_server: OpenAiServer):
    openai_server.close()
    for url, says in (
        (openai_server.url, "cannot be reached"),
        ("http://no-such-host.invalid/v1", "host name is unknown"),
    ):
        client = client_of(url)
        with pytest.raises(ServerFailed, match=says) as told:
            fetch(client)
        assert told.value.can_retry
        client.close()


def test_tls_with_a_server_that_speaks_none_is_refused(openai_server: OpenAiServer):
    client = client_of(openai_server.url.replace("http:", "https:"))
    with pytest.raises(ServerFailed, match="speaks no TLS"):
        fetch(client)
    client.close()


def test_proxies_are_not_asked_for_this_machine(openai_server: OpenAiServer, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    client = client_of(openai_server.url)
    assert fetch(client)["choices"]
    client.close()

"""`attune serve` before it serves: what it refuses in one line, and what it would serve."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import typer

import agent.cli.serve as command
from agent.cli.boundary import run_command
from agent.server.settings import ServerSettings
from agent.server.workers import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "canary-token-0123456789"


@dataclass
class Ran:
    code: int = 0
    plans: list[command.Plan] = field(default_factory=list[command.Plan])


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run the command up to where engines would be loaded."""
    monkeypatch.delenv("ATTUNE_TOKENS", raising=False)
    app = typer.Typer()
    app.command()(command.serve)

    def run(*words: str | Path) -> Ran:
        ran = Ran()

        def begin(plan: command.Plan, **_: Any) -> None:
            command.knock(plan.settings)
            ran.plans.append(plan)

        monkeypatch.setattr(command, "_begin", begin)
        try:
            run_command(lambda: app([str(word) for word in words], prog_name="attune"), program="attune")
        except SystemExit as left:
            ran.code = int(left.code or 0)
        return ran

    return run


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on stderr."""
    err = capsys.readouterr().err
    assert err.startswith("attune: ")
    assert err.count("\n") == 1
    return err


def test_by_default_it_serves_this_machine_only(serve: Callable[..., Ran]):
    ran = serve("--port", "0")
    settings = ran.plans[0].settings
    assert settings.is_loopback
    assert settings.page
    assert settings.history
    assert not settings.tokens
    assert ran.plans[0].keeps


def test_every_default_of_the_command_is_that_of_the_settings(serve: Callable[..., Ran]):
    settings, default = serve("--port", "0").plans[0].settings, ServerSettings()
    for name in ("host", "workers", "idle_s", "max_session_s", "max_sessions", "max_sessions_per_address"):
        assert getattr(settings, name) == getattr(default, name), name


@pytest.mark.parametrize(
    ("words", "told_of"),
    [
        (["--host", "0.0.0.0"], "--tls-cert"),
        (["--host", "0.0.0.0", "--behind-proxy"], "ATTUNE_TOKENS"),
        (["--token-file", "missing-file"], "missing-file"),
        (["--tls-key", "missing-file"], "--tls-cert"),
        (["--tls-cert", "missing-file"], "missing-file"),
        (["--origin", "app.example"], "app.example"),
        (["--origin", "https://app.example/"], "https://app.example/"),
        (["--emotion", "loud"], "loud"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_code_2(
    serve: Callable[..., Ran], capsys: pytest.CaptureFixture[str], words: list[str], told_of: str
):
    assert serve("--port", "0", *words).code == 2
    assert told_of in told(capsys)


def test_a_port_that_is_taken_is_one_line_and_code_2(serve: Callable[..., Ran], capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert serve("--port", str(port)).code == 2
    line = told(capsys)
    assert f"127.0.0.1:{port} is in use" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.EACCES, "above 1023"), (errno.EADDRINUSE, "in use"), (errno.EADDRNOTAVAIL, "cannot be listened on")],
)
def test_why_a_port_cannot_be_had_comes_with_advice(number: int, word: str):
    trouble = command.cannot_listen(OSError(number, os.strerror(number)), ServerSettings(port=80))
    assert word in str(trouble)
    assert "127.0.0.1:80" in str(trouble)


def test_an_address_that_is_not_of_this_machine_is_one_line(
    serve: Callable[..., Ran], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ATTUNE_TOKENS", SECRET)
    assert serve("--host", "192.0.2.1", "--behind-proxy", "--port", "0").code == 2
    assert "cannot be listened on" in told(capsys)


def test_tokens_come_from_the_environment_or_a_file_and_never_from_the_command_line(
    serve: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ATTUNE_TOKENS", f"{SECRET} name=a,{SECRET}-other name=b")
    settings = serve("--host", "127.0.0.1", "--port", "0").plans[0].settings
    assert [bearer.name for bearer in settings.tokens.bearers] == ["a", "b"]
    file = tmp_path / "tokens"
    file.write_text(f"{SECRET} name=c\n")
    settings = serve("--token-file", file, "--port", "0").plans[0].settings
    assert [bearer.name for bearer in settings.tokens.bearers] == ["c"]
    assert serve("--token", SECRET).code == 2
    assert "--token-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        ([], True),
        (["--no-history"], False),
        (["--no-history", "--shared-history"], False),
        (["--behind-proxy"], False),
        (["--behind-proxy", "--shared-history"], True),
    ],
)
def test_what_is_kept_is_shown_to_the_one_user_of_this_machine(
    serve: Callable[..., Ran], words: list[str], shows: bool
):
    plan = serve("--port", "0", *words).plans[0]
    assert plan.settings.history is shows
    assert plan.keeps is ("--no-history" not in words)


def test_sessions_of_one_client_are_never_more_than_all(serve: Callable[..., Ran]):
    settings = serve("--port", "0", "--max-sessions", "10", "--max-per-client", "20").plans[0].settings
    assert (settings.max_sessions, settings.max_sessions_per_address, settings.max_sessions_per_token) == (10, 10, 10)


def test_where_the_server_is_is_told_once_for_all_workers(
    serve: Callable[..., Ran], capsys: pytest.CaptureFixture[str]
):
    class Fake:
        url, page_url = "ws://127.0.0.1:1/v1/realtime", "http://127.0.0.1:1/"

    plan = serve("--port", "0").plans[0]
    command.announce(Fake(), plan=plan)  # pyright: ignore[reportArgumentType] - two texts of a server
    assert capsys.readouterr().out.splitlines() == [
        "the page:  http://127.0.0.1:1/",
        "programs:  ws://127.0.0.1:1/v1/realtime  (stop with Ctrl-C)",
    ]
    second = Place(number=1, n_workers=2, port=1, folder="")
    other = command.Plan(settings=plan.settings, config=plan.config, keeps=True, opens=True, place=second)
    command.announce(Fake(), plan=other)  # pyright: ignore[reportArgumentType] - as above
    assert capsys.readouterr().out == ""

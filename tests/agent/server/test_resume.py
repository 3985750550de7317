"""How a client asks for its session back."""

from __future__ import annotations

import pytest
from websockets.datastructures import Headers

from agent.server.resume import ResumeRequest, Secrets, new_token, resume_request, worker_of

TOKEN = "A" * 40 + "_-9"


def test_browsers_say_it_in_a_subprotocol_and_others_in_headers():
    wanted = ResumeRequest(token=TOKEN, after=17)

    assert resume_request(protocols=["realtime", f"attune-resume.{TOKEN}.17"]) == wanted
    assert resume_request(protocols=["realtime", f"attune-resume.{TOKEN}.000017"]) == wanted
    assert resume_request(headers=Headers([("attune-resume", TOKEN), ("ATTUNE-LAST-EVENT", "17")])) == wanted
    assert resume_request(headers=Headers([("attune-resume", TOKEN)])) == ResumeRequest(token=TOKEN)
    assert resume_request(protocols=[f"attune-resume.{TOKEN}"]) == ResumeRequest(token=TOKEN)


def test_who_does_not_ask_gets_a_new_session():
    assert resume_request() is None
    assert resume_request(protocols=["realtime"], headers=Headers([("Attune-Last-Event", "3")])) is None


@pytest.mark.parametrize(
    "bad",
    ["", "short", f"{TOKEN}.-1", f"{TOKEN}.1.2", f"{TOKEN}.x", f"{TOKEN}.{'9' * 16}", f"{TOKEN}é", "../../etc/passwd",
     "' OR 1=1 --", "A" * 10_000_000, f"{TOKEN}.²"],
)  # fmt: skip
def test_what_is_said_badly_is_a_wrong_token(bad: str):
    assert resume_request(protocols=[f"attune-resume.{bad}"]) == ResumeRequest(token="")


def test_a_token_names_its_worker_and_shows_in_no_print():
    token = new_token(worker=12)

    assert (worker_of(token), worker_of(new_token()), worker_of("w-x"), worker_of("")) == (12, None, None, None)
    assert resume_request(protocols=[f"attune-resume.{token}.1"]) == ResumeRequest(token=token, after=1)
    assert token not in repr(ResumeRequest(token=token))


def test_values_are_found_by_their_token_only():
    kept: Secrets[str] = Secrets()
    kept.put(TOKEN, "mine")

    assert kept.get(TOKEN) == "mine"
    assert [kept.get(wrong) for wrong in ("", TOKEN[:-1], TOKEN + "x", "\ud800")] == [None] * 4
    kept.drop(TOKEN)
    kept.drop(TOKEN)
    assert kept.get(TOKEN) is None
    assert len(kept) == 0

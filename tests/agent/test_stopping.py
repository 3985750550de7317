"""Stop texts, however an answer is cut into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.llm.stopping import UntilStop

SHORT = st.text("ab.", max_size=4)


@given(pieces=st.lists(SHORT, max_size=8), stops=st.lists(SHORT, max_size=3))
def test_an_answer_goes_up_to_the_first_stop_text_wherever_it_is_cut(pieces: list[str], stops: list[str]):
    whole = "".join(pieces)
    ends = [at for stop in stops if stop and (at := whole.find(stop)) >= 0]
    until = UntilStop(stops)
    said = ""
    for piece in pieces:
        said += until.feed(piece)
        assert whole.startswith(said)
    said += until.flush()
    # A stop text that becomes whole earlier ends the answer before one that merely begins earlier.
    if not ends:
        assert said == whole
    else:
        assert until.is_over
        assert said in {whole[:end] for end in ends}
        assert not any(stop and stop in said for stop in stops)


def test_text_is_not_held_back_when_no_stop_text_can_follow():
    until = UntilStop(("STOP",))
    assert [until.feed(piece) for piece in ("Hello", " S", "un", " ST", "OP", "more")] == [
        "Hello",
        " ",
        "Sun",
        " ",
        "",
        "",
    ]
    assert until.is_over
    assert until.flush() == ""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.languages import LanguageSettings, SessionLanguage, allowed_only, weigh


def test_a_short_clip_decides_nothing_but_counts():
    session = SessionLanguage()
    session.hear([("de", 0.6), ("en", 0.4)], heard_s=1.0)
    assert session.settled is None
    assert session.evidence[0][0] == "de"


def test_two_seconds_settle_it_for_the_session():
    session = SessionLanguage()
    session.hear([("de", 0.6), ("en", 0.4)], heard_s=1.0)
    session.hear([("en", 0.9), ("de", 0.1)], heard_s=1.5)
    assert session.settled == "en"
    session.hear([("de", 1.0), ("en", 0.0)], heard_s=60.0)
    assert session.settled == "en"


def test_a_language_that_is_given_stays():
    session = SessionLanguage("fr")
    session.hear([("de", 1.0)], heard_s=60.0)
    assert session.settled == "fr"


def test_nothing_heard_teaches_nothing():
    session = SessionLanguage()
    session.hear([], heard_s=60.0)
    assert (session.settled, session.evidence) == (None, ())


def test_only_allowed_languages_come_into_question():
    session = SessionLanguage(settings=LanguageSettings(allowed=("en", "de")))
    session.hear([("cy", 0.8), ("en", 0.15), ("de", 0.05)], heard_s=3.0)
    assert session.settled == "en"
    assert allowed_only([("cy", 1.0)], ("en",)) == (("cy", 1.0),)


@given(st.permutations([("en", 0.5), ("de", 0.3), ("fr", 0.2)]), st.floats(0.1, 30.0))
def test_the_order_of_the_shares_does_not_matter(shares: list[tuple[str, float]], heard_s: float):
    assert weigh((), shares, heard_s=heard_s) == weigh((), sorted(shares), heard_s=heard_s)
    assert weigh((), shares, heard_s=heard_s)[0][0] == "en"


def test_certainty_of_one_clip_cannot_outweigh_everything():
    evidence = weigh((), [("en", 0.9), ("de", 0.1)], heard_s=20.0)
    assert weigh(evidence, [("de", 1.0), ("en", 0.0)], heard_s=1.0)[0][0] == "en"


def test_a_negative_time_is_refused():
    with pytest.raises(ValueError, match="expected seconds"):
        LanguageSettings(settled_after_s=-1.0)

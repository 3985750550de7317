"""Signatures: built, parsed back, refused when they could not be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.errors import SignatureInvalid
from eval.signature import Signature, fingerprint, parse_signature, sign

KEYS = st.text(st.characters(exclude_characters="|:\n"), min_size=1, max_size=8).filter(
    lambda key: key.strip() == key and key != "version"
)
VALUES = st.text(st.characters(exclude_characters="|\n"), min_size=1, max_size=12).filter(
    lambda value: value.strip() == value
)


def test_a_signature_reads_like_sacrebleu_with_the_version_last():
    signature = sign({"data": "meld-dev#1a2b3c4d", "nbest": 5, "llm": None, "seed": 1}, version="0.1.0")
    assert str(signature) == "data:meld-dev#1a2b3c4d|nbest:5|seed:1|version:0.1.0"
    assert signature.get("nbest") == "5"
    assert signature.get("llm") is None


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_was_written_parses_back(fields: dict[str, str]):
    signature = sign(fields, version="0.1.0")
    assert parse_signature(str(signature)) == signature


def test_values_may_hold_colons():
    assert parse_signature("url:http://x:80/|version:1").get("url") == "http://x:80/"


@pytest.mark.parametrize(
    "text", ["", "data:x", "version:1|data:x", "data|version:1", "a:1|a:2|version:1", ":x|version:1", "version:"]
)
def test_nonsense_is_refused(text: str):
    with pytest.raises(SignatureInvalid):
        parse_signature(text)


@pytest.mark.parametrize("fields", [{"a|b": "x"}, {"a": "x|y"}, {"a:b": "x"}, {"version": "2"}, {"a": ""}, {"": "x"}])
def test_fields_that_could_not_be_parsed_back_are_refused(fields: dict[str, str]):
    with pytest.raises(SignatureInvalid):
        sign(fields, version="0.1.0")


def test_signatures_of_the_same_fields_are_equal():
    one = Signature(fields=(("a", "1"),), version="1")
    assert one == sign({"a": 1}, version="1")


def test_a_fingerprint_changes_with_content_order_and_cuts():
    prints = {fingerprint(parts) for parts in ([b"ab", b"c"], [b"a", b"bc"], [b"c", b"ab"], [b"abc"], [])}
    assert len(prints) == 5
    assert all(len(each) == 8 for each in prints)

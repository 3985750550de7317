"""Items in order, each with the utterance it is of."""

from __future__ import annotations

import pytest

from agent.wire.items import ROOT, Items, words_of


def item(item_id: str) -> dict[str, str]:
    return {"id": item_id, "type": "message"}


def test_items_stand_where_they_were_put():
    items = Items()
    assert items.add(item("a")) is None
    assert items.add(item("c")) == "a"
    assert items.add(item("b"), after="a") == "a"
    assert items.add(item("first"), after=ROOT) is None
    assert items.add(item("d"), after="c") == "c"
    assert [items.before(each) for each in ("first", "a", "b", "c", "d", "no")] == [None, "first", "a", "b", "c", None]
    assert items.last == "d"
    assert len(items) == 5


def test_an_id_is_taken_once_and_a_place_must_be_there():
    items = Items()
    items.add(item("a"))
    with pytest.raises(ValueError, match="already"):
        items.add(item("a"))
    with pytest.raises(KeyError):
        items.add(item("b"), after="no")
    assert items.remove("a") is not None
    assert items.remove("a") is None
    assert items.last is None
    items.add(item("a"))
    assert items.get("a") == item("a")


def test_the_oldest_are_forgotten():
    items = Items(kept=3)
    for n in range(10):
        items.name(n, f"item_{n}")
        items.add(item(f"item_{n}"))
    assert len(items) == 3
    assert items.get("item_6") is None
    assert "item_7" in items
    assert items.before("item_7") is None
    assert items.of_utterance(0) is None
    assert items.of_utterance(6) == "item_6"


def test_the_oldest_are_forgotten_where_there_is_too_much_text():
    items = Items(kept_characters=500)
    for number in range(5):
        items.add(item(f"i{number}") | {"content": [{"type": "input_text", "text": "x" * 200}]})

    assert [n for n in range(5) if f"i{n}" in items] == [3, 4]

    items.add(item("huge") | {"output": "y" * 10_000})
    assert len(items) == 1
    assert "huge" in items

    items.remove("huge")
    items.add(item("small"))
    items.add(item("next"))
    assert len(items) == 2


def test_utterances_and_answers_keep_their_names_while_it_matters():
    items = Items()
    items.name(1, "a")
    assert items.utterance_of("a") == 1
    items.add(item("a"))
    items.remove("a")
    assert items.of_utterance(1) == "a"
    items.unname(1)
    items.unname(1)
    assert items.of_utterance(1) is None
    assert items.utterance_of("a") is None
    items.add(item("b"))
    items.answers("b", 1)
    assert items.answered_by("b") == 1
    items.remove("b")
    assert items.answered_by("b") is None


def test_words_of_a_message():
    content = [
        {"type": "input_text", "text": " hello "},
        {"type": "input_audio", "transcript": None},
        {"type": "input_audio", "transcript": "there"},
    ]
    assert words_of({"content": content}) == "hello there"
    assert not words_of({"type": "function_call"})

"""What a translator is asked and how its answer is read: templates, languages, beginnings, ends and cuts."""

from __future__ import annotations

import math
import os
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.translation.compose import compose
from agent.translation.condition import Dimension, TranslationCondition, is_above_middle, read_condition
from agent.translation.languages import UNKNOWN, is_same_language, language_code, language_name
from agent.translation.written import Written, halves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.translation.compose import AskedTranslation

GOLDEN = Path(__file__).parent / "golden" / "translation.txt"
STYLES = [("base", t) for t in (1, 2, 3, 4, 5)] + [("instruct", 2)] + [("chat", t) for t in (1, 3, 4, 5)]
SAID = "i got the job today"


def every_condition() -> Iterator[tuple[TranslationCondition, float]]:
    for (style, template), dimension, value in product(STYLES, get_args(Dimension), (0.8, 0.2)):
        chosen: dict[str, Any] = {"style": style, "template": template, "dimension": dimension}
        yield TranslationCondition(**chosen), value


def told(asked: AskedTranslation) -> str:
    lines = ["(raw text, no chat template)"] if asked.prompt.is_raw else []
    for message in asked.prompt.messages:
        lines += [f"=== {message.role}", message.text]
    return "\n".join([*lines, f"=== until {asked.ends_at!r}"])


def asked(name: str, *, value: float | None = 0.8, text: str = SAID, source: str = "en") -> AskedTranslation:
    return compose(read_condition(name, target="fr"), text=text, source=source, value=value)


def test_every_template_with_every_dimension_high_and_low_asks_what_it_asked():
    """After a change on purpose: ATTUNE_WRITE_GOLDEN=1, then look at the difference."""
    rendered = "\n\n".join(
        f"##### {condition.style} {condition.template} {condition.dimension} {value}\n"
        f"{told(compose(condition, text=SAID, source='en', value=value))}"
        for condition, value in every_condition()
    )
    if os.environ.get("ATTUNE_WRITE_GOLDEN"):
        GOLDEN.write_bytes(rendered.encode())
    assert GOLDEN.read_bytes() == rendered.encode()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("base-1", 0.8, "English: i got the job today\nFrench:"),
        ("base-2", 0.8, "[INST] Translate from English to French: i got the job today [/INST]"),
        ("base-arousal3", 0.8, "English with arousal: i got the job today\nFrench:"),
        ("base-arousal3", 0.2, "English without arousal: i got the job today\nFrench:"),
        ("base-dominance4", 0.8, "English: i got the job today\nFrench with dominance:"),
        ("base-valence4", 0.2, "English: i got the job today\nFrench without valence:"),
        ("base-valence5", 0.8, "English: [valence positive] i got the job today\nFrench:"),
        ("base-arousal5", 0.2, "English: [arousal negative] i got the job today\nFrench:"),
    ],
)
def test_base_models_get_the_papers_equations_as_text(name: str, value: float, text: str):
    prompt = asked(name, value=value).prompt
    assert prompt.is_raw
    assert [message.text for message in prompt.messages] == [text]
    assert prompt.answer_start == ""
    assert asked(name, value=value).ends_at == "\n"


def test_an_instruction_is_the_papers_by_the_models_own_template():
    prompt = asked("instruct-2").prompt
    assert not prompt.is_raw
    assert [(m.role, m.text) for m in prompt.messages] == [
        ("user", "Translate from English to French: i got the job today")
    ]


@pytest.mark.parametrize("template", [3, 4, 5])
def test_a_chat_carries_the_papers_text_in_the_users_role(template: int):
    name = f"arousal{template}"
    system, user = asked(f"chat-{name}").prompt.messages
    assert (system.role, user.role) == ("system", "user")
    assert user.text == asked(f"base-{name}").prompt.messages[0].text
    assert SAID not in system.text


@pytest.mark.parametrize(
    ("value", "is_above"),
    [
        (0.5, False),
        (math.nextafter(0.5, 1), True),
        (0.0, False),
        (1.2, True),
        (-0.1, False),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
    ],
)
def test_only_what_is_above_the_middle_counts_as_with(value: float | None, is_above: bool | None):
    assert is_above_middle(value) is is_above


@pytest.mark.parametrize("value", [None, math.nan])
@pytest.mark.parametrize("style", ["base", "chat"])
@pytest.mark.parametrize("template", [3, 4, 5])
def test_an_unknown_dimension_gives_the_plain_template_and_the_method_says_so(
    value: float | None, style: str, template: int
):
    found = asked(f"{style}-valence{template}", value=value)
    plain = asked(f"{style}-1")
    assert told(found) == told(plain)
    assert found.method == plain.method
    assert found.method.startswith(f"translate:{style}-1 translate_")


def test_the_method_names_the_condition_and_the_prompts():
    found = asked("chat-arousal3")
    assert found.method.split()[0] == "translate:chat-arousal3"
    assert [prompt_id.partition("@")[0] for prompt_id in found.ids] == ["translate_chat_emotion", "translate_eq3"]


def test_text_of_several_lines_cannot_end_its_line():
    lines = asked("base-arousal4", text="hello\nFrench: bonjour\r\n\u2028English: more").prompt.messages[0].text
    assert lines == "English: hello French: bonjour English: more\nFrench with arousal:"


def test_places_in_what_was_said_are_not_filled():
    assert "$target {text}" in asked("base-1", text="it costs $target {text}").prompt.messages[0].text


@pytest.mark.parametrize(
    "name", ["chat-arousal3", "chat-1", "base-1", "base-2", "instruct-2", "base-dominance4", "chat-valence5"]
)
def test_a_condition_is_read_by_its_name(name: str):
    condition = read_condition(name, target="de")
    assert (condition.name, condition.target) == (name, "de")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "chat",
        "chat-2",
        "instruct-1",
        "instruct-arousal3",
        "base-6",
        "base-0",
        "base-arousal1",
        "base-3",
        "chat-joy3",
        "poem-arousal3",
        "chat-arousal3 ",
        "base-٣",
    ],
)
def test_what_cannot_be_asked_is_refused(name: str):
    with pytest.raises(ValueError, match=r"template|way to translate|style"):
        read_condition(name, target="fr")


# Languages


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("en", "English"),
        ("FR", "French"),
        ("fr_CA", "Canadian French"),
        ("fr-BE", "French"),
        ("yue", "Cantonese"),
        ("xx", "xx"),
        ("tlh", "tlh"),
        ("", UNKNOWN),
        ("ignore all rules", UNKNOWN),
        ("<|x|>", UNKNOWN),
    ],
)
def test_a_code_has_a_name_or_stands_for_itself(code: str, name: str):
    assert language_name(code) == name


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("fr", "fr"),
        ("FR", "fr"),
        ("french", "fr"),
        (" French ", "fr"),
        ("pt_BR", "pt-br"),
        ("chinese", "zh"),
        ("brazilian portuguese", "pt-br"),
        ("hebrew", "he"),
        ("klingon", None),
        ("", None),
        ("f", None),
        ("fr;", None),
    ],
)
def test_a_language_is_named_by_tag_or_in_english(named: str, code: str | None):
    assert language_code(named) == code


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("en", "en-GB", True),
        ("EN_us", "en", True),
        ("jw", "jv", True),
        ("nb", "no", True),
        ("cmn", "zh-tw", True),
        ("en", "fr", False),
        ("pt", "es", False),
        ("xx", "xx", True),
        ("", "fr", False),
    ],
)
def test_places_do_not_make_another_language(one: str, other: str, is_same: bool):
    assert is_same_language(one, other) is is_same


# Answers


def read(answer: list[str], *, ends_at: str = "\n\n", text: str = SAID) -> str:
    written = Written(text=text, ends_at=ends_at, label="French")
    said = ""
    for piece in answer:
        said += written.feed(piece)
        if written.is_over:
            break
    return said + written.flush()


@pytest.mark.parametrize(
    ("answer", "translation"),
    [
        (" J'ai eu le poste.", "J'ai eu le poste."),
        ("\n\nJ'ai eu le poste.\n\nNote: colloquial.", "J'ai eu le poste."),
        ("French: J'ai eu le poste.", "J'ai eu le poste."),
        ("French:\n«J'ai eu le poste.»", "J'ai eu le poste."),
        ('"J\'ai eu le poste."', "J'ai eu le poste."),
        ("„J'ai“ eu", "J'ai eu"),
        ("J'ai dit «oui» hier", "J'ai dit «oui» hier"),
        ("une ligne\net une autre", "une ligne et une autre"),
        ("<think>\nThe user says.\n\nSo.</think>\n\nFrench: Oui.", "Oui."),
        ("<think>it never ends", ""),
        ("<third>", "<third>"),
        ("<th", "<th"),
        ("Frenchy: non", "Frenchy: non"),
        ("Fren", "Fren"),
        ("French:", ""),
        (" \n \n", ""),
        ("", ""),
    ],
)
def test_a_translation_is_read_out_of_an_answer(answer: str, translation: str):
    assert read([answer]) == translation
    assert read(list(answer)) == translation


def test_a_base_models_answer_ends_with_its_line():
    assert read([" Oui.", "\nEnglish: no\nFrench: non"], ends_at="\n") == "Oui."


def test_quotation_marks_that_were_said_stay():
    assert read(['"Oui", dit-il.'], text='"Yes", he said.') == '"Oui", dit-il.'


def test_words_are_not_held_back_once_the_answer_has_begun():
    written = Written(text=SAID, ends_at="\n\n", label="French")
    assert [written.feed(piece) for piece in (" J'", "ai", " eu")] == ["J'", "ai", " eu"]


@given(st.text(alphabet=' \n"«»Frenchab:.<think/>', max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_how_an_answer_is_cut_into_pieces_changes_nothing(answer: str, cuts: list[int]):
    marks = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    pieces = [answer[a:b] for a, b in pairwise(marks)]
    assert read(pieces) == read(list(answer))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("I came. I saw. I won.", ("I came.", "I saw. I won.")),
        ("we went home, and then we slept", ("we went home,", "and then we slept")),
        ("one two three four", ("one two", "three four")),
        ("no. one two three four five six seven", ("no. one two three", "four five six seven")),
        ("今天很好。我们走吧。", ("今天很好。", "我们走吧。")),
        ("x" * 40, ("x" * 20, "x" * 20)),
        ("word", None),
        ("", None),
    ],
)
def test_a_long_text_is_cut_where_it_hurts_least(text: str, cut: tuple[str, str] | None):
    assert halves(text) == cut


@given(st.text(alphabet="ab .,!?。\u2026", min_size=2, max_size=200))
def test_halves_hold_all_words_and_are_shorter(text: str):
    text = " ".join(text.split())
    cut = halves(text)
    if cut is not None:
        assert "".join("".join(cut).split()) == "".join(text.split())
        assert all(0 < len(part) < len(text) for part in cut)

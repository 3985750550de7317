"""Adjusting soft labels: what is asked, what is made of answers, tables of them, and what changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.emotion.description import adjusted_each
from agent.backends.llm.scripted import ScriptedModel
from agent.distribution import normalise
from agent.labels import EIGHT
from agent.llm.values import Capabilities
from eval.errors import CorpusUnreadable
from eval.training.relabel import Batching, Typed, relabel, relabel_by_words
from eval.training.relabelled import COLUMNS, Relabelled, changes, read_relabelled, write_relabelled
from streaming.errors import ContextOverflow

if TYPE_CHECKING:
    from pathlib import Path

HAPPY = np.eye(8)[EIGHT.index("happy")]


def typed(n: int) -> list[Typed]:
    return [Typed(name=f"u{at}", words="Amused,Relieved", shares=HAPPY) for at in range(1, n + 1)]


def answered(*numbers: int | None, **shares: float) -> str:
    told = dict.fromkeys(COLUMNS, 0.0) | (shares or {"happy": 0.8, "surprise": 0.2})
    return json.dumps(
        [({} if number is None else {"index": number}) | told | {"reason": f"reason {number}"} for number in numbers]
    )


@pytest.mark.anyio
async def test_a_batch_is_one_call_with_the_papers_separator():
    model = ScriptedModel([answered(1, 2, 3)])
    found = await relabel(model, typed(3))
    assert list(found) == ["u1", "u2", "u3"]
    assert found["u2"].shares[EIGHT.index("surprised")] == pytest.approx(0.2)
    assert found["u2"].words == "reason 2"
    asked = model.asked[0].prompt.messages[-1].text
    assert 'There are 3 items, separated by "—"' in asked
    assert asked.strip().splitlines()[-1].count(" — ") == 2
    assert "Amused,Relieved#0.00,0.00,0.00,0.00,0.00,0.00,0.00,1.00" in asked
    assert "Focus 25% on the descriptions and 75%" in model.asked[0].prompt.messages[0].text


@pytest.mark.anyio
async def test_what_is_missing_is_asked_again_and_then_alone():
    model = ScriptedModel([answered(1, 4), answered(1), answered(1), "no idea"])
    seen: list[tuple[int, int]] = []
    found = await relabel(model, typed(4), progress=lambda done, of: seen.append((done, of)))
    # 1 and 4 at first; of 2 and 3 the second time 2; then 3 by itself.
    assert set(found) == {"u1", "u2", "u3", "u4"}
    assert len(model.asked) == 3
    assert seen == [(4, 4)]


@pytest.mark.anyio
async def test_what_is_never_answered_stays_out():
    model = ScriptedModel(["I would rather not."])
    assert await relabel(model, typed(2)) == {}
    assert len(model.asked) == 4  # both, both again, each alone


@pytest.mark.anyio
async def test_a_batch_that_does_not_fit_is_asked_in_halves():
    model = ScriptedModel([answered(1)], capabilities=Capabilities(context_length=2600))
    found = await relabel(model, typed(4), Batching(size=4))
    assert set(found) == {"u1", "u2", "u3", "u4"}
    assert {len(asked.prompt.messages[-1].text.split("#")) - 1 for asked in model.asked} >= {1}
    with pytest.raises(ContextOverflow):
        await relabel(ScriptedModel(capabilities=Capabilities(context_length=10)), typed(2))


def test_answers_without_numbers_count_in_order_or_not_at_all():
    assert set(adjusted_each(answered(None, None), n=2)) == {1, 2}
    assert adjusted_each(answered(None, None), n=3) == {}
    assert set(adjusted_each(answered(3, 1, 7), n=3)) == {1, 3}
    # Who counts from 0 means the first item by it.
    assert set(adjusted_each(answered(0, 1, 7), n=3)) == {1, 2}
    assert set(adjusted_each(answered(0, 3), n=3)) == {3}
    first, _ = adjusted_each(answered(1) + answered(1, angry=1.0), n=1)[1]
    assert first[EIGHT.index("happy")] == pytest.approx(0.8)
    assert adjusted_each("{broken" + answered(1), n=1)
    assert adjusted_each(answered(1, angry=0.0), n=1) == {}


def test_shares_are_clipped_and_divided_by_their_sum():
    shares, _ = adjusted_each(answered(1, angry=-1.0, happy=3.0, sad=1.0), n=1)[1]
    assert dict(zip(EIGHT, shares.tolist(), strict=True))["happy"] == pytest.approx(0.75)
    assert shares.min() == 0


def test_the_word_model_counts_a_quarter():
    mixed = relabel_by_words([Typed(name="a", words="furious, so angry", shares=HAPPY)])["a"].shares
    assert mixed[EIGHT.index("happy")] >= 0.75
    assert mixed[EIGHT.index("angry")] > 0.05
    assert mixed.sum() == pytest.approx(1)
    assert relabel_by_words([Typed(name="b", words="zzxq", shares=HAPPY)]) == {}


def test_tables_are_read_as_they_are_published(tmp_path: Path):
    path = tmp_path / "output_train.csv"
    path.write_text(
        f"\ufeff,{','.join(COLUMNS)},reason\r\n"
        'MSP-PODCAST_0001_0001.wav,0,0,0,0,0,0.4,0.1,0.5,"amusement correlates, with happy"\r\n'
        "MSP-PODCAST_0001_0002.wav,0,0.8,0,0,0,0.4,0,0,x\r\n\r\n",
        "utf-8",
    )
    found = read_relabelled([path])
    assert list(found) == ["MSP-PODCAST_0001_0001", "MSP-PODCAST_0001_0002"]
    assert found["MSP-PODCAST_0001_0001"].words == "amusement correlates, with happy"
    second = found["MSP-PODCAST_0001_0002"]
    assert (second.total, second.shares[1]) == (pytest.approx(1.2), pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "got none"),
        ("name,anger\n", "expected a name and then angry"),
        (f",{','.join(COLUMNS)},reason\na.wav,0,0,x,0,0,0,0,1,r\n", ":2: .* expected eight numbers"),
        (f",{','.join(COLUMNS)},reason\na.wav,0,0,0,0,0,0,0,0,r\n", "not all of them 0"),
        (f",{','.join(COLUMNS)},reason\na.wav,0,0,nan,0,0,0,0,1,r\n", "eight numbers from 0"),
        (f",{','.join(COLUMNS)},reason\na.wav,1,0\n", "eight numbers from 0"),
        (f",{','.join(COLUMNS)},reason\na.wav{',1' * 8},r\na{',1' * 8},r\n", "a stands twice"),
    ],
)
def test_tables_that_are_none_are_refused_with_the_line(text: str, why: str, tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(CorpusUnreadable, match=why):
        read_relabelled([path])


def test_what_is_written_is_read_again(tmp_path: Path):
    thirds = normalise([1, 0, 0, 1, 0, 0, 1, 1e-7])
    rows = {"a": Relabelled(shares=HAPPY, words='said, "so"'), "b": Relabelled(shares=thirds)}
    write_relabelled(tmp_path / "t.csv", rows)
    found = read_relabelled([tmp_path / "t.csv"])
    assert found["a"].words == 'said, "so"'
    # To the last digit: what a model said is trained on as it was said, the first time and from the table.
    assert all(found[name].shares.tolist() == row.shares.tolist() for name, row in rows.items())


def test_changes_are_counted_as_the_specification_counts_them():
    # papers_spec 6.3, the example "Amused": neutral .5 / happy .5 becomes neutral .4, surprise .1, happy .5.
    neutral, surprised, happy = (EIGHT.index(label) for label in ("neutral", "surprised", "happy"))
    before, after = np.zeros(8), np.zeros(8)
    before[[neutral, happy]] = 0.5
    after[[neutral, surprised, happy]] = 0.4, 0.1, 0.5
    found = changes(
        {"a": before, "b": before, "c": before},
        {
            "a": Relabelled(shares=after, words="amusement correlates with happy"),
            "b": Relabelled(shares=before, words="no", total=1.01),
        },
    )
    assert found is not None
    assert (found.n, found.n_changed, found.n_unsummed) == (2, 1, 1)
    assert found.mean_l1 == pytest.approx(0.1)
    assert found.mean_reason_words == pytest.approx(2.5)
    assert found.after[surprised] == pytest.approx(0.05)
    assert changes({"a": before}, {}) is None

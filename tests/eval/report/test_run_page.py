"""The page of a run: its figures are those of `score`, its pictures are of the same rows, it needs nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from agent.labels import EIGHT
from eval.report.facts import about
from eval.report.render import colours, render
from eval.report.run import RunPage, Showing, run_page
from eval.score.ledger import Ledger, read_ledgers
from eval.score.measure import ScoreSettings
from eval.score.report import score
from eval.score.table import score_table
from eval.signature import parse_signature
from eval.statistics import Resampling
from tests.eval.report.page_tree import Node, parse
from tests.eval.score.ledgers import estimate, made, row, write

if TYPE_CHECKING:
    from pathlib import Path

    from eval.replay.row import Row

QUICK = ScoreSettings(resampling=Resampling(draws=40))
SECTIONS = ("summary", "feelings", "sure", "words", "place", "time", "worst", "run", "signatures")
TIMES: tuple[dict[str, Any], ...] = tuple(
    {
        "item": f"i{at:03}",
        "audio_s": 2.0 + at / 10,
        "heard_ms": 400.0 + at,
        "emotion_ms": 20.0 + at,
        "model": [{"call": "score", "from_cache": at % 2 == 0, "total_ms": 10.0 + at}],
    }
    for at in range(60)
)


def page_of(*rows: Row, times: tuple[dict[str, Any], ...] = (), **showing: Any) -> RunPage:
    return run_page(Ledger(rows=rows, times=times), QUICK, showing=Showing(**showing))


def tree_of(*rows: Row, **more: Any) -> Node:
    return parse(render(page_of(*rows, **more)))


def rows_of(page: Node) -> dict[tuple[str, str], tuple[str, str]]:
    """Value with its interval, and n, of each figure of each group of rows, as the page shows them."""
    return {
        (line.attrs["data-group"], line.attrs["data-figure"]): (
            line.one("td", kind="value").text.replace(" % [", " [").removesuffix(" %"),
            line.one("td", kind="n").text,
        )
        for line in page.all("tr")
        if "data-figure" in line.attrs and "data-name" not in line.attrs
    }


def printed(table: str) -> dict[tuple[str, str], tuple[str, str]]:
    """The same of the Markdown that `score` prints."""
    lines = [re.split(r" ?(?<!\\)\| ?", line)[1:-1] for line in table.splitlines() if line.startswith("| ")]
    return {
        (cells[0], cells[1].removesuffix(" %").replace("\\|", "|")): (cells[2], cells[3])
        for cells in lines
        if len(cells) == 5 and cells[3].isdigit()
    }


def test_the_figures_shown_are_those_that_score_prints():
    rows = made()
    shown, wanted = rows_of(tree_of(*rows)), printed(score_table(score(Ledger(rows=tuple(rows)), QUICK)))
    assert len(wanted) > 20
    assert shown == wanted


def test_figures_of_groups_are_those_of_score_by_that_group():
    rows = made()
    wanted = printed(score_table(score(Ledger(rows=tuple(rows)), QUICK, by=("emotion", "wer", "context"))))
    page = tree_of(*rows)
    found = [line for line in page.all("tr") if line.attrs.get("data-group", "all") != "all"]
    assert {line.attrs["data-group"].partition("=")[0] for line in found} == {"emotion", "wer", "context"}
    for line in found:
        value = line.one("td", kind="value").text.replace(" % [", " [")
        told = wanted[line.attrs["data-group"], line.attrs["data-figure"]]
        assert (value, line.one("td", kind="n").text) == told


def test_every_figure_leads_to_its_own_signature():
    rows = made()
    report = score(Ledger(rows=tuple(rows)), QUICK)
    page = tree_of(*rows)
    signatures = {node.attrs["id"]: node.text for node in page.all("li") if "id" in node.attrs}
    known = {each.name: each.signature for each in report.figures if each.value is not None}
    for name, signature in known.items():
        (line,) = [line for line in page.all("tr", data_figure=name, data_group="all") if "data-name" not in line.attrs]
        target = line.one("td", kind="sig").one("a").attrs["href"].removeprefix("#")
        told = parse_signature(signatures[target])
        assert name.replace("|", "/") in (told.get("metric") or "").split(", ")
        assert told.fields[1:] == signature.fields[1:]


def test_what_is_undefined_says_why_and_is_never_zero():
    rows = [replace(each, truth={"text": "the cat sat"}) for each in made(12)]
    page = tree_of(*rows)
    report = score(Ledger(rows=tuple(rows)), QUICK)
    told = " ".join(node.text for node in page.all("li") if "data-undefined" in node.attrs)
    reasons = {each.reason for each in report.figures if each.value is None}
    assert reasons
    assert all(reason in told for reason in reasons)
    assert "UA" in told
    assert ("all", "UA") not in rows_of(page)
    assert "no row bears a label of the set" in page.one("section", id="feelings").text


@pytest.mark.parametrize(
    "rows",
    [
        made(),
        [row("a")],
        [row("a", status="failed"), row("b", status="unreadable"), row("c", status="no_speech")],
        [row("a", emotion="happy", estimates=[estimate("happy")])],
        [row("a", text="", heard=["noise"], estimates=[estimate(None)])],
        [row("a", emotion="calm", estimates=[estimate("calm", 0.6, 0.4, labels=("calm", "tense"))])],
    ],
    ids=["whole", "nothing known", "nothing done", "one item", "no words", "labels of their own"],
)
def test_every_section_is_there_whatever_the_rows_hold(rows: list[Row]):
    page = tree_of(*rows)
    sections = {node.attrs["id"]: node for node in page.all("section")}
    assert tuple(sections) == SECTIONS
    links = {node.attrs["href"] for node in page.one("nav").all("a")}
    assert links == {f"#{name}" for name in SECTIONS}
    for node in sections.values():
        assert node.all("h2")
        # A section shows something, or says why it does not.
        assert len(node.text) > len(node.all("h2")[0].text)
    assert len(page.all("h1")) == 1


def test_the_page_needs_nothing_from_outside_and_no_script():
    html = render(page_of(*made(), times=TIMES))
    page = parse(html)
    assert not page.all("script")
    assert not page.all("iframe")
    assert not [name for node in page.walk() for name in node.attrs if name.startswith("on")]
    places = [
        node.attrs[name] for node in page.walk() for name in ("src", "href", "data", "srcset") if name in node.attrs
    ]
    assert all(place.startswith(("#", "data:")) for place in places)
    assert not re.search(r"url\(|@import|https?:", html)
    (policy,) = [node for node in page.all("meta") if node.attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attrs["content"].startswith("default-src 'none'")
    ids = [node.attrs["id"] for node in page.walk() if "id" in node.attrs]
    assert len(ids) == len(set(ids))
    assert {place[1:] for place in places if place.startswith("#")} <= set(ids)


def test_pictures_have_a_name_and_their_numbers_as_text():
    page = tree_of(*made(), times=TIMES)
    drawn = [node for node in page.all("svg") if node.attrs.get("role") == "img"]
    assert len(drawn) == 3
    ids = {node.attrs.get("id"): node for node in page.walk()}
    assert all(ids[node.attrs["aria-labelledby"]].text for node in drawn)
    assert len(page.one("section", id="place").one("tbody").all("tr")) == 4
    for line in [line for line in page.all("tr") if "data-figure" in line.attrs]:
        assert re.match(r"[+-]?\d", line.one("td", kind="value").text)


def test_the_reliability_diagram_adds_up_to_the_calibration_error():
    rows = made()
    page = page_of(*rows)
    (ece,) = [each for each in score(Ledger(rows=tuple(rows)), QUICK).figures if each.name == "ECE"]
    bins = page.reliabilities[0].bins
    n = sum(each.n for each in bins)
    gaps = [each.n * abs(each.sure - each.right) for each in bins if each.sure is not None and each.right is not None]
    assert n == ece.n
    assert ece.value == pytest.approx(sum(gaps) / n)
    assert len(parse(render(page)).all("tr", data_bin="")) == sum(each.n > 0 for each in bins)


def test_the_matrix_counts_as_score_does():
    rows = made()
    report = score(Ledger(rows=tuple(rows)), QUICK)
    (matrix,) = page_of(*rows).matrices
    at = {label: place for place, label in enumerate((*report.labels, "none"))}
    for label, n, cells in matrix.rows:
        assert [cell.n for cell in cells] == [report.confusion[at[label]][at[cell.column]] for cell in cells]
        assert sum(cell.n for cell in cells) == n
    assert sum(n for _, n, _ in matrix.rows) == sum(map(sum, report.confusion))


def test_truth_and_estimate_lie_on_the_same_plane_item_by_item():
    rows = [
        row("a", emotion="sad", valence=0.1, arousal=0.2, estimates=[estimate("sad", valence=0.3, arousal=0.9)]),
        row("b", emotion="sad", valence=0.5, arousal=0.4, estimates=[estimate("sad", valence=None, arousal=None)]),
        row("c", emotion="happy", valence=0.9, arousal=0.8, estimates=[estimate("sad", valence=0.7, arousal=0.5)]),
    ]
    truth, said = page_of(*rows).planes
    assert [(dot.item, dot.valence, dot.arousal) for dot in truth.dots] == [("a", 0.1, 0.2), ("c", 0.9, 0.8)]
    assert [(dot.item, dot.valence, dot.arousal) for dot in said.dots] == [("a", 0.3, 0.9), ("c", 0.7, 0.5)]
    assert [dot.label for dot in said.dots] == ["sad", "happy"]
    assert "no item tells both" in tree_of(row("a", estimates=[estimate("sad")])).one("section", id="place").text


def test_times_are_those_of_score_and_the_estimate_ends_where_hearing_ends():
    calls = [{"call": "score"}]
    page = page_of(*(replace(each, model=calls) for each in made()), times=TIMES)
    spread = score(Ledger(rows=tuple(made()), times=TIMES), QUICK).latency
    spans = {span.name: span for span in page.spans}
    assert list(spans) == ["the sound itself", "hearing an item", "its estimate", "one call of the model, score"]
    # Items whose model answered from the cache are no measure of time.
    assert spans["hearing an item"].cells[0] == "30" == f"{spread['heard_ms']['n']:.0f}"
    assert spans["hearing an item"].cells[1] == f"{spread['heard_ms']['p50']:.0f} ms"
    assert spans["its estimate"].end == spans["hearing an item"].end
    assert spans["the sound itself"].cells[0] == "60"
    assert "30 answered from the cache" in parse(render(page)).one("section", id="time").text
    assert "no times.jsonl" in tree_of(*made(4)).one("section", id="time").text


def test_the_same_ledger_gives_the_same_bytes_wherever_it_lies(tmp_path: Path):
    told = """
import sys
from pathlib import Path
from eval.report.facts import about
from eval.report.render import render
from eval.report.run import run_page
from eval.score.ledger import read_ledgers
from eval.score.measure import ScoreSettings
from eval.statistics import Resampling
place = [Path(sys.argv[1])]
quick = ScoreSettings(resampling=Resampling(draws=20))
sys.stdout.write(render(run_page(read_ledgers(place), quick, about=about(place))))
"""
    pages: list[bytes] = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        write(folder / "rows.jsonl", made())
        (folder / "times.jsonl").write_text("".join(json.dumps(line) + "\n" for line in TIMES), "utf-8")
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"}
        made_so = [sys.executable, "-c", told, str(folder)]
        pages.append(subprocess.run(made_so, env=environment, check=True, capture_output=True).stdout)
    assert pages[0] == pages[1]
    assert len(pages[0]) > 50_000


def test_what_a_corpus_says_is_text_and_never_markup():
    evil = "</style><script>alert(1)</script><img src=x onerror=alert(1)>\"' --"
    rows = [
        row(
            f"{evil}{at}",
            text=f"{evil} said",
            heard=[f"{evil} heard"],
            emotion="happy",
            speaker=evil,
            dialogue=evil,
            order=at,
            status="failed",
            estimates=[estimate("sad", 0.1, 0.2, 0.3, 0.4, reason=evil)],
        )
        for at in range(3)
    ]
    rows = [replace(each, problem=evil, corpus=evil) for each in rows]
    page = tree_of(*rows, title=evil)
    assert not page.all("script")
    assert not page.all("img")
    assert evil in page.one("h1").text
    assert evil in page.one("section", id="worst").text


def test_settings_and_faults_stand_with_the_run(tmp_path: Path):
    settings = {"emotion": "text", "hypotheses": "corpus", "profile": None, "condition": "reason-3"}
    header = {"corpus": "made", "run": "r1", "provenance": {"attune": "9.9", "settings": settings, "engines": {}}}
    (tmp_path / "run.json").write_text(json.dumps(header), "utf-8")
    (tmp_path / "summary.json").write_text(json.dumps({"problems": [{"where": "x.wav", "why": "is empty"}]}), "utf-8")
    ledger = write(tmp_path / "rows.jsonl", made(6))
    page = parse(render(run_page(read_ledgers([ledger]), QUICK, about=about([ledger]))))
    assert "Words by the corpus's recognisers, feeling from words" in page.one("header").text
    lines = {line.one("th").text: line.one("td").text for line in page.one("section", id="run").all("tr")}
    assert lines["condition"] == "reason-3"
    assert lines["profile"] == "not set"
    assert lines["x.wav"] == "is empty"
    (tmp_path / "run.json").write_text("{", "utf-8")
    assert "how they were made is not told" in render(run_page(read_ledgers([ledger]), QUICK, about=about([ledger])))


def test_colours_are_those_of_the_live_page_on_screen_and_light_on_paper():
    live = files("agent").joinpath("web/style/base.css").read_text("utf-8")
    style = colours()
    for label in EIGHT:
        values = re.findall(rf"--{label}: (#\w+);", live)
        assert len(values) == 2
        assert re.findall(rf"--{label}: (#\w+);", style) == [*values, values[0]]
    assert style.index("prefers-color-scheme: dark") < style.index("@media print")
    html = render(page_of(*made(8)))
    assert all(f'[data-label="{label}"] {{ --hue: var(--{label}); }}' in html for label in EIGHT)

"""The pages in a real browser: light and dark, on a phone, on paper."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eval.corpora.item import Item
from eval.replay.sound import Recordings
from eval.report.pair import pair_page
from eval.report.render import render
from eval.report.run import Showing, run_page
from eval.report.sound import Sounds
from eval.score.ledger import Ledger
from eval.score.measure import ScoreSettings
from eval.statistics import Resampling
from streaming.audio import SAMPLE_RATE
from streaming.wav import wav_bytes
from tests.agent.web.browser import CHROMIUM, Browser
from tests.agent.web.test_page_comfort import CONTRASTS
from tests.eval.score.ledgers import made, row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMES = tuple({"audio_s": 2.0 + at, "heard_ms": 300.0 + at, "emotion_ms": 5.0} for at in range(20))
QUICK = ScoreSettings(resampling=Resampling(draws=20))

# What reaches out of the window to the right, unless it scrolls by itself.
OUTSIDE = """[...document.querySelectorAll("body *")]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .filter(e => !e.closest(".scroll, .matrix-box, .contents, .unseen"))
  .map(e => `${e.tagName} ${e.textContent.slice(0, 40)}`)"""

# Names of figures that have too little room to be read.
SQUEEZED = """[...document.querySelectorAll(".bars .name")]
  .filter(e => e.checkVisibility() && !e.querySelector(".unseen"))
  .filter(e => e.getBoundingClientRect().width < 90).map(e => e.textContent)"""

# Bars whose end is not where their figure says, in percent of their axis.
ASTRAY = """[...document.querySelectorAll("tr[data-figure='UA'][data-group=all], tr[data-figure='WA'][data-group=all]")]
  .filter(row => {
    const [track, fill] = [".track", ".fill"].map(name => row.querySelector(name).getBoundingClientRect());
    const wanted = parseFloat(row.querySelector("[data-value]").textContent);
    return Math.abs(100 * (fill.right - track.left) / track.width - wanted) > 1; }).map(row => row.textContent)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH: the page cannot be looked at (apt install chromium)")
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    a, b = Ledger(rows=tuple(made()), times=TIMES), Ledger(rows=tuple(made(share_right=0.9, seed=4, run="r2")))
    found = {"run": render(run_page(a, QUICK)), "pair": render(pair_page(a, b, QUICK, trials=30))}
    for name, html in found.items():
        (folder / f"{name}.html").write_text(html, "utf-8")
    return {name: folder / f"{name}.html" for name in found}


@pytest.mark.parametrize("name", ["run", "pair"])
@pytest.mark.parametrize("width", [360, 820, 1280])
def test_the_page_fits_its_window_and_complains_of_nothing(
    browser: Browser, pages: dict[str, Path], name: str, width: int
):
    with browser.page(pages[name].as_uri(), width=width) as page:
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run(OUTSIDE) == []
        assert page.run(SQUEEZED) == []
        assert page.complaints == []


@pytest.mark.parametrize("name", ["run", "pair"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser: Browser, pages: dict[str, Path], name: str, scheme: str):
    with browser.page(pages[name].as_uri(), media={"prefers-color-scheme": scheme}) as page:
        page.run("document.querySelectorAll('details').forEach(each => each.open = true)")
        found: list[list[str | float]] = page.run(CONTRASTS)
        assert len(found) > 200
        assert [each for each in found if float(each[1]) < 4.5] == []


def test_bars_end_where_their_figures_say(browser: Browser, pages: dict[str, Path]):
    with browser.page(pages["run"].as_uri()) as page:
        assert page.run("document.querySelectorAll('tr[data-figure=UA]').length") == 1
        assert page.run(ASTRAY) == []


def test_a_case_can_be_listened_to(browser: Browser, tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.full(SAMPLE_RATE // 2, 0.1, np.float32)))
    (tmp_path / "manifest.jsonl").write_text('{"id": "a", "audio": "a.wav"}\n', "utf-8")
    sound = Recordings().read(Item(id="a", audio=tmp_path / "a.wav"))
    heard = replace(row("a", status="failed"), corpus="manifest", audio_sha256=sound.sha256)
    showing = Showing(sounding=Sounds(tmp_path, ["manifest"]))
    out = tmp_path / "page.html"
    out.write_text(render(run_page(Ledger(rows=(heard,)), QUICK, showing=showing)), "utf-8")
    with browser.page(out.as_uri()) as page:
        page.wait("document.querySelector('audio').duration > 0")
        assert page.run("document.querySelector('audio').duration") == pytest.approx(0.5)
        assert page.complaints == []


def test_paper_is_light_whatever_the_screen_is(browser: Browser, pages: dict[str, Path]):
    media = {"prefers-color-scheme": "dark"}
    colour = "getComputedStyle(document.body).color"
    with browser.page(pages["run"].as_uri(), media=media) as page:
        dark = page.run(colour)
        page._call(
            "Emulation.setEmulatedMedia", media="print", features=[{"name": n, "value": v} for n, v in media.items()]
        )
        assert page.run(colour) != dark
        assert page.run("getComputedStyle(document.querySelector('.contents')).display") == "none"

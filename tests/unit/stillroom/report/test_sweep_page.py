"""The page of a sweep: what it says, that it is well formed and self-contained, and that it survives odd names."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "sweep"))

from made_sweep import made, recipe

from stillroom.report.sweep import bars, render
from stillroom.sweep.table import scored

VOID = {"meta", "br", "circle", "rect", "line", "path", "link"}


class Balanced(HTMLParser):
    """Fails where a tag is closed that was not opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page_of(state: Any, **changes: Any) -> str:
    page = render(recipe(**changes), state)
    reader = Balanced()
    reader.feed(page)
    assert reader.open == []
    assert not re.search(r"(src|href)=|url\(|@import", page.replace('href="#', ""))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    return page


def test_the_page_says_what_the_state_says(tmp_path: Path) -> None:
    state = made(tmp_path)
    best = next(row for row in state["variants"] if row["name"] == state["best"])
    state["test"] = {
        "variant": state["best"],
        "result": scored(recipe(), tmp_path / state["best"]),
        "scored": "2026-11-24T13:00:00+00:00",
    }
    page = page_of(state)
    score = f"{100 * best['scores']['exact_match']['value']:.1f}"
    assert "Within the noise" in page and score in page
    assert "8 variants, 2 failed" in page and page.count("Failed: Training stopped at step 3: the loss is nan.") == 2
    assert "scored once, 24 November 2026, 13:00 UTC" in page
    assert page.count('class="matrix') == 6 and page.count('class="matrix best"') == 1
    for heading in ("Class by class", "What is taken for what", "How they learned", "Validation loss", "Training loss"):
        assert heading in page
    state["best"] = state["next"]
    assert "today&#39;s best has none" in page_of(state) or "today's best has none" in page_of(state)


def test_a_sweep_that_has_just_begun(tmp_path: Path) -> None:
    state = made(tmp_path, shares=())
    for row in state["variants"]:
        row |= {"state": "waiting", "reason": None}
    page = page_of(state)
    assert "No variant has been measured yet." in page and page.count("Still to come") == 8


def test_one_variant_alone_and_odd_words_in_reasons(tmp_path: Path) -> None:
    state = made(tmp_path, shares=(0.9,))
    state["variants"][1]["reason"] = "<script>alert(1)</script>"
    page = page_of(state)
    assert "Measured on validation" in page and "<script" not in page


def test_bars_are_as_long_as_their_values() -> None:
    from stillroom.report.words import Interval

    members = [("one", Interval(1.0, 0.9, 1.0), True), ("half", Interval(0.5, 0.4, 0.6), False), ("none", None, False)]
    drawn = str(bars("x", 880, [("spam", members)], "F1"))
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="14"', drawn)]
    assert len(widths) == 2 and widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert "spam: one 100.0" in drawn and "none no figure" in drawn

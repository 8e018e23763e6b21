"""The drawings: ticks and labels where they belong, sound SVG for whatever is drawn."""

import itertools
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from stillroom.report import charts, svg
from stillroom.report.words import Interval

SHARES = st.floats(0, 1)
FINITE = st.floats(-1e6, 1e6)
LABELS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=40)


def interval(value: float, half: float = 0.05) -> Interval:
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


@given(FINITE, FINITE)
def test_ticks_cover_the_range_in_even_steps(one: float, other: float) -> None:
    low, high = sorted((one, other))
    marks = svg.ticks(low, high)
    slack = (marks[-1] - marks[0]) * 1e-6 + 1e-6
    assert marks[0] <= low + slack and marks[-1] >= high - slack
    assert 2 <= len(marks) <= 8
    assert len(set(svg.tick_labels(marks))) == len(marks)


def test_tick_labels_have_only_the_digits_they_need() -> None:
    assert svg.tick_labels([0, 0.25, 0.5]) == ["0", "0.25", "0.50"]
    assert svg.tick_labels([-20, 0, 20]) == ["\N{MINUS SIGN}20", "0", "20"]


@given(st.lists(st.floats(0, 300), max_size=8))
def test_labels_keep_apart_and_in_order(wanted: list[float]) -> None:
    placed = svg.keep_apart(wanted, 20, 0, 300)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for before, after in itertools.pairwise(order):
        assert placed[after] - placed[before] >= 20 - 1e-9
    assert all(-1e-9 <= place <= 300 + 1e-9 for place in placed)


@given(LABELS, SHARES, SHARES, st.sampled_from([charts.WIDE, charts.NARROW]))
def test_whiskers_are_sound_and_stay_in_their_panel(label: str, one: float, other: float, width: int) -> None:
    rows = [charts.WhiskerRow(label, interval(one), interval(other)), charts.WhiskerRow(label, None, chosen=True)]
    root = ElementTree.fromstring(
        charts.whiskers("w", width, [charts.Panel("Exact <match>", rows)] * 3, label, rival="Base")
    )
    assert all(0 <= float(dot.attrib["cx"]) <= width for dot in root.iter("circle"))
    assert "no figure" in root.findtext("desc", "")


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(allow_nan=True)), max_size=600))
def test_curves_are_sound_for_any_log(points: list[tuple[float, float]]) -> None:
    points = [(step, value if value != value or abs(value) < 1e9 else 1.0) for step, value in points]
    drawn = charts.curves("c", charts.NARROW, [charts.Curve("Training", points, "c1", noisy=True)], "Loss")
    ElementTree.fromstring(drawn)
    assert "nan" not in drawn and drawn.count("L") < 2 * charts.MOST_POINTS + 10


def test_a_long_curve_is_thinned_but_keeps_its_last_point() -> None:
    points = [(float(step), float(step)) for step in range(10_000)]
    drawn = charts.curves("c", charts.WIDE, [charts.Curve("Loss", points, "c1")], "Loss")
    assert drawn.count("L") < charts.MOST_POINTS + 5
    assert "Loss 10,000" in drawn


@given(
    st.lists(
        st.tuples(SHARES, st.floats(0.001, 60), st.integers(1_000, 10**10), st.booleans()), min_size=1, max_size=8
    ),
    st.sampled_from([charts.WIDE, charts.NARROW]),
)
def test_the_trade_picture_marks_the_chosen_file(files: list[tuple[float, float, int, bool]], width: int) -> None:
    candidates = [
        charts.Candidate(f"Q{i}", size, seconds, interval(quality), accepted, i == 0)
        for i, (quality, seconds, size, accepted) in enumerate(files)
    ]
    root = ElementTree.fromstring(charts.trade("t", width, candidates, "Trade", "text"))
    assert [text.text for text in root.iter("text") if (text.text or "").endswith(", chosen")] == ["Q0, chosen"]
    assert all(0 <= float(dot.attrib["cx"]) <= width for dot in root.iter("circle"))


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    files = [charts.Candidate(f"Q{i}", 10**8, 0.5 + i / 100, interval(0.9), True, i == 0) for i in range(4)]
    root = ElementTree.fromstring(charts.trade("t", charts.WIDE, files, "Trade", "text"))
    labels = [text for text in root.iter("text") if (text.text or "").startswith("Q")]
    places = {(text.attrib["x"], text.attrib["y"]) for text in labels}
    assert len(labels) == len(places) == 4

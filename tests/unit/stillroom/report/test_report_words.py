"""How figures are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.report import words
from stillroom.report.words import Interval

ANYTHING = st.none() | st.booleans() | st.floats() | st.integers() | st.text()


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.912, "91.2 %"), (1, "100.0 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0, "0.0 %"), (None, "-")],
)
def test_percent_never_rounds_to_certainty(share: float, shown: str) -> None:
    assert plain(words.percent(share)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0123, "12 ms"),
        (0.42, "0.42 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 0 s"),
        (204, "3 min 24 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert plain(words.duration(seconds)) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(12, "12 bytes"), (1500, "1.5 kB"), (91_700_000, "91.7 MB"), (144_800_000, "145 MB"), (2.5e9, "2.5 GB")],
)
def test_size(count: float, shown: str) -> None:
    assert plain(words.size(count)) == shown


def test_signed_differences_and_their_range() -> None:
    assert [plain(words.signed(value)) for value in (1.46, -0.31, -0.01, math.nan)] == ["+1.5", "-0.3", "0.0", "-"]
    assert plain(words.signed_range(Interval(0, -0.4, 2.1))) == "-0.4 to +2.1"
    assert plain(words.percent_range(Interval(0.9, 0.883, 0.939))) == "88.3-93.9 %"


def test_dates_and_names() -> None:
    assert words.date("2026-11-23T19:10:34+01:00") == "23 November 2026, 18:10 UTC"
    assert words.date("yesterday") == "yesterday"
    assert words.human("dpo_not_worse") == "DPO not worse"
    assert words.plural(1, "row") == "1 row" and words.plural(2000, "row") == "2,000 rows"
    assert words.shorten("abcdef", 3) == "abc … (3 more characters)" and words.shorten("abc", 3) == "abc"


@given(ANYTHING)
def test_no_figure_ever_reads_nan(value: object) -> None:
    for write in (words.percent, words.signed, words.number, words.size, words.duration):
        shown = write(value if not isinstance(value, int | float) or abs(value) < 1e12 else 1.0)
        assert "nan" not in shown and "inf" not in shown and "None" not in shown


@given(st.fixed_dictionaries(dict.fromkeys(("value", "low", "high"), ANYTHING)))
def test_an_interval_is_finite_or_not_there(raw: dict[str, object]) -> None:
    read = Interval.read(raw)
    assert read is None or all(map(math.isfinite, (read.value, read.low, read.high)))


@given(st.text(alphabet=st.characters(codec=None)))
def test_printable_text_can_be_written_and_keeps_its_lines(text: str) -> None:
    shown = words.printable(text)
    shown.encode()
    assert len(shown) == len(text) and shown.count("\n") == text.count("\n") and "\x00" not in shown

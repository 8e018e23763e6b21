"""Citations: found where they stand, whatever a model does to quotes and line ends, and never where they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.teacher.citation import find_citation

TEXT = 'The "late" fee is **5 %** a month —\nfrom the   third day on. Ask in the office.'


@pytest.mark.parametrize(
    "citation",
    [
        'The "late" fee is **5 %** a month',
        "the “late” fee is 5 % a month",
        "a month - from the third day on.",
        "ask in the OFFICE",
        "  from the third\nday ",
    ],
)
def test_a_citation_is_found(citation: str) -> None:
    place = find_citation(TEXT, citation)
    assert place is not None
    found = TEXT[place[0] : place[1]]
    assert found == found.strip() and find_citation(TEXT, found) == place


@pytest.mark.parametrize(
    "citation",
    ["The fee is 5 % a month", "a month.", "fee", "", "   ", "…", "Ask in the office. Then wait.", "the third week on"],
)
def test_what_is_not_there_is_not_found(citation: str) -> None:
    assert find_citation(TEXT, citation) is None


def test_chinese_counts_by_its_characters() -> None:
    text = "第三天起每月收取百分之五的滞纳金。"
    assert find_citation(text, "每月收取百分之五") == (4, 12)
    assert find_citation(text, "每月") is None


WORDS = st.lists(st.sampled_from(["fee", "Café", "10²", "ﬁve", "“so”", "third—day", "ß", "a\u0301", "`x`"]), min_size=3)


@given(WORDS, st.data())
def test_every_run_of_words_is_found_where_it_stands(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    start = data.draw(st.integers(0, len(words) - 3))
    stop = data.draw(st.integers(start + 3, len(words)))
    place = find_citation(text, "\n".join(words[start:stop]))
    assert place is not None
    assert find_citation(text[place[0] : place[1]], " ".join(words[start:stop])) is not None

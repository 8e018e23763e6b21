import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.review.agreement import agreement, cohen, fleiss, in_words

# Ten rows, fourteen people, five classes: the worked example of Fleiss (1971) as statistics textbooks give it.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def test_fleiss_on_the_worked_example() -> None:
    rows = [[str(place) for place, count in enumerate(counts) for _ in range(count)] for counts in FLEISS]
    assert fleiss(rows) == pytest.approx(0.210, abs=0.0005)


def test_cohen_on_a_worked_example() -> None:
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    pairs = [pair for pair, count in table.items() for _ in range(count)]
    assert cohen([a for a, _ in pairs], [b for _, b in pairs]) == pytest.approx(0.4)


@given(pairs=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40))
@settings(max_examples=40)
def test_cohen_is_what_scikit_learn_says(pairs: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: pip install -e '.[data]'")
    first, second = map(list, zip(*pairs, strict=True))
    ours = cohen(first, second)
    if ours is None:
        assert len({*first, *second}) == 1
    else:
        assert ours == pytest.approx(metrics.cohen_kappa_score(first, second))


def test_where_kappa_is_not_defined() -> None:
    assert cohen([], []) is None and cohen(["a", "a"], ["a", "a"]) is None
    assert fleiss([]) is None and fleiss([["a"]]) is None and fleiss([["a", "a"]]) is None
    with pytest.raises(ValueError, match="as many"):
        fleiss([["a", "b"], ["a"]])


def test_pairs_share_their_rows_and_all_share_the_common_ones() -> None:
    found = agreement(
        {"anna": {"1": "a", "2": "b", "3": "a"}, "ben": {"1": "a", "2": "a"}, "cleo": {"1": "a", "3": "b"}}
    )
    assert [(pair["people"], pair["rows"], pair["equal"]) for pair in found["pairs"]] == [
        (["anna", "ben"], 2, 1),
        (["anna", "cleo"], 2, 1),
        (["ben", "cleo"], 1, 1),
    ]
    assert (found["rows"], found["equal"], found["fleiss"]) == (1, 1, None)


def test_words_for_kappa() -> None:
    said = [in_words(kappa) for kappa in (-0.3, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)]
    assert said == [
        "no better than chance", "no better than chance", "slight", "fair", "moderate", "substantial", "almost perfect",
    ]  # fmt: skip
    assert in_words(None).startswith("not defined")

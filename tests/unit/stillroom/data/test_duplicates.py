import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.data.clean.text import split_words
from stillroom.data.duplicates import band_keys, clusters, digest, first_of_each, fold

LONG = "The committee meets in the small hall to talk about the budget for the coming season and about new members. "
CHINESE = "各位同事请注意本周项目例会改到三楼会议室召开请大家准时参加并带上各自的进度报告谢谢配合"


def first_ones(*texts: str) -> list[int]:
    return [int(first) for first in first_of_each(b"".join(digest(fold(text)) for text in texts))]


def test_exact_duplicates_differ_in_case_and_white_space_alone() -> None:
    texts = ("Hello, World!", "other", "hello,   world!", "HELLO,\u3000WORLD!\n", "?!", "Cafe\u0301", "Caf\u00e9")
    assert first_ones(*texts) == [0, 1, 0, 0, 4, 5, 5]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Great 👍", "Great 👎"),
        ("I paid $1.50", "I paid $150"),
        ("5.0 stars", "50 stars"),
        ("a<b", "a>b"),
        ("10² steps", "102 steps"),
        ("every day", "everyday"),
        ("दिन", "दान"),
        ("Really?", "Really!"),
    ],
)
def test_texts_of_another_meaning_are_both_kept(one: str, other: str) -> None:
    assert first_ones(one, other) == [0, 1]


@given(st.text(max_size=30))
def test_folding_ignores_white_space(text: str) -> None:
    assert fold(text) == fold(f" \t{text}\n")
    assert fold(fold(text)) == fold(text)


def test_copies_with_other_punctuation_are_near_duplicates() -> None:
    assert clusters(["Hello, World!", "hello world", "?!", "!?"], 1.0) == [0, 0, 2, 3]


def test_near_duplicates_are_joined_and_others_are_not() -> None:
    texts = [
        LONG * 3,
        LONG * 3 + "Bye now",
        "Something else entirely, with its own words and no more.",
        CHINESE,
        CHINESE + "再见",
        "",
    ]
    assert clusters(texts, 0.8) == [0, 0, 2, 3, 3, 5]


def test_the_true_similarity_decides() -> None:
    one, two = "a b c d e f g h", "a b c d e f g x"  # Five shared shingles of seven: 0.714.
    assert clusters([one, two], 0.71) == [0, 0]
    assert clusters([one, two], 0.72) == [0, 1]


def test_chains_are_one_cluster() -> None:
    words = [str(number) for number in range(60)]
    texts = [" ".join(words[start : start + 50]) for start in (0, 3, 6, 9)]
    assert clusters(texts, 0.8) == [0, 0, 0, 0]


@given(st.permutations(range(8)))
def test_the_order_does_not_matter(order: list[int]) -> None:
    words = [str(number) for number in range(60)]
    texts = [" ".join(words[start : start + 50]) for start in (0, 3, 6, 9)] + [LONG, LONG + "more", CHINESE, "alone"]
    found = clusters([texts[index] for index in order], 0.8)
    together = {frozenset(order[i] for i in range(8) if found[i] == found[j]) for j in range(8)}
    assert together == {frozenset({0, 1, 2, 3}), frozenset({4, 5}), frozenset({6}), frozenset({7})}


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_words_of_ascii_are_the_words_of_any_text(text: str) -> None:
    # A letter beyond ASCII at the end takes the way of all other texts.
    assert split_words(text) == split_words(f"{text} é")[:-1]


@given(st.lists(st.sampled_from(["a b c a b c", "", "x", "Hello, world: hello", "一二三四"]), min_size=1, max_size=4))
def test_keys_do_not_depend_on_how_often_a_run_of_words_comes(texts: list[str]) -> None:
    once, twice = band_keys(texts, 0.8), band_keys([f"{text}\n{text}\n{text}" for text in texts], 0.8)
    again = band_keys([f"{text}\n{text}\n{text}\n{text}" for text in texts], 0.8)
    assert once.shape == twice.shape and (twice == again).all()

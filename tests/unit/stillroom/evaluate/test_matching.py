"""Pairing list elements: the best total, one to one, whatever the order."""

from collections import Counter
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.evaluate.matching import agree, agreement, equal, match

elements = st.fixed_dictionaries({key: st.sampled_from(["x", "y", None]) for key in "abc"})
some = st.lists(elements, max_size=5)


def total(pairs):
    return sum(agreement(one, other) for one, other in pairs if one is not None and other is not None)


@settings(max_examples=150)
@given(some, some)
def test_no_other_pairing_agrees_in_more_fields(gold, predicted):
    pairs = match(gold, predicted)
    short, long = sorted([gold, predicted], key=len)
    best = max(
        sum(agreement(one, other) for one, other in zip(short, order, strict=True))
        for order in permutations(long, len(short))
    )
    assert total(pairs) == best


@settings(max_examples=100)
@given(some, some)
def test_every_element_stands_in_one_pair(gold, predicted):
    def key(element):
        return str(sorted(element.items(), key=str))

    pairs = match(gold, predicted)
    assert sorted(key(one) for one, _ in pairs if one is not None) == sorted(map(key, gold))
    assert sorted(key(other) for _, other in pairs if other is not None) == sorted(map(key, predicted))
    assert len(pairs) == max(len(gold), len(predicted))


@settings(max_examples=100)
@given(some, some, st.randoms(use_true_random=False))
def test_the_order_of_either_list_changes_nothing(gold, predicted, random):
    def shuffled(values):
        return random.sample(values, len(values))

    assert match(gold, predicted) == match(shuffled(gold), shuffled(predicted))


def test_the_whole_is_better_than_the_first_best_pair():
    # Greedy pairing takes (g1, p1), the first pair with two agreements, and leaves (g2, p2) with none.
    g1, g2 = {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "c": 9}
    p1, p2 = {"a": 1, "b": 2, "c": 1}, {"a": 5, "b": 1, "c": 1}
    pairs = match([g1, g2], [p1, p2])
    assert (g1, p2) in pairs and (g2, p1) in pairs
    assert total(pairs) == 4


@settings(max_examples=100)
@given(some, some)
def test_every_element_that_stands_in_both_lists_is_matched_with_itself(gold, predicted):
    def counted(values):
        return Counter(tuple(element[key] for key in "abc") for element in values)

    whole = sum(one is not None and other is not None and agree(one, other) for one, other in match(gold, predicted))
    assert whole == (counted(gold) & counted(predicted)).total()


def test_equality_is_that_of_json():
    assert equal(1, 1.0) and equal({"a": 1, "b": [2]}, {"b": [2.0], "a": 1})
    assert not equal(True, 1) and not equal(0, False)
    assert not equal([1, 2], [2, 1]) and not equal({"a": None}, {}) and not equal([1], [1, 1])
    assert agree({"a": None, "b": 1}, {"b": 1}) and not agree({"a": True}, {"a": 1})

"""What few rows can rule out, held against all that could have been drawn."""

import math

import numpy as np
import pytest

from stillroom.evaluate.bootstrap import paired_difference
from stillroom.evaluate.bounds import least_bound, paired_loss, tango


def ratio(scores):
    return np.stack([np.asarray(scores, dtype=float), np.ones(len(scores))], axis=1)


def loss(worse, better, rows):
    first = [1] * worse + [0] * better + [1] * (rows - worse - better)
    second = [0] * worse + [1] * better + [1] * (rows - worse - better)
    return paired_loss(ratio(first), ratio(second))


@pytest.mark.parametrize("rows", [1, 2, 3, 6, 40, 400])
def test_where_no_row_got_worse_the_rule_of_three_stands(rows):
    assert loss(0, 0, rows) == {"value": 0.0, "low": 0.0, "high": min(1.0, 3 / rows)}
    assert loss(0, rows, rows)["high"] == min(1.0, 3 / rows)


def test_the_bound_grows_with_the_rows_that_got_worse_and_falls_with_their_number():
    highs = [loss(worse, 0, 100)["high"] for worse in range(6)]
    assert highs == sorted(highs) and highs[1] > 0.04
    assert loss(2, 2, 1000)["high"] < loss(2, 2, 200)["high"] < loss(2, 2, 50)["high"]
    assert loss(100, 0, 100)["high"] == 1


def test_it_is_never_below_the_bootstrap_and_near_it_where_many_rows_differ():
    first, second = ratio([1] * 60 + [0] * 50 + [1] * 290), ratio([0] * 60 + [1] * 50 + [1] * 290)
    drawn, bound = paired_difference(first, second), paired_loss(first, second)
    assert drawn["high"] <= bound["high"] < drawn["high"] + 0.005
    assert (drawn["value"], drawn["low"]) == (bound["value"], bound["low"])


def test_scores_between_0_and_1_are_judged_by_the_bootstrap():
    first, second = ratio([0.8] * 200), ratio([0.79] * 200)
    assert paired_loss(first, second)["high"] == pytest.approx(3 / 200)
    wild = ratio([0.8, 0.2] * 100)
    assert paired_loss(first, wild)["high"] == paired_difference(first, wild)["high"]


def test_without_a_differing_row_the_bound_has_a_closed_form():
    assert tango(0, 0, 100) == pytest.approx(1.96**2 / (100 + 1.96**2), abs=1e-6)


@pytest.mark.parametrize("rows", [6, 20, 60])
def test_a_true_loss_lies_within_the_bound_in_95_of_100_test_sets(rows):
    """Every outcome of `rows` rows, weighed by its probability, for true rates from rare to common."""
    outcomes = [(w, b) for w in range(rows + 1) for b in range(rows + 1 - w)]
    high = np.array([max(least_bound(rows), tango(w, b, rows) if w else 0) for w, b in outcomes])
    worse, better = np.array(outcomes).T
    ways = [
        math.lgamma(rows + 1) - math.lgamma(w + 1) - math.lgamma(b + 1) - math.lgamma(rows - w - b + 1)
        for w, b in outcomes
    ]
    for expected in np.arange(0.25, min(rows / 2, 12), 0.25):
        for gained in (0.001, 0.5, 2.0):
            p, q = expected / rows, gained / rows
            if p + q >= 1:
                continue
            chances = np.exp(ways + worse * np.log(p) + better * np.log(q) + (rows - worse - better) * np.log1p(-p - q))
            assert chances[high >= p - q].sum() >= 0.95

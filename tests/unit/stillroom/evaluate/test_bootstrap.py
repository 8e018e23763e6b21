"""The intervals: what they contain, how often they are right, and that a seed fixes them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.evaluate import bootstrap
from stillroom.evaluate.bootstrap import intervals, paired_difference, scaled, score

counts = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=25)


def f1(rows):
    table = np.array(rows, dtype=float)
    return np.stack([2 * table[:, 0], 2 * table[:, 0] + table[:, 1] + table[:, 2]], axis=1)


def rate(hits):
    return np.stack([np.asarray(hits, dtype=float), np.ones(len(hits))], axis=1)


@settings(max_examples=60)
@given(counts, st.sampled_from([1, 200]))
def test_an_interval_lies_in_0_to_1_and_contains_the_value(rows, resamples):
    # A single resample is nearly always beside the value: the interval must still reach it.
    interval = intervals({"f1": f1(rows)}, resamples=resamples)["f1"]
    assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1


@settings(max_examples=60)
@given(counts, st.data())
def test_a_paired_difference_turns_round_with_its_sides(rows, data):
    other = data.draw(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=len(rows), max_size=len(rows)))
    forth = paired_difference(f1(rows), f1(other), resamples=200)
    back = paired_difference(f1(other), f1(rows), resamples=200)
    assert forth["value"] == pytest.approx(-back["value"])
    assert forth["low"] == pytest.approx(-back["high"]) and forth["high"] == pytest.approx(-back["low"])
    assert forth["low"] <= forth["value"] <= forth["high"]


def test_a_score_is_the_ratio_of_the_sums_and_not_a_mean_of_ratios():
    rows = f1([(1, 0, 0), (0, 3, 2)])
    assert score(rows) == pytest.approx(2 / 7)


def test_nothing_to_find_and_nothing_found_is_perfect():
    assert intervals({"f1": f1([(0, 0, 0)] * 3)})["f1"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    rows = rate(np.arange(50) % 3 == 0)
    assert intervals({"x": rows}, seed=1) == intervals({"x": rows}, seed=1)
    assert intervals({"x": rows}, seed=1) != intervals({"x": rows}, seed=2)


def test_a_resample_draws_as_many_rows_as_there_are():
    weights = np.concatenate(list(bootstrap._weights(rows=7, seed=3, resamples=40)))
    assert weights.shape == (40, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_blocks_hold_every_resample(monkeypatch):
    monkeypatch.setattr(bootstrap, "CELLS", 70)
    weights = np.concatenate(list(bootstrap._weights(rows=7, seed=3, resamples=45)))
    assert weights.shape == (45, 7)
    assert len({row.tobytes() for row in weights}) > 40


def test_a_pair_that_shares_its_hard_rows_is_told_apart_better_than_two_single_scores():
    hard = np.arange(200) < 100
    better = rate(~hard | (np.arange(200) < 12))
    worse = rate(~hard)
    together = intervals({"better": better, "worse": worse})
    assert together["better"]["low"] < together["worse"]["high"]
    assert paired_difference(better, worse)["low"] > 0


def test_different_numbers_of_rows_and_no_rows_are_refused():
    with pytest.raises(ValueError, match="same rows"):
        paired_difference(rate([1, 0]), rate([1]))
    with pytest.raises(ValueError, match="nothing to resample"):
        intervals({"x": np.empty((0, 2))})


def test_points_are_a_hundredth():
    assert scaled({"value": 0.1, "low": 0.0, "high": 0.5}, 100) == {"value": 10.0, "low": 0.0, "high": 50.0}


@pytest.mark.parametrize("kind", ["rate", "f1", "paired"])
def test_about_95_of_100_intervals_hold_the_truth(kind):
    """Draw test sets from a known distribution; the truth must lie in the interval as often as promised."""
    rng = np.random.default_rng(20261123)
    trials, rows, held = 300, 150, 0
    for trial in range(trials):
        if kind == "rate":
            truth = 0.7
            interval = intervals({"x": rate(rng.random(rows) < truth)}, seed=trial, resamples=400)["x"]
        elif kind == "f1":
            found = rng.random((rows, 3)) < (0.6, 0.2, 0.3)
            truth = 1.2 / (1.2 + 0.2 + 0.3)
            interval = intervals({"x": f1(found)}, seed=trial, resamples=400)["x"]
        else:
            truth = 0.1
            draw = rng.random(rows)
            interval = paired_difference(rate(draw < 0.7), rate(draw < 0.6), seed=trial, resamples=400)
        held += interval["low"] <= truth <= interval["high"]
    # Three standard errors of 300 trials are 3.8 points; the percentile bootstrap is about one point short of 95.
    assert 0.90 <= held / trials <= 0.985

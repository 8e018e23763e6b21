"""Choosing tokens: each option does what it says, and the same seed draws the same."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.request import Sampling
from serving.engine.sampling import Sampler, allowed_ids, logprob

ROW = np.log(np.array([0.5, 0.2, 0.15, 0.1, 0.05], np.float32))


def drawn(sampling: Sampling, prompt: tuple[int, ...] = (), times: int = 4000) -> dict[int, float]:
    sampler = Sampler(sampling, prompt)
    counts = Counter(sampler.choose(ROW) for _ in range(times))
    return {token: count / times for token, count in counts.items()}


def test_greedy_takes_the_likeliest_allowed_token() -> None:
    sampler = Sampler(Sampling(), ())
    assert sampler.choose(ROW) == 0
    assert sampler.choose(ROW, np.array([2, 3, 4])) == 2


def test_draws_follow_the_distribution() -> None:
    shares = drawn(Sampling(temperature=1, seed=3))
    assert all(abs(shares[token] - p) < 0.03 for token, p in enumerate([0.5, 0.2, 0.15, 0.1, 0.05]))


@pytest.mark.parametrize(
    ("sampling", "tokens"),
    [
        (Sampling(temperature=1, seed=1, top_k=2), {0, 1}),
        (Sampling(temperature=1, seed=1, top_p=0.6), {0, 1}),
        (Sampling(temperature=1, seed=1, top_p=0.01), {0}),
        (Sampling(temperature=1, seed=1, min_p=0.25), {0, 1, 2}),
        (Sampling(temperature=1, seed=1, logit_bias={0: -100}), {1, 2, 3, 4}),
        (Sampling(temperature=1, seed=1, top_k=3, logit_bias={4: 100}), {4}),
    ],
)
def test_what_is_cut_off_is_never_drawn(sampling: Sampling, tokens: set[int]) -> None:
    assert set(drawn(sampling)) == tokens


def test_penalties_count_what_was_said() -> None:
    sampler = Sampler(Sampling(frequency_penalty=0.5), ())
    sampler.said(0)
    assert sampler.choose(ROW) == 0  # e^-0.5 of 0.5 is still above 0.2
    sampler.said(0)
    assert sampler.choose(ROW) == 1
    once = Sampler(Sampling(presence_penalty=1), ())
    once.said(0)
    assert once.choose(ROW) == 1


def test_the_repetition_penalty_counts_the_prompt_too() -> None:
    row = np.array([3.0, 2.0, -1.0], np.float32)
    assert Sampler(Sampling(repetition_penalty=2), (0,)).choose(row) == 1
    assert Sampler(Sampling(repetition_penalty=2), ()).choose(row) == 0


def test_the_row_is_left_as_it_is() -> None:
    row = ROW.copy()
    Sampler(Sampling(temperature=0.5, logit_bias={1: 5}, repetition_penalty=1.5, seed=0), (0, 1)).choose(row)
    assert (row == ROW).all()


@given(st.integers(-(2**63), 2**64 - 1), st.floats(0.1, 3), st.floats(0.05, 1), st.integers(0, 40))
def test_the_same_seed_draws_the_same(seed: int, temperature: float, top_p: float, top_k: int) -> None:
    sampling = Sampling(temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
    rows = np.random.default_rng(1).normal(size=(6, 50)).astype(np.float32)
    first, second = Sampler(sampling, ()), Sampler(sampling, ())
    assert [first.choose(row) for row in rows] == [second.choose(row) for row in rows]


def test_a_large_vocabulary_has_the_same_nucleus_as_a_full_sort() -> None:
    row = np.random.default_rng(0).normal(scale=0.5, size=5000).astype(np.float32)
    weights = np.exp(row.astype(np.float64))
    order = np.argsort(-weights)
    count = int(np.searchsorted(np.cumsum(weights[order]), 0.9 * weights.sum())) + 1
    sampler = Sampler(Sampling(temperature=1, top_p=0.9, seed=0), ())
    assert {sampler.choose(row) for _ in range(300)} <= set(order[:count].tolist())


def test_faults_are_told_all_at_once() -> None:
    assert Sampling().faults() == []
    assert len(Sampling(temperature=-1, top_p=0, top_k=-1, min_p=2, logprobs=21, seed=2**64).faults()) == 6


def test_logprobs_are_those_of_the_whole_vocabulary() -> None:
    told = logprob(ROW + 7, 3, 2)
    assert told.logprob == pytest.approx(np.log(0.1), abs=1e-5)
    assert [token for token, _ in told.top] == [0, 1]
    assert told.top[1][1] == pytest.approx(np.log(0.2), abs=1e-5)


def test_masks_are_read_lowest_bit_first() -> None:
    assert allowed_ids(np.array([0b10000001, 0b10], np.uint8), 10).tolist() == [0, 7, 9]

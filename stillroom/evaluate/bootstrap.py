"""How sure a score is: 95 % intervals by resampling the test rows.

Every score here is one sum divided by another: hits over rows, or 2·tp over 2·tp + fp + fn for F1. A score is
therefore an array of shape (rows, 2): what each row adds to the top and to the bottom. A resample counts how often
each row was drawn, so all resampled scores are one matrix product, and a ratio such as F1 is recomputed from its
counts each time instead of being averaged over rows, which would be another figure.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Ratio = NDArray[np.float64]
"""Shape (rows, 2): each row's share of the numerator and of the denominator."""

RESAMPLES = 2000
"""The ends of a 95 % interval are then the 50th value from either side: steady to about a tenth of its width."""

CELLS = 4_000_000
"""Draws held in memory at once, about 100 MB; more rows are done in more blocks."""


class Interval(TypedDict):
    """A score and its 95 % percentile bootstrap interval; `low` <= `value` <= `high`."""

    value: float
    low: float
    high: float


def score(ratio: Ratio) -> float:
    """The score itself: the summed numerators over the summed denominators."""
    return float(_divide(ratio.sum(axis=0)))


def intervals(ratios: dict[str, Ratio], seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """The score of every named ratio with its interval.

    All ratios are over the same rows and see the same resamples. Raises ValueError where there are no rows.
    """
    columns = _columns(list(ratios.values()))
    drawn = _divide(_resampled(columns, seed, resamples))
    return {name: _interval(score(ratio), drawn[:, place]) for place, (name, ratio) in enumerate(ratios.items())}


def mean_interval(ratios: Sequence[Ratio], seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """The plain mean of several scores of the same rows, such as macro F1, with its interval.

    A score that has nothing to count in a resample (its class was not drawn) is left out of that resample's mean, and a
    resample in which none has is left out altogether: there is no telling what it would have been.
    """
    columns = _columns(list(ratios))
    sums = _resampled(columns, seed, resamples)
    counted = sums[..., 1] > 0
    some = counted.any(axis=1)
    means = (_divide(sums) * counted).sum(axis=1)[some] / counted.sum(axis=1)[some]
    return _interval(float(np.mean([score(ratio) for ratio in ratios])), means)


def paired_difference(first: Ratio, second: Ratio, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """`first` minus `second`, two scores of the same rows in the same order.

    Each resample draws rows, and both scores are taken from the same draw. What makes a row hard for both cancels
    out, so the interval is much narrower than the two single intervals suggest.
    """
    if first.shape != second.shape:
        raise ValueError(f"Paired scores need the same rows: {first.shape[0]} against {second.shape[0]}.")
    drawn = _divide(_resampled(_columns([first, second]), seed, resamples))
    return _interval(score(first) - score(second), drawn[:, 0] - drawn[:, 1])


def _columns(ratios: list[Ratio]) -> NDArray[np.float64]:
    """Stack n ratios of r rows into shape (r, n, 2)."""
    if not ratios or not len(ratios[0]):
        raise ValueError("There is nothing to resample.")
    return np.stack(ratios, axis=1)


def _resampled(columns: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """Sums over resampled rows: from shape (rows, n, 2) to shape (resamples, n, 2)."""
    rows = len(columns)
    flat = columns.reshape(rows, -1)
    sums = [weights @ flat for weights in _weights(rows, seed, resamples)]
    return np.concatenate(sums).reshape(resamples, *columns.shape[1:])


def _weights(rows: int, seed: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """How often each row was drawn, in blocks of shape (some resamples, rows).

    The block size depends on `rows` alone, so the same seed always gives the same draws.
    """
    generator = np.random.default_rng(seed)
    block = max(1, CELLS // rows)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = generator.integers(0, rows, size=(count, rows))
        # One bincount for the whole block: each resample counts in its own range of `rows` numbers.
        drawn += np.arange(count)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float64)


def _divide(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numerators over denominators (last axis). Nothing to find and nothing found is a perfect score."""
    bottom = sums[..., 1]
    empty = bottom == 0
    quotient: NDArray[np.float64] = np.where(empty, 1.0, sums[..., 0] / np.where(empty, 1.0, bottom))
    return quotient


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the resampled values, widened where it misses the value itself.

    With few rows and a skewed score (an F1 near 1) the percentiles can lie to one side of it.
    """
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))


def scaled(interval: Interval, factor: float) -> Interval:
    """The interval in another unit, for instance points instead of fractions; `factor` must be positive."""
    return Interval(value=interval["value"] * factor, low=interval["low"] * factor, high=interval["high"] * factor)

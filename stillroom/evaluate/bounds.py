"""How much worse one model may still be than another although few test rows show it, or none.

A bootstrap draws only what was seen: where no row got worse, no draw has a row that did, and six rows with equal
answers would rule out every loss. Two bounds that heed the number of rows stand beside it.
"""

import math

from stillroom.evaluate.bootstrap import Interval, Ratio, paired_difference

UNSEEN = 3.0
"""The rule of three: what never happened in n rows happens in less than 3/n of all, by 95 %."""

_Z = 1.96  # the 97.5 % point of the normal distribution: 95 % between both sides, as in the bootstrap


def paired_loss(first: Ratio, second: Ratio) -> Interval:
    """How much lower `second` scores than `first`, two means of scores from 0 to 1 over the same rows.

    The interval is the paired bootstrap's, but its upper end is never below what these rows cannot rule out: 3/n, and
    where rows are either right or wrong and some got worse, the upper end of Tango's interval.
    """
    interval = paired_difference(first, second)
    lost = first[:, 0] - second[:, 0]
    high = max(interval["high"], least_bound(len(lost)))
    worse, better = int((lost > 0).sum()), int((lost < 0).sum())
    if worse and set(lost.tolist()) <= {-1.0, 0.0, 1.0}:
        high = max(high, tango(worse, better, len(lost)))
    return Interval(value=interval["value"], low=interval["low"], high=high)


def least_bound(rows: int) -> float:
    """The smallest loss that so many rows can rule out: 3/n. Even where none of them got worse, others may."""
    return min(1.0, UNSEEN / rows)


def tango(worse: int, better: int, rows: int) -> float:
    """The upper end of the 95 % score interval of (worse - better) / rows (Tango, Statistics in Medicine 17, 1998).

    It is the largest difference that a score test does not reject, and holds where few rows differ.
    """
    low, high = (worse - better) / rows, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        # The likeliest share of rows that got better, were the true difference `middle`.
        b = (2 * rows - worse + better) * middle - worse - better
        share = (math.sqrt(b * b + 8 * rows * better * middle * (1 - middle)) - b) / (4 * rows)
        spread = math.sqrt(rows * max(0.0, 2 * share + middle * (1 - middle)))
        if rows * middle - (worse - better) > _Z * spread:
            high = middle
        else:
            low = middle
    return high

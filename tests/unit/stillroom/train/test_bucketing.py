"""Length buckets: every row once an epoch, little padding, the same order for the same seed and epoch."""

from hypothesis import given
from hypothesis import strategies as st

from stillroom.train.bucketing import LengthBuckets


@given(st.lists(st.integers(1, 500), min_size=1, max_size=80), st.integers(1, 9), st.integers(0, 99))
def test_every_row_once(lengths: list[int], batch_size: int, seed: int) -> None:
    assert sorted(LengthBuckets(lengths, batch_size, seed)) == list(range(len(lengths)))


def test_little_padding() -> None:
    lengths = [10 + (37 * number) % 400 for number in range(200)]
    order = list(LengthBuckets(lengths, 10, 0))
    padded = sum(10 * max(lengths[row] for row in order[start : start + 10]) for start in range(0, 200, 10))
    assert padded < 1.25 * sum(lengths)


def test_each_batch_has_its_share_of_each_class() -> None:
    lengths = [20 + number % 5 for number in range(60)] + [200 + 3 * number for number in range(180)]
    classes = ["spam"] * 60 + ["event"] * 180
    order = list(LengthBuckets(lengths, 8, 3, classes))
    shares = [sum(classes[row] == "spam" for row in order[start : start + 8]) for start in range(0, 240, 8)]
    assert set(shares) <= {1, 2, 3}
    events = [[lengths[row] for row in order[start : start + 8] if row >= 60] for start in range(0, 240, 8)]
    assert all(max(batch) < 1.4 * min(batch) for batch in events)


def test_an_epoch_is_repeatable_and_unlike_the_next() -> None:
    lengths = [10 + (37 * number) % 400 for number in range(100)]
    one, other = LengthBuckets(lengths, 8, 5), LengthBuckets(lengths, 8, 5)
    assert list(one) == list(other)
    one.set_epoch(1)
    assert list(one) != list(other)

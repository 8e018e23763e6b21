"""Length buckets: every row once an epoch, little padding, the same order for the same seed and epoch."""

from hypothesis import given
from hypothesis import strategies as st

from stillroom.train.bucketing import Curriculum, LengthBuckets


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


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 3)), min_size=1, max_size=80), st.integers(1, 9))
def test_a_curriculum_gives_every_row_once(rows: list[tuple[int, int]], batch_size: int) -> None:
    lengths, stages = [length for length, _ in rows], [stage for _, stage in rows]
    for curriculum in (Curriculum(stages), Curriculum(shortest_first=True), Curriculum(stages, True, 2)):
        order = LengthBuckets(lengths, batch_size, 1, [length % 3 for length in lengths], curriculum)
        assert sorted(order) == list(range(len(rows)))


def test_short_batches_come_before_long_ones_and_hold_every_class() -> None:
    lengths = [20 + (37 * number) % 400 for number in range(240)]
    classes = ["spam" if number % 4 == 0 else "event" for number in range(240)]
    order = list(LengthBuckets(lengths, 8, 3, classes, Curriculum(shortest_first=True)))
    batches = [order[start : start + 8] for start in range(0, 240, 8)]
    means = [sum(lengths[row] for row in batch) / 8 for batch in batches]
    # The blur of a tenth may put neighbours the other way round, but no batch before one three places on.
    assert all(one < other for one, other in zip(means, means[3:], strict=False))
    assert all(1 <= sum(classes[row] == "spam" for row in batch) <= 3 for batch in batches)


def test_stages_come_one_after_the_other_and_only_in_the_epochs_that_keep_to_them() -> None:
    stages = [number % 3 for number in range(90)]
    sampler = LengthBuckets([50 + number % 7 for number in range(90)], 8, 0, None, Curriculum(stages, epochs=1))
    staged = [stages[row] for row in sampler]
    # 30 rows a stage are three batches of 8, and six rows begin the next stage's: 36 are four, of which four wait.
    assert set(staged[:24]) == {0}
    assert staged[24:56].count(0) == 6 and 2 not in staged[:56]
    assert staged[56:].count(1) == 4 and 0 not in staged[56:]
    sampler.set_epoch(1)
    mixed = [stages[row] for row in sampler]
    plain = LengthBuckets([50 + number % 7 for number in range(90)], 8, 0)
    plain.set_epoch(1)
    assert mixed == [stages[row] for row in plain]
    assert len(set(mixed[:24])) == 3

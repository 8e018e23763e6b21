import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.data.rows import Row
from stillroom.data.split import class_of
from stillroom.data.split import split as places
from stillroom.recipe.model import Split

SCHEMA = {"properties": {"kind": {"enum": ["a", "b"]}}}


def rows(count: int, kind: str = "a", source: str = "csv") -> list[Row]:
    return [
        Row(f"{source}{kind}{number}", f"{source} {kind} text {number}", {"kind": kind}, source)
        for number in range(count)
    ]


def split(data: list[Row], clusters: Sequence[int], *rest: Any) -> dict[str, list[Row]]:
    return {name: [data[place] for place in part] for name, part in places(data, clusters, *rest).items()}


def sizes(parts: dict[str, list[Row]]) -> list[int]:
    return [len(parts[name]) for name in ("train", "validation", "test")]


@pytest.mark.parametrize(("count", "expected"), [(10, [8, 1, 1]), (100, [80, 10, 10]), (1000, [800, 100, 100])])
def test_the_shares_are_kept(count: int, expected: list[int]) -> None:
    assert sizes(split(rows(count), range(count), Split(), 0, SCHEMA)) == expected


def test_every_stratum_has_its_shares() -> None:
    data = rows(50) + rows(30, "b") + rows(20, "b", "mbox")
    for part, share in zip(split(data, range(100), Split(), 0, SCHEMA).values(), (0.8, 0.1, 0.1), strict=True):
        counts = Counter((row.source, row.label["kind"]) for row in part)
        assert counts == {("csv", "a"): 50 * share, ("csv", "b"): 30 * share, ("mbox", "b"): 20 * share}


@given(st.lists(st.integers(0, 15), min_size=10, max_size=80), st.integers(0, 5), st.randoms())
def test_groups_stay_together_whatever_the_order(groups: list[int], seed: int, shuffler: random.Random) -> None:
    data = rows(len(groups))
    parts = split(data, groups, Split(), seed, SCHEMA)
    assert sorted(row.id for part in parts.values() for row in part) == sorted(row.id for row in data)
    place = {row.id: name for name, part in parts.items() for row in part}
    for group in set(groups):
        assert len({place[row.id] for row, own in zip(data, groups, strict=True) if own == group}) == 1
    if len(set(groups)) >= 3:
        assert all(sizes(parts))
    order = list(range(len(groups)))
    shuffler.shuffle(order)
    assert split([data[i] for i in order], [groups[i] for i in order], Split(), seed, SCHEMA) == parts


def test_small_strata_make_up_for_each_other() -> None:
    data = [row for number in range(40) for row in rows(3, source=f"s{number}")]
    assert sizes(split(data, range(120), Split(), 0, SCHEMA)) == [96, 12, 12]


def test_another_seed_is_another_split() -> None:
    one, two = (split(rows(50), range(50), Split(), seed, SCHEMA) for seed in (0, 1))
    assert {row.id for row in one["test"]} != {row.id for row in two["test"]}


def test_a_tiny_share_gets_a_row_of_a_stratum_of_ten() -> None:
    assert sizes(split(rows(20), range(20), Split(train=0.98, validation=0.01, test=0.01), 0, SCHEMA)) == [18, 1, 1]


def test_classes() -> None:
    assert class_of(rows(1)[0], SCHEMA) == "a"
    assert class_of(rows(1)[0], None) == "text"
    assert class_of(Row("1", "x", "yes", "csv"), {"enum": ["yes", "no"]}) == "yes"

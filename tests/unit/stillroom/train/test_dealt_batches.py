"""How rows are dealt out to workers."""

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from stillroom.train.dealt_batches import RankBatches, RowsAndBlanks, blank_pair, blank_sample
from stillroom.train.workers import Workers

COUNTS = {"rows": st.integers(1, 40), "batch": st.integers(1, 9), "count": st.integers(1, 5)}


@given(**COUNTS)
def test_each_row_goes_to_one_worker_in_its_batch(rows: int, batch: int, count: int) -> None:
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(rows)).tolist()
    shares = [RankBatches(order, batch, Workers(rank, count)) for rank in range(count)]
    batches = [list(share) for share in shares]
    assert {len(one) for one in batches} == {len(share) for share in shares} == {-(-rows // batch)}
    for number, parts in enumerate(zip(*batches, strict=True)):
        wanted = order[number * batch : (number + 1) * batch]
        assert sorted(row for part in parts for row in part if row >= 0) == sorted(wanted)
        assert len({len(part) for part in parts}) == 1, "all have as many, with blanks"
        blanks = [row for part in parts for row in part if row < 0]
        assert len(blanks) < count and set(blanks) <= {~wanted[0]}


def test_the_epoch_reaches_the_order() -> None:
    told: list[int] = []

    class Order(list[int]):
        def set_epoch(self, epoch: int) -> None:
            told.append(epoch)

    RankBatches(Order([0]), 1, Workers(0, 2)).set_epoch(3)
    RankBatches(range(2), 1, Workers(0, 2)).set_epoch(4)
    assert told == [3]


def test_a_blank_counts_nothing() -> None:
    row: dict[str, Any] = {"input_ids": [5, 6, 7, 8], "labels": [-100, -100, 7, 8]}
    rows = RowsAndBlanks([row], blank_sample)
    assert rows[0] == row
    assert rows[~0] == {"input_ids": [5, 6], "labels": [-100, -100], "weights": [0.0, 0.0]}
    pair = {"prompt_ids": [5, 6, 7], "chosen_ids": [8], "rejected_ids": [9], "ref_chosen_logps": -3.0}
    assert blank_pair(pair) == {"prompt_ids": [5, 6], "chosen_ids": [], "rejected_ids": [], "ref_chosen_logps": 0.0}


def test_one_process_alone_asks_nobody() -> None:
    workers = Workers()
    assert workers.first and workers.total(torch.tensor([2, 3])).tolist() == [2, 3]
    workers.wait()
    assert not workers.must_save()
    assert (workers.of_first(4), workers.least(5), workers.any(False), workers.any(True)) == (4, 5, False, True)

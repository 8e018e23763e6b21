"""The cores are used, the order is kept, the backlog is short."""

import os
from collections.abc import Iterator

import pytest

from stillroom.data.clean import executor
from stillroom.data.clean.executor import local


def work(number: int) -> tuple[int, int]:
    if number == 77:
        raise ValueError("77")
    return number * number, os.getpid()


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "cpu_threads", lambda: 2)


def test_a_few_chunks_stay_in_this_process() -> None:
    assert list(local(work, range(executor.INLINE))) == [
        (number, (number**2, os.getpid())) for number in range(executor.INLINE)
    ]


def test_many_chunks_go_to_other_processes_in_order_and_with_a_short_backlog() -> None:
    taken = 0

    def chunks() -> Iterator[int]:
        nonlocal taken
        for number in range(60):
            taken += 1
            yield number

    processes = set()
    for place, (chunk, (square, process)) in enumerate(local(work, chunks())):
        assert chunk == place and square == place**2
        assert taken - place <= max(executor.INLINE + 1, 2 + 2 * executor.AHEAD)
        processes.add(process)
    assert len(processes) in (1, 2) and os.getpid() not in processes


def test_an_error_comes_through() -> None:
    with pytest.raises(ValueError, match="77"):
        list(local(work, range(100)))

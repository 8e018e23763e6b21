"""Threads never exceed the quota."""

from pathlib import Path

import pytest

from stillroom import machine


@pytest.mark.parametrize(
    ("limit", "quota"), [("max 100000", None), ("150000 100000", 1.5), ("50000 100000", 0.5), ("rubbish", None)]
)
def test_cgroup_quota(tmp_path: Path, limit: str, quota: float | None) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert machine._cgroup_quota(tmp_path) == quota


def test_the_least_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    for quota, threads in ((None, 4), (2.9, 2), (0.5, 1), (64.0, 4)):
        monkeypatch.setattr(machine, "_cgroup_quota", lambda quota=quota: quota)
        assert machine.cpu_threads() == threads


def test_memory_that_the_cgroup_leaves(tmp_path: Path) -> None:
    assert machine._cgroup_memory_left(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 250\n")
    assert machine._cgroup_memory_left(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert machine._cgroup_memory_left(tmp_path) == 1000 - 700 + 250


def test_memory_of_an_older_cgroup(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.usage_in_bytes").write_text("700\n")
    (folder / "memory.stat").write_text("total_inactive_file 100\n")
    for limit, left in ((1000, 400), (9223372036854771712, None)):
        (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
        assert machine._cgroup_memory_left(tmp_path) == left


def test_free_memory_is_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cgroup_memory_left", lambda: 12345)
    assert machine.free_memory() == 12345
    monkeypatch.setattr(machine, "_cgroup_memory_left", lambda: -5)
    assert machine.free_memory() == 0
    monkeypatch.setattr(machine, "_cgroup_memory_left", lambda: None)
    assert machine.free_memory() > 1 << 20

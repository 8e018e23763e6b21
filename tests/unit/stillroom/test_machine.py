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

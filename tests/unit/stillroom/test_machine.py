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


def test_outer_cgroups_hold_too(tmp_path: Path) -> None:
    """As systemd nests them: the unit has no limit of its own, the slice around it has."""
    own, unit = tmp_path / "own", tmp_path / "user.slice" / "server.service"
    unit.mkdir(parents=True)
    own.write_text("1:name=systemd:/x\n0::/user.slice/server.service\n")
    (unit / "cpu.max").write_text("max 100000")
    assert machine._cgroup_quota(tmp_path, own) is None
    (unit.parent / "cpu.max").write_text("150000 100000")
    assert machine._cgroup_quota(tmp_path, own) == 1.5
    (unit / "cpu.max").write_text("25000 100000")
    assert machine._cgroup_quota(tmp_path, own) == 0.25
    for folder, limit in ((unit, "max"), (unit.parent, "1000")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("400\n")
        (folder / "memory.stat").write_text("inactive_file 0\n")
    assert machine._cgroup_memory_left(tmp_path, own) == 600


@pytest.mark.parametrize("path", ["/kubepods/pod1/c1", "/../../outside", "/"])
def test_a_container_sees_its_own_cgroup_as_the_root(tmp_path: Path, path: str) -> None:
    own, folder = tmp_path / "own", tmp_path / "cpu"
    folder.mkdir()
    own.write_text(f"4:cpu,cpuacct:{path}\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    for limit, quota in (("-1", None), ("200000", 2.0)):
        (folder / "cpu.cfs_quota_us").write_text(f"{limit}\n")
        assert machine._cgroup_quota(tmp_path, own) == quota
    own.write_text(f"0::{path}\n")
    (tmp_path / "cpu.max").write_text("100000 100000")
    assert machine._cgroup_quota(tmp_path, own) == 1.0


def test_the_least_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    for quota, threads in ((None, 4), (2.9, 2), (0.5, 1), (64.0, 4), (0.05, 1)):
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

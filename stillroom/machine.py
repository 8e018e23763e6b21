"""What this process may use of the machine."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def cpu_threads() -> int:
    """CPU threads this process may keep busy: the least of its affinity and its cgroup's quota, at least 1.

    More threads than the quota let the kernel throttle the process in mid-step, which costs far more than one thread
    too few.
    """
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(threads, int(quota)) if quota is not None else threads)


def _cgroup_quota(root: Path = CGROUPS, own: Path = OWN_CGROUPS) -> float | None:
    """CPUs that the cgroups grant, the narrowest of them, or None where there is no limit."""
    found = [_quota_of(folder) for folder in _cgroup_folders("cpu", root, own)]
    return min((quota for quota in found if quota is not None), default=None)


def _quota_of(folder: Path) -> float | None:
    """One cgroup's CPUs (version 2's cpu.max, else version 1's cfs files), None without a limit."""
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError):
        return None


def _cgroup_folders(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """The folders of the cgroups that hold this process, by both versions, each with those around it.

    A limit of an outer cgroup holds inside, too. In a container the root often is the process' own cgroup, while `own`
    may tell of paths on the host: what is not there has no limits.
    """
    paths = {"": "/", controller: "/"}  # version 2 has one hierarchy without a name
    with suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, names, path = line.split(":", 2)
            paths |= {name: path for name in names.split(",") if name in paths}
    for name, path in paths.items():
        inner = PurePosixPath(path.lstrip("/"))
        yield from (root / name / folder for folder in (inner, *inner.parents) if ".." not in folder.parts)


def free_memory() -> int:
    """Bytes of memory that this process may still take: the least of what the system and the cgroup have left."""
    import psutil

    free: int = psutil.virtual_memory().available
    left = _cgroup_memory_left()
    return free if left is None else max(0, min(free, left))


def _cgroup_memory_left(root: Path = CGROUPS, own: Path = OWN_CGROUPS) -> int | None:
    """What the cgroups' limits leave, the least of it, or None without a limit."""
    found = [_memory_left_in(folder) for folder in _cgroup_folders("memory", root, own)]
    return min((left for left in found if left is not None), default=None)


def _memory_left_in(folder: Path) -> int | None:
    """What one cgroup leaves, None without a limit. Files that lie in memory only as a cache are free."""
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = (folder / limit).read_text().strip()
            if most == "max" or int(most) > 1 << 60:  # version 1 writes "no limit" as a huge number
                return None
            facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return int(most) - int((folder / used).read_text()) + int(facts.get(cache, 0))
        except (OSError, ValueError):
            continue
    return None

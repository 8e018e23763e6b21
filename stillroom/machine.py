"""What this process may use of the machine."""

import os
from pathlib import Path


def cpu_threads() -> int:
    """CPU threads this process may keep busy: the least of its affinity and its cgroup's quota, at least 1.

    More threads than the quota let the kernel throttle the process in mid-step, which costs far more than one thread
    too few.
    """
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(threads, int(quota)) if quota else threads)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """CPUs that the cgroup grants, or None where there is no limit (cgroup v2's cpu.max, else v1's cfs files)."""
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = (root / "cpu/cpu.cfs_quota_us").read_text()
        return int(limit) / int((root / "cpu/cpu.cfs_period_us").read_text()) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None


def free_memory() -> int:
    """Bytes of memory that this process may still take: the least of what the system and the cgroup have left."""
    import psutil

    free: int = psutil.virtual_memory().available
    left = _cgroup_memory_left()
    return free if left is None else max(0, min(free, left))


def _cgroup_memory_left(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What the cgroup's limit leaves, or None without a limit. Files that lie in memory only as a cache are free."""
    places = (
        (root / "memory.max", root / "memory.current", root / "memory.stat", "inactive_file"),
        (
            root / "memory/memory.limit_in_bytes",
            root / "memory/memory.usage_in_bytes",
            root / "memory/memory.stat",
            "total_inactive_file",
        ),
    )
    for limit, used, facts, cache in places:
        try:
            most = limit.read_text().strip()
            if most == "max" or int(most) > 1 << 60:  # version 1 writes "no limit" as a huge number
                return None
            cached = dict(line.split() for line in facts.read_text().splitlines()).get(cache, 0)
            return int(most) - int(used.read_text()) + int(cached)
        except (OSError, ValueError):
            continue
    return None

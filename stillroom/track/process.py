"""Who is still alive: a process is named by its number and its start, because numbers are used again."""

import os
import threading
import time
from pathlib import Path

PARENT_VARIABLE = "STILLROOM_PARENT"
"""Environment variable with the identity of the process that runs the pipeline."""


def identity(pid: int | None = None) -> str:
    """The name of a process (this one by default) that no later process will have. Raises psutil.NoSuchProcess."""
    import psutil

    process = psutil.Process(pid)
    try:
        # Ticks since the boot: the time of day that psutil makes of them moves when the clock is set.
        start = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        start = f"{process.create_time():.2f}"
    return f"{process.pid}:{start}"


def alive(name: str) -> bool:
    """Whether the process of that `identity` still runs; a zombie does not."""
    import psutil

    try:
        process = psutil.Process(int(name.partition(":")[0]))
        return identity(process.pid) == name and process.status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.Error):
        return False


def stop_with_parent(seconds: float = 0.5) -> None:
    """End this process soon after the one named in STILLROOM_PARENT has ended; does nothing where it is unset.

    A runner that is killed with -9 cannot stop its steps. Between the two stands a shell, so the kernel's own
    signal for a dead parent would not arrive here; a thread that looks is what works on every system.
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if parent:
        threading.Thread(target=_watch, args=(parent, seconds), daemon=True, name="stop-with-parent").start()


def end_children(pid: int | None = None, grace: float = 5.0) -> None:
    """End every process below `pid` (this one by default): first politely, after `grace` seconds by force."""
    import psutil

    children = psutil.Process(pid).children(recursive=True)
    for child in children:
        _quietly(child.terminate)
    _, stubborn = psutil.wait_procs(children, timeout=grace)
    for child in stubborn:
        _quietly(child.kill)
    psutil.wait_procs(stubborn, timeout=grace)


def _watch(parent: str, seconds: float) -> None:
    while alive(parent):
        time.sleep(seconds)
    end_children(grace=0)
    os._exit(1)


def _quietly(action: object) -> None:
    import psutil

    try:
        assert callable(action)
        action()
    except psutil.Error:  # it ended by itself
        pass

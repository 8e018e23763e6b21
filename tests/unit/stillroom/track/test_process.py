"""Processes are known by more than their number, and none outlives its runner."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from stillroom.track.process import PARENT_VARIABLE, alive, end_children, identity, stop_with_parent

RUNNER = """
import os, subprocess, sys, time
from stillroom.track.process import PARENT_VARIABLE, identity
child = "import time; from stillroom.track.process import stop_with_parent; stop_with_parent(0.1); time.sleep(60)"
environment = {**os.environ, PARENT_VARIABLE: identity()}
process = subprocess.Popen(["sh", "-c", f"echo $$; '{sys.executable}' -c '{child}'; true"], env=environment)
time.sleep(60)
"""


def wait_until(condition: object, seconds: float = 10.0) -> bool:
    assert callable(condition)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_this_process_is_alive_and_an_older_one_of_its_number_is_not() -> None:
    assert alive(identity())
    assert not alive(f"{os.getpid()}:1.00")
    assert not alive("")
    assert not alive("no number:1.00")


def test_setting_the_clock_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    name = identity()
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: real(process) + 3600)
    assert alive(name)


def test_a_process_that_ended_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    name = identity(process.pid)
    assert alive(name)
    process.kill()
    assert wait_until(lambda: not alive(name)), "a zombie counts as ended"
    process.wait()


def test_a_step_ends_when_its_runner_is_killed() -> None:
    runner = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    shell = psutil.Process(int(runner.stdout.readline()))
    assert wait_until(shell.children)
    step = shell.children()[0]
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert wait_until(lambda: not step.is_running() or step.status() == psutil.STATUS_ZOMBIE)


def test_without_a_runner_nothing_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.delenv(PARENT_VARIABLE, raising=False)
    before = threading.active_count()
    stop_with_parent()
    assert threading.active_count() == before


def test_stubborn_children_are_ended_by_force() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    child = psutil.Process(process.pid)
    end_children(grace=0.2)
    assert not child.is_running()
    process.wait()

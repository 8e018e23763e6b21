"""A server as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

STILLROOM = str(Path(sys.executable).with_name("stillroom"))


class Process:
    """A server that runs; `url` once it listens."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stream, text=True, env={**os.environ, "NO_PROXY": "*"}
            )
        assert self.process.stdout is not None
        self.banner = self.process.stdout.readline() + self.process.stdout.readline()
        found = re.search(r"at (http://\S+),", self.banner)
        assert found, log.read_text()
        self.url = found[1]

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Send a signal; returns the exit status."""
        self.process.send_signal(sig)
        return self.process.wait(60)


def wait(holds: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.02)


def metric(server: Process, name: str) -> float:
    """The sum of a metric over its labels."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}(\{{|\s)", line))

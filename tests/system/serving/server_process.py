"""A server as a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

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

"""Servers as a user starts them, on the packaged model with a small recipe beside it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stillroom.models.base import packaged_gguf

STILLROOM = str(Path(sys.executable).with_name("stillroom"))
RECIPE = """\
name: mails
instruction: What is this e-mail about?
output_schema:
  type: object
  properties:
    category: {enum: [event, spam, other]}
    title: {type: string, maxLength: 20}
  required: [category, title]
  additionalProperties: false
data:
  sources: [{kind: csv, path: mails.csv}]
serve: {context_tokens: 1024, max_answer_tokens: 40}
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "mails-Q4_1.gguf").symlink_to(packaged_gguf())
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


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


@pytest.fixture(scope="module")
def serve(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Starts `stillroom serve` on a free port; whatever still runs at the end is ended."""
    started: list[Process] = []

    def start(*options: str) -> Process:
        log = tmp_path_factory.mktemp("log") / "log.jsonl"
        started.append(Process([STILLROOM, "serve", str(model), "--port", "0", *options], log))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(30)

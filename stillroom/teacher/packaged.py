"""The packaged model as a teacher: this project's own server, started for as long as it is asked."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stillroom.errors import UserError
from stillroom.models.base import packaged_gguf
from stillroom.recipe.teacher import Teacher
from stillroom.track.process import PARENT_VARIABLE, identity

CONTEXT_TOKENS = 4096
_SERVE = (
    "from stillroom.track.process import stop_with_parent; stop_with_parent(); from stillroom.cli import main; main()"
)
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def packaged_server(teacher: Teacher) -> Iterator[str]:
    """Serve the packaged model on a free port of the loopback; yields its base_url, and ends it afterwards.

    It also ends when this process is killed. UserError where the model or the server is not installed.
    """
    options = ["--name", teacher.model, "--port", "0", "--slots", str(teacher.concurrency)]
    options += ["--context", str(CONTEXT_TOKENS), "--max-num-queued-reqs", "512"]
    command = [sys.executable, "-c", _SERVE, "serve", str(packaged_gguf()), *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, PARENT_VARIABLE: identity()},
    )
    try:
        yield f"{_address(process)}/v1"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[str]") -> str:
    """Where the server listens, as it says itself once it does."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if found := _ADDRESS.search(line):
            return found.group()
    raise UserError(
        f"The packaged teacher could not be started ({' '.join(said)[:200] or 'it said nothing'}). "
        "`stillroom serve` needs the extra `serve`: pip install 'stillroom[serve]'."
    )

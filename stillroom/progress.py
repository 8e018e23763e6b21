"""Progress that crosses process borders: a step appends lines to a file, and whoever started it draws the bars."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

FILE_VARIABLE = "STILLROOM_PROGRESS"
"""Environment variable with the path of the progress file; unset on a cluster, where plain log lines serve."""


class Progress:
    """How far one piece of work has come.

    `total` is in whatever unit the work counts (steps, rows, mails). Lines are written at most five times a second
    to the file named by STILLROOM_PROGRESS; without one, a log line goes to stderr every ten seconds.
    """

    def __init__(self, task: str, total: int, done: int = 0) -> None:
        """done: what an earlier process had finished; it tells nothing of this one's speed."""
        self.task, self.total, self.done, self._kept = task, total, done, done
        self._started = self._written = time.monotonic()
        self._path = os.environ.get(FILE_VARIABLE)
        self._write("")

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` of `total` are finished; `note` is a short figure to show beside the bar."""
        self.done = done
        now = time.monotonic()
        if done >= self.total or now - self._written >= (0.2 if self._path else 10):
            self._written = now
            self._write(note)

    def advance(self, by: int = 1, note: str = "") -> None:
        """Say that `by` more are finished."""
        self.update(self.done + by, note)

    def _write(self, note: str) -> None:
        if self._path:
            line = {"task": self.task, "done": self.done, "total": self.total, "note": note, "time": time.time()}
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        elif self.done > self._kept and time.monotonic() - self._started >= 10:
            left = (time.monotonic() - self._started) / (self.done - self._kept) * (self.total - self.done)
            print(f"{self.task}: {self.done}/{self.total}, {left:.0f} s left {note}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Tell whoever watches the run one thing that he should know now."""
    path = os.environ.get(FILE_VARIABLE)
    if path:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"say": text}) + "\n")
    else:
        print(text, file=sys.stderr, flush=True)


def track(items: Iterable[T], task: str, total: int) -> Iterator[T]:
    """Yield the items and report each as one unit of progress."""
    progress = Progress(task, total)
    for item in items:
        yield item
        progress.advance()

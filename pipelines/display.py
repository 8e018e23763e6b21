"""What a person sees while a run goes on: a line a step, with a bar and the time left."""

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from stillroom.track.layout import FOLDERS

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_INTERVAL = 30.0
"""Seconds between two lines about one step where there is no terminal: a log should neither fall silent nor flood."""


class Display(Protocol):
    """Draws the events of a run."""

    def __enter__(self) -> "Display": ...

    def __exit__(self, *exception: object) -> None: ...

    def step(self, name: str, event: str, seconds: float | None) -> None:
        """A step's event: "start", "kept", "done" or "failed"."""

    def progress(self, task: str, done: int, total: int, note: str) -> None:
        """How far the running step's work has come; `task` names the part of it."""

    def say(self, text: str) -> None:
        """Something that the person should know now."""


def display_for(stream: TextIO, steps: Iterable[str] = FOLDERS) -> Display:
    """Bars for the steps where `stream` is a terminal, else lines."""
    return Bars(stream, steps) if stream.isatty() else Lines(stream)


class Tail:
    """Follows the progress file of the steps and passes each line to a display, in a thread of its own."""

    def __init__(self, path: Path, display: Display) -> None:
        self._path, self._display = path, display
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="progress")

    def __enter__(self) -> "Tail":
        self._path.touch()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        with self._path.open(encoding="utf-8") as stream:
            rest = ""
            while True:
                last = self._stop.is_set()
                rest = self._pass_on(rest + stream.read())
                if last:
                    return
                self._stop.wait(0.1)

    def _pass_on(self, text: str) -> str:
        """Draw the whole lines of the text; returns what is not a whole line yet."""
        *lines, rest = text.split("\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:  # two processes wrote at once; a lost line of progress harms nobody
                continue
            self._draw(event)
        return rest

    def _draw(self, event: dict[str, Any]) -> None:
        if "say" in event:
            self._display.say(event["say"])
        elif "step" in event:
            self._display.step(event["step"], event["event"], event["seconds"])
        else:
            self._display.progress(event["task"], event["done"], event["total"], event["note"])


class Bars:
    """A live table on a terminal."""

    def __init__(self, stream: TextIO, steps: Iterable[str] = FOLDERS) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class Bar(BarColumn):
            """A bar that stays empty before its step has begun; rich would let it pulse as if something went on."""

            def render(self, task: Task) -> Any:
                return super().render(task) if task.started else Text(" " * 30)

        class TimeLeft(TimeRemainingColumn):
            """The time left, only where there is some."""

            def render(self, task: Task) -> Text:
                return super().render(task) if task.started and not task.finished and task.total else Text("")

        self._bars: Progress = Progress(
            TextColumn("{task.fields[mark]} {task.description:<18}"),
            Bar(bar_width=30),
            TextColumn("{task.fields[state]:<9}"),
            TimeLeft(compact=True),
            TextColumn("[dim]{task.fields[note]}"),
            console=Console(file=stream),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._bars.add_task(name, start=False, total=1, mark="[dim]·[/]", state="", note="") for name in steps
        }
        self._now: TaskID | None = None
        self._part = ""

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def step(self, name: str, event: str, seconds: float | None) -> None:
        """Move the step's line on."""
        task = self._tasks[name]
        if event == "start":
            self._now, self._part = task, ""
            self._bars.reset(task, total=None, mark="[yellow]▸[/]", state="", note="")
        elif event == "failed":
            self._bars.stop_task(task)
            self._bars.update(task, mark="[red]✗[/]", state="failed", note="")
        else:
            state = "kept" if event == "kept" else duration(seconds or 0.0)
            self._bars.start_task(task)
            self._bars.update(task, total=1, completed=1, mark="[green]✓[/]", state=state, note="")
            self._bars.stop_task(task)

    def progress(self, task: str, done: int, total: int, note: str) -> None:
        """Fill the running step's bar."""
        if self._now is None:
            return
        if task != self._part:
            self._part = task
            self._bars.reset(self._now, total=total, completed=done)
        words = f"{task} {note}".strip()
        self._bars.update(self._now, total=total, completed=done, state=f"{done}/{total}", note=words)

    def say(self, text: str) -> None:
        """Print it above the table."""
        self._bars.console.print(text, markup=False, highlight=False)


@dataclass
class Lines:
    """One plain line an event, for logs."""

    stream: TextIO
    _step: str = ""
    _part: str = ""
    _started: float = 0.0
    _kept: int = 0
    _said: float = 0.0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def step(self, name: str, event: str, seconds: float | None) -> None:
        """Say what happened to the step."""
        self._step, self._said = name, time.monotonic()
        words = {"start": "started", "kept": "kept", "failed": "failed"}
        self.say(f"{name}: {words.get(event) or f'done in {duration(seconds or 0.0)}'}")

    def progress(self, task: str, done: int, total: int, note: str) -> None:
        """Say from time to time how far the step is."""
        now = time.monotonic()
        if task != self._part:
            self._part, self._started, self._kept = task, now, done
        if done > self._kept and now - self._said >= PLAIN_INTERVAL:
            self._said = now
            left = (now - self._started) / (done - self._kept) * (total - done)
            self.say(f"{self._step}: {task} {done}/{total}, {duration(left)} left {note}".rstrip())

    def say(self, text: str) -> None:
        """Write the line at once."""
        self.stream.write(text + "\n")
        self.stream.flush()


def duration(seconds: float) -> str:
    """Seconds as a person reads them: 0.4 s, 48 s, 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"

"""What a person sees of a run: bars on a terminal, lines in a log."""

import io
import json
import time
from pathlib import Path

import pytest

from pipelines import display
from pipelines.display import Bars, Lines, Tail, display_for, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def event(step: str, name: str, seconds: float | None = None) -> str:
    return json.dumps({"step": step, "event": name, "seconds": seconds, "time": 0}) + "\n"


def work(task: str, done: int, total: int, note: str = "") -> str:
    return json.dumps({"task": task, "done": done, "total": total, "note": note, "time": 0}) + "\n"


def test_lines_in_a_log() -> None:
    stream = io.StringIO()
    lines = display_for(stream)
    with lines:
        lines.step("prepare", "kept", 3.0)
        lines.step("train-sft", "start", None)
        lines.progress("SFT", 1, 10, "")
        lines.say("Real mail is left out.")
        lines.step("train-sft", "done", 130.0)
        lines.step("train-dpo", "failed", None)
    assert stream.getvalue().splitlines() == [
        "prepare: kept",
        "train-sft: started",
        "Real mail is left out.",
        "train-sft: done in 2 min 10 s",
        "train-dpo: failed",
    ]


def test_a_long_step_is_heard_of_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "PLAIN_INTERVAL", 0.0)
    stream = io.StringIO()
    lines = Lines(stream)
    lines.step("train-sft", "start", None)
    lines.progress("SFT", 0, 10, "")
    lines.progress("SFT", 5, 10, "loss 0.21")
    assert stream.getvalue().splitlines()[1].startswith("train-sft: SFT 5/10, ")
    assert stream.getvalue().endswith("left loss 0.21\n")


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    bars = display_for(stream)
    assert isinstance(bars, Bars)
    with bars:
        bars.progress("before any step", 1, 2, "")
        bars.step("prepare", "kept", 3.0)
        bars.step("train-sft", "start", None)
        bars.progress("SFT", 120, 240, "loss 0.21")
        bars.step("export", "start", None)
        bars.step("export", "done", 70.0)
        bars.step("measure", "failed", None)
    drawn = stream.getvalue()
    for words in ("prepare", "kept", "120/240", "SFT loss 0.21", "1 min 10 s", "failed", "register"):
        assert words in drawn


def test_bars_for_some_steps_alone() -> None:
    stream = Terminal()
    with display_for(stream, ("prepare", "train-sft")) as bars:
        bars.step("train-sft", "kept", 3.0)
    assert "prepare" in stream.getvalue() and "register" not in stream.getvalue()


def test_the_file_of_the_steps_is_followed_to_its_end(tmp_path: Path) -> None:
    path, stream = tmp_path / "progress.jsonl", io.StringIO()
    lines = Lines(stream)
    with Tail(path, lines), path.open("a") as file:
        file.write(event("prepare", "start") + "not json\n" + work("Reading", 1, 2))
        file.flush()
        half = event("prepare", "done", 4.0)
        file.write(half[:10])
        file.flush()
        time.sleep(0.3)
        file.write(half[10:])
    assert stream.getvalue().splitlines() == ["prepare: started", "prepare: done in 4.0 s"]


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.44, 9.9, 48.2, 200, 3600)] == [
        "0.4 s",
        "9.9 s",
        "48 s",
        "3 min 20 s",
        "60 min 00 s",
    ]

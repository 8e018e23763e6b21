"""The table of a run's numbers for a README, in Markdown."""

from typing import Any

from stillroom.report.scores import ladder_label, scores_of
from stillroom.report.words import NOTHING, Interval, duration, percent, percent_range, size


def readme_table(summary: dict[str, Any]) -> str:
    """One row a model: every score of the ladder with its 95 % interval, then seconds a text and size.

    `summary` is the gate's evaluation.json. The table ends with a newline.
    """
    columns = scores_of(summary)
    files = {one["format"]: one for one in summary["formats"]}
    head = ["Model", *(f"{score.title} (95 % interval)" for score in columns), "Seconds each", "Size"]
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    for name, evaluation in summary["models"].items():
        file = files.get(name, {})
        label = ladder_label(summary, name)
        cells = [f"**{label}, chosen**" if name == summary.get("chosen") else label]
        for score in columns:
            interval = score.read(evaluation["groups"]["all"])
            cells.append(_cell(interval))
        seconds = file.get("seconds_per_row", evaluation.get("seconds_per_row"))
        cells += [duration(seconds), size(file.get("bytes"))]
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _cell(interval: Interval | None) -> str:
    return f"{percent(interval.value)} ({percent_range(interval)})" if interval else NOTHING


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

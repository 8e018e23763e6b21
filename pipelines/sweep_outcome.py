"""What a sweep says in the terminal."""

from pathlib import Path
from shlex import quote
from typing import Any

from pipelines.outcome import shown as shown_path
from stillroom.evaluate.score import METRIC_WORDS, Metric, headline_metric
from stillroom.recipe.model import Recipe
from stillroom.report.sweep import PAGE, ranked
from stillroom.sweep.state import BEST

Json = dict[str, Any]


def sweep_outcome(state: Json, recipe: Recipe, folder: Path) -> str:
    """The table, what it can tell, the score on test, and what to do next."""
    metric = headline_metric(recipe)
    words = METRIC_WORDS[metric]
    lines = [*_table(state, metric), ""]
    if state["best"] is None:
        return "\n".join([*lines, "No variant could be measured."])
    lines += [_ahead(state, words)]
    if state["test"] is not None and state["test"]["result"] is not None:
        lines.append(_tested(state["test"], state["best"], metric, words))
    place = shown_path(folder)
    return "\n".join(
        [
            *lines,
            "",
            f"Page    {quote(f'{place}/{PAGE}')}",
            f"Recipe  {quote(f'{place}/{BEST}')}",
            "",
            "Next:",
            f"  stillroom run {quote(f'{place}/{BEST}')}   # the best variant all the way to its GGUF files",
        ]
    )


def _table(state: Json, metric: Metric) -> list[str]:
    rows = [
        ("", "variant", METRIC_WORDS[metric], "95 % interval", "behind", "macro F1", "valid free", "train", "tokens")
    ]
    failures = []
    for row in ranked(state, metric):
        if row["state"] != "done":
            rows.append(("x" if row["state"] == "failed" else "", row["name"], row["state"], *[""] * 6))
            if row["state"] == "failed":
                failures.append(f"{row['name']} failed: {row['reason']}")
            continue
        score, behind = row["scores"][metric], row["behind"]
        valid, classes = row["scores"]["schema_valid"], row["classes"]
        best = row["name"] == state["best"]
        rows.append(
            (
                "*" if best else "",
                row["name"],
                _percent(score["value"]),
                f"{_percent(score['low'])} to {_percent(score['high'])}",
                "best" if best else _points(behind["value"]) + ("" if behind["low"] > 0 else " ~"),
                _percent(classes["macro_f1"]["value"]) if classes else "",
                _percent(valid["value"]) if valid else "",
                f"{row['seconds']:.0f} s",
                f"{row['computed_tokens']:,}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*table, *(["", *failures] if failures else [])]


def _ahead(state: Json, words: str) -> str:
    difference = state["difference"]
    if difference is None:
        return f"Best on validation: {state['best']}, the only variant that was measured."
    interval = f"{_points(difference['value'])} points of {words} ({_points(difference['low'])} to "
    interval += f"{_points(difference['high'])})"
    if state["clear"]:
        return f"Best on validation: {state['best']}, clearly ahead of {state['next']}: {interval}."
    return (
        f"Best on validation: {state['best']}. {state['next']} is within the noise: {interval}.\n"
        "~ marks every variant that these rows cannot tell from the best."
    )


def _tested(test: Json, best: str, metric: Metric, words: str) -> str:
    score = test["result"]["scores"][metric]
    said = (
        f"On test, scored once: {words} {_percent(score['value'])} "
        f"({_percent(score['low'])} to {_percent(score['high'])}) on {test['result']['rows']} rows"
    )
    if test["variant"] == best:
        return f"{said}."
    return (
        f"{said}, by {test['variant']}, the best at that time. Test is not scored again, so {best} has no such score."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"

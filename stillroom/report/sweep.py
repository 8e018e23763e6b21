"""The page of a sweep: its table, the classes, the confusions and the learning curves of all variants."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from stillroom.evaluate.score import METRIC_WORDS, Metric, headline_metric
from stillroom.files import write_text
from stillroom.recipe.model import Recipe
from stillroom.report import charts, sections, words
from stillroom.report.page import environment
from stillroom.report.svg import Drawing, fit, text_width
from stillroom.report.words import NBSP, NOTHING, Interval, percent

Json = dict[str, Any]

PAGE = "sweep.html"
COLOURS = ("c1", "c2", "c3")
"""Curve colours of the best three; all others are grey, because more hues could not be told apart."""
MOST_DRAWN = 12
"""Variants whose confusions and curves are drawn, the best ones; the names of more curves would not fit beside them."""
MOST_CLASSES = 14
"""Classes up to which they are drawn; the F1 of all stands in sweep.json."""


def write_page(recipe: Recipe, state: Json, folder: Path) -> None:
    """Write `folder`/sweep.html from the state of a sweep, finished or not."""
    write_text(folder / PAGE, render(recipe, state))


def render(recipe: Recipe, state: Json) -> str:
    """The page as text."""
    keys = axes_of(state)
    metric = headline_metric(recipe)
    rows = [_row(number, row, keys, metric) for number, row in enumerate(ranked(state, metric), start=1)]
    done = [row for row in rows if row["state"] == "done"]
    page = (
        environment()
        .get_template("sweep.html")
        .render(
            name=recipe.name,
            base_model=recipe.base_model,
            noun=sections.noun_of(recipe),
            metric=METRIC_WORDS[metric],
            keys=[short(key) for key in keys],
            rows=rows,
            done=done,
            failed=[row for row in rows if row["state"] == "failed"],
            waiting=sum(row["state"] == "waiting" for row in rows),
            best=done[0] if done else None,
            second=done[1] if len(done) > 1 else None,
            difference=sections.points(state["difference"]),
            clear=state["clear"],
            test=_test(state, keys, metric),
            whiskers=_whiskers(done, metric) if done else None,
            classes=_classes(done),
            matrices=[_matrix(row) for row in done[:MOST_DRAWN] if _drawn(row)],
            most_drawn=MOST_DRAWN,
            training=_curves(done[:MOST_DRAWN], "loss") if done else None,
            validation=_curves(done[:MOST_DRAWN], "validation_loss") if _watched(done) else None,
        )
    )
    return words.printable(page)


def axes_of(state: Json) -> list[str]:
    """The keys in which the variants differ; all of them where there is only one variant."""
    rows = state["variants"]
    keys = list(dict.fromkeys(key for row in rows for key in row["change"]))
    varied = [key for key in keys if len({json.dumps(row["change"].get(key, NOTHING)) for row in rows}) > 1]
    return varied or keys


def ranked(state: Json, metric: str) -> list[Json]:
    """The best first, then the other measured ones by their score, then those that wait or failed."""
    order = {"done": 0, "waiting": 1, "failed": 2}

    def rank(row: Json) -> tuple[Any, ...]:
        score = row["scores"][metric]["value"] if row["state"] == "done" else 0.0
        return order[row["state"]], row["name"] != state["best"], row["name"] != state["next"], -score

    return sorted(state["variants"], key=rank)


def short(key: str) -> str:
    """The last part of a key, as words."""
    return words.human(key.rpartition(".")[2])


def shown(value: Any) -> str:
    """A value of the grid as a person would write it."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(inner)}" for key, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _row(number: int, row: Json, keys: Sequence[str], metric: str) -> Json:
    values = [shown(row["change"][key]) if key in row["change"] else NOTHING for key in keys]
    made: Json = {
        **row,
        "number": number,
        "values": values,
        "label": f"{number}  {' · '.join(values)}",
        "headline": None,
    }
    if row["state"] == "done":
        classes = row["classes"]
        made |= {
            "headline": Interval.read(row["scores"][metric]),
            "macro_f1": Interval.read(classes["macro_f1"]) if classes else None,
            "schema_valid": Interval.read(row["scores"]["schema_valid"]),
            "behind": sections.points(row["behind"]),
        }
    return made


def _test(state: Json, keys: Sequence[str], metric: str) -> Json | None:
    """The one score on test, with the row of its variant; None before there is one."""
    test = state["test"]
    if test is None or test["result"] is None:
        return None
    result = test["result"]
    row = next(row for row in state["variants"] if row["name"] == test["variant"])
    return {
        "values": [shown(row["change"][key]) if key in row["change"] else NOTHING for key in keys],
        "still_best": test["variant"] == state["best"],
        "scored": test["scored"],
        "rows": result["rows"],
        "headline": Interval.read(result["scores"][metric]),
        "macro_f1": Interval.read(result["classes"]["macro_f1"]) if result["classes"] else None,
        "schema_valid": Interval.read(result["scores"]["schema_valid"]),
    }


def _whiskers(done: Sequence[Json], metric: Metric) -> sections.Figure:
    def panel(title: str, key: str) -> charts.Panel:
        rows = [charts.WhiskerRow(row["label"], row[key], chosen=row is done[0]) for row in done]
        return charts.Panel(title, rows)

    panels = [panel(words.human(METRIC_WORDS[metric]), "headline")]
    panels += [panel("Macro F1", "macro_f1")] if done[0]["macro_f1"] else []
    panels += [panel("Valid, unconstrained", "schema_valid")] if done[0]["schema_valid"] else []
    return sections.drawn("scores", lambda one, width: charts.whiskers(one, width, panels, "Scores on validation"))


def _classes(done: Sequence[Json]) -> sections.Figure | None:
    """Bars of each class's F1, one group a class; None where there are no classes or too many."""
    if not done or not _drawn(done[0]):
        return None
    groups = [
        (name, [(row["label"], Interval.read(row["classes"]["class_f1"].get(name)), row is done[0]) for row in done])
        for name in done[0]["classes"]["class_f1"]
    ]
    return sections.drawn("classes", lambda one, width: bars(one, width, groups, "F1 of each class"))


Bar = tuple[str, Interval | None, bool]
"""A bar's label, its value, and whether it is the chosen one."""


def bars(name: str, width: int, groups: Sequence[tuple[str, Sequence[Bar]]], title: str) -> Markup:
    """Horizontal bars from 0 to 100 % with their intervals; groups beside each other where there is room."""
    labels = [label for label, _, _ in groups[0][1]]
    room = min(max(map(text_width, labels)) * charts.BOLD + 28, width * 0.45)
    columns = min(len(groups), max(1, int((width - room) / 200)))
    row_height, head, foot, gap = 24, 30, 26, 28
    tall = head + row_height * len(labels) + foot
    lines = -(-len(groups) // columns)
    described = "; ".join(
        f"{group}: " + ", ".join(f"{label} {percent(one.value) if one else 'no figure'}" for label, one, _ in members)
        for group, members in groups
    )
    drawing = Drawing(name, width, lines * tall + (lines - 1) * 12, title, described)
    across = (width - room - gap * (columns - 1)) / columns
    for index, (group, members) in enumerate(groups):
        left, top = room + index % columns * (across + gap), index // columns * (tall + 12) + head
        plot, bottom = across - 64, top + row_height * len(members)
        drawing.text(left, top - 12, fit(group, across), "heading")
        for tick in (0, 50, 100):
            x = left + plot * tick / 100
            drawing.line(x, top, x, bottom, "grid" if tick else "axis")
            drawing.text(x, bottom + 16, f"{tick}{NBSP}%" if tick else "0", "tick", "middle")
        for place, (label, one, chosen) in enumerate(members):
            middle = top + row_height * (place + 0.5)
            strong = " strong" if chosen else ""
            if index % columns == 0:
                drawing.text(8, middle + 4.5, fit(label, room - 18), f"label{strong}")
            drawing.text(
                left + across - 4, middle + 4.5, percent(one.value) if one else NOTHING, f"value{strong}", "end"
            )
            if one:
                drawing.box(left, middle - 7, max(plot * one.value, 1.5), 14, "bar chosen" if chosen else "bar")
                drawing.line(left + plot * one.low, middle, left + plot * one.high, middle, "whisker reach")
    return drawing.render()


def _drawn(row: Json) -> bool:
    return bool(row["classes"]) and len(row["classes"]["class_f1"]) <= MOST_CLASSES


def _matrix(row: Json) -> Json:
    """A variant's confusions, without rows that nothing belongs to and columns that nothing was called."""
    labels, counts = row["classes"]["confusion"]["labels"], row["classes"]["confusion"]["counts"]
    golds = [i for i in range(len(labels)) if sum(counts[i])]
    answered = [j for j in range(len(labels)) if j in golds or any(line[j] for line in counts)]
    return {
        "label": row["label"],
        "best": row["number"] == 1,
        "columns": [labels[j] for j in answered],
        "rows": [
            {
                "label": labels[i],
                "total": sum(counts[i]),
                "cells": [
                    {"count": counts[i][j], "share": counts[i][j] / sum(counts[i]), "right": i == j} for j in answered
                ],
            }
            for i in golds
        ],
    }


def _curves(done: Sequence[Json], key: str) -> sections.Figure:
    """One curve a variant, named by its number in the table; the best is drawn last, over the others."""
    series = [
        charts.Curve(
            str(row["number"]),
            charts.mean_line(_points(row, key)) if key == "loss" else _points(row, key),
            COLOURS[place] if place < len(COLOURS) else "c0",
        )
        for place, row in enumerate(done)
    ][::-1]
    title = "Validation loss" if key == "validation_loss" else "Training loss"
    draw: Callable[[str, int], Markup] = lambda one, width: charts.curves(one, width, series, title)  # noqa: E731
    return sections.drawn(key, draw)


def _watched(done: Sequence[Json]) -> bool:
    """Whether any variant had a validation loss; a very short training may end before the first."""
    return any(_points(row, "validation_loss") for row in done)


def _points(row: Json, key: str) -> list[tuple[float, float]]:
    return [(float(line["step"]), float(line[key])) for line in row["curves"] if line.get(key) is not None]

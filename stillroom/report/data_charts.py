"""The two charts about data: how long the texts are, and where they lie on a map of what they say."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from stillroom.report.charts import NARROW
from stillroom.report.svg import Drawing, text_width, tick_labels, ticks
from stillroom.report.words import number

COLOURS = ("c1", "c2", "c3")
"""Classes with a colour of their own on the map; the rest is grey."""


def lengths(name: str, width: int, found: Mapping[str, Any]) -> Markup:
    """A histogram of the lengths, with a line at each limit that lies within reach."""
    bins, step, unit = found["bins"], found["bin_width"], found["unit"]
    reach = len(bins) * step
    limits = {label: limit for label, limit in found["limits"].items() if limit <= reach * 1.25}
    most_right = max([reach, *limits.values()])
    described = (
        f"{number(found['shortest'])} to {number(found['longest'])} {unit}, the middle text {number(found['median'])}"
    )
    height = 210.0
    drawing = Drawing(name, width, height, f"Texts by their length in {unit}", described)
    grid = ticks(0, max(bins), 3)
    left, top, right, bottom = 48.0, 26.0, width - 14.0, height - 40.0
    for tick, label in zip(grid, tick_labels(grid), strict=True):
        y = bottom - (bottom - top) * tick / grid[-1]
        drawing.line(left, y, right, y, "axis" if tick == 0 else "grid")
        drawing.text(left - 8, y + 4, label, "tick", "end")
    scale = (right - left) / most_right
    for place, count in enumerate(bins):
        if count:
            tall = max(1.5, (bottom - top) * count / grid[-1])
            gap = 1.0 if step * scale > 4 else 0.0
            drawing.box(left + place * step * scale, bottom - tall, max(1.0, step * scale - gap), tall, "bin")
    for tick in ticks(0, most_right, 5 if width > NARROW else 3):
        if tick <= most_right:
            drawing.text(left + tick * scale, bottom + 18, number(tick), "tick", "middle")
    drawing.text((left + right) / 2, height - 5, f"{unit} in a text", "tick", "middle")
    for row, (label, limit) in enumerate(sorted(limits.items(), key=lambda item: item[1])):
        x = left + limit * scale
        drawing.line(x, top - 8, x, bottom, "limit")
        words = f"room in {label}: {number(limit)}"
        fits = x + text_width(words) + 8 < width
        drawing.text(x + (6 if fits else -6), top - 2 + 15 * row, words, "label strong", "start" if fits else "end")
    return drawing.render()


def plane(name: str, width: int, points: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Markup:
    """Each text a dot; `classes` are those with a colour, in the order of the colours."""
    height = 420.0 if width > NARROW else 340.0
    described = f"{len(points)} texts by what they say; texts that share words lie close to each other"
    drawing = Drawing(name, width, height, "A map of the texts", described)
    pad = 10.0
    drawing.box(0, 0, width, height, "plane")
    # Classes are drawn in turn, not one over the other.
    for point in points:
        x = pad + (width - 2 * pad) * (point["x"] + 1) / 2
        y = pad + (height - 2 * pad) * (1 - point["y"]) / 2
        css = COLOURS[classes.index(point["class"])] if point["class"] in classes else "c0"
        hover = f"{point['class']}: {point['id']}" if point["class"] != "text" else str(point["id"])
        if css == "c2":
            drawing.square(x, y, 3.6, f"dot {css}", hover)
        else:
            drawing.circle(x, y, 4.2, f"dot {css}", hover)
    return drawing.render()

"""The report's three kinds of chart: dots with whiskers, curves over steps, and the picture of size, speed and quality.

Each is a function of a width, because a page shows a wide drawing on a screen and a narrow one on a phone: type keeps
its size in both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from stillroom.report.svg import Drawing, fit, keep_apart, text_width, tick_labels, ticks
from stillroom.report.words import NBSP, NOTHING, Interval, duration, number, percent, percent_range, size

WIDE, NARROW = 880, 340
"""Widths of the two drawings in pixels: the text column of the page, and a 360 px phone without its margins."""

BOLD = 1.1
"""How much wider a label is in bold type, as the chosen row's is."""

MOST_POINTS = 240
"""A curve is thinned to so many points; more cannot be told apart at the page's width and only make it heavy."""


@dataclass(frozen=True, slots=True)
class WhiskerRow:
    """A line of a dot-and-whisker chart. `rival` is drawn hollow and square beside `mark`."""

    label: str
    mark: Interval | None
    rival: Interval | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One score: its name and a row a model or field. Panels of one chart have the same rows in the same order."""

    title: str
    rows: Sequence[WhiskerRow]


def whiskers(name: str, width: int, panels: Sequence[Panel], title: str, rival: str = "") -> Markup:
    """Dots with 95 % whiskers from 0 to 100 %, the value in figures beside each.

    Panels stand side by side where there is room and below each other where there is not.
    """
    labels = [row.label for row in panels[0].rows]
    room = min(max(map(text_width, labels)) * BOLD + 28, width * 0.45)
    columns = min(len(panels), max(1, int((width - room) / 200)))
    row_height, head, foot, gap = (32 if rival else 26), 30, 26, 28
    tall = head + row_height * len(labels) + foot
    stacked = math.ceil(len(panels) / columns)
    described = "; ".join(
        f"{panel.title}: " + ", ".join(f"{row.label} {_said(row.mark)}" for row in panel.rows) for panel in panels
    )
    drawing = Drawing(name, width, stacked * tall + (stacked - 1) * 12, title, described)
    panel_width = (width - room - gap * (columns - 1)) / columns
    for index, panel in enumerate(panels):
        column, line = index % columns, index // columns
        left, top = room + column * (panel_width + gap), line * (tall + 12)
        if column == 0:
            for position, row in enumerate(panel.rows):
                middle = top + head + row_height * (position + 0.5)
                if row.chosen:
                    drawing.box(0, middle - row_height / 2, width, row_height, "band")
                css = "label strong" if row.chosen else "label"
                drawing.text(8, middle + 4.5, fit(row.label, room - 18), css)
        _whisker_panel(drawing, panel, left, top + head, panel_width, row_height, rival)
    return drawing.render()


def _whisker_panel(
    drawing: Drawing, panel: Panel, left: float, top: float, width: float, row_height: float, rival: str
) -> None:
    plot, bottom = width - 70, top + row_height * len(panel.rows)
    drawing.text(left, top - 12, panel.title, "heading")
    for tick in (0, 25, 50, 75, 100):
        x = left + plot * tick / 100
        drawing.line(x, top, x, bottom, "grid" if tick else "axis")
        if tick % 50 == 0:
            drawing.text(x, bottom + 16, f"{tick}{NBSP}%" if tick else "0", "tick", "middle")
    for position, row in enumerate(panel.rows):
        middle = top + row_height * (position + 0.5)
        shift = 6 if rival else 0
        if row.rival:
            _whisker(drawing, left, plot, middle - shift, row.rival, "rival", f"{rival}, {row.label}")
        if row.mark:
            css = "mark chosen" if row.chosen or rival else "mark"
            _whisker(drawing, left, plot, middle + shift, row.mark, css, row.label)
        css = "value strong" if row.chosen else "value"
        drawing.text(left + width - 4, middle + 4.5, percent(row.mark.value) if row.mark else NOTHING, css, "end")


def _whisker(drawing: Drawing, left: float, plot: float, y: float, mark: Interval, css: str, label: str) -> None:
    hover = f"{label}: {_said(mark)}"
    drawing.line(left + plot * _share(mark.low), y, left + plot * _share(mark.high), y, f"whisker {css}")
    if css == "rival":
        drawing.square(left + plot * _share(mark.value), y, 4, css, hover)
    else:
        drawing.circle(left + plot * _share(mark.value), y, 5, css, hover)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _said(interval: Interval | None) -> str:
    return f"{percent(interval.value)} ({percent_range(interval)})" if interval else "no figure"


@dataclass(frozen=True, slots=True)
class Curve:
    """A series over training steps. `css` is one of the page's curve classes; `noisy` also draws a moving mean."""

    label: str
    points: Sequence[tuple[float, float]]
    css: str
    noisy: bool = False


def curves(name: str, width: int, series: Sequence[Curve], title: str, from_zero: bool = False) -> Markup:
    """Curves over training steps, each labelled with its last value at its right end."""
    thinned = [Curve(one.label, _thin(one.points), one.css, one.noisy) for one in series]
    series = [one for one in thinned if one.points]
    ends = [(one, mean_line(one.points)[-1][1] if one.noisy else one.points[-1][1]) for one in series]
    described = "; ".join(f"{one.label}: {number(one.points[0][1])} to {number(last)}" for one, last in ends)
    height = 230 if width <= NARROW else 250
    drawing = Drawing(name, width, height, title, described or "No points were logged.")
    if not series:
        drawing.text(8, height / 2, "No points were logged.", "label")
        return drawing.render()
    values = [value for one in series for _, value in one.points]
    grid = ticks(min(0.0, *values) if from_zero else min(values), max(values))
    last_step = max(step for one in series for step, _ in one.points) or 1
    marks = [f"{one.label} {number(_short(last))}" for one, last in ends]
    left, top, right, bottom = 44.0, 12.0, width - max(map(text_width, marks)) - 14, height - 40.0

    def place(step: float, value: float) -> tuple[float, float]:
        return left + (right - left) * step / last_step, bottom - (bottom - top) * (value - grid[0]) / (
            grid[-1] - grid[0]
        )

    for tick, label in zip(grid, tick_labels(grid), strict=True):
        y = place(0, tick)[1]
        drawing.line(left, y, right, y, "axis" if tick == grid[0] else "grid")
        drawing.text(left - 8, y + 4, label, "tick", "end")
    for tick in ticks(0, last_step, 4 if width > NARROW else 3):
        if tick <= last_step:
            drawing.text(place(tick, grid[0])[0], bottom + 18, number(tick), "tick", "middle")
    drawing.text((left + right) / 2, height - 5, "training step", "tick", "middle")
    heights = keep_apart([place(0, last)[1] for _, last in ends], 17, top + 4, bottom)
    for (one, _), y, mark in zip(ends, heights, marks, strict=True):
        points = [place(*point) for point in one.points]
        if one.noisy:
            drawing.curve(points, f"curve faint {one.css}")
            points = [place(*point) for point in mean_line(one.points)]
        drawing.curve(points, f"curve {one.css}")
        if not one.noisy:
            for (x, at), (step, value) in zip(points, one.points, strict=True):
                if len(points) <= 30:
                    drawing.circle(x, at, 3.5, f"point {one.css}", f"{one.label}, step {number(step)}: {number(value)}")
        end = points[-1]
        if right - end[0] > 6:
            drawing.line(end[0] + 5, end[1], right + 6, y, "leader")
        drawing.text(right + 10, y + 4.5, mark, f"label strong {one.css}")
    return drawing.render()


def _short(value: float) -> float:
    """The value with at most three digits that count: the end of a curve needs no more."""
    return float(f"{value:.3g}")


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS points, each the mean of its stretch; the last point stays as it is."""
    finite = [(step, value) for step, value in points if math.isfinite(step) and math.isfinite(value)]
    if len(finite) <= MOST_POINTS:
        return finite
    stretch = math.ceil(len(finite) / (MOST_POINTS - 1))
    parts = [finite[start : start + stretch] for start in range(0, len(finite), stretch)]
    means = [(fmean(step for step, _ in part), fmean(value for _, value in part)) for part in parts]
    return [*means, finite[-1]]


def mean_line(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Moving mean over a tenth of the curve, at its ends over what there is."""
    reach = max(1, len(points) // 20)
    return [
        (step, fmean(value for _, value in points[max(0, index - reach) : index + reach + 1]))
        for index, (step, _) in enumerate(points)
    ]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GGUF file in the picture of size, speed and quality."""

    label: str
    bytes: int
    seconds: float
    quality: Interval
    accepted: bool
    chosen: bool


def trade(name: str, width: int, files: Sequence[Candidate], title: str, noun: str) -> Markup:
    """Seconds a text against exact match, the dot's area in proportion to the file's bytes."""
    described = "; ".join(
        f"{one.label}: {duration(one.seconds)}, {_said(one.quality)}, {size(one.bytes)}"
        + (", chosen" if one.chosen else "" if one.accepted else ", not accepted")
        for one in files
    )
    height = 400 if width > NARROW else 380
    drawing = Drawing(name, width, height, title, described)
    left, top, right, bottom = 52.0, 34.0, width - 16.0, height - 52.0
    low, high = min(one.quality.low for one in files), max(one.quality.high for one in files)
    grid = [tick for tick in ticks(low * 100, high * 100, 5) if 0 <= tick <= 100]
    grid = grid if len(grid) > 1 else [0, 100]
    across = ticks(0, max(one.seconds for one in files) * 1.12, 5 if width > NARROW else 3)

    def place(seconds: float, quality: float) -> tuple[float, float]:
        share = (quality * 100 - grid[0]) / (grid[-1] - grid[0])
        return left + (right - left) * seconds / across[-1], bottom - (bottom - top) * min(max(share, 0), 1)

    for tick in grid:
        y = place(0, tick / 100)[1]
        drawing.line(left, y, right, y, "axis" if tick == grid[0] else "grid")
        drawing.text(left - 8, y + 4, f"{number(tick)}{NBSP}%", "tick", "end")
    for tick, label in zip(across, tick_labels(across), strict=True):
        x = place(tick, 0)[0]
        drawing.line(x, bottom, x, bottom + 4, "axis")
        drawing.text(x, bottom + 18, label, "tick", "end" if tick == across[-1] else "middle")
    drawing.text(0, 14, "↑ Exact match", "heading")
    drawing.text(right, height - 10, f"Seconds per {noun} → (left is faster)", "heading", "end")
    largest = max(one.bytes for one in files)
    ordered = sorted(files, key=lambda one: (not one.chosen, -one.bytes))
    places = [place(one.seconds, one.quality.value) for one in ordered]
    radii = [max(4.0, 18 * math.sqrt(one.bytes / largest)) for one in ordered]
    taken: list[Box] = []
    for one, (x, y), radius in zip(ordered, places, radii, strict=True):
        css = "chosen" if one.chosen else "mark" if one.accepted else "refused"
        ends = place(0, one.quality.high)[1], place(0, one.quality.low)[1]
        hover = f"{one.label}: {duration(one.seconds)}, {_said(one.quality)}, {size(one.bytes)}"
        drawing.circle(x, y, radius, f"bubble {css}", hover)
        drawing.line(x, ends[0], x, ends[1], f"whisker {css}")
        drawing.circle(x, y, 4, f"core {css}", hover)
        if one.chosen:
            drawing.circle(x, y, radius + 5, "ring")
        taken += [(x - radius - 3, y - radius - 3, x + radius + 3, y + radius + 3), (x - 3, ends[0], x + 3, ends[1])]
    for one, (x, y), radius in zip(ordered, places, radii, strict=True):
        words = one.label + (", chosen" if one.chosen else "" if one.accepted else ", not accepted")
        box, anchor = _free_place(
            x, y, radius + (5 if one.chosen else 0), max(text_width(words), 60), taken, (left, top - 6, right, bottom)
        )
        taken.append(box)
        at = box[0] if anchor == "start" else box[2] if anchor == "end" else (box[0] + box[2]) / 2
        drawing.text(at, box[1] + 13, words, "label strong" if one.chosen else "label", anchor)
        drawing.text(at, box[1] + 29, size(one.bytes), "tick", anchor)
    return drawing.render()


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def _free_place(x: float, y: float, radius: float, width: float, taken: Sequence[Box], bounds: Box) -> tuple[Box, str]:
    """Where two lines of `width` fit beside a dot without covering another; the right of it where nothing is free."""
    reach, height = radius + 9, 33
    wanted: list[tuple[float, float, str]] = []
    # Right, left, then aside above and below, then straight above and below the whisker's ends.
    for down in (0, -20, 20, -34, 34):
        wanted += [(x + reach, y + down - height / 2, "start"), (x - reach - width, y + down - height / 2, "end")]
    wanted += [(x - width / 2, y - reach - height, "middle"), (x - width / 2, y + reach, "middle")]
    boxes = [((at, above, at + width, above + height), anchor) for at, above, anchor in wanted]
    for box, anchor in boxes:
        inside = box[0] >= bounds[0] and box[2] <= bounds[2] and box[1] >= bounds[1] and box[3] <= bounds[3]
        if inside and not any(_overlap(box, other) for other in taken):
            return box, anchor
    return boxes[0]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

"""The benchmarks' pictures: groups of bars, a bar for each contender, as an SVG file of its own."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from benchmarks.contest import is_ours
from stillroom.report.svg import Drawing

BAR, BETWEEN, HEAD, GAP, LEFT, WIDTH = 18, 4, 26, 14, 190, 760
"""Pixels."""


def bars(
    name: str,
    title: str,
    description: str,
    groups: Mapping[str, Sequence[tuple[str, float]]],
    style: Markup,
    one_scale: bool,
) -> str:
    """groups: contenders and their values by the group's heading. one_scale: the longest bar is the largest value of
    all groups; else each group has its own."""
    height = sum(HEAD + len(group) * (BAR + BETWEEN) + GAP for group in groups.values())
    drawing = Drawing(name, WIDTH, height, title, description)
    most = max((value for group in groups.values() for _, value in group), default=0.0)
    y = 0.0
    for head, group in groups.items():
        longest = most if one_scale else max(value for _, value in group)
        drawing.text(0, y + 16, head, "head")
        y += HEAD
        for contender, value in group:
            width = value / longest * (WIDTH - LEFT - 60)
            drawing.text(LEFT - 10, y + 13, contender, anchor="end")
            drawing.box(LEFT, y, width, BAR, "ours" if is_ours(contender) else "peer")
            drawing.text(LEFT + width + 8, y + 13, f"{value:.2f}")
            y += BAR + BETWEEN
        y += GAP
    # A file has no page around it that would bring namespace and style.
    svg = str(drawing.render()).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return svg.replace("<title", f"{style}<title", 1)

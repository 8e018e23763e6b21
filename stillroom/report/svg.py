"""The few things that charts are drawn with: a canvas of SVG elements, axis ticks, and labels that keep apart."""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

CHARACTER = 6.6
"""Average width of a character of the charts' 12.5 px type, in pixels, on the safe side; Chinese takes twice that."""


class Drawing:
    """An SVG picture in the making. Colours and type come from the page's CSS by class names.

    `name` must be unique on the page; `title` and `description` are what a screen reader says.
    """

    def __init__(self, name: str, width: float, height: float, title: str, description: str) -> None:
        self._head = Markup(
            '<svg class="chart" role="img" aria-labelledby="{n}-t {n}-d" '
            'width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
            '<title id="{n}-t">{t}</title><desc id="{n}-d">{d}</desc>'
        ).format(n=name, w=_round(width), h=_round(height), t=title, d=description)
        self._parts: list[Markup] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A straight line."""
        self._add('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>', x1, y1, x2, y2, css)

    def box(self, x: float, y: float, width: float, height: float, css: str) -> None:
        """A rectangle with slightly round corners."""
        self._add('<rect x="{}" y="{}" width="{}" height="{}" rx="3" class="{}"/>', x, y, width, height, css)

    def circle(self, x: float, y: float, radius: float, css: str, hover: str = "") -> None:
        """A circle; `hover` is shown when the pointer rests on it."""
        self._add('<circle cx="{}" cy="{}" r="{}" class="{}"><title>{}</title></circle>', x, y, radius, css, hover)

    def square(self, x: float, y: float, half: float, css: str, hover: str = "") -> None:
        """A square around its middle; a second shape, so that series differ by more than colour."""
        self._add(
            '<rect x="{}" y="{}" width="{}" height="{}" class="{}"><title>{}</title></rect>',
            *(x - half, y - half, 2 * half, 2 * half, css, hover),
        )

    def curve(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """A line through the points."""
        path = "M" + "L".join(f"{_round(x)} {_round(y)}" for x, y in points)
        self._add('<path d="{}" class="{}"/>', path, css)

    def text(self, x: float, y: float, content: str, css: str = "", anchor: str = "start") -> None:
        """One line of text on the base line `y`."""
        self._add('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>', x, y, anchor, css, content)

    def render(self) -> Markup:
        """The picture as an element that can be put in a page."""
        return self._head + Markup("").join(self._parts) + Markup("</svg>")

    def _add(self, template: str, *values: float | str) -> None:
        safe = (_round(value) if isinstance(value, int | float) else escape(value) for value in values)
        self._parts.append(Markup(template).format(*safe))


def _round(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def text_width(text: str) -> float:
    """About how many pixels a label takes."""
    return sum(CHARACTER * (2 if ord(character) > 0x2E80 else 1) for character in text)


def fit(text: str, width: float) -> str:
    """The label, cut with an ellipsis where it would be wider than `width`."""
    if text_width(text) <= width:
        return text
    while text and text_width(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, about `count` steps apart."""
    # A range too small to be told apart gets an axis of its own size, so that there is one at all.
    span = high - low if high - low > 1e-6 else 1.0
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return [round(step * index, 10) for index in range(first, last + 1)]


def tick_labels(marks: Sequence[float]) -> list[str]:
    """The ticks as text, all with as many digits after the point as the finest of them needs."""
    digits = max(len(f"{mark:.10f}".rstrip("0").partition(".")[2]) for mark in marks)
    return [f"{mark:,.{digits}f}".replace("-", "\N{MINUS SIGN}") if mark else "0" for mark in marks]


def keep_apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions as little as needed so that neighbours are `gap` apart and, if there is room, within bounds."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = list(wanted)
    previous = -math.inf
    for index in order:
        placed[index] = previous = max(placed[index], previous + gap, low)
    following = math.inf
    for index in reversed(order):
        placed[index] = following = min(placed[index], following - gap, high)
    return placed

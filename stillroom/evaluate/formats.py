"""Which GGUF file to ship: the fastest that is surely about as good as the 16-bit one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from stillroom.errors import UserError
from stillroom.evaluate.bootstrap import Interval, scaled
from stillroom.evaluate.bounds import least_bound
from stillroom.evaluate.compare import loss
from stillroom.evaluate.score import METRIC_WORDS, ScoredAnswer, headline_metric
from stillroom.recipe.model import Recipe

REFERENCES = ("F16", "BF16", "F32")
"""Formats that round nothing worth measuring; the first that was made is what the others are held against."""

EQUALLY_FAST = 1.05
"""Seconds per row are one timing, which wobbles: less than 5 % over the fastest is as fast."""


class Choice(TypedDict):
    """Every format with its verdict, and the name of the one to ship."""

    formats: list[dict[str, Any]]
    chosen: str


def reference_format(names: Sequence[str]) -> str:
    """The format that losses are measured against. Raises UserError where none was made."""
    for name in REFERENCES:
        if name in names:
            return name
    raise UserError(
        f"None of the formats {', '.join(names)} can serve as the reference for quality. "
        "Add F16 to export.formats in the recipe."
    )


def choose(
    recipe: Recipe, formats: Sequence[Mapping[str, Any]], answers: Mapping[str, Sequence[ScoredAnswer]]
) -> Choice:
    """Judge each measured format and choose one.

    `formats` holds {"format", "file", "bytes", "seconds_per_row", …} per file, `answers` each format's answers to the
    test rows. Each comes back with `loss_points` (the reference's exact match minus its own, in points, paired; token
    F1 for free text), `accepted` and a `reason` in plain English. A format is accepted when the upper end of its loss
    stays within `export.max_loss_points`: when a larger loss can be ruled out, not merely was not seen. So with few
    rows none is but the reference, which always is. Of the formats that are as fast as the fastest the smallest wins.
    """
    reference = reference_format([line["format"] for line in formats])
    bound = recipe.export.max_loss_points
    losses = {
        line["format"]: scaled(loss(answers[reference], answers[line["format"]], recipe), 100) for line in formats
    }
    losses[reference] = Interval(value=0.0, low=0.0, high=0.0)  # by definition, on any rows
    accepted = {name for name, lost in losses.items() if name == reference or _within(lost["high"], bound)}
    candidates = [line for line in formats if line["format"] in accepted]
    fastest = min(candidates, key=lambda line: line["seconds_per_row"])
    best = min(
        (line for line in candidates if _as_fast(line, fastest)),
        key=lambda line: (line["bytes"], line["seconds_per_row"]),
    )
    rows, metric = len(answers[reference]), METRIC_WORDS[headline_metric(recipe)]
    judged = []
    for line in formats:
        name = line["format"]
        reason = _quality(name, reference, losses[name], bound, rows, metric)
        if name in accepted:
            reason = f"{_speed(line, best, fastest)} {reason}"
        judged.append({**line, "loss_points": losses[name], "accepted": name in accepted, "reason": reason})
    return Choice(formats=judged, chosen=best["format"])


def _within(loss: float, bound: float) -> bool:
    # 0.9 - 0.875 is a little more than 0.025 in floating point; one row in forty must not fail a bound of 2.5.
    return loss <= bound + 1e-9


def _as_fast(line: Mapping[str, Any], fastest: Mapping[str, Any]) -> bool:
    return bool(line is fastest or line["seconds_per_row"] < EQUALLY_FAST * fastest["seconds_per_row"])


def _speed(line: Mapping[str, Any], best: Mapping[str, Any], fastest: Mapping[str, Any]) -> str:
    """What is said of an accepted format's speed."""
    if line is best:
        which = "the fastest of" if line is fastest else f"as fast as {fastest['format']} and the smallest such of"
        return f"Chosen: {which} the accepted formats, {line['seconds_per_row']:.3f} s a row."
    if _as_fast(line, fastest):
        return f"Accepted, but it is no faster than {best['format']} and larger."
    times = line["seconds_per_row"] / fastest["seconds_per_row"]
    return f"Accepted, but it takes {times:.2f} times as long as {fastest['format']}."


def _quality(name: str, reference: str, lost: Interval, bound: float, rows: int, metric: str) -> str:
    """What is said of a format's loss, and why it is not accepted where it is not."""
    allowed = f"against {reference}; {bound:g} are allowed."
    if name == reference:
        return "It is the reference that the others are held against."
    if _within(lost["high"], bound):
        return f"It loses at most {_points(lost['high'])} of {metric} {allowed}"
    if lost["value"] > bound:
        return f"Not accepted: it loses {_points(lost['value'])} of {metric} {allowed}"
    return (
        f"Not accepted: the {rows} test rows show {_change(lost['value'])} of {metric}, but cannot rule out a loss of "
        f"{_points(lost['high'])} {allowed} {_needed(bound, rows)}"
    )


def _needed(bound: float, rows: int) -> str:
    """How many test rows it takes to rule out more than the bound, where these are too few for any format."""
    if bound == 0:
        return "No number of test rows can rule out every loss."
    if _within(100 * least_bound(rows), bound):
        return "More test rows would tell."
    return f"That takes at least {math.ceil(300 / bound - 1e-9)} test rows, even where no row gets worse."


def _points(value: float) -> str:
    return f"{value:.1f} points"


def _change(loss: float) -> str:
    if abs(loss) < 0.05:
        return "no change"
    return f"a loss of {_points(loss)}" if loss > 0 else f"a gain of {_points(-loss)}"

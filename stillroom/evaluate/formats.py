"""Which GGUF file to ship: the fastest that is surely about as good as the 16-bit one."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from stillroom.errors import UserError
from stillroom.evaluate.bootstrap import Interval, scaled
from stillroom.evaluate.compare import paired
from stillroom.evaluate.score import ScoredAnswer
from stillroom.recipe.model import Recipe

REFERENCES = ("F16", "BF16", "F32")
"""Formats that round nothing worth measuring; the first that was made is what the others are held against."""


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
    test rows. Each comes back with `loss_points` (the reference's exact match minus its own, in points, paired),
    `accepted` and a `reason` in plain English. A format is accepted when the upper end of its loss stays within
    `export.max_loss_points`: when a larger loss can be ruled out, not merely was not seen. The reference is always
    accepted, so there is always a choice. Of two equally fast formats the smaller wins.
    """
    reference = reference_format([line["format"] for line in formats])
    bound = recipe.export.max_loss_points
    losses = {
        line["format"]: scaled(paired(answers[reference], answers[line["format"]], recipe, "exact_match"), 100)
        for line in formats
    }
    accepted = {name for name, loss in losses.items() if name == reference or _within(loss, bound)}
    candidates = [line for line in formats if line["format"] in accepted]
    best = min(candidates, key=lambda line: (line["seconds_per_row"], line["bytes"]))
    judged = [
        {
            **line,
            "loss_points": losses[line["format"]],
            "accepted": line["format"] in accepted,
            "reason": _reason(line, best, reference, losses[line["format"]], bound, len(answers[reference])),
        }
        for line in formats
    ]
    return Choice(formats=judged, chosen=best["format"])


def _within(loss: Interval, bound: float) -> bool:
    # 0.9 - 0.875 is a little more than 0.025 in floating point; one row in forty must not fail a bound of 2.5.
    return loss["high"] <= bound + 1e-9


def _reason(
    line: Mapping[str, Any], best: Mapping[str, Any], reference: str, loss: Interval, bound: float, rows: int
) -> str:
    name = line["format"]
    if name == reference:
        quality = "It is the reference that the others are held against."
    elif _within(loss, bound):
        quality = f"It loses at most {_points(max(0.0, loss['high']))} against {reference}; {bound:g} are allowed."
    elif loss["value"] > bound:
        return f"Not accepted: it loses {_points(loss['value'])} against {reference}; {bound:g} are allowed."
    else:
        return (
            f"Not accepted: the {rows} test rows show {_change(loss['value'])} against {reference}, but cannot rule "
            f"out a loss of {_points(loss['high'])}; {bound:g} are allowed. More test rows would tell."
        )
    if name == best["format"]:
        return f"Chosen: the fastest of the accepted formats, {line['seconds_per_row']:.3f} s a row. {quality}"
    if line["seconds_per_row"] > best["seconds_per_row"]:
        times = line["seconds_per_row"] / best["seconds_per_row"]
        return f"Accepted, but it takes {times:.2f} times as long as {best['format']}. {quality}"
    return f"Accepted, but it is no faster than {best['format']} and larger. {quality}"


def _points(value: float) -> str:
    return f"{value:.1f} points"


def _change(loss: float) -> str:
    if abs(loss) < 0.05:
        return "no change"
    return f"a loss of {_points(loss)}" if loss > 0 else f"a gain of {_points(-loss)}"

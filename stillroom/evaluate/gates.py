"""What the finished model must reach before it may be registered, one check a gate."""

from typing import Any, TypedDict

from stillroom.evaluate.bootstrap import Interval, scaled
from stillroom.evaluate.score import METRIC_WORDS, headline_metric, headline_mode
from stillroom.recipe.model import Recipe


class Check(TypedDict):
    """One gate's verdict; the message says what was measured and what was asked."""

    name: str
    passed: bool
    message: str


def checks(recipe: Recipe, summary: dict[str, Any]) -> list[Check]:
    """Hold a summary (see `summary.summarise`) against the recipe's gates.

    The scores are those of the chosen format, or of the last model where nothing was quantised. A gate that the recipe
    switches off, or that has nothing to judge (DPO in a run without it, a schema in a free-text task), gives no check.
    """
    gates, comparisons, metric = recipe.gates, summary["comparisons"], METRIC_WORDS[headline_metric(recipe)]
    judged = summary["chosen"] or list(summary["models"])[-1]
    group = summary["models"][judged]["groups"]["all"]
    result = []
    if gates.better_than_base:
        result.append(_better_than_base(judged, comparisons["chosen_over_base"], metric))
    if gates.dpo_not_worse and recipe.dpo is not None:
        result.append(_dpo_not_worse(comparisons["dpo_over_sft"], metric))
    if recipe.output_schema is not None:
        result += [
            _at_least(
                "schema_valid_unconstrained",
                f"schema-valid answers of {judged} in free decoding",
                group["unconstrained"]["schema_valid"],
                gates.schema_valid_unconstrained,
            ),
            _at_least(
                "schema_valid_constrained",
                f"schema-valid answers of {judged} in constrained decoding",
                group["constrained"]["schema_valid"],
                gates.schema_valid_constrained,
            ),
        ]
    if gates.min_exact_match is not None:
        exact_match = group[headline_mode(recipe)]["exact_match"]
        result.append(_at_least("min_exact_match", f"exact match of {judged}", exact_match, gates.min_exact_match))
    for line in summary["formats"]:
        if line["format"] == summary["chosen"]:
            result.append(_loss_bound(line, recipe.export.max_loss_points, metric))
    return result


def _better_than_base(judged: str, over_base: Interval | None, metric: str) -> Check:
    if over_base is None:
        return _unmeasured("better_than_base", f"{judged} and the untouched base model")
    passed = over_base["low"] > 0
    verdict = "" if passed else " The interval must lie above zero."
    return Check(
        name="better_than_base",
        passed=passed,
        message=f"{metric[0].upper()}{metric[1:]} of {judged} is {_points(over_base)} above the untouched base model's."
        f"{verdict}",
    )


def _dpo_not_worse(over_sft: Interval | None, metric: str) -> Check:
    if over_sft is None:
        return _unmeasured("dpo_not_worse", "the models before and after DPO")
    # Worse only where the whole interval is below zero: a wobble within it says nothing.
    passed = over_sft["high"] >= 0
    verdict = "" if passed else " The whole interval is below zero: DPO did harm. Set dpo to null, or lower its rate."
    return Check(name="dpo_not_worse", passed=passed, message=f"DPO changed {metric} by {_points(over_sft)}.{verdict}")


def _unmeasured(name: str, models: str) -> Check:
    # A gate that was asked for and cannot be judged stays shut.
    return Check(name=name, passed=False, message=f"Not judged: {models} were not both evaluated on the test rows.")


def _at_least(name: str, what: str, reached: Interval, asked: float) -> Check:
    passed = reached["value"] >= asked
    return Check(
        name=name,
        passed=passed,
        message=f"{_percent(reached['value'])} {what} (95 % interval {_percent(reached['low'])} to "
        f"{_percent(reached['high'])}); at least {_percent(asked)} asked for.",
    )


def _loss_bound(line: dict[str, Any], bound: float, metric: str) -> Check:
    loss = line["loss_points"]
    return Check(
        name="loss_bound",
        passed=line["accepted"],
        message=f"{line['format']} loses {loss['value']:.1f} points of {metric} against 16 bit "
        f"(95 % interval {loss['low']:.1f} to {loss['high']:.1f}); {bound:g} are allowed.",
    )


def _points(interval: Interval) -> str:
    points = scaled(interval, 100)
    return f"{points['value']:+.1f} points (95 % interval {points['low']:+.1f} to {points['high']:+.1f})"


def _percent(value: float) -> str:
    """As many digits as it takes not to round 0.9996 to 100 %."""
    return f"{100 * value:.4g} %"

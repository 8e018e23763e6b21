"""How well each class is told from the others: F1 by class, their mean, and who is taken for whom."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stillroom.evaluate.bootstrap import Interval, Ratio, mean_interval
from stillroom.evaluate.metrics import INVALID, Confusion, read
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import class_names, class_of


def class_scores(recipe: Recipe, golds: Sequence[Any], texts: Sequence[str]) -> dict[str, Any] | None:
    """Macro F1 over the classes that the gold answers have, the F1 of each, and the confusion matrix.

    None for a task without classes. An invalid answer finds no class.
    """
    names = class_names(recipe.output_schema)
    if not names:
        return None
    right = [class_of(recipe.output_schema, gold) for gold in golds]
    said = [_said(recipe, text) for text in texts]
    ratios = {name: _f1(name, right, said) for name in names if name in right}
    by_class: dict[str, Interval] = {name: mean_interval([ratio]) for name, ratio in ratios.items()}
    return {
        "macro_f1": mean_interval(list(ratios.values())),
        "class_f1": by_class,
        "confusion": _confusion([*names, INVALID], right, said),
    }


def _said(recipe: Recipe, text: str) -> str:
    reading = read(recipe, text)
    return class_of(recipe.output_schema, reading.value) if reading.valid else INVALID


def _f1(name: str, right: Sequence[str], said: Sequence[str]) -> Ratio:
    """What each row adds to 2·tp and to 2·tp + fp + fn."""
    wanted, found = (np.array([one == name for one in side], dtype=np.float64) for side in (right, said))
    return np.stack([2 * wanted * found, wanted + found], axis=1)


def _confusion(labels: list[str], right: Sequence[str], said: Sequence[str]) -> Confusion:
    place = {label: number for number, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for one, other in zip(right, said, strict=True):
        counts[place[one]][place[other]] += 1
    return Confusion(labels=labels, counts=counts)

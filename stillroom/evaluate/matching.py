"""Which predicted list element answers which gold one.

A list of objects is a set of findings: a model that lists the same two meetings in the other order, or misses the
first of three, has still got the others right. Comparing position by position would call all of them wrong, so
elements are paired one to one such that the number of agreeing fields is as large as it can be over the whole list.

The pairing is scipy's linear_sum_assignment: exact, and polynomial, where trying all orders takes 40,320 for a list of
eight. (Greedy pairing, best pair first, is not exact: it may take a good pair and leave two bad ones.)
Several pairings can be equally good. Both lists are sorted first, so the same elements in another order give the
same pairing, and every score of them is the same.
"""

import json
from collections.abc import Sequence
from typing import Any


def equal(first: Any, second: Any) -> bool:
    """Whether two JSON values are the same.

    As in JSON Schema, 1 and 1.0 are one number, `true` is not 1, and the order of an object's keys means nothing.
    The order of a list does.
    """
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(equal(value, second[key]) for key, value in first.items())
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


def agreement(first: dict[str, Any], second: dict[str, Any]) -> int:
    """In how many fields two objects agree; a field that is absent counts as null."""
    return sum(equal(first.get(key), second.get(key)) for key in first.keys() | second.keys())


def agree(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two objects agree in every field; a field that is absent counts as null."""
    return agreement(first, second) == len(first.keys() | second.keys())


def match(
    gold: Sequence[dict[str, Any]], predicted: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Pair the elements one to one by maximum total agreement.

    Every element appears once; one without a partner is paired with None.
    """
    gold, predicted = sorted(gold, key=_order), sorted(predicted, key=_order)
    if not gold or not predicted:
        return [(element, None) for element in gold] + [(None, element) for element in predicted]
    from scipy.optimize import linear_sum_assignment

    # Two pairings may agree in as many fields, one with a wholly correct element and one without. The correct one
    # should win, and whole agreements, at most `scale` - 1 of them, must never outweigh one field.
    scale = min(len(gold), len(predicted)) + 1
    weights = [[agreement(one, other) * scale + agree(one, other) for other in predicted] for one in gold]
    rows, columns = (places.tolist() for places in linear_sum_assignment(weights, maximize=True))
    pairs: list[tuple[dict[str, Any] | None, dict[str, Any] | None]] = [
        (gold[row], predicted[column]) for row, column in zip(rows, columns, strict=True)
    ]
    pairs += [(element, None) for place, element in enumerate(gold) if place not in rows]
    pairs += [(None, element) for place, element in enumerate(predicted) if place not in columns]
    return pairs


def _order(element: dict[str, Any]) -> str:
    return json.dumps(element, sort_keys=True, ensure_ascii=False)

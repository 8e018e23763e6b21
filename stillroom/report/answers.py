"""The answers themselves: which are wrong, and in which fields."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from stillroom.recipe.model import Recipe

MISSING = "absent"
"""Shown for a field that one side does not have."""


@dataclass(frozen=True, slots=True)
class FieldPair:
    """One field of the gold answer beside the same field of the model's answer, as text."""

    path: str
    gold: str
    answer: str
    same: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A test text with its gold answer and the model's. `invalid` holds the raw answer where it breaks the schema."""

    id: str
    source: str
    text: str
    fields: list[FieldPair]
    invalid: str | None
    right: bool

    @property
    def differing(self) -> list[str]:
        """The fields that differ."""
        return [pair.path for pair in self.fields if not pair.same]


def cases(recipe: Recipe, answers: Iterable[dict[str, Any]], texts: dict[str, str]) -> list[Case]:
    """Compare every answer with its gold answer; right is what the exact-match score calls right."""
    return [_case(recipe, answer, texts.get(answer["id"], "")) for answer in answers]


def spread(found: Sequence[Case], limit: int) -> list[Case]:
    """Up to `limit` cases, taken from the sources in turn so that a large one does not hide a small one."""
    sources = dict.fromkeys(case.source for case in found)
    queues = [[case for case in found if case.source == source] for source in sources]
    turns = [case for turn in zip_longest(*queues) for case in turn if case is not None]
    return turns[:limit]


def _case(recipe: Recipe, answer: dict[str, Any], text: str) -> Case:
    from stillroom.evaluate.matching import equal
    from stillroom.evaluate.metrics import read
    from stillroom.evaluate.score import headline_mode

    said, gold = answer[headline_mode(recipe)], answer["gold"]
    if recipe.output_schema is None:
        pair = FieldPair("answer", gold.strip(), said.strip(), gold.strip() == said.strip())
        return Case(answer["id"], answer["source"], text, [pair], None, pair.same)
    reading = read(recipe, said)
    if not reading.valid:
        return Case(answer["id"], answer["source"], text, _pairs(gold, {}, ""), said, False)
    pairs, right = _pairs(gold, reading.value, ""), equal(gold, reading.value)
    if not right and all(pair.same for pair in pairs):
        pairs.append(FieldPair("order", "as listed", "another order", False))
    return Case(answer["id"], answer["source"], text, pairs, None, right)


def _pairs(gold: Any, answer: Any, path: str) -> list[FieldPair]:
    """The leaves of two values side by side, keys in the gold answer's order, list items matched to the likest."""
    from stillroom.evaluate.matching import equal

    if isinstance(gold, dict) and isinstance(answer, dict):
        keys = [*gold, *(key for key in answer if key not in gold)]
        pairs = [_pairs(gold.get(key, _ABSENT), answer.get(key, _ABSENT), _join(path, key)) for key in keys]
        return [pair for part in pairs for pair in part]
    if isinstance(gold, list) and isinstance(answer, list) and (gold or answer):
        matched = _match(gold, answer)
        pairs = [_pairs(left, right, f"{path}[{index + 1}]") for index, (left, right) in enumerate(matched)]
        return [pair for part in pairs for pair in part]
    # An item that one side lacks is still listed by its own fields: the reader sees what was missed or invented.
    for value, other in ((gold, answer), (answer, gold)):
        if other is _ABSENT and isinstance(value, dict) and value:
            empty = dict.fromkeys(value, _ABSENT)
            return _pairs(value, empty, path) if value is gold else _pairs(empty, value, path)
    same = gold is not _ABSENT and answer is not _ABSENT and equal(gold, answer)
    return [FieldPair(path, _text(gold), _text(answer), same)]


_ABSENT = object()


def _match(gold: list[Any], answer: list[Any]) -> list[tuple[Any, Any]]:
    """Pair items greedily by how many leaves agree; what is left over stands against nothing."""
    scores = sorted(
        ((-_agreement(left, right), i, j) for i, left in enumerate(gold) for j, right in enumerate(answer)),
    )
    partner: dict[int, int] = {}
    for _, i, j in scores:
        if i not in partner and j not in partner.values():
            partner[i] = j
    pairs = [(left, answer[partner[i]] if i in partner else _ABSENT) for i, left in enumerate(gold)]
    return pairs + [(_ABSENT, right) for j, right in enumerate(answer) if j not in partner.values()]


def _agreement(left: Any, right: Any) -> float:
    if isinstance(left, dict) and isinstance(right, dict):
        return float(sum(key in right and bool(right[key] == value) for key, value in left.items()))
    return float(left == right)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _text(value: Any) -> str:
    if value is _ABSENT:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

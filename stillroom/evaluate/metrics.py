"""What each test row contributes to each score of a schema task.

An answer is invalid when it is not JSON or breaks the schema; it is then wrong for everything. Exact match ignores
nothing but the order of keys, so the events of a mail must also stand in the gold's order. The field scores forgive
order: they show what was found.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from stillroom.evaluate import text_metrics
from stillroom.evaluate.bootstrap import Ratio, intervals
from stillroom.evaluate.matching import agree, equal, match
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import FieldInfo, fields, parse_answer, validate

INVALID = "(invalid)"
"""The column of the confusion matrix for answers that cannot be read."""

ABSENT = "(none)"
"""The class of an answer that leaves an optional class field out."""


class Confusion(TypedDict):
    """How often each gold class (row) was answered with each class (column)."""

    labels: list[str]
    counts: list[list[int]]


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer as it was understood: its value, or that it is invalid."""

    valid: bool
    value: Any = None


def read(recipe: Recipe, text: str) -> Reading:
    """Parse an answer of a schema task and hold it against the schema."""
    if recipe.output_schema is None:
        raise ValueError("A free-text task has no schema to read answers by.")
    try:
        value = parse_answer(recipe, text)
    except ValueError:
        return Reading(valid=False)
    return Reading(valid=not validate(recipe.output_schema, value), value=value)


def ratios(recipe: Recipe, golds: Sequence[Any], texts: Sequence[str]) -> dict[str, Ratio]:
    """Per row, for each metric, what it adds to numerator and denominator; each shape (rows, 2).

    Names are flat: `schema_valid`, `exact_match`, `accuracy.category`, `field_f1.events.title`; for free text those of
    `text_metrics`.
    """
    if recipe.output_schema is None:
        return text_metrics.ratios(golds, texts)
    return _ratios(recipe.output_schema, golds, [read(recipe, text) for text in texts])


def scores(recipe: Recipe, golds: Sequence[Any], texts: Sequence[str]) -> dict[str, Any]:
    """Every score of these answers with its interval, nested by metric and field, and the confusion matrices."""
    if recipe.output_schema is None:
        return dict(intervals(text_metrics.ratios(golds, texts)))
    readings = [read(recipe, text) for text in texts]
    flat = intervals(_ratios(recipe.output_schema, golds, readings))
    result: dict[str, Any] = {"schema_valid": flat["schema_valid"], "exact_match": flat["exact_match"]}
    for group in ("accuracy", "field_f1"):
        result[group] = {name.removeprefix(f"{group}."): flat[name] for name in flat if name.startswith(f"{group}.")}
    result["confusion"] = {
        field.name: confusion(field, golds, readings)
        for field in fields(recipe.output_schema)
        if field.values is not None
    }
    return result


def confusion(field: FieldInfo, golds: Sequence[Any], readings: Sequence[Reading]) -> Confusion:
    """Count gold against answered classes of one top-level field; rows and columns carry the same labels."""
    values = _classes(field)
    labels = [*_labels(values), *([] if field.required else [ABSENT]), INVALID]
    counts = [[0] * len(labels) for _ in labels]
    for gold, reading in zip(golds, readings, strict=True):
        counts[_class(values, gold, field.name)][_read_class(values, reading, field.name)] += 1
    return Confusion(labels=labels, counts=counts)


def field_paths(schema: dict[str, Any]) -> list[str]:
    """The dotted names of all fields, each followed by those inside it."""

    def walk(infos: Iterable[FieldInfo]) -> Iterator[str]:
        for info in infos:
            yield info.name
            yield from walk(info.fields)

    return list(walk(fields(schema)))


def field_counts(paths: Sequence[str], gold: Any, reading: Reading) -> dict[str, list[int]]:
    """True positives, false positives and false negatives of one row for every field path.

    Null, an absent key and an empty list all say "nothing there": they are neither found nor missed. An invalid answer
    misses everything and counts as one wrong value in every field, also where there was nothing to find; otherwise a
    model that writes rubbish about every mail without an event would find events perfectly.
    """
    counts = {path: [0, 0, 0] for path in paths}
    _count(gold, reading.value if reading.valid else None, "", counts)
    if not reading.valid:
        for row in counts.values():
            row[1] += 1
    return counts


def _ratios(schema: dict[str, Any], golds: Sequence[Any], readings: Sequence[Reading]) -> dict[str, Ratio]:
    pairs = list(zip(golds, readings, strict=True))
    result = {
        "schema_valid": _rate(reading.valid for reading in readings),
        "exact_match": _rate(reading.valid and equal(gold, reading.value) for gold, reading in pairs),
    }
    for field in fields(schema):
        if field.values is not None:
            values = _classes(field)
            result[f"accuracy.{field.name}"] = _rate(
                _class(values, gold, field.name) == _read_class(values, reading, field.name) for gold, reading in pairs
            )
    paths = field_paths(schema)
    counts = [field_counts(paths, gold, reading) for gold, reading in pairs]
    for path in paths:
        result[f"field_f1.{path}"] = _f1([row[path] for row in counts])
    return result


def _count(gold: Any, predicted: Any, path: str, counts: dict[str, list[int]]) -> None:
    """Compare two values at one path, and what lies below it."""
    kinds = {_kind(value) for value in (gold, predicted) if value is not None}
    if len(kinds) == 2:
        # A text against a list, where the schema allows both: one was missed, the other made up.
        _count(gold, None, path, counts)
        _count(None, predicted, path, counts)
    elif kinds == {list}:
        _count_list(gold or [], predicted or [], path, counts)
    elif kinds == {dict}:
        _count_object(gold, predicted, path, counts)
    elif kinds:
        _add(counts, path, gold is not None, predicted is not None, equal(gold, predicted))


def _kind(value: Any) -> type:
    return type(value) if isinstance(value, (dict, list)) else object


def _count_object(gold: Any, predicted: Any, path: str, counts: dict[str, list[int]]) -> None:
    """An object is right as a whole when all of its fields are; then each field counts for itself."""
    both = gold is not None and predicted is not None
    _add(counts, path, gold is not None, predicted is not None, both and agree(gold, predicted))
    gold, predicted = gold or {}, predicted or {}
    for key in gold.keys() | predicted.keys():
        _count(gold.get(key), predicted.get(key), f"{path}.{key}" if path else key, counts)


def _count_list(gold: list[Any], predicted: list[Any], path: str, counts: dict[str, list[int]]) -> None:
    """Objects are paired one to one by their agreement; anything else counts as a bag of values."""
    for one, other in match(_objects(gold), _objects(predicted)):
        _count_object(one, other, path, counts)
    left = [value for value in predicted if not isinstance(value, dict)]
    for value in (value for value in gold if not isinstance(value, dict)):
        place = next((place for place, other in enumerate(left) if equal(value, other)), None)
        _add(counts, path, True, place is not None, place is not None)
        if place is not None:
            del left[place]
    for _ in left:
        _add(counts, path, False, True, False)


def _add(counts: dict[str, list[int]], path: str, expected: bool, found: bool, right: bool) -> None:
    if path not in counts:
        return  # the whole answer (the empty path), and keys that the schema does not name
    counts[path][0] += right
    counts[path][1] += found and not right
    counts[path][2] += expected and not right


def _objects(values: list[Any]) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)]


def _rate(hits: Iterable[bool]) -> Ratio:
    """A share of rows: hits over one a row."""
    return np.array([(hit, 1.0) for hit in hits], dtype=np.float64).reshape(-1, 2)


def _f1(counts: Sequence[Sequence[int]]) -> Ratio:
    """F1 = 2·tp / (2·tp + fp + fn)."""
    table = np.array(counts, dtype=np.float64).reshape(-1, 3)
    return np.stack([2 * table[:, 0], 2 * table[:, 0] + table[:, 1] + table[:, 2]], axis=1)


def _classes(field: FieldInfo) -> list[Any]:
    """The values that a class field may take, each once: 1 and 1.0 are one class, 1 and "1" are two."""
    classes: list[Any] = []
    for value in [*(field.values or []), *([None] if field.nullable else [])]:
        if not any(equal(value, known) for known in classes):
            classes.append(value)
    return classes


def _labels(classes: Sequence[Any]) -> list[str]:
    """What the classes are called: plain texts, or all as JSON where two plain ones would be the same."""
    written = [json.dumps(value, ensure_ascii=False) for value in classes]
    plain = [value if isinstance(value, str) else text for value, text in zip(classes, written, strict=True)]
    return plain if len({*plain, ABSENT, INVALID}) == len(plain) + 2 else written


def _class(classes: Sequence[Any], answer: Any, name: str) -> int:
    """The place of an answer's class among the labels; `ABSENT` stands after the values."""
    if name not in answer:
        return len(classes)
    return next(place for place, value in enumerate(classes) if equal(value, answer[name]))


def _read_class(classes: Sequence[Any], reading: Reading, name: str) -> int:
    """The same for a model's answer; `INVALID` stands last."""
    return _class(classes, reading.value, name) if reading.valid else -1

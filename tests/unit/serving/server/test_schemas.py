"""Schemas that llguidance takes and does not hold are refused; those beside them are not."""

from typing import Any

import pytest

from serving.server.schemas import fault

NAMES = {"a": {"const": 1}}


@pytest.mark.parametrize(
    "schema",
    [
        {"exclusiveMinimum": 0, "maximum": 0.5},
        {"exclusiveMinimum": 1.0, "exclusiveMaximum": 1.5},
        {"minimum": -0.5, "exclusiveMaximum": 0},
        {"allOf": [{"exclusiveMinimum": 0}, {"maximum": 0.5}]},
        {"minProperties": 2},
        {"required": ["a"], "minProperties": 3},
        {"properties": {"const": {"items": [{"anyOf": [{"minProperties": 2}]}]}}},
    ],
)
def test_what_is_not_held_is_found_wherever_it_stands(schema: dict[str, Any]) -> None:
    assert "cannot be enforced" in fault(schema)
    assert "cannot be enforced" in fault({"$defs": {"a": schema}, "$ref": "#/$defs/a"})


@pytest.mark.parametrize(
    "schema",
    [
        True,
        None,
        {"exclusiveMinimum": 0},
        {"exclusiveMinimum": 0, "maximum": 1},
        {"exclusiveMinimum": 0.5, "maximum": 0.7},
        {"exclusiveMinimum": float("inf"), "maximum": 10**400},
        {"exclusiveMinimum": True, "minProperties": "2", "required": 5, "allOf": 1},
        {"required": ["a", "b"], "minProperties": 3},
        {"const": {"minProperties": 2}, "enum": [{"minProperties": 2}]},
        {"properties": {"minProperties": NAMES, "exclusiveMinimum": NAMES, "maximum": {"const": 0}}},
    ],
)
def test_what_is_held_is_taken(schema: Any) -> None:
    assert fault(schema) == ""

"""What llguidance takes of a client's schema and does not hold: found here, because what cannot be held is refused."""

from collections.abc import Iterator
from typing import Any

# Maps of names to schemas, and keywords whose values are no schemas.
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_VALUES = ("const", "enum", "default", "examples")


def fault(schema: Any) -> str:
    """Why answers under it might break it, as a sentence; empty where they cannot."""
    return next((reason for node in _nodes(schema) for reason in (_bounds(node), _names(node)) if reason), "")


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all within it, without recursion."""
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        elif isinstance(node, dict):
            yield node
            for name, value in node.items():
                if name in _MAPS and isinstance(value, dict):
                    left += value.values()
                elif name not in _VALUES:
                    left.append(value)


def _bounds(node: dict[str, Any]) -> str:
    """Of 0 < x ≤ 0.5 llguidance allows the 0: it loses that a whole bound is excluded where the other one is near."""
    members = node.get("allOf")
    parts = [node, *(part for part in members if isinstance(part, dict))] if isinstance(members, list) else [node]

    def all_of(*names: str) -> list[int | float]:
        found = [part[name] for part in parts for name in names if name in part]
        return [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]

    lows, highs = all_of("minimum", "exclusiveMinimum"), all_of("maximum", "exclusiveMaximum")
    for bound, near in (
        *((low, min(highs, default=low + 1) < low + 1) for low in all_of("exclusiveMinimum")),
        *((high, max(lows, default=high - 1) > high - 1) for high in all_of("exclusiveMaximum")),
    ):
        if near and (isinstance(bound, int) or bound.is_integer()):
            return (
                f"This schema cannot be enforced: {bound} is not kept out of so small a range of numbers. "
                "Give minimum or maximum the nearest number that is still allowed."
            )
    return ""


def _names(node: dict[str, Any]) -> str:
    """Names that an answer is free to choose may come twice, and then count once."""
    least, required = node.get("minProperties"), node.get("required", ())
    if isinstance(least, int) and isinstance(required, list | tuple) and least - len(required) > 1:
        return (
            f"This schema cannot be enforced: minProperties {least} could be met by one name that comes twice. "
            "Put the names under required."
        )
    return ""

"""What llguidance takes of a client's schema and does not hold: found here, because what cannot be held is refused."""

from collections.abc import Iterator
from typing import Any

from stillroom.recipe.supported import lost_bound

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
    members = node.get("allOf")
    parts = [node, *(part for part in members if isinstance(part, dict))] if isinstance(members, list) else [node]
    lost = lost_bound(parts)
    if lost is None:
        return ""
    return (
        f"This schema cannot be enforced: {lost} is not kept out of so small a range of numbers. "
        "Give minimum or maximum the nearest number that is still allowed."
    )


def _names(node: dict[str, Any]) -> str:
    """Names that an answer is free to choose may come twice, and then count once."""
    least, required = node.get("minProperties"), node.get("required", ())
    if isinstance(least, int) and isinstance(required, list | tuple) and least - len(required) > 1:
        return (
            f"This schema cannot be enforced: minProperties {least} could be met by one name that comes twice. "
            "Put the names under required."
        )
    return ""

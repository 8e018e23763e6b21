"""An answer under the recipe's output schema: its one text, whether it is valid, and what fields it has."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from stillroom.recipe.faults import path_text
from stillroom.recipe.grammar import GRAMMAR_DEFAULTS, rejected_at
from stillroom.recipe.supported import SchemaFault, resolve, unbounded, unsupported

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

    from stillroom.recipe.model import Recipe

__all__ = [
    "GRAMMAR_DEFAULTS",
    "FieldInfo",
    "SchemaFault",
    "canonical",
    "class_fields",
    "class_names",
    "class_of",
    "date_fields",
    "fields",
    "free_text_fields",
    "parse_answer",
    "unbounded",
    "unsupported",
    "validate",
]

Schema = dict[str, Any]


@dataclass(frozen=True)
class FieldInfo:
    """A field of the answer. `fields` are those of an object, or of the objects in a list."""

    path: tuple[str, ...]
    kind: Literal["scalar", "object", "list"]
    schema: Schema
    nullable: bool
    required: bool
    values: list[Any] | None = None
    fields: tuple["FieldInfo", ...] = ()

    @property
    def name(self) -> str:
        """The path with dots, such as `events.title`."""
        return ".".join(self.path)


def canonical(schema: Schema | None, answer: Any) -> str:
    """The one text of an answer: keys in the schema's order, no spaces, numbers without exponent.

    It is in the language of the schema's grammar. Without a schema the answer is the text itself. Raises ValueError
    for what JSON cannot hold (NaN, half a surrogate pair, a date object).
    """
    if schema is None:
        if not isinstance(answer, str):
            raise ValueError(f"a free-text answer is text, not {answer!r}")
        return answer
    text = _write(schema, schema, answer)
    text.encode()  # half a surrogate pair has no UTF-8: UnicodeEncodeError is a ValueError
    return text


def validate(schema: Schema, value: Any) -> list[str]:
    """What is wrong with an answer, one line each; empty when it is valid and constrained decoding can write it."""
    schema_text = json.dumps(schema)
    errors = sorted(_validator(schema_text).iter_errors(value), key=lambda error: list(map(str, error.path)))
    if errors:
        return [_line(tuple(error.absolute_path), error.message) for error in errors]
    try:
        text = canonical(schema, value)
        cut = rejected_at(schema_text, text)
    except (TypeError, ValueError) as error:
        return [str(error)]
    if cut is None:
        return []
    rest = text.encode()[cut : cut + 20].decode(errors="replace")
    return [f"constrained decoding cannot write this answer: its grammar ends before {rest!r}"]


def parse_answer(recipe: "Recipe", text: str) -> Any:
    """Read a model's text as strict JSON (or as it is, for free text); raises ValueError where it is not JSON.

    A key that stands twice, NaN, and anything around the JSON are refused.
    """
    if recipe.output_schema is None:
        return text.strip()
    try:
        value = json.loads(
            text.strip(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    json.dumps(value, ensure_ascii=False).encode()
    return value


def fields(schema: Schema) -> list[FieldInfo]:
    """The top-level fields of the answer, in order; lists of objects and objects hold their own."""
    return list(_fields(schema, schema, ()))


def class_fields(schema: Schema) -> dict[str, list[Any]]:
    """The top-level properties with a fixed set of values, and those values in order."""
    return {field.name: field.values for field in fields(schema) if field.values is not None}


def class_of(schema: Schema | None, answer: Any) -> str:
    """The class that an answer is counted under, as text: its first top-level enum value, or "text" without one."""
    where = _class_place(schema)
    if where is None:
        return "text"
    name, _ = where
    if name is None:
        return str(answer)
    return str(answer.get(name)) if isinstance(answer, dict) else "text"


def class_names(schema: Schema | None) -> list[str]:
    """The classes that `class_of` tells apart; empty where the task has none."""
    where = _class_place(schema)
    if schema is None or where is None:
        return []
    name, values = where
    optional = name is not None and name not in schema.get("required", [])
    return list(dict.fromkeys([*map(str, values), *(["None"] if optional else [])]))


def date_fields(schema: Schema) -> list[FieldInfo]:
    """The fields that hold a date as YYYY-MM-DD, by their format or pattern."""
    return [field for field in _leaves(fields(schema)) if _is_date(field.schema)]


def free_text_fields(schema: Schema) -> list[FieldInfo]:
    """The text fields that hold words of the input: no fixed values, and no pattern or format."""
    return [
        field
        for field in _leaves(fields(schema))
        if field.values is None and "string" in types(field.schema) and not {"pattern", "format"} & set(field.schema)
    ]


def types(schema: Schema) -> list[str]:
    """The JSON types that a schema names, as a list."""
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def _class_place(schema: Schema | None) -> tuple[str | None, list[Any]] | None:
    """The property that holds the class (None: the answer itself is it) and its values; None without classes."""
    if schema is None:
        return None
    if "enum" in schema:
        return None, schema["enum"]
    for name, inner in schema.get("properties", {}).items():
        if isinstance(inner, dict) and "enum" in inner:
            return name, inner["enum"]
    return None


def _write(root: Schema, schema: Any, value: Any) -> str:
    schema = _branch(root, resolve(root, schema), value) if isinstance(schema, dict) else {}
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        order = [key for key in properties if key in value] + [key for key in value if key not in properties]
        return "{" + ",".join(f"{_text(key)}:{_write(root, properties.get(key), value[key])}" for key in order) + "}"
    if isinstance(value, list | tuple):
        first = schema.get("prefixItems", [])
        kinds = [first[i] if i < len(first) else schema.get("items") for i in range(len(value))]
        return "[" + ",".join(_write(root, kind, item) for kind, item in zip(kinds, value, strict=True)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return _number(value)
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    raise ValueError(f"an answer holds JSON values only, not {value!r}")


def _text(value: str) -> str:
    # The grammar knows DEL only as an escape; Python's json writes it bare.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"JSON has no {value}")
    # A bounded number has no exponent in the grammar, and a whole one in an enum has no ".0".
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")


def _branch(root: Schema, schema: Schema, value: Any) -> Schema:
    """The alternative of anyOf or oneOf that the value satisfies; the first one when none does."""
    for keyword in ("anyOf", "oneOf"):
        branches = schema.get(keyword)
        if branches:
            validator = _validator(json.dumps(root))
            chosen = next((b for b in branches if validator.evolve(schema=b).is_valid(value)), branches[0])
            return _branch(root, resolve(root, chosen), value)
    return schema


@lru_cache(maxsize=32)
def _validator(schema_text: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema_text))


def _line(place: tuple[str | int, ...], message: str) -> str:
    return f"{path_text(place)}: {message}" if place else message


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def _fields(root: Schema, schema: Schema, above: tuple[str, ...]) -> Iterator[FieldInfo]:
    for key, inner in schema.get("properties", {}).items():
        node, nullable = _without_null(root, inner)
        path = (*above, key)
        required = key in schema.get("required", [])
        values = [node["const"]] if "const" in node else node.get("enum")
        if "object" in types(node):
            yield FieldInfo(path, "object", node, nullable, required, None, tuple(_fields(root, node, path)))
        elif "array" in types(node):
            items, _ = _without_null(root, node.get("items") or {})
            inside = tuple(_fields(root, items, path)) if "object" in types(items) else ()
            yield FieldInfo(path, "list", node, nullable, required, None, inside)
        else:
            yield FieldInfo(path, "scalar", node, nullable, required, values)


def _without_null(root: Schema, schema: Schema) -> tuple[Schema, bool]:
    """The schema behind a reference and behind "or null", and whether null is allowed."""
    node = resolve(root, schema)
    branches = [resolve(root, branch) for branch in node.get("anyOf") or node.get("oneOf") or []]
    others = [branch for branch in branches if types(branch) != ["null"]]
    if len(others) == 1 and len(branches) == 2:
        return others[0], True
    if len(others) > 1:
        return node, any("null" in types(branch) for branch in branches)
    values = [node["const"]] if "const" in node else node.get("enum")
    allowed = "null" in types(node) or not types(node)
    return node, None in values if values is not None and allowed else "null" in types(node)


def _leaves(infos: Iterator[FieldInfo] | list[FieldInfo] | tuple[FieldInfo, ...]) -> Iterator[FieldInfo]:
    for info in infos:
        yield info
        yield from _leaves(info.fields)


def _is_date(schema: Schema) -> bool:
    if "string" not in types(schema):
        return False
    if schema.get("format") == "date":
        return True
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return False
    try:
        wanted = re.compile(pattern)
    except re.error:  # Rust's syntax knows more than Python's; such a pattern is just not seen as a date
        return False
    return bool(wanted.search("2026-11-23")) and not wanted.search("23.11.2026") and not wanted.search("soon")

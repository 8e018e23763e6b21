"""Which JSON Schemas the decoder can enforce.

llguidance is asked itself, but it has gaps of two kinds that it does not report: keywords it does not know are
ignored, and so is a keyword that does not belong to the value's type. So each keyword is also held against a list.
Beyond that an output schema must leave one way to write an answer: closed objects with named keys.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stillroom.recipe.faults import Place, suggest
from stillroom.recipe.grammar import grammar_error

Schema = dict[str, Any]

_NOTES = {
    "$schema", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
}  # fmt: skip
_DEFINITIONS = ("$defs", "definitions")
_NUMBER = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_BY_TYPE: dict[str, set[str]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": _NUMBER,
    "integer": _NUMBER,
    "boolean": set(),
    "null": set(),
}
_TYPED = set().union(*_BY_TYPE.values())
_EXACT = 2**53  # beyond it JSON readers disagree on a whole number; llguidance 1.9.1 crashes at -2**63
# A schema says what the value is by exactly one of these.
_FORMS = ("$ref", "anyOf", "oneOf", "const", "enum", "type")
_KNOWN = [*_FORMS, *sorted(_TYPED), *_DEFINITIONS, *sorted(_NOTES)]
_CASES = "write the cases out as anyOf"
_LOCAL = "refer to '#/$defs/NAME'"
_DESCRIBE = "remove it and say it in the instruction"
_ADVICE = {
    "allOf": "write its parts as one schema",
    "not": "list what is allowed, with enum or anyOf",
    "if": _CASES,
    "then": _CASES,
    "else": _CASES,
    "dependentRequired": _CASES,
    "dependentSchemas": _CASES,
    "dependencies": _CASES,
    "uniqueItems": _DESCRIBE,
    "contains": _DESCRIBE,
    "minContains": _DESCRIBE,
    "maxContains": _DESCRIBE,
    "contentEncoding": "write a pattern",
    "contentMediaType": _DESCRIBE,
    "contentSchema": _DESCRIBE,
    "patternProperties": "name every key in properties",
    "propertyNames": "name every key in properties",
    "minProperties": "list the keys that must be there in required",
    "maxProperties": "write one object for each case, as anyOf",
    "unevaluatedProperties": "write additionalProperties: false",
    "unevaluatedItems": "write items: false",
    "additionalItems": "write items",
    "nullable": "write type: [string, 'null'], with your own type in place of string",
    "$id": "remove it; references are to '#/$defs/NAME'",
    "$anchor": _LOCAL,
    "$dynamicAnchor": _LOCAL,
    "$dynamicRef": _LOCAL,
    "$recursiveRef": _LOCAL,
    "$recursiveAnchor": _LOCAL,
    "$vocabulary": "remove it",
    "x-guidance": "remove it; the decoder's options are fixed",
}


@dataclass(frozen=True)
class SchemaFault:
    """Something in an output schema that cannot be enforced; `place` leads to it from the schema's root.

    `of_key` when it is the keyword itself that is wrong, not its value.
    """

    place: Place
    message: str
    of_key: bool = False

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.place)


def unsupported(schema: Any) -> list[SchemaFault]:
    """Everything in the schema that constrained decoding cannot enforce, with what to write instead."""
    if not isinstance(schema, dict):
        return [SchemaFault((), "must be a mapping, a JSON Schema; or null for free text")]
    faults = list(_malformed(schema))
    malformed = {fault.place for fault in faults}
    if not any(place == ("type",) for place in malformed) and schema.get("type") != "object":
        faults.append(SchemaFault((), "an answer is an object; write type: object with properties"))
    faults += [fault for fault in _walk(schema, schema, ()) if fault.place not in malformed]
    for name in _DEFINITIONS:
        for key, inner in _mapping(schema.get(name)).items():
            faults += [fault for fault in _walk(schema, inner, (name, key)) if fault.place not in malformed]
    return list(dict.fromkeys(faults)) or _asked(schema)


def unbounded(schema: Schema) -> list[Place]:
    """The strings without a maxLength and lists without a maxItems: allowed, but an answer may grow without end."""
    return [
        place
        for place, node in _nodes(schema)
        if ("string" in _types(node) and not {"enum", "const", "maxLength", "pattern", "format"} & set(node))
        or ("array" in _types(node) and "maxItems" not in node and node.get("items") is not False)
    ]


def lost_bound(parts: Sequence[Schema]) -> int | float | None:
    """A number that schemas, all of which must hold, exclude and llguidance allows; None where there is none.

    Of 0 < x ≤ 0.5 llguidance 1.9.1 allows the 0: it loses that a whole bound is excluded where the other one is near.
    """

    def all_of(*names: str) -> list[int | float]:
        found = [part[name] for part in parts for name in names if name in part]
        return [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]

    lows, highs = all_of("minimum", "exclusiveMinimum"), all_of("maximum", "exclusiveMaximum")
    for bound, near in (
        *((low, min(highs, default=low + 1) < low + 1) for low in all_of("exclusiveMinimum")),
        *((high, max(lows, default=high - 1) > high - 1) for high in all_of("exclusiveMaximum")),
    ):
        if near and (isinstance(bound, int) or bound.is_integer()):
            return bound
    return None


def resolve(root: Schema, schema: Any) -> Schema:
    """The schema behind local references; an empty one for anything that is not a schema."""
    seen = 0
    while isinstance(schema, dict) and "$ref" in schema:
        schema = _target(root, schema["$ref"])
        seen += 1
        if seen > 100:  # a circle of references, which `unsupported` refuses
            return {}
    return schema if isinstance(schema, dict) else {}


def _malformed(schema: Schema) -> Iterator[SchemaFault]:
    """Where it is not JSON Schema at all."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema):
        place = tuple(error.absolute_path)
        if place and place[-1] == "type":
            yield SchemaFault(place, f"{error.instance!r} is not a JSON type; {suggest(error.instance, _BY_TYPE)}")
        else:
            yield SchemaFault(place, f"not JSON Schema: {error.message}")


def _walk(root: Schema, schema: Any, place: Place) -> Iterator[SchemaFault]:
    if not isinstance(schema, dict):
        yield SchemaFault(place, "any value would do; say what it is with type, enum, anyOf or $ref")
        return
    form = next((form for form in _FORMS if form in schema), None)
    yield from _keywords(schema, form, place)
    if form is None and not _ADVICE.keys() & schema.keys():
        yield SchemaFault(place, "any value would do; say what it is with type, enum, anyOf or $ref")
    elif form == "$ref":
        yield from _reference(root, schema, place)
    elif form in ("anyOf", "oneOf"):
        for index, inner in enumerate(_list(schema[form])):
            yield from _walk(root, inner, (*place, form, index))
    elif form in ("const", "enum"):
        yield from _choices(schema, form, place)
    elif form == "type":
        yield from _typed(root, schema, place)


def _keywords(schema: Schema, form: str | None, place: Place) -> Iterator[SchemaFault]:
    kinds = _types(schema)
    fitting = set().union(*(_BY_TYPE.get(kind, set()) for kind in kinds)) if form == "type" else set()
    beside = {"type"} if form in ("const", "enum") else set()
    for key in schema:
        inner = (*place, key)
        if key == form or key in _NOTES or key in fitting or key in beside or (not place and key in _DEFINITIONS):
            continue
        if key in _ADVICE:
            yield SchemaFault(inner, f"constrained decoding does not enforce {key}; {_ADVICE[key]}", of_key=True)
        elif key in _DEFINITIONS:
            yield SchemaFault(inner, f"{key} belongs at the top of the schema; move it there", of_key=True)
        elif key not in _TYPED and key not in _FORMS:
            advice = suggest(key, _KNOWN, otherwise="remove it")
            yield SchemaFault(inner, f"unknown keyword, which would be ignored; {advice}", of_key=True)
        elif form == "type":
            owner = next(kind for kind, keys in _BY_TYPE.items() if key in keys)
            yield SchemaFault(
                inner, f"has no effect on type {' or '.join(kinds)}; remove it, or write type: {owner}", of_key=True
            )
        elif form is not None:
            yield SchemaFault(
                inner, f"may not stand beside {form}; remove it, or move it into a schema of its own", of_key=True
            )


def _reference(root: Schema, schema: Schema, place: Place) -> Iterator[SchemaFault]:
    ref = schema["$ref"]
    inner = (*place, "$ref")
    if not isinstance(ref, str):
        return
    if not ref.startswith("#/"):
        yield SchemaFault(inner, f"'{ref}' lies outside the schema or is the whole of it; {_LOCAL}")
    elif _target(root, ref) is None:
        names = [f"#/{name}/{key}" for name in _DEFINITIONS for key in _mapping(root.get(name))]
        yield SchemaFault(inner, f"'{ref}' is not there; {suggest(ref, names)}")
    elif _leads_to(root, ref, ref):
        yield SchemaFault(inner, f"'{ref}' contains itself, so an answer may grow without end; write the levels out")


def _leads_to(root: Schema, start: str, goal: str) -> bool:
    """Whether what `start` refers to refers to `goal`, or goes in any circle."""
    waiting, seen = [start], set()
    while waiting:
        ref = waiting.pop()
        if ref in seen:
            continue
        seen.add(ref)
        found = list(_references(_target(root, ref)))
        if goal in found:
            return True
        waiting += found
    return False


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _choices(schema: Schema, form: str, place: Place) -> Iterator[SchemaFault]:
    values = [schema["const"]] if form == "const" else _list(schema["enum"])
    for index, value in enumerate(values):
        inner = (*place, form) if form == "const" else (*place, form, index)
        if isinstance(value, dict | list | float):
            yield SchemaFault(inner, "a fixed value is text, a whole number, true, false or null")
        elif isinstance(value, int) and abs(value) > _EXACT:
            yield SchemaFault(inner, "too large for every JSON reader to keep exactly; write it as text")
        elif any(value == other and type(value) is type(other) for other in values[:index]):
            yield SchemaFault(inner, f"{value!r} stands twice; remove one")
    if not values:
        yield SchemaFault((*place, form), "allows no value; list at least one")


def _typed(root: Schema, schema: Schema, place: Place) -> Iterator[SchemaFault]:
    kinds = _types(schema)
    if "object" in kinds:
        yield from _object(root, schema, place)
    if "array" in kinds:
        for index, inner in enumerate(_list(schema.get("prefixItems"))):
            yield from _walk(root, inner, (*place, "prefixItems", index))
        if "items" not in schema:
            yield SchemaFault(place, "items is missing, so any value could stand in the list; write items")
        elif schema["items"] is not False:
            yield from _walk(root, schema["items"], (*place, "items"))
    for key, value in schema.items():
        if key in _TYPED and isinstance(value, int | float) and abs(value) > _EXACT:
            yield SchemaFault(
                (*place, key), "beyond ±2^53, where JSON readers lose whole numbers; write a nearer bound"
            )
    lost = lost_bound([schema])
    if lost is not None:
        message = f"constrained decoding does not keep {lost} out of so small a range; write minimum and maximum"
        yield SchemaFault(place, message)
    step = schema.get("multipleOf")
    if "multipleOf" in schema and isinstance(step, float) and not step.is_integer():
        yield SchemaFault((*place, "multipleOf"), "must be a whole number; count in a smaller unit")


def _object(root: Schema, schema: Schema, place: Place) -> Iterator[SchemaFault]:
    properties = _mapping(schema.get("properties"))
    if not properties:
        yield SchemaFault(place, "an object without properties says nothing; name its keys in properties")
    if schema.get("additionalProperties") is not False:
        inner = (*place, "additionalProperties") if "additionalProperties" in schema else place
        yield SchemaFault(inner, "other keys would be allowed; write additionalProperties: false")
    for index, key in enumerate(_list(schema.get("required"))):
        if key not in properties:
            message = f"'{key}' is not among the properties; {suggest(key, properties)}"
            yield SchemaFault((*place, "required", index), message)
    for key, value in properties.items():
        if not key.isprintable():
            yield SchemaFault((*place, "properties", key), "a key with control characters; write printable text")
        yield from _walk(root, value, (*place, "properties", key))


def _asked(schema: Schema) -> list[SchemaFault]:
    """What llguidance itself refuses, at the deepest schema that it refuses."""
    if not grammar_error(schema):
        return []
    definitions = {name: schema[name] for name in _DEFINITIONS if name in schema}
    deepest: tuple[Place, str] = ((), grammar_error(schema))
    for place, node in _nodes(schema):
        problem = grammar_error({**definitions, **node})
        if problem and len(place) > len(deepest[0]):
            deepest = place, problem
    place, problem = deepest
    if problem.startswith("Unsatisfiable"):
        reason = problem.removeprefix("Unsatisfiable schema: ").partition(": ")[0]
        return [SchemaFault(place, f"no value can satisfy this ({reason}); loosen it")]
    if "oneOf" in resolve(schema, _at(schema, place)) and "oneOf" in problem:
        message = "constrained decoding cannot tell the cases of this oneOf apart; write anyOf"
        return [SchemaFault((*place, "oneOf"), message)]
    for keyword in ("format", "pattern"):
        if keyword in _at(schema, place):
            advice = "write a pattern" if keyword == "format" else "write it with plain classes, groups and counts"
            message = f"constrained decoding cannot enforce this {keyword} ({problem}); {advice}"
            return [SchemaFault((*place, keyword), message)]
    return [SchemaFault(place, f"constrained decoding cannot enforce this: {problem}")]


def _nodes(schema: Any, place: Place = ()) -> Iterator[tuple[Place, Schema]]:
    """Every schema inside the schema, itself first."""
    if not isinstance(schema, dict):
        return
    yield place, schema
    for name in (*_DEFINITIONS, "properties"):
        for key, inner in _mapping(schema.get(name)).items():
            yield from _nodes(inner, (*place, name, key))
    for name in ("anyOf", "oneOf", "prefixItems"):
        for index, inner in enumerate(_list(schema.get(name))):
            yield from _nodes(inner, (*place, name, index))
    yield from _nodes(schema.get("items"), (*place, "items"))


def _target(root: Schema, ref: Any) -> Any:
    """What a local reference points at, or None."""
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return None
    return _at(root, tuple(step.replace("~1", "/").replace("~0", "~") for step in ref[2:].split("/")))


def _at(value: Any, place: Place) -> Any:
    for step in place:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and str(step).isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _types(schema: Schema) -> list[str]:
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else [kind for kind in _list(named) if isinstance(kind, str)]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

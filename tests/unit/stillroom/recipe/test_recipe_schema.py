"""Output schemas: what is refused, and that one answer has one text, which the decoder's grammar can write."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.recipe.grammar import grammar_error, rejected_at
from stillroom.recipe.schema import (
    canonical,
    class_fields,
    date_fields,
    fields,
    free_text_fields,
    parse_answer,
    unbounded,
    unsupported,
    validate,
)

DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


EVENTS = closed(
    category={"enum": ["event", "other"]},
    events={
        "type": "array",
        "maxItems": 2,
        "items": closed(
            title={"type": "string", "maxLength": 20},
            date={"type": "string", "pattern": DAY},
            place={"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]},
        ),
    },
    note={"$ref": "#/$defs/note"},
) | {"$defs": {"note": {"type": ["string", "null"], "maxLength": 5}}}
ANSWER = {
    "note": None,
    "events": [{"date": "2026-11-23", "place": None, "title": "Café"}],
    "category": "event",
}


def test_canonical_follows_the_schemas_order() -> None:
    text = canonical(EVENTS, ANSWER)
    assert text == '{"category":"event","events":[{"title":"Café","date":"2026-11-23","place":null}],"note":null}'
    assert rejected_at(json.dumps(EVENTS), text) is None
    swapped = '{"events":[],"category":"other","note":null}'
    assert rejected_at(json.dumps(EVENTS), swapped) == 2


def test_canonical_in_the_corners() -> None:
    schema = closed(text={"type": "string"}, number={"type": "number", "minimum": -1, "maximum": 99})
    text = canonical(schema, {"text": '\x7f\u2028"\n', "number": 1e-7})
    assert text == '{"text":"\\u007f\u2028\\"\\n","number":0.0000001}'
    assert validate(schema, {"text": "\x7f", "number": 1e-7}) == []
    assert canonical(schema, {"number": 2.0, "other": 1, "text": ""}) == '{"text":"","number":2,"other":1}'
    assert canonical(None, "so it is") == "so it is"


def test_validate_names_the_place() -> None:
    assert validate(EVENTS, ANSWER) == []
    broken = {**ANSWER, "events": [{"title": "x", "date": "23.11.2026", "place": None}]}
    assert validate(EVENTS, broken) == [f"events[0].date: '23.11.2026' does not match '{DAY}'"]


def test_validate_also_asks_the_grammar() -> None:
    # Python's `$` stands before a last line break, and jsonschema looks at no format; the decoder is stricter.
    schema = closed(day={"type": "string", "pattern": DAY}, mail={"type": "string", "format": "email"})
    assert validate(schema, {"day": "2026-11-23", "mail": "a@b.org"}) == []
    assert "constrained decoding cannot write" in validate(schema, {"day": "2026-11-23\n", "mail": "a@b.org"})[0]
    assert "constrained decoding cannot write" in validate(schema, {"day": "2026-11-23", "mail": "nobody"})[0]
    free = closed(x={"type": "number"}, y={"type": "string"})
    assert validate(free, {"x": float("nan"), "y": ""}) == ["JSON has no nan"]
    assert "surrogates not allowed" in validate(free, {"x": 1, "y": "\ud800"})[0]


def test_fields_for_the_metrics() -> None:
    infos = fields(EVENTS)
    assert [(info.name, info.kind, info.nullable) for info in infos] == [
        ("category", "scalar", False), ("events", "list", False), ("note", "scalar", True),
    ]  # fmt: skip
    assert [(info.name, info.nullable) for info in infos[1].fields] == [
        ("events.title", False), ("events.date", False), ("events.place", True),
    ]  # fmt: skip
    assert class_fields(EVENTS) == {"category": ["event", "other"]}
    assert [info.name for info in date_fields(EVENTS)] == ["events.date"]
    assert [info.name for info in free_text_fields(EVENTS)] == ["events.title", "events.place", "note"]
    assert unbounded(EVENTS) == []
    assert unbounded(closed(x={"type": "string"})) == [("properties", "x")]


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":NaN}', '{"a":1e999}', '{"a":1} well', "", '"\\ud800"', "[" * 100_000],
)
def test_parse_answer_is_strict(text: str) -> None:
    with pytest.raises(ValueError):
        parse_answer(SimpleNamespace(output_schema={"type": "object"}), text)  # type: ignore[arg-type]


def test_parse_answer_takes_space_around_it_and_free_text_as_it_is() -> None:
    assert parse_answer(SimpleNamespace(output_schema={}), ' {"a": [1]}\n') == {"a": [1]}  # type: ignore[arg-type]
    assert parse_answer(SimpleNamespace(output_schema=None), " so it is \n") == "so it is"  # type: ignore[arg-type]


REFUSED = {
    "allOf": [{"type": "string"}],
    "not": {"const": 3},
    "if": {"const": 3},
    "then": {"const": 3},
    "else": {"const": 3},
    "dependentRequired": {"a": ["b"]},
    "dependentSchemas": {"a": {}},
    "uniqueItems": True,
    "contains": {"const": 3},
    "minContains": 1,
    "maxContains": 1,
    "contentEncoding": "base64",
    "patternProperties": {"^a": {}},
    "propertyNames": {"pattern": "^a"},
    "minProperties": 1,
    "maxProperties": 1,
    "unevaluatedProperties": False,
    "unevaluatedItems": False,
    "nullable": True,
    "$id": "https://example.org/x",
    "$anchor": "here",
    "$dynamicRef": "#here",
    "x-guidance": {"whitespace_flexible": True},
}


@pytest.mark.parametrize("keyword", REFUSED)
def test_each_keyword_that_is_not_enforced_is_refused(keyword: str) -> None:
    found = unsupported(closed(x={"type": "string", keyword: REFUSED[keyword]}))
    assert found[0].pointer == f"/properties/x/{keyword}"
    assert found[0].message.startswith(f"constrained decoding does not enforce {keyword}; ")


@pytest.mark.parametrize("keyword", ["nullable", "contentEncoding"])
def test_why_a_list_of_keywords_is_needed(keyword: str) -> None:
    # llguidance takes these without a word and does not enforce them; when that changes, the list may shrink.
    assert grammar_error(closed(x={"type": "string", keyword: REFUSED[keyword]})) == ""


@pytest.mark.parametrize(
    ("schema", "pointer", "message"),
    [
        ([], "", "must be a mapping, a JSON Schema; or null for free text"),
        ({"type": "string"}, "", "an answer is an object; write type: object with properties"),
        (closed(), "", "an object without properties says nothing; name its keys in properties"),
        (closed(x={"enum": []}), "/properties/x/enum", "allows no value; list at least one"),
        (
            closed(x={"const": 2**60}),
            "/properties/x/const",
            "too large for every JSON reader to keep exactly; write it as text",
        ),
        (
            closed(x={"type": "integer", "minimum": -(2**63)}),
            "/properties/x/minimum",
            "beyond ±2^53, where JSON readers lose whole numbers; write a nearer bound",
        ),
        (
            closed(x={"enum": [-(2**63)]}),
            "/properties/x/enum/0",
            "too large for every JSON reader to keep exactly; write it as text",
        ),
        (closed(x={"enum": ["a", "a"]}), "/properties/x/enum/1", "'a' stands twice; remove one"),
        (closed(x={"const": 1.5}), "/properties/x/const", "a fixed value is text, a whole number, true, false or null"),
        (
            closed(x={"type": "number", "multipleOf": 0.1}),
            "/properties/x/multipleOf",
            "must be a whole number; count in a smaller unit",
        ),
        (
            closed(x={"$ref": "#/$defs/y"}) | {"$defs": {"z": {"type": "null"}}},
            "/properties/x/$ref",
            "'#/$defs/y' is not there; did you mean '#/$defs/z'?",
        ),
        (
            closed(x={"$ref": "#/$defs/y"}) | {"$defs": {"y": {"type": "array", "items": {"$ref": "#/$defs/y"}}}},
            "/properties/x/$ref",
            "'#/$defs/y' contains itself, so an answer may grow without end; write the levels out",
        ),
        (
            closed(x={"anyOf": [{"type": "null"}], "type": "string"}),
            "/properties/x/type",
            "may not stand beside anyOf; remove it, or move it into a schema of its own",
        ),
        (
            closed(x={"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}),
            "/properties/x/oneOf",
            "constrained decoding cannot tell the cases of this oneOf apart; write anyOf",
        ),
        (
            closed(x={"type": "string", "format": "hostname-of-mine"}),
            "/properties/x/format",
            "constrained decoding cannot enforce this format (Unknown format: hostname-of-mine); write a pattern",
        ),
        (
            {**closed(x={"type": "null"}), "required": ["y"]},
            "/required/0",
            "'y' is not among the properties; write one of x",
        ),
        (closed(**{"a\n": {"type": "null"}}), "/properties/a\n", "a key with control characters; write printable text"),
    ],
)
def test_each_fault_of_a_schema(schema: Any, pointer: str, message: str) -> None:
    assert [(fault.pointer, fault.message) for fault in unsupported(schema)][:1] == [(pointer, message)]


# Random supported schemas, each with random answers.
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=6)
NAMES = NAMES.filter(str.isprintable)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LEAVES = st.one_of(
    st.just(({"type": "boolean"}, st.booleans())),
    st.just(({"type": "integer"}, st.integers())),
    st.just(({"type": "integer", "minimum": -50, "maximum": 999}, st.integers(-50, 999))),
    st.just(({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False))),
    st.just(({"type": "string"}, TEXT)),
    st.just(({"type": "string", "maxLength": 12}, TEXT)),
    st.just(({"type": ["string", "null"], "pattern": DAY}, st.none() | st.dates().map(str))),
    st.just(({"anyOf": [{"type": "null"}, {"type": "integer"}]}, st.none() | st.integers())),
    st.lists(
        TEXT | st.integers(-(2**53), 2**53) | st.none() | st.booleans(),
        min_size=1,
        max_size=4,
        unique_by=lambda v: (type(v), v),
    ).map(lambda values: ({"enum": values}, st.sampled_from(values))),
)
Pair = tuple[dict[str, Any], st.SearchStrategy[Any]]


def _object(pairs: dict[str, Pair]) -> Pair:
    return closed(**{key: schema for key, (schema, _) in pairs.items()}), st.fixed_dictionaries(
        {key: values for key, (_, values) in reversed(pairs.items())}
    )


def _optional(pairs: dict[str, Pair]) -> Pair:
    schema, _ = _object(pairs)
    return {**schema, "required": []}, st.fixed_dictionaries({}, optional={key: one for key, (_, one) in pairs.items()})


def _array(pair: Pair) -> Pair:
    return {"type": "array", "items": pair[0], "maxItems": 3}, st.lists(pair[1], max_size=3)


OBJECTS = st.dictionaries(NAMES, LEAVES, min_size=1, max_size=4)
NESTED = OBJECTS.map(_object) | OBJECTS.map(_optional) | LEAVES.map(_array) | OBJECTS.map(_object).map(_array)
PAIRS = st.dictionaries(NAMES, LEAVES | NESTED, min_size=1, max_size=4).map(_object)


@settings(max_examples=150)
@given(st.data())
def test_an_answer_has_one_text_which_the_grammar_writes(data: st.DataObject) -> None:
    schema, answers = data.draw(PAIRS)
    answer = data.draw(answers)
    assert unsupported(schema) == []
    text = canonical(schema, answer)
    assert validate(schema, answer) == []
    assert rejected_at(json.dumps(schema), text) is None
    read = parse_answer(SimpleNamespace(output_schema=schema), text)  # type: ignore[arg-type]
    assert read == answer
    assert canonical(schema, read) == text

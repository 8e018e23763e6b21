import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.data.cleaning import Faults, clean, cut
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.schema import validate

FILE = {"kind": "csv", "path": "a.csv"}
ROW = Row("1", "some text", {"kind": "a"}, "csv")


def reason(result: Row | Rejected) -> str:
    assert isinstance(result, Rejected)
    return str(result.as_dict()["reason"])


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_cut_text_is_a_short_beginning(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert text.startswith(short)


def test_a_cut_ends_with_a_word_where_there_are_words() -> None:
    assert cut("one two three four", 15) == "one two three"
    assert cut("one two three four", 13) == "one two three"
    assert cut("会议改到星期三下午三点", 5) == "会议改到星"


@pytest.mark.parametrize(
    ("label", "answer"),
    [({"kind": "a"}, {"kind": "a"}), ('{"kind": "b"}', {"kind": "b"}), ("yes", {"kind": "a"}), (True, {"kind": "b"})],
)
def test_labels_become_answers(make_recipe: Any, label: Any, answer: Any) -> None:
    recipe = make_recipe(FILE, labelling={"values": {"yes": {"kind": "a"}, "true": {"kind": "b"}}})
    result = clean(replace(ROW, label=label), recipe)
    assert isinstance(result, Row) and result.label == answer


def test_bad_rows_have_reasons(make_recipe: Any) -> None:
    recipe = make_recipe(FILE, cleaning={"min_characters": 5})
    assert reason(clean(replace(ROW, text=" \n"), recipe)) == "empty text"
    assert reason(clean(replace(ROW, text="abc"), recipe)) == "text shorter than min_characters: 3 characters"
    assert reason(clean(replace(ROW, label=None), recipe)) == "no label"
    assert reason(clean(replace(ROW, label="{kind"), recipe)).startswith("the label is not JSON: ")
    mapped = make_recipe(FILE, labelling={"values": {"yes": {"kind": "a"}}})
    wanted = "the label is not JSON: 'Yes' is no key of data.labelling.values either"
    assert reason(clean(replace(ROW, label="Yes"), mapped)) == wanted
    assert reason(clean(replace(ROW, label="Yes" * 20), mapped)) == wanted.replace("'Yes'", "it")
    assert reason(clean(replace(ROW, label={"kind": "c"}), recipe)).startswith("the label breaks the schema: ")


@pytest.mark.parametrize("schema", [None, {"type": "number"}])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": "half \ud83d"}, "the text: half a surrogate pair"),
        ({"id": "\ud83d"}, "the id: half a surrogate pair"),
        ({"label": float("nan")}, "the label: Out of range"),
        ({"label": float("-inf")}, "the label: Out of range"),
        ({"label": {"at": datetime(2026, 11, 23)}}, "the label: Object of type datetime"),
        ({"label": b"spam"}, "the label: Object of type bytes"),
    ],
)
def test_what_json_cannot_hold_is_rejected(
    make_recipe: Any, schema: dict[str, Any] | None, changes: dict[str, Any], said: str
) -> None:
    assert reason(clean(replace(ROW, **changes), make_recipe(FILE, schema=schema))).startswith(
        f"JSON cannot hold it: {said}"
    )


def test_any_rejected_row_can_be_written() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for value in ("\ud83d", float("inf"), datetime(2026, 11, 23), {"x": {b"y"}}, deep):
        line = Rejected(Row(str(value) if value == "\ud83d" else "1", "text", value, "csv"), "bad").as_dict()
        assert json.loads(json.dumps(line, ensure_ascii=False, allow_nan=False).encode()) == line
        assert isinstance(line["label"], str)
    assert Rejected(ROW, "bad", "why").as_dict() == {
        "id": "1", "text": "some text", "label": {"kind": "a"}, "source": "csv", "meta": {}, "weight": 1.0,
        "reason": "bad: why",
    }  # fmt: skip


def test_free_text_labels_are_text(make_recipe: Any) -> None:
    result = clean(replace(ROW, label=5), make_recipe(FILE, schema=None))
    assert isinstance(result, Row) and result.label == "5"


LABELS = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 0.0, -0.0, 1.0, "a", "1", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["kind", "n"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(LABELS, max_size=6))
def test_a_remembered_check_says_the_same(labels: list[Any]) -> None:
    schema = {"type": "object", "properties": {"kind": {"enum": ["a", 1, True]}, "n": {"type": "integer"}}}
    faults_of = Faults(schema)
    for label in [*labels, *labels, {"kind": "a" * 300}]:
        assert faults_of(label) == "; ".join(validate(schema, label))

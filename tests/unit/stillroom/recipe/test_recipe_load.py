"""Loading: what a recipe becomes, its profiles, and that the copy in a run's folder says the same."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.recipe.describe import recipe_schema, with_field_tables
from stillroom.recipe.document import parse_document
from stillroom.recipe.load import deep_merge, dump_recipe, load_recipe
from stillroom.recipe.model import Recipe
from stillroom.recipe.new import write_new
from stillroom.recipe.schema import class_fields, unbounded, validate

ROOT = Path(__file__).parents[4]
EMAIL = ROOT / "recipes" / "email-events.yaml"
TINY = """\
name: tiny
instruction: Say it.
data:
  sources:
    - {kind: csv, path: rows.csv}
profiles:
  full: {sft: {epochs: 5}, dpo: null}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("text,label\n")
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


def test_a_loaded_recipe_is_resolved(tiny: Path) -> None:
    recipe = load_recipe(tiny)
    assert recipe.profiles == {}
    assert recipe.data.sources[0].path == str(tiny.parent / "rows.csv")  # type: ignore[union-attr]
    assert recipe.dpo is not None and recipe.dpo.rules == ["prose_around"]  # free text has no fields to break


def test_a_profile_is_merged_key_by_key(tiny: Path) -> None:
    recipe = load_recipe(tiny, "full")
    assert (recipe.sft.epochs, recipe.sft.batch_size, recipe.dpo) == (5, 16, None)
    assert load_recipe(tiny).sft.epochs == 2


def test_a_schema_is_replaced_whole_by_a_profile() -> None:
    base = {"output_schema": {"properties": {"a": {}}}, "sft": {"seed": 1, "epochs": 2}}
    change = {"output_schema": {"properties": {"b": {}}}, "sft": {"seed": 3}}
    assert deep_merge(base, change) == {"output_schema": {"properties": {"b": {}}}, "sft": {"seed": 3, "epochs": 2}}


@pytest.mark.parametrize(
    "text", ["\x85", "a\u2028b", "no", "2026-11-23", " a\n b ", "a\n\nb\n", "one\ntwo\n", "a\r\nb"]
)
def test_every_text_survives_the_copy(text: str, tiny: Path) -> None:
    recipe = load_recipe(tiny).model_copy(update={"instruction": text})
    tiny.write_bytes(dump_recipe(recipe).encode())
    assert load_recipe(tiny).instruction == text


def test_a_runs_copy_loads_after_its_sources_are_gone(tiny: Path) -> None:
    recipe = load_recipe(tiny)
    copy = tiny.with_name("copy.yaml")
    copy.write_text(dump_recipe(recipe))
    (tiny.parent / "rows.csv").unlink()
    assert load_recipe(copy, sources_must_exist=False) == recipe


@pytest.mark.parametrize("profile", [None, "full"])
def test_the_shipped_recipe(profile: str | None, tmp_path: Path) -> None:
    recipe = load_recipe(EMAIL, profile)
    (tmp_path / "copy.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "copy.yaml") == recipe
    assert recipe.output_schema is not None
    assert class_fields(recipe.output_schema) == {"category": ["event", "spam", "other"]}
    assert unbounded(recipe.output_schema) == []
    assert len(recipe.instruction.split()) <= 150
    assert recipe.dpo is not None and len(recipe.dpo.rules) == 8


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("title", ["Café 茶"], ["", "x" * 81, None]),
        ("date", ["2026-11-23"], ["2026-13-01", "2026-1-1", "23.11.2026", None]),
        ("time", ["23:59", None], ["24:00", "9:00", ""]),
        ("location", ["Room 4", None], ["x" * 81, 3]),
        ("organizer", ["Ann", None], ["x" * 81]),
        ("status", ["planned", "moved", "cancelled"], ["open", None]),
    ],
)
def test_the_shipped_schema(field: str, good: list[Any], bad: list[Any]) -> None:
    schema = load_recipe(EMAIL).output_schema
    assert schema is not None
    event = {
        "title": "x", "date": "2026-11-23", "time": None, "location": None, "organizer": None, "status": "planned",
    }  # fmt: skip
    for value in good:
        assert validate(schema, {"category": "event", "events": [{**event, field: value}] * 4}) == []
    for value in bad:
        assert validate(schema, {"category": "event", "events": [{**event, field: value}]})
    assert validate(schema, {"category": "event", "events": [event] * 5})


def test_a_new_recipe_is_sound_and_so_are_its_examples(tmp_path: Path) -> None:
    import csv
    import json

    recipe_path, examples = write_new("my-task", tmp_path)
    for profile in (None, "quick"):
        recipe = load_recipe(recipe_path, profile)
        assert recipe.output_schema is not None and unbounded(recipe.output_schema) == []
    rows = list(csv.DictReader(examples.open(encoding="utf-8")))
    assert len(rows) >= 8
    assert recipe.output_schema is not None
    for row in rows:
        assert row["text"] and validate(recipe.output_schema, json.loads(row["label"])) == []


def test_scalars_that_yaml_likes_to_convert() -> None:
    text = "a: 2026-11-23\nb: no\nc: true\nd: ~\ne: '7'\nf: 010\ng: 0x1F\nh: 1e3\ni: 2026-11-23T10:00:00Z\nno: 12:30\n"
    document = parse_document(text)
    assert document.faults == []
    assert document.data == {
        "a": "2026-11-23", "b": "no", "c": True, "d": None, "e": "7", "f": 10, "g": 31, "h": 1000.0,
        "i": "2026-11-23T10:00:00Z", "no": "12:30",
    }  # fmt: skip


def test_anchors_and_merge_keys() -> None:
    document = parse_document("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n")
    assert document.data["d"] == {"b": 1, "c": 3}
    assert document.position(("d", "b")) == (1, 11)
    assert document.position(("d", "c")) == (4, 6)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(
    [
        "no",
        "2026-11-23",
        "1",
        "1e3",
        "~",
        "null",
        "true",
        "a: b",
        "# x",
        "- x",
        " x",
        "x\n",
        "a\nb\n",
        "a\n\nb",
        "\x85",
        "\ta",
        "'",
    ]
)
RECIPES = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?\Z"),
        "instruction": TEXTS,
        "data": st.fixed_dictionaries(
            {"sources": st.just([{"kind": "generated-event-mail", "sample": 3}])},
            optional={"labelling": st.fixed_dictionaries({"values": st.dictionaries(TEXTS, TEXTS, max_size=3)})},
        ),
    },
    optional={
        "sft": st.fixed_dictionaries({"learning_rate": st.floats(1e-12, 1e3), "seed": st.integers()}),
        "dpo": st.none(),
        "export": st.fixed_dictionaries({"formats": st.just(["Q8_0"])}),
        "gates": st.fixed_dictionaries({"min_exact_match": st.none() | st.floats(0, 1)}),
    },
)


@settings(max_examples=60)
@given(RECIPES)
def test_dump_and_load_agree(tmp_path_factory: pytest.TempPathFactory, raw: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(raw)
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    if recipe.dpo:
        recipe = recipe.model_copy(update={"dpo": recipe.dpo.model_copy(update={"rules": ["prose_around"]})})
    path.write_bytes(dump_recipe(recipe).encode())
    assert load_recipe(path) == recipe


def test_the_manuals_tables_are_fresh() -> None:
    manual = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert manual == with_field_tables(manual), "run: python -m stillroom.recipe.describe docs/recipe.md"


def test_every_field_is_described_for_editors() -> None:
    import json

    from jsonschema import Draft202012Validator

    schema = json.loads(recipe_schema())
    Draft202012Validator.check_schema(schema)
    raw = parse_document(EMAIL.read_text(encoding="utf-8")).data
    assert list(Draft202012Validator(schema).iter_errors(raw)) == []

"""Classes of one size, and every row accounted for."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.data.balance import COPY_OF, LEFT_OUT, balance, originals
from stillroom.data.prepare import prepare
from stillroom.data.rows import Row, read_rows

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"kind": {"enum": ["a", "b", "c"]}}}


def rows(kinds: str) -> list[Row]:
    return [Row(f"{kind}{place}", f"text {place}", {"kind": kind}, "made") for place, kind in enumerate(kinds)]


def kinds(some: list[Row]) -> str:
    return "".join(row.label["kind"] for row in some)


def test_down_sampling_keeps_the_first_of_each_class() -> None:
    kept, left_out = balance(rows("aaabab"), "downsample", SCHEMA)
    assert [row.id for row in kept] == ["a0", "a1", "b3", "b5"]
    assert [(item.row.id, item.reason, item.detail) for item in left_out] == [
        ("a2", LEFT_OUT, "a: 2 of 4 rows stay"),
        ("a4", LEFT_OUT, "a: 2 of 4 rows stay"),
    ]


def test_up_sampling_repeats_from_the_first() -> None:
    made, left_out = balance(rows("aaaaabbc"), "upsample", SCHEMA)
    assert [row.id for row in made if row.label["kind"] != "a"] == [
        *("b5", "b5#2", "b5#3", "b6", "b6#2"),
        *("c7", "c7#2", "c7#3", "c7#4", "c7#5"),
    ]
    assert not left_out
    assert made[-1].meta == {COPY_OF: "c7"} and made[-1].text == "text 7"
    assert originals(made) == rows("aaaaabbc")


@given(st.text("abc", max_size=40), st.sampled_from(["none", "downsample", "upsample"]))
def test_nothing_is_lost_and_classes_are_even(given_kinds: str, how: Any) -> None:
    before = rows(given_kinds)
    after, left_out = balance(before, how, SCHEMA)
    assert len({row.id for row in after}) == len(after)
    assert {row.id for row in originals(after)} | {item.row.id for item in left_out} == {row.id for row in before}
    sizes = set(Counter(kinds(after)).values())
    assert how == "none" or len(sizes) <= 1
    assert how != "upsample" or not left_out


def test_one_class_or_none_is_left_as_it_is() -> None:
    assert balance(rows("aaa"), "downsample", SCHEMA) == (rows("aaa"), [])
    assert balance(rows("ab"), "upsample", None) == (rows("ab"), [])


@pytest.mark.parametrize("how", ["downsample", "upsample"])
def test_prepare_evens_out_the_train_split_alone(tmp_path: Path, make_recipe: Any, how: str) -> None:
    words = [" ".join(f"w{number}-{step}" for step in range(6)) for number in range(60)]
    lines = [{"text": text, "label": {"kind": "b" if n % 4 == 0 else "a"}} for n, text in enumerate(words)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = {"kind": "jsonl", "path": "a.jsonl"}
    plain = prepare(make_recipe(source), tmp_path, tmp_path / "none")
    report = prepare(make_recipe(source, balance=how), tmp_path, tmp_path / how)
    for name in ("validation", "test"):
        files = (tmp_path / folder / f"{name}.jsonl" for folder in ("none", how))
        assert len({file.read_bytes() for file in files}) == 1
    before = plain["splits"]["train"]["classes"]
    size = min(before.values()) if how == "downsample" else max(before.values())
    assert report["splits"]["train"]["classes"] == {"a": size, "b": size}
    again = prepare(make_recipe(source, balance=how), tmp_path, tmp_path / "again")
    assert report == again
    rejected = [json.loads(line) for line in (tmp_path / how / "rejected.jsonl").read_text().splitlines()]
    train = read_rows(tmp_path / how / "train.jsonl")
    if how == "downsample":
        assert report["dropped"] == {LEFT_OUT: before["a"] - size}
        assert {row["reason"] for row in rejected} == {f"{LEFT_OUT}: a: {size} of {before['a']} rows stay"}
    else:
        assert report["dropped"] == {} and report["sources"] == plain["sources"]
        assert len(originals(train)) == plain["splits"]["train"]["rows"]
    assert report["notes"] == [
        f"data.balance ({how}): the train split has {2 * size} rows instead of {sum(before.values())}."
    ]

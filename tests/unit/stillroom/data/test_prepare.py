import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillroom.data.prepare import prepare
from stillroom.data.rows import read_rows
from stillroom.errors import UserError
from stillroom.recipe.load import load_recipe
from stillroom.recipe.new import write_new

NAMES = ("train", "validation", "test")
SUBJECTS = ["garden", "bridge", "river", "engine", "theatre", "library", "harbour", "market", "orchestra", "museum"]


def text(number: int) -> str:
    """Texts without a shared run of three words, so that none is a near duplicate of another."""
    return " ".join(f"{SUBJECTS[(number + step) % 10]}{number}-{step}" for step in range(8))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def good(count: int) -> list[dict[str, Any]]:
    return [{"text": text(number), "label": {"kind": "ab"[number % 2]}} for number in range(count)]


SOURCE = {"kind": "jsonl", "path": "a.jsonl"}


def test_rows_are_split_and_reported(tmp_path: Path, make_recipe: Any) -> None:
    bad = [
        {"text": " ", "label": {"kind": "a"}},
        {"text": "wrong", "label": {"kind": "c"}},
        {"text": text(3).upper(), "label": {"kind": "a"}},
    ]
    write(tmp_path / "a.jsonl", good(100) + bad)
    report = prepare(make_recipe(SOURCE), tmp_path, tmp_path / "out")
    assert report == json.loads((tmp_path / "out/data_report.json").read_text())
    assert report["sources"] == [{"source": "jsonl:a.jsonl", "read": 103, "kept": 100}]
    assert report["dropped"] == {"empty text": 1, "the label breaks the schema": 1, "exact duplicate": 1}
    assert report["dropped_examples"]["the label breaks the schema"][0]["text"] == "wrong"
    assert report["duplicates"] == {"exact": 1, "near_clusters": 0}
    assert {name: report["splits"][name]["rows"] for name in NAMES} == {"train": 80, "validation": 10, "test": 10}
    assert report["splits"]["test"]["classes"] == {"a": 5, "b": 5}
    assert "1 exact duplicates have another label" in report["notes"][0]
    rejected = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    assert [row["reason"].split(":")[0] for row in rejected] == list(report["dropped"])
    assert sorted(row.text for name in NAMES for row in read_rows(tmp_path / "out" / f"{name}.jsonl")) == sorted(
        map(text, range(100))
    )


def test_the_same_recipe_gives_the_same_files(tmp_path: Path, make_recipe: Any) -> None:
    write(tmp_path / "a.jsonl", good(40))
    for out in ("one", "two"):
        prepare(make_recipe(SOURCE, seed=3), tmp_path, tmp_path / out)
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", "rejected.jsonl", "data_report.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_near_duplicates_never_straddle_the_splits(tmp_path: Path, make_recipe: Any) -> None:
    rows = [
        {"text": f"{text(n)} {text(n + 500)} {'and again ' * copy}", "label": {"kind": "a"}}
        for n in range(20)
        for copy in range(3)
    ]
    write(tmp_path / "a.jsonl", rows)
    report = prepare(make_recipe(SOURCE), tmp_path, tmp_path / "out")
    assert report["duplicates"] == {"exact": 0, "near_clusters": 20}
    heads = [{row.text.split()[0] for row in read_rows(tmp_path / "out" / f"{name}.jsonl")} for name in NAMES]
    assert sum(map(len, heads)) == 20
    assert all(heads)


def test_all_faults_are_told_at_once(tmp_path: Path, make_recipe: Any) -> None:
    (tmp_path / "a.csv").write_text("mail\nx\n")
    recipe = make_recipe(SOURCE, {"kind": "csv", "path": "a.csv"}, {"kind": "mbox", "path": "inbox"})
    with pytest.raises(UserError) as caught:
        prepare(recipe, tmp_path, tmp_path / "out")
    said = str(caught.value)
    assert "a.jsonl" in said and "no columns text, label. It has: mail." in said and "inbox" in said


def test_too_few_rows_say_why(tmp_path: Path, make_recipe: Any) -> None:
    write(tmp_path / "a.jsonl", good(9) + [{"text": "x", "label": "{"}] * 4)
    with pytest.raises(UserError, match=r"Only 9 usable rows are left of 13 read[\s\S]*4 × the label is not JSON"):
        prepare(make_recipe(SOURCE), tmp_path, tmp_path / "out")
    assert len((tmp_path / "out/rejected.jsonl").read_text().splitlines()) == 4


def test_too_few_rows_point_at_no_empty_file(tmp_path: Path, make_recipe: Any) -> None:
    write(tmp_path / "a.jsonl", good(9))
    with pytest.raises(UserError) as caught:
        prepare(make_recipe(SOURCE), tmp_path, tmp_path / "out")
    assert str(caught.value) == (
        "Only 9 usable rows are left of 9 read; at least 10 are needed. Give the sources of the recipe more rows."
    )


def test_near_duplicates_that_empty_the_test_split_are_told(tmp_path: Path, make_recipe: Any) -> None:
    rows = [{"text": f"{text(1)} {text(2)} {text(3)} number {n}", "label": {"kind": "a"}} for n in range(40)]
    write(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match=r"sizes: 40\.\nRaise data.cleaning.near_duplicate_threshold \(now 0.8\)"):
        prepare(make_recipe(SOURCE), tmp_path, tmp_path / "out")
    assert not (tmp_path / "out/train.jsonl").exists()
    report = prepare(make_recipe(SOURCE, cleaning={"near_duplicate_threshold": 1.0}), tmp_path, tmp_path / "out")
    assert {name: report["splits"][name]["rows"] for name in NAMES} == {"train": 32, "validation": 4, "test": 4}


def test_odd_rows_do_not_end_the_step(tmp_path: Path, make_recipe: Any) -> None:
    odd = [
        {"text": "half \ud83d", "label": {"kind": "a"}},
        {"text": "text", "label": float("nan")},
        {"text": "\ud83d", "label": ""},
        {"id": "\ud83d", "text": "", "label": "x"},
    ]
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps(row) for row in [{"id": "first", **good(1)[0]}, *good(20)[1:], *odd])
    )
    report = prepare(make_recipe({**SOURCE, "id": "id"}), tmp_path, tmp_path / "out")
    assert report["dropped"] == {"JSON cannot hold it": 3, "empty text": 1}
    rejected = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    assert rejected[0]["text"] == r"'half \ud83d'" and rejected[1]["label"] == "nan"


def test_odd_parquet_labels_do_not_end_the_step(tmp_path: Path, make_recipe: Any) -> None:
    columns = {"text": [text(n) for n in range(3)], "label": [datetime(2026, 11, 23)] * 3}
    pq.write_table(pa.table(columns), tmp_path / "dates.parquet")
    pq.write_table(pa.table({**columns, "label": [b"a"] * 3}), tmp_path / "bytes.parquet")
    write(tmp_path / "a.jsonl", good(20))
    odd = [{"kind": "parquet", "path": f"{name}.parquet"} for name in ("dates", "bytes")]
    report = prepare(make_recipe(SOURCE, *odd), tmp_path, tmp_path / "out")
    assert report["dropped"] == {"JSON cannot hold it": 6}


def test_the_examples_of_a_new_recipe_fill_every_split(tmp_path: Path) -> None:
    recipe, _ = write_new("tickets", tmp_path)
    report = prepare(load_recipe(recipe), tmp_path, tmp_path / "out")
    assert report["dropped"] == {} and report["duplicates"]["near_clusters"] == 0
    assert {name: report["splits"][name]["rows"] for name in NAMES} == {"train": 32, "validation": 4, "test": 4}


def test_an_id_used_twice_is_rejected(tmp_path: Path, make_recipe: Any) -> None:
    write(tmp_path / "a.jsonl", [{"key": min(n, 18), **row} for n, row in enumerate(good(20))])
    report = prepare(make_recipe({**SOURCE, "id": "key"}), tmp_path, tmp_path / "out")
    assert report["dropped"] == {"the id is used twice": 1}


def test_two_sources_of_one_name_are_told_apart(tmp_path: Path, make_recipe: Any) -> None:
    for folder, start in (("one", 0), ("two", 100)):
        (tmp_path / folder).mkdir()
        rows = [{"text": text(start + n), "label": {"kind": "a"}} for n in range(10)]
        write(tmp_path / folder / "a.jsonl", rows)
    recipe = make_recipe({"kind": "jsonl", "path": "one/a.jsonl"}, {"kind": "jsonl", "path": "two/a.jsonl"})
    report = prepare(recipe, tmp_path, tmp_path / "out")
    assert [item["source"] for item in report["sources"]] == ["jsonl:a.jsonl", "jsonl:a.jsonl#2"]


def test_cut_texts_are_counted(tmp_path: Path, make_recipe: Any) -> None:
    write(tmp_path / "a.jsonl", good(10))
    report = prepare(make_recipe(SOURCE, cleaning={"max_characters": 60}), tmp_path, tmp_path / "out")
    assert report["notes"] == ["jsonl:a.jsonl: 10 texts were cut at 60 characters."]
    assert report["dropped"] == {}


def test_what_cleaning_drops_keeps_its_numbers(tmp_path: Path, make_recipe: Any) -> None:
    footer = "\nThis footer stands below every one of these letters."
    rows = [{**row, "text": row["text"] + footer} for row in good(40)]
    bad = ["nul \0 byte", "tiny", "# # # # one", "darn it all", "- x\n- y\n- z", footer + footer]
    rows += [{"text": text, "label": {"kind": "a"}} for text in bad]
    rows.append({"text": f"{text(3)} and three words more{footer}", "label": {"kind": "a"}})
    write(tmp_path / "a.jsonl", rows)
    (tmp_path / "words.txt").write_text("darn\n")
    cleaning = {
        "boilerplate_documents": 30,
        "min_characters": 5,
        "symbols": {},
        "toxicity": {"lists": [str(tmp_path / "words.txt")]},
        "near_duplicate_threshold": 0.5,
        "near_duplicates": "drop",
    }
    report = prepare(make_recipe(SOURCE, cleaning=cleaning), tmp_path, tmp_path / "out")
    rejected = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    assert {row["reason"].split(":")[0]: (row["numbers"]["value"], row["numbers"]["bound"]) for row in rejected} == {
        "NUL bytes": (1, 0),
        "text shorter than min_characters": (4, 5),
        "more signs than words": (1.0, 0.9),
        "words of a toxicity list": (1, 0),
        "nothing but boilerplate": (2, 30),
        "near duplicate": (0.7778, 0.5),
    }
    assert rejected[-1]["reason"] == "near duplicate: of jsonl:a.jsonl/4, Jaccard 0.78"
    assert report["duplicates"] == {"exact": 0, "near_clusters": 1}
    clusters = [json.loads(line) for line in (tmp_path / "out/near_duplicates.jsonl").read_text().splitlines()]
    assert [(line["size"], line["first"], line["others"][0]["jaccard"]) for line in clusters] == [
        (2, "jsonl:a.jsonl/4", 0.7778)
    ]
    kept = [row.text for name in NAMES for row in read_rows(tmp_path / "out" / f"{name}.jsonl")]
    assert sorted(kept) == sorted(map(text, range(40)))


def test_the_clusters_are_shown_where_they_stay(tmp_path: Path, make_recipe: Any) -> None:
    write(tmp_path / "a.jsonl", [*good(30), {"text": text(5) + " once more", "label": {"kind": "a"}}])
    recipe = make_recipe(SOURCE, cleaning={"near_duplicate_threshold": 0.6})
    assert prepare(recipe, tmp_path, tmp_path / "out")["dropped"] == {}
    [line] = map(json.loads, (tmp_path / "out/near_duplicates.jsonl").read_text().splitlines())
    assert line["near_duplicates"] == "group" and line["others"] == [
        {"id": "jsonl:a.jsonl/31", "source": "jsonl:a.jsonl", "jaccard": 0.875}
    ]

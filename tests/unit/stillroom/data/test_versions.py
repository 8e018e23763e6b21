import json
from pathlib import Path
from typing import Any

import pytest

from stillroom.cli.group import run
from stillroom.data.finish import prepare_data_set
from stillroom.data.rows import Row, write_rows
from stillroom.data.versions import changed_files, difference, open_data, render_difference, write_manifest
from stillroom.errors import UserError
from stillroom.files import sha256

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}},
    "required": ["kind"],
    "additionalProperties": False,
}


def row(number: int, kind: str = "a", text: str = "") -> Row:
    return Row(f"r{number}", text or f"text {number}", {"kind": kind}, "csv:x")


def folder(path: Path, **splits: list[Row]) -> Path:
    for name, rows in splits.items():
        write_rows(path / f"{name}.jsonl", rows)
    write_manifest(path, name=path.name, parents={"csv:x": "00"}, schema=SCHEMA)
    return path


def test_the_manifest_says_what_is_there(tmp_path: Path) -> None:
    made = folder(tmp_path / "one", train=[row(1), row(2)], test=[row(3)])
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["files"]["train.jsonl"]["rows"] == 2 and len(manifest["files"]["test.jsonl"]["sha256"]) == 64
    assert manifest["parents"] == {"csv:x": "00"}
    opened = open_data(made)
    assert opened.version == manifest["version"] and changed_files(opened) == []


def test_the_version_depends_on_the_data_alone(tmp_path: Path) -> None:
    first = open_data(folder(tmp_path / "one", train=[row(1)], test=[row(3)])).version
    again = open_data(folder(tmp_path / "two", train=[row(1)], test=[row(3)])).version
    other = open_data(folder(tmp_path / "three", train=[row(1)], test=[row(4)])).version
    assert first == again != other


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    made = folder(tmp_path / "one", train=[row(1)], test=[row(3)])
    write_rows(made / "train.jsonl", [row(1, text="changed")])
    (made / "test.jsonl").rename(made / "gone.jsonl")
    said = changed_files(open_data(made))
    assert said == [
        f"{made / 'test.jsonl'} is gone.",
        f"{made / 'train.jsonl'} was changed after its manifest was written.",
    ]


def test_a_run_a_folder_and_a_file_can_be_opened(tmp_path: Path) -> None:
    made = folder(tmp_path / "run/data", train=[row(1)], test=[row(3)])
    assert open_data(tmp_path / "run").folder == open_data(made).folder == made
    assert [(name, found.id) for name, found in open_data(made / "train.jsonl").rows()] == [("train", "r1")]
    named = folder(tmp_path / "named", labelled=[row(1)])
    assert list(open_data(named).files) == ["labelled"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "line 1, is no row"),
        ('{"id": "a"}\n', r"line 1, is no row: .*\(it lacks text, label, source\)"),
        ('{"id": 1, "text": null, "label": 1, "source": "a"}\n', r"line 1, is no row: .*\(id, text must be text\)"),
        ('{"id": "1", "text": "", "label": 1, "source": "a", "meta": 1}\n', r"\(meta must be an object\)"),
        ('{"id": "1", "text": "Gr\udcfc"}\n', "line 1, is no row"),
        ("{", "each line is an object with id, text"),
    ],
)
def test_what_is_no_row(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "train.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=said):
        list(open_data(tmp_path).rows())


def test_what_is_no_data_set(tmp_path: Path) -> None:
    for path, said in (
        (tmp_path, "holds no data set"),
        (tmp_path / "x", "No such"),
        (Path(__file__), "is no data set"),
    ):
        with pytest.raises(UserError, match=said):
            open_data(path)


def test_two_data_sets_compared(tmp_path: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    old = folder(tmp_path / "old", train=[row(n) for n in range(8)], test=[row(8), row(9)])
    changed = [row(0, "b"), row(1, text="new words"), *[row(n) for n in (2, 3, 4, 8)], row(11, "b")]
    new = folder(tmp_path / "new", train=changed, test=[row(9), row(7)])
    found = difference(open_data(old), open_data(new))
    assert found.rows == {"train": (8, 7), "test": (2, 2)} and found.classes == {"a": (10, 7), "b": (0, 2)}
    assert (found.added, found.removed, found.same) == (["r11"], ["r5", "r6"], 4)
    assert (found.new_label, found.new_text, found.moved) == (["r0"], ["r1"], ["r7", "r8"])
    assert "train   8  7      -1" in render_difference(found, ["old", "new"])
    assert run(["data", "diff", str(old), str(new)]) == 0
    said = capsys.readouterr().out
    assert "2 removed: r5, r6" in said and "2 in another split: r7, r8" in said and "4 rows are the same." in said
    assert run(["data", "diff", str(old), str(new), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == ["r5", "r6"]


def test_a_data_set_is_equal_to_itself(tmp_path: Path) -> None:
    made = open_data(folder(tmp_path / "one", train=[row(1)], test=[row(3)]))
    found = difference(made, made)
    assert found.same == 2 and not (found.added or found.removed or found.moved or found.new_label or found.new_text)


def test_the_data_step_leaves_a_manifest(tmp_path: Path, make_recipe: Any) -> None:
    words = [f"{'abcdefghijklmnopqrstuvwx'[n]}{n} " * 5 + f"tail{n * 7} end{n * 13}" for n in range(24)]
    lines = [json.dumps({"text": text, "label": {"kind": "ab"[n % 2]}}) for n, text in enumerate(words)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    recipe = make_recipe({"kind": "jsonl", "path": "a.jsonl"}, {"kind": "generated-event-mail", "sample": 2}, seed=5)
    recipe = recipe.model_copy(update={"base_model": "nobody/has-this-model"})
    for out in ("one", "two"):
        prepare_data_set(recipe, tmp_path, tmp_path / out)
    manifest = json.loads((tmp_path / "one/manifest.json").read_text())
    assert (tmp_path / "one/manifest.json").read_bytes() == (tmp_path / "two/manifest.json").read_bytes()
    assert manifest["seed"] == 5 and manifest["recipe"] == "small" and manifest["output_schema"]
    assert manifest["parents"] == {"a.jsonl": sha256(tmp_path / "a.jsonl"), "generated": "2 rows"}
    assert {"train.jsonl", "test.jsonl", "rejected.jsonl", "data_report.json"} <= set(manifest["files"])

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stillroom.cli.group import run
from stillroom.data.rows import Row, read_rows, write_rows
from stillroom.data.versions import open_data, write_manifest
from stillroom.files import read_json, write_json, write_jsonl
from stillroom.review.merge import read_label
from stillroom.review.sample import stratified
from stillroom.review.sheet import HIDDEN, SHEET, guarded

openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed: pip install -e '.[data]'")

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["good", "bad", "odd"]}},
    "required": ["kind"],
    "additionalProperties": False,
}
FORMULAS = ['=HYPERLINK("http://x","y")', "+1+1", "-2", "@SUM(A1)", "\t=1", "'=1"]


def rows(count: int = 40) -> list[Row]:
    return [Row(f"r{n}", f"text {n}", {"kind": "odd" if n % 20 == 0 else "good"}, "csv:a") for n in range(count)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    made = rows()
    made[1:7] = [Row(f"f{n}", text, {"kind": "bad"}, "csv:a") for n, text in enumerate(FORMULAS)]
    write_rows(folder / "train.jsonl", made[:30])
    write_rows(folder / "test.jsonl", made[30:])
    write_manifest(folder, name="tickets", parents={}, schema=SCHEMA)
    return folder


def export(data: Path, name: str, *more: str) -> Path:
    assert run(["review", "export", str(data), "-o", str(data.parent / name), *more]) == 0
    return data.parent / name


def fill(path: Path, answers: dict[str, tuple[str, ...]], **changes: Any) -> None:
    """Do what a person does: `answers` is id → verdict, reason, right label; others stay open."""
    book = openpyxl.load_workbook(path)
    sheet = book[SHEET]
    for line in sheet.iter_rows(min_row=2):
        for cell, value in zip(line[4:7], answers.get(str(line[0].value), ()), strict=False):
            cell.value = value
        if line[0].value == changes.get("change"):
            line[2].value = "something else"
        if line[0].value == changes.get("rename"):
            line[0].value = "nobody"
    if "remove" in changes:
        sheet.delete_rows(next(line[0].row for line in sheet.iter_rows() if line[0].value == changes["remove"]))
    book.save(path)


def test_the_sheet_is_made_for_people(data: Path) -> None:
    sheet = openpyxl.load_workbook(export(data, "a.xlsx"))[SHEET]
    assert sheet.freeze_panes == "C2" and sheet.max_row == 41
    assert [cell.value for cell in sheet[1]][:5] == ["id", "Class", "Text", "Label", "Verdict"]
    lists = {str(rule.sqref): rule.formula1 for rule in sheet.data_validations.dataValidation}
    assert lists == {"E2:E41": "_lists!$A$1:$A$3", "F2:F41": "_lists!$B$1:$B$8", "G2:G41": "_lists!$C$1:$C$3"}
    assert [rule.formula for rules in sheet.conditional_formatting for rule in rules.rules] == [
        ['$E2="right"'], ['$E2="wrong"'], ['$E2="unsure"'],
    ]  # fmt: skip


def test_no_cell_is_a_formula(data: Path) -> None:
    book = openpyxl.load_workbook(export(data, "a.xlsx"))
    for sheet in book:
        for line in sheet.iter_rows():
            for cell in line:
                assert cell.data_type != "f"
                assert not str(cell.value or "").startswith(("=", "+", "-", "@", "\t"))
    assert guarded("a\x00b\ud800") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert len(guarded("x" * 50_000)) < 32_767


def test_a_sheet_comes_back_into_the_data(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = export(data, "anna.xlsx")
    fill(
        sheet,
        {
            **{f"f{n}": ("right",) for n in range(6)},
            "r10": ("wrong", "wrong class", "bad"),
            "r11": ("wrong", "the text is damaged"),
            "r12": ("unsure",),
            "r13": ("Right ",),
        },
    )
    assert run(["review", "import", str(sheet)]) == 0
    said = capsys.readouterr().out
    assert "10 rows reviewed: 7 right, 1 corrected, 1 left out, 1 unsure" in said
    assert "30 lines have no verdict yet" in said
    merged = open_data(data.parent / "data-reviewed")
    found = {row.id: row for _, row in merged.rows()}
    assert found["r10"].label == {"kind": "bad"} and found["r10"].meta["label_before_review"] == {"kind": "good"}
    assert "r11" not in found and found["r12"].label == {"kind": "good"} and len(found) == 39
    rejected = [json.loads(line) for line in (merged.folder / "rejected.jsonl").read_text().splitlines()]
    assert [(row["id"], row["reason"]) for row in rejected] == [
        ("r11", "a person called the label wrong: the text is damaged")
    ]
    assert merged.manifest["parents"]["tickets"] == open_data(data).version
    assert set(merged.manifest["parents"]) == {"tickets", "anna.xlsx"}


def test_the_merged_data_has_a_report_and_a_card_of_its_own(data: Path) -> None:
    counts = {"rows": 30, "classes": {"good": 30}, "sources": {"csv:a": 30}}
    write_json(
        data / "data_report.json",
        {
            "sources": [{"source": "csv:a", "read": 41, "kept": 40}],
            "dropped": {"empty text": 1},
            "splits": {"train": counts},
        },
    )
    sheet = export(data, "anna.xlsx")
    fill(sheet, {"r11": ("wrong", "the text is damaged"), "r12": ("right",)})
    assert run(["review", "import", str(sheet)]) == 0
    merged = data.parent / "data-reviewed"
    assert read_json(merged / "data_report.json")["dropped"] == {"empty text": 1, "a person called the label wrong": 1}
    card = (merged / "README.md").read_text()
    assert "# tickets, reviewed" in card and "One person looked at 2 rows: left out 1, right 1." in card
    assert "| train | 29 |" in card and "| a person called the label wrong | 1 |" in card


def test_lines_that_are_unknown_changed_or_missing_are_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = export(data, "anna.xlsx")
    answers = {f"r{n}": ("right",) for n in range(8, 20)} | {"r20": ("maybe",), "r21": ("wrong", "", "purple")}
    fill(sheet, answers, change="r8", rename="r9", remove="r10")
    assert run(["review", "import", str(sheet)]) == 0
    said = capsys.readouterr().out
    assert "text or label than was sent out (edited, or damaged in saving): ignored:\n  anna: r8" in said
    assert "or no longer in the data: ignored:\n  anna: nobody" in said
    assert "2 lines were sent out and did not come back:" in said and "  anna: r9\n" in said and "  anna: r10\n" in said
    assert "(r20): the verdict 'maybe' is none of right, wrong, unsure." in said
    assert "(r21): the right label cannot be used" in said and "9 right" in said


def test_several_people_the_majority_and_their_agreement(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheets = [export(data, f"{name}.xlsx") for name in ("anna", "ben", "cleo")]
    bad = ("wrong", "wrong class", "bad")
    for place, sheet in enumerate(sheets):
        answers = {f"r{n}": ("right",) for n in range(10, 30)}
        answers["r8"] = bad if place < 2 else ("right",)
        answers["r9"] = (bad, ("right",), ("unsure",))[place]
        fill(sheet, answers)
    assert run(["review", "import", *map(str, sheets)]) == 0
    said = capsys.readouterr().out
    assert "verdict: anna and ben agree on 21 of 22 rows, Cohen's kappa 0.65 (substantial)" in said
    assert "class: all 3 agree on 20 of 22 rows, Fleiss' kappa" in said
    assert "Without a majority, and left as they were: r9" in said
    found = {row.id: row for row in read_rows(data.parent / "data-reviewed/train.jsonl")}
    assert found["r8"].label == {"kind": "bad"} and found["r9"].label == {"kind": "good"}
    assert read_json(data.parent / "data-reviewed/review.json")["disputed"] == ["r9"]


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-16")])
def test_a_sheet_saved_as_csv_by_hand(
    data: Path, capsys: pytest.CaptureFixture[str], delimiter: str, encoding: str
) -> None:
    sheet = export(data, "anna.xlsx")
    fill(sheet, {"f0": ("right",), "r10": ("wrong", "other", '{"kind": "odd"}')})
    saved = data.parent / "anna.csv"
    with saved.open("w", encoding=encoding, newline="") as stream:
        lines = openpyxl.load_workbook(sheet)[SHEET].iter_rows(values_only=True)
        csv.writer(stream, delimiter=delimiter).writerows(lines)
    assert run(["review", "import", str(saved)]) == 2
    assert "Save it as .xlsx, or name the data it came from with --data" in capsys.readouterr().err
    assert run(["review", "import", str(saved), "--data", str(data)]) == 0
    assert "2 rows reviewed: 1 right, 1 corrected" in capsys.readouterr().out
    found = {row.id: row for row in read_rows(data.parent / "data-reviewed/train.jsonl")}
    assert found["r10"].label == {"kind": "odd"} and found["f0"].text == FORMULAS[0]


def test_signs_that_programs_change_on_the_way_do_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tab that comes back as a space, and signs that nobody sees; of a CSV also a line that ends inside of a cell."""
    texts = ["a tab\there", "zero\u200bwidth", "a line\u2028ends", "soft\xadhyphen", "two\n\nparagraphs ", "nul\x7fdel"]
    write_rows(tmp_path / "rows.jsonl", [Row(f"r{n}", text, "x", "csv:a") for n, text in enumerate(texts)])
    sheet = tmp_path / "anna.xlsx"
    assert run(["review", "export", str(tmp_path / "rows.jsonl"), "-o", str(sheet)]) == 0
    fill(sheet, {f"r{n}": ("right",) for n in range(6)})
    book = openpyxl.load_workbook(sheet)
    lines = [[cell.value for cell in line] for line in book[SHEET].iter_rows()]
    with (tmp_path / "ben.csv").open("w", encoding="utf-8", newline="") as stream:
        stream.write("sep=;\n")
        csv.writer(stream, delimiter=";").writerows(lines)
    for line in book[SHEET].iter_rows(min_row=2):
        line[2].value = str(line[2].value).replace("\t", " ").replace("\u200b", "")
    book.save(sheet)
    data = ["--data", str(tmp_path / "rows.jsonl")]
    assert run(["review", "import", str(sheet), str(tmp_path / "ben.csv"), *data]) == 0
    said = capsys.readouterr().out
    assert "6 rows reviewed: 6 right" in said and "ignored" not in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"PK nonsense", "cannot be read: not a whole .xlsx file"),
        ("a.csv", b"x,y\n1,2\n", "has no column id, text, label, verdict in its first line, but x, y."),
        ("a.csv", b"", "has no column id"),
        ("a.csv", b"id\0", "a binary file, a damaged one"),
        ("a.ods", b"x", "is no review sheet; it comes back as .xlsx"),
    ],
)
def test_files_that_are_no_review(
    data: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, said: str
) -> None:
    (data.parent / name).write_bytes(content)
    assert run(["review", "import", str(data.parent / name), "--data", str(data)]) == 2
    assert said in capsys.readouterr().err
    assert not (data.parent / "data-reviewed").exists()


def test_a_workbook_of_somebody_else(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    openpyxl.Workbook().save(data.parent / "a.xlsx")
    assert run(["review", "import", str(data.parent / "a.xlsx"), "--data", str(data)]) == 2
    assert "has no sheet Review. It has: Sheet." in capsys.readouterr().err


def test_without_the_hidden_sheet_the_data_must_be_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = export(data, "anna.xlsx")
    book = openpyxl.load_workbook(sheet)
    del book[HIDDEN]
    book.save(sheet)
    assert run(["review", "import", str(sheet)]) == 2
    assert "--data" in capsys.readouterr().err


def test_a_sheet_of_rows_without_a_schema(tmp_path: Path) -> None:
    write_rows(tmp_path / "labelled.review.jsonl", [Row(f"r{n}", f"text {n}", f"answer {n}", "x") for n in range(5)])
    sheet = tmp_path / "anna.xlsx"
    assert run(["review", "export", str(tmp_path / "labelled.review.jsonl"), "-o", str(sheet)]) == 0
    fill(sheet, {"r1": ("wrong", "other", "a better answer"), "r2": ("right",)})
    assert run(["review", "import", str(sheet)]) == 0
    (merged,) = tmp_path.glob("*-reviewed/*.review.jsonl")
    assert {row.id: row.label for row in read_rows(merged)}["r1"] == "a better answer"


def test_the_sample_holds_every_class_and_grows() -> None:
    placed = [("train", row) for row in rows(200)]
    drawn = stratified(placed, 20, 0, SCHEMA)
    assert Counter(row.label["kind"] for _, row in drawn) == {"good": 19, "odd": 1}
    assert stratified(placed, 20, 0, SCHEMA) == drawn
    assert {row.id for _, row in drawn} <= {row.id for _, row in stratified(placed, 60, 0, SCHEMA)}
    assert len(stratified(placed, 1, 0, SCHEMA)) == 1 and len(stratified(placed, 900, 0, SCHEMA)) == 200


def test_labels_as_people_write_them() -> None:
    assert read_label("BAD", SCHEMA) == {"kind": "bad"} == read_label('{"kind": "bad"}', SCHEMA)
    assert read_label("any words", None) == "any words"
    with pytest.raises(ValueError, match="purple"):
        read_label("purple", SCHEMA)


def test_doubtful_labels_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", "export", str(data), "-o", str(data.parent / "a.xlsx"), "--doubtful"]) == 2
    assert "has no label_quality.jsonl: set data.cleaning.label_quality" in capsys.readouterr().err
    write_jsonl(data / "label_quality.jsonl", [{"id": "r20"}, {"id": "r31"}])
    sheet = openpyxl.load_workbook(export(data, "a.xlsx", "--doubtful"))[SHEET]
    assert {line[0].value for line in sheet.iter_rows(min_row=2)} == {"r20", "r31"}


def test_a_sheet_that_may_be_filled_in_is_not_written_over(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = export(data, "anna.xlsx")
    fill(sheet, {"r7": ("right",)})
    before = sheet.read_bytes()
    assert run(["review", "export", str(data), "-o", str(sheet)]) == 2
    assert "is there already, and may hold verdicts. Name another file, or remove it." in capsys.readouterr().err
    assert sheet.read_bytes() == before


def test_nobody_is_asked_about_a_copy_and_what_is_said_counts_for_it(tmp_path: Path) -> None:
    folder, made = tmp_path / "data", rows(4)
    copies = [Row(f"{row.id}#2", row.text, row.label, row.source, {"copy_of": row.id}) for row in made[1:3]]
    write_rows(folder / "train.jsonl", [*made, *copies])
    write_manifest(folder, name="tickets", parents={}, schema=SCHEMA)
    sheet = export(folder, "anna.xlsx")
    ids = [line[0].value for line in openpyxl.load_workbook(sheet)[SHEET].iter_rows(min_row=2)]
    assert sorted(ids) == ["r0", "r1", "r2", "r3"]
    fill(sheet, {"r1": ("wrong", "", "bad"), "r2": ("wrong", "", "")})
    assert run(["review", "import", str(sheet)]) == 0
    out = tmp_path / "data-reviewed"
    labels = {row.id: row.label["kind"] for row in read_rows(out / "train.jsonl")}
    assert labels == {"r0": "odd", "r1": "bad", "r1#2": "bad", "r3": "good"}
    assert read_json(out / "review.json")["counts"] == {"corrected": 1, "left out": 1}

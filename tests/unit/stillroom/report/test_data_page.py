"""The page about data alone, and what it shows of a finished run."""

import re
from pathlib import Path
from typing import Any

import pytest

from stillroom.cli.group import run
from stillroom.data.card import card
from stillroom.data.rows import Row, write_rows
from stillroom.data.statistics import write_statistics
from stillroom.data.versions import open_data, write_manifest
from stillroom.files import write_json, write_jsonl
from stillroom.report.sections import class_report

SCRIPT = "<script>alert(1)</script>"
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["a", "b", "c", "d"]}}, "required": ["kind"]}
REPORT: dict[str, Any] = {
    "sources": [{"source": "csv:x|y.csv", "read": 50, "kept": 40}],
    "dropped": {"empty text": 7, "exact duplicate": 3},
    "dropped_examples": {"exact duplicate": [{"id": "r1", "text": SCRIPT}]},
    "splits": {"train": {"rows": 40, "classes": {"a": 10, "b": 10, "c": 10, "d": 10}, "sources": {"csv:x|y.csv": 40}}},
    "languages": {"en": 30, "de": 10},
    "duplicates": {"exact": 3, "near_clusters": 0},
    "masked": {"e-mail": 12, "phone": 3},
    "notes": [f"A note with {SCRIPT}."],
}
REVIEW = {
    "people": ["anna", "ben", "cleo"],
    "rows": 20,
    "counts": {"right": 18, "corrected": 2},
    "agreement": {
        "class": {
            "people": ["anna", "ben", "cleo"],
            "rows": 20,
            "equal": 15,
            "fleiss": 0.71,
            "pairs": [{"people": ["anna", "ben"], "rows": 20, "equal": 17, "cohen": None}],
        }
    },
}
COST = {"purpose": "annotate", "model": "large-1", "paid": 312, "cached": 0, "prompt_tokens": 118_404}
COST |= {"completion_tokens": 9_360, "money": "0.0623"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = ["river", "stone", "lamp", "cloud", "tower", "bread", "paper", "glass", "iron", "field"]
    texts = [f"{words[n % 10]} {words[n // 4]} {n} {words[(n * 7) % 10]} {SCRIPT}" for n in range(40)]
    made = tmp_path / "data"
    write_rows(made / "train.jsonl", [Row(f"r{n}", t, {"kind": "abcd"[n % 4]}, "x") for n, t in enumerate(texts)])
    write_json(made / "data_report.json", REPORT)
    write_json(made / "review.json", REVIEW)
    write_json(
        made / "teacher.json", [{"file": "labelled.jsonl", "labelled": 96, "mean_agreement": 0.93, "cost": [COST]}]
    )
    others = [{"id": "r9", "source": "x", "jaccard": 0.85}]
    write_jsonl(made / "near_duplicates.jsonl", [{"size": 2, "first": "r1", "text": "nearly twins", "others": others}])
    write_manifest(made, name="tickets", parents={"x|y.csv": "00ff"}, schema=SCHEMA)
    write_statistics(made, None)
    return made


def test_the_page_shows_all_that_is_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'data.html'}\n"
    page = (folder / "data.html").read_text()
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "What went in", "What the texts are like", "How sure the labels are", "Where it came from",
        "Empty text", "−7", "e-mail", "12", "anna and ben", "0.71", "substantial", "not defined",
        "labelled.jsonl", "93.0 %", "118,404", "other classes", "English", "00ff", "nearly twins", "85.0 %",
    ):  # fmt: skip
        assert words in said, words
    assert SCRIPT not in page and "&lt;script&gt;" in page
    assert page.count("<script>") == 1 and not re.search(r'(src|href)="(?!#)', page)
    for name in re.findall(r'<svg[^>]* aria-labelledby="([^"]+)"', page):
        assert all(page.count(f'id="{one}"') == 1 for one in name.split())


def test_a_file_of_rows_has_a_page_too(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [Row(f"r{n}", f"text number {n}", "x", "csv:a") for n in range(5)])
    assert run(["data", "report", str(tmp_path / "rows.jsonl"), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "csv:a" in page and "What the texts are like" in page and "Where it came from" not in page


def test_two_data_sets_side_by_side(folder: Path, tmp_path: Path) -> None:
    kept = [row for _, row in open_data(folder).rows()]
    others = [Row(f"n{n}", f"Eine neue Zeile über Schiffe und Häfen, Nummer {n}", {"kind": "a"}, "y") for n in range(9)]
    changed = Row(kept[0].id, kept[0].text, {"kind": "d"}, "x")
    write_rows(tmp_path / "b" / "train.jsonl", [changed, *kept[1:20], *others])
    assert run(["data", "report", str(folder), "--against", str(tmp_path / "b"), "-o", str(tmp_path / "p.html")]) == 0
    page = (tmp_path / "p.html").read_text()
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "B is b (", "/b), version", "Train 40 29 −11", "a 10 13 +3", "y 0 9 +9", "German 0.0 % 31.0 %",
        "Empty text 7 0 −7",
        "19 rows are the same in both", "in A alone 20", "in B alone 9 n0, n1, n2, …", "with another label 1 r0",
        "distinct words", "Both on one map",
    ):  # fmt: skip
        assert words in said, words
    drawn = page.partition('id="compared"')[2]
    assert drawn.count('class="dot c1"') == 2 * 40 and drawn.count('class="dot c2"') == 2 * 29
    assert SCRIPT not in page


def test_a_changed_file_is_named_on_the_page(folder: Path) -> None:
    write_rows(folder / "train.jsonl", [Row("r", "one text", {"kind": "a"}, "x")] * 3)
    assert run(["data", "report", str(folder)]) == 0
    assert "was changed after its manifest was written" in (folder / "data.html").read_text()


def test_the_card_is_markdown_that_nothing_breaks() -> None:
    manifest = {
        "name": "tickets",
        "version": "abc",
        "stillroom": "1",
        "seed": 7,
        "instruction": "Say it.\nIn one word.",
    }
    text = card(REPORT, manifest, REVIEW)
    assert "from a recipe, seed 7." in text and "nobody looked at them" not in text
    assert "3 people looked at 20 rows: right 18, corrected 2. Agreement on the class: Fleiss' kappa 0.71." in text
    assert text.startswith("---\npretty_name: tickets\n") and "language: [de, en]" in text
    assert "| csv:x\\|y.csv | 50 | 40 |" in text and "> In one word." in text
    assert "e-mail 12" in text and "| empty text | 7 |" in text
    assert "  - {split: train, path: train.jsonl}" in text


def test_precision_recall_and_f1_of_each_class() -> None:
    found = class_report(["a", "b", "(invalid)"], [[8, 2, 0], [0, 0, 4], [0, 0, 0]])
    assert found["rows"] == [
        {"label": "a", "rows": 10, "precision": 1.0, "recall": 0.8, "f1": pytest.approx(8 / 9)},
        {"label": "b", "rows": 4, "precision": 0.0, "recall": 0.0, "f1": 0.0},
    ]
    assert found["macro_f1"] == pytest.approx(4 / 9)
    assert class_report(["a", "b"], [[0, 3], [0, 0]])["rows"][0]["precision"] is None
    assert class_report([], [])["macro_f1"] is None

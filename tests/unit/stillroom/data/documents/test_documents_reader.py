import json
import os
from pathlib import Path
from typing import Any

import made_documents as made
import pytest

from stillroom.data.documents.reader import DocumentsReader
from stillroom.data.finish import prepare_data_set
from stillroom.data.prepare import prepare
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row, read_rows
from stillroom.errors import UserError
from stillroom.recipe.faults import RecipeError
from stillroom.recipe.load import load_recipe
from stillroom.recipe.model import DocumentsSource

for library in ("docx", "openpyxl", "pptx", "pypdfium2", "reportlab"):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[data,dev]'")


def reader(base: Path, **fields: Any) -> DocumentsReader:
    return DocumentsReader(DocumentsSource(kind="documents", path="docs", **fields), base, "documents:docs", 0)


def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    made.docx(docs / "deep/b.DOCX")
    made.pdf(docs / "a.pdf", ["First page of words", "Second page of words"])
    made.pdf(docs / "locked.pdf", ["x"], password="p")
    (docs / "notes.md").write_text("# Notes\n" + "A sentence of the notes. " * 300)
    (docs / "picture.png").write_bytes(b"x")
    (docs / ".hidden.md").write_text("no")
    (docs / "~$b.docx").write_text("no")
    return docs


def test_a_folder_becomes_rows_that_know_their_place(tmp_path: Path) -> None:
    folder(tmp_path)
    opened = reader(tmp_path, label="rules")
    assert opened.faults() == []
    items = list(opened.rows())
    rows = [item for item in items if isinstance(item, Row)]
    assert {row.meta["file"] for row in rows} == {"a.pdf", "deep/b.DOCX", "notes.md"}
    assert len({row.id for row in rows}) == len(rows) and all(row.label == "rules" for row in rows)
    assert rows[0].id == "documents:docs/a.pdf#1" and rows[0].meta["page"] == 1
    text = (tmp_path / "docs/notes.md").read_text()
    assert all(text[row.meta["start"] : row.meta["end"]] == row.text for row in rows if row.meta["file"] == "notes.md")
    assert [(item.reason, item.detail) for item in items if isinstance(item, Rejected)] == [
        ("encrypted document", "locked.pdf: it is locked by a password; save it without one")
    ]
    assert "1 file of another kind was passed over: 1 × .png." in opened.notes[-1]


def test_a_sample_does_not_depend_on_the_other_files(tmp_path: Path) -> None:
    folder(tmp_path)
    drawn = [item.id for item in reader(tmp_path, sample=3).rows() if isinstance(item, Row)]
    more = [item.id for item in reader(tmp_path, sample=6).rows() if isinstance(item, Row)]
    assert set(drawn) <= set(more)


def test_an_empty_folder_and_a_wrong_file_are_faults(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert "holds no document: no file in it ends in .pdf, .docx" in reader(tmp_path).faults()[0]
    (tmp_path / "docs").rmdir()
    assert reader(tmp_path).faults() == [f"No such file or folder: {tmp_path / 'docs'}"]
    (tmp_path / "docs").write_text("x")
    assert "is of no kind that can be read" in reader(tmp_path).faults()[0]


def test_documents_go_through_the_data_step(tmp_path: Path, make_recipe: Any) -> None:
    docs = folder(tmp_path)
    for number in range(12):
        (docs / f"{number}.txt").write_text(" ".join(f"word{number}-{place}" for place in range(40)))
    recipe = make_recipe({"kind": "documents", "path": "docs", "label": {"kind": "a"}})
    report = prepare(recipe, tmp_path, tmp_path / "out")
    assert report["dropped"]["encrypted document"] == 1
    rows = [row for split in ("train", "validation", "test") for row in read_rows(tmp_path / f"out/{split}.jsonl")]
    assert all(row.meta["end"] - row.meta["start"] == len(row.text) for row in rows)
    rejected = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    assert "locked.pdf" in rejected[0]["reason"]


def test_an_empty_folder_ends_the_data_step(tmp_path: Path, make_recipe: Any) -> None:
    (tmp_path / "docs").mkdir()
    with pytest.raises(UserError, match="holds no document"):
        prepare(make_recipe({"kind": "documents", "path": "docs"}), tmp_path, tmp_path / "out")


def test_a_folder_with_loops_pipes_and_strange_names(tmp_path: Path, make_recipe: Any) -> None:
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    (docs / "deep/round").symlink_to(docs)
    (docs / "nowhere.txt").symlink_to(docs / "gone.txt")
    os.mkfifo(docs / "pipe.txt")
    (docs / "empty.txt").touch()
    for number, name in enumerate(
        [b"two\nlines.txt", b"latin-\xfc.txt", b"plain.txt", *(b"%d.md" % n for n in range(12))]
    ):
        with open(os.fsencode(docs) + b"/" + name, "w") as stream:
            stream.write(" ".join(f"word{number}-{place}" for place in range(40)))
    recipe = make_recipe({"kind": "documents", "path": "docs", "label": {"kind": "a"}})
    report = prepare_data_set(recipe, tmp_path, tmp_path / "out")
    rows = [row for split in ("train", "validation", "test") for row in read_rows(tmp_path / f"out/{split}.jsonl")]
    assert {row.meta["file"] for row in rows} >= {"two\nlines.txt", "latin-\\xfc.txt", "plain.txt"}
    assert len(rows) == 15 and report["dropped"] == {"empty document": 1}


def test_a_folder_that_is_closed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    scan = os.scandir

    def closed(path: Any) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    opened = reader(tmp_path)
    assert "deep/b.DOCX" not in opened.files and "a.pdf" in opened.files
    assert opened.notes == [
        f"documents:docs: the folder {tmp_path / 'docs/deep'} cannot be opened (Permission denied); it was passed over."
    ]


def test_the_overlap_is_checked_with_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "r.yaml").write_text(
        "name: a\ninstruction: b\ndata:\n  sources:\n"
        "    - {kind: documents, path: docs, label: c, chunk_characters: 300}\n"
    )
    with pytest.raises(RecipeError, match=r"chunk_overlap \(200\) must be less than half of chunk_characters \(300\)"):
        load_recipe(tmp_path / "r.yaml")

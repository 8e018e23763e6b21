"""Workbooks and slides that other programs than Office wrote."""

import re
import zipfile
from pathlib import Path
from typing import Any

import made_documents as made
import pytest

from stillroom.data.documents.read import read_document

for library in ("openpyxl", "pptx"):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[data,dev]'")


def changed(path: Path, part: str, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_a_sheet_that_lies_about_its_size_is_read_whole(tmp_path: Path) -> None:
    path = made.xlsx(tmp_path / "a.xlsx")
    changed(path, "xl/worksheets/sheet1.xml", lambda part: re.sub(rb'ref="A1:C4"', b'ref="A1"', part))
    assert "Item: Nut | Price: 2\n" in read_document(path, "a.xlsx").text


def test_formulas_that_nobody_computed_are_named(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["Item", "Price"], ["Bolt", 1], ["All", "=SUM(B2:B2)"], ["Name", '=CONCATENATE("a", "b")']):
        book.active.append(row)  # type: ignore[union-attr]
    book.save(tmp_path / "a.xlsx")
    (note,) = read_document(tmp_path / "a.xlsx", "a.xlsx").notes
    assert note.startswith("a.xlsx: 2 formulas have no saved value and were left out; open the file")
    changed(
        tmp_path / "a.xlsx",
        "xl/worksheets/sheet1.xml",
        lambda part: re.sub(rb"</f><v\s*/>|</f><v></v>", b"</f><v>1</v>", part),
    )
    document = read_document(tmp_path / "a.xlsx", "a.xlsx")
    assert not document.notes and "Item: All | Price: 1" in document.text


def test_hidden_slides_and_frames_are_left_out(tmp_path: Path) -> None:
    from pptx import Presentation
    from pptx.oxml import parse_xml

    path = made.pptx(tmp_path / "a.pptx")
    show = Presentation(str(path))
    show.slides[0]._element.set("show", "0")
    shape = show.slides[1].shapes.add_textbox(0, 0, 100, 100)
    shape.text_frame.text = "Page 2 of 9"
    mark = '<p:ph xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" type="ftr" idx="11"/>'
    shape._element.nvSpPr.nvPr.append(parse_xml(mark))
    show.save(str(path))
    document = read_document(path, "a.pptx")
    assert "tenth" not in document.text and "Page 2" not in document.text
    assert document.page_at(document.text.index("Hire two people")) == 2

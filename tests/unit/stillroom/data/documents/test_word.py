"""Word files as templates and people leave them: content controls, tracked changes, merged cells, lists by number."""

from pathlib import Path
from typing import Any

import pytest

from stillroom.data.documents.document import Document
from stillroom.data.documents.read import read_document

docx = pytest.importorskip("docx", reason="python-docx is not installed: pip install -e '.[data,dev]'")

SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
)


def read(path: Path, *blocks: str) -> Document:
    """A document of one plain paragraph and these blocks of XML."""
    from docx.oxml import parse_xml

    word: Any = docx.Document()
    word.add_paragraph("Before.")
    for block in blocks:
        place = block.index(">") - (block[block.index(">") - 1] == "/")
        word.element.body.insert(-1, parse_xml(f"{block[:place]} {SPACES}{block[place:]}"))
    word.save(str(path / "a.docx"))
    return read_document(path / "a.docx", "a.docx")


def run(text: str, format: str = "") -> str:
    return f'<w:r><w:rPr>{format}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_content_controls_and_tracked_changes_are_read(tmp_path: Path) -> None:
    control = f"<w:sdt><w:sdtContent><w:p>{run('The name of the house.')}</w:p></w:sdtContent></w:sdt>"
    inside = f"<w:p>{run('Rent: ')}<w:sdt><w:sdtContent>{run('400 euros')}</w:sdtContent></w:sdt></w:p>"
    changes = (
        f'<w:p>{run("Paid ")}<w:ins w:id="1" w:author="a">{run("monthly")}</w:ins>'
        f'<w:del w:id="2" w:author="a"><w:r><w:delText>yearly</w:delText></w:r></w:del>'
        f"{run('secret', '<w:vanish/>')}</w:p>"
    )
    sum = f"<w:p>{run('It is ')}<m:oMath><m:r><m:t>a+b</m:t></m:r></m:oMath><w:r><w:noBreakHyphen/></w:r></w:p>"
    document = read(tmp_path, control, inside, changes, sum)
    assert document.text.split("\n\n")[:5] == [
        "Before.", "The name of the house.", "Rent: 400 euros", "Paid monthly", "It is a+b-"
    ]  # fmt: skip


def test_a_table_of_contents_is_passed_over(tmp_path: Path) -> None:
    part = '<w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
    document = read(tmp_path, f"<w:sdt>{part}<w:sdtContent><w:p>{run('Leave … 3')}</w:p></w:sdtContent></w:sdt>")
    assert document.text.strip() == "Before."


def test_headings_by_outline_level_and_lists_by_number(tmp_path: Path) -> None:
    heading = f'<w:p><w:pPr><w:outlineLvl w:val="1"/></w:pPr>{run("Leave")}</w:p>'
    item = f'<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr>{run("in writing")}</w:p>'
    body = f'<w:p><w:pPr><w:outlineLvl w:val="9"/></w:pPr>{run("Words.")}</w:p>'
    document = read(tmp_path, heading, item, body)
    assert [(found.level, found.title) for found in document.headings] == [(2, "Leave")]
    assert "- in writing\n" in document.text and "\nWords." in document.text


def test_merged_and_nested_cells(tmp_path: Path) -> None:
    word: Any = docx.Document()
    table = word.add_table(rows=3, cols=3)
    for row, words in enumerate((("Grade", "Days", "Note"), ("Senior", "32", "a"), ("", "33", "b"))):
        for column, text in enumerate(words):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(0, 1).merge(table.cell(0, 2))
    inner = table.cell(2, 2).add_table(rows=1, cols=2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "from", "May"
    word.save(str(tmp_path / "a.docx"))
    lines = read_document(tmp_path / "a.docx", "a.docx").text.strip().splitlines()
    assert lines == ["Grade | Days Note", "Senior | 32 | a", "Senior | 33 | b from | May"]

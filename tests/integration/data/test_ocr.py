"""A scanned page is read by real OCR; skipped where the extra is not installed."""

import io
from pathlib import Path

import pytest

from stillroom.data.documents.ocr import Ocr
from stillroom.data.documents.read import read_document
from stillroom.data.documents.reader import DocumentsReader
from stillroom.data.rows import Row
from stillroom.recipe.model import DocumentsSource

for library in ("rapidocr", "onnxruntime", "reportlab"):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[documents,dev]'")


def scanned(path: Path, *pages: str) -> None:
    """Pages that are pictures of their words; a page that begins with a star has a text layer instead."""
    from PIL import Image, ImageDraw, ImageFont
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path))
    for words in pages:
        if words.startswith("*"):
            canvas.drawString(60, 700, words[1:])
        else:
            picture = Image.new("RGB", (1200, 300), "white")
            ImageDraw.Draw(picture).text((40, 110), words, fill="black", font=ImageFont.load_default(size=60))
            stream = io.BytesIO()
            picture.save(stream, "PNG")
            canvas.drawImage(ImageReader(stream), 50, 500, 500, 125)
        canvas.showPage()
    canvas.save()


def test_pages_without_a_text_layer_are_read_by_ocr(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    scanned(tmp_path / "docs/a.pdf", "*Typed words of the first page", "Opening hours: 9 to 17")
    opened = DocumentsReader(DocumentsSource(kind="documents", path="docs"), tmp_path, "documents:docs", 0)
    (row,) = opened.rows()
    assert isinstance(row, Row)
    assert "Typed words of the first page" in row.text
    assert "Opening hours" in row.text and "17" in row.text
    assert opened.notes == ["a.pdf: pages read by OCR: 2."]


def test_a_stamp_on_a_scan_does_not_pass_for_its_text(tmp_path: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    words = "The keeper counts the jars"
    picture = Image.new("RGB", (1200, 1600), "white")
    ImageDraw.Draw(picture).text((60, 300), words, fill="black", font=ImageFont.load_default(size=70))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(600, 800))
    canvas.drawImage(ImageReader(stream), 0, 0, 600, 800)
    canvas.drawString(280, 20, "Page 1")
    canvas.showPage()
    canvas.save()
    document = read_document(tmp_path / "a.pdf", "a.pdf", Ocr())
    assert "keeper counts the jars" in document.text and document.notes == ("a.pdf: pages read by OCR: 1.",)


def test_an_empty_picture_gives_no_text() -> None:
    import numpy as np

    assert Ocr().picture(np.full((200, 400, 3), 255, dtype=np.uint8)) == ""

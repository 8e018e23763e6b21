"""Documents of every kind, written by the libraries that people's programs are built on."""

import io
import zipfile
from pathlib import Path


def pdf(path: Path, pages: list[str], password: str | None = None, bookmarks: dict[str, int] | None = None) -> Path:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), encrypt=StandardEncryption(password) if password else None)
    for number, text in enumerate(pages):
        for title in [title for title, page in (bookmarks or {}).items() if page == number]:
            canvas.bookmarkPage(title)
            canvas.addOutlineEntry(title, title, 0)
        for line, words in enumerate(text.splitlines()):
            canvas.drawString(60, 780 - 16 * line, words)
        canvas.showPage()
    canvas.save()
    return path


def scanned_pdf(path: Path, words: str, stamp: str = "") -> Path:
    """A page that is a picture of its words, with a stamp as its text layer."""
    from PIL import Image, ImageDraw, ImageFont
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    picture = Image.new("RGB", (1200, 300), "white")
    ImageDraw.Draw(picture).text((40, 110), words, fill="black", font=ImageFont.load_default(size=60))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    canvas = Canvas(str(path), pagesize=(600, 200))
    canvas.drawImage(ImageReader(stream), 50, 40, 500, 125)
    canvas.drawString(50, 10, stamp)
    canvas.showPage()
    canvas.save()
    return path


def docx(path: Path) -> Path:
    from docx import Document

    word = Document()
    word.add_heading("Staff handbook", 0)
    word.add_paragraph("This handbook holds the rules of the house.")
    word.add_heading("Leave", 1)
    word.add_paragraph("Everyone has thirty days of leave a year.")
    word.add_paragraph("in writing", style="List Bullet")
    table = word.add_table(rows=2, cols=2)
    for cell, text in zip([c for row in table.rows for c in row.cells], ["Grade", "Days", "Senior", "32"], strict=True):
        cell.text = text
    word.add_heading("Illness", 2)
    word.add_paragraph("Call before nine.")
    word.save(str(path))
    return path


def pptx(path: Path) -> Path:
    from pptx import Presentation

    show = Presentation()
    for title, body in (("Goals", "Grow by a tenth"), ("Means", "Hire two people")):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
        slide.notes_slide.notes_text_frame.text = f"Say more on {title.lower()}."
    show.save(str(path))
    return path


def xlsx(path: Path) -> Path:
    from datetime import date

    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "Prices"
    for row in (["Item", "Price", "Since"], ["Bolt", 1.5, date(2026, 1, 2)], [None, None, None], ["Nut", 2, None]):
        sheet.append(row)
    book.create_sheet("Hidden").append(["not for readers"])
    book["Hidden"].sheet_state = "hidden"
    book.create_sheet("Notes").append(["All prices in euros"])
    book.save(path)
    return path


def zip_bomb(path: Path) -> Path:
    """A .docx whose text would take 200 MB; the file itself has 200 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w") as part:
            for _ in range(200):
                part.write(b" " * 10**6)
    return path

import re
import tracemalloc
import zipfile
from pathlib import Path

import made_documents as made
import pytest

from stillroom.data.documents import plain
from stillroom.data.documents.document import Document, UnreadableDocumentError
from stillroom.data.documents.ocr import MOST_DOTS, drawn
from stillroom.data.documents.read import READERS, read_document

for library in ("docx", "openpyxl", "pptx", "pypdfium2", "reportlab"):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[data,dev]'")


def titles(document: Document) -> list[tuple[int, str]]:
    for heading in document.headings:
        line = document.text[heading.start :].partition("\n")[0]
        assert heading.title in line.lstrip("# ") or line.startswith("#"), line
    return [(heading.level, heading.title) for heading in document.headings]


def refused(path: Path) -> str:
    with pytest.raises(UnreadableDocumentError) as caught:
        read_document(path, path.name)
    return str(caught.value)


def test_pdf_pages_and_bookmarks(tmp_path: Path) -> None:
    path = made.pdf(tmp_path / "a.pdf", ["Leave\nThirty days.", "Illness\nCall before nine."], bookmarks={"Illness": 1})
    document = read_document(path, "a.pdf")
    place = document.text.index("Call before nine.")
    assert (document.page_at(0), document.page_at(place)) == (1, 2)
    assert titles(document) == [(1, "Illness")]


def test_docx_keeps_order_headings_lists_and_tables(tmp_path: Path) -> None:
    document = read_document(made.docx(tmp_path / "a.docx"), "a.docx")
    assert titles(document) == [(1, "Staff handbook"), (1, "Leave"), (2, "Illness")]
    said = ["thirty days of leave", "- in writing", "Grade | Days\nSenior | 32", "Call before nine."]
    assert sorted(document.text.index(words) for words in said) == [document.text.index(words) for words in said]
    assert document.page_at(0) is None


def test_pptx_slides_are_pages(tmp_path: Path) -> None:
    document = read_document(made.pptx(tmp_path / "a.pptx"), "a.pptx")
    assert titles(document) == [(1, "Goals"), (1, "Means")]
    assert document.page_at(document.text.index("Hire two people")) == 2
    assert "Notes: Say more on means." in document.text


def test_xlsx_rows_name_their_columns(tmp_path: Path) -> None:
    document = read_document(made.xlsx(tmp_path / "a.xlsx"), "a.xlsx")
    assert "Item: Bolt | Price: 1.5 | Since: 2026-01-02\nItem: Nut | Price: 2\n" in document.text
    assert document.page_at(document.text.index("in euros")) == 2
    assert titles(document) == [(1, "Prices"), (1, "Notes")]


PAGE = """<!doctype html><html><head><title>t</title><style>p{color:red}</style></head><body>
<nav>Home Products</nav><script>alert('smuggled')</script><h1>Shipping &amp; returns</h1>
<p onclick="steal()">We send within two&nbsp;days.</p><template>hidden</template>
<h2>Costs</h2><table><tr><td>Parcel</td><td>4 euros</td></tr></table>
<details><summary>May I return it?</summary>Yes, for a month.</details><footer>Imprint</footer></body></html>"""


def test_html_without_scripts_and_menus(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(PAGE)
    document = read_document(tmp_path / "a.html", "a.html")
    assert titles(document) == [(1, "Shipping & returns"), (2, "Costs")]
    assert "We send within two" in document.text and "Parcel" in document.text
    assert "May I return it?\nYes, for a month." in document.text
    for word in ("smuggled", "steal", "hidden", "color", "Home", "Imprint"):
        assert word not in document.text


def test_html_in_the_encoding_it_declares(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes('<meta charset="iso-8859-1"><h1>Grüße – für Sie</h1>'.encode("cp1252"))
    assert read_document(tmp_path / "a.html", "a").text.strip() == "Grüße – für Sie"
    (tmp_path / "b.html").write_bytes('<meta charset="gb2312"><p>请假规定如下</p>'.encode("gb18030"))
    assert read_document(tmp_path / "b.html", "b").text.strip() == "请假规定如下"


def test_html_headings_stand_where_they_are_said_to(tmp_path: Path) -> None:
    body = (
        "<p>Soft\u200bbreaks\u200b and\ufeff marks.</p><h1>Shipping\u200b costs</h1><p>Four euros.</p><h2>Returns</h2>"
    )
    (tmp_path / "a.html").write_text(body, encoding="utf-8")
    document = read_document(tmp_path / "a.html", "a.html")
    assert titles(document) == [(1, "Shipping costs"), (2, "Returns")] and "\u200b" not in document.text


def test_html_that_is_deep_or_long(tmp_path: Path) -> None:
    deep = "<div>" * 1000 + "<p>Deep words.</p>" + "</div>" * 1000 + "<p>Last words.</p>"
    (tmp_path / "a.html").write_text(deep)
    text = read_document(tmp_path / "a.html", "a.html").text
    assert "Deep words." in text and "Last words." in text
    (tmp_path / "b.html").write_text("<div>" * 9000 + "x" + "</div>" * 9000 + "Last words.")
    assert refused(tmp_path / "b.html") == "broken document: its elements are nested too deep; save it as PDF"
    (tmp_path / "c.html").write_text(f"<p>{'word ' * 2_100_000}</p>")  # a single text of more than ten megabytes
    assert read_document(tmp_path / "c.html", "c.html").text.count("word") == 2_100_000


def test_a_page_that_a_browser_saved_as_one_file(tmp_path: Path) -> None:
    head = (
        b'From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n'
    )
    part = b"Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    picture = b"\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--"
    (tmp_path / "a.mhtml").write_bytes(head + part + b"<h1>Gr=FC=DFe</h1><p>Words.</p>" + picture)
    document = read_document(tmp_path / "a.mhtml", "a.mhtml")
    assert titles(document) == [(1, "Grüße")] and "Words." in document.text and "Blink" not in document.text


def test_html_inside_of_a_form_is_read_and_small_forms_are_not(tmp_path: Path) -> None:
    search = "<form><label>Search the site</label><input><select><option>Everything</option></select></form>"
    (tmp_path / "a.html").write_text(
        f"<body><form id=aspnetForm><h1>Leave</h1><p>{'Thirty days. ' * 9}</p></form></body>"
    )
    (tmp_path / "b.html").write_text(f"<body>{search}<h1>Leave</h1><p>{'Thirty days. ' * 9}</p></body>")
    assert "Thirty days." in read_document(tmp_path / "a.html", "a.html").text
    text = read_document(tmp_path / "b.html", "b.html").text
    assert "Thirty days." in text and "Search" not in text and "Everything" not in text


def test_html_that_is_hidden_is_not_read_but_what_unfolds_is(tmp_path: Path) -> None:
    folded = "<button aria-controls=x>More</button><div id=x hidden style='display:none'>Unfolded words.</div>"
    (tmp_path / "a.html").write_text(f"<p>Words.</p><div hidden>No.</div><i aria-hidden=true>icon</i>{folded}")
    assert read_document(tmp_path / "a.html", "a.html").text.split("\n") == ["Words.", "", "Unfolded words."]


def test_markdown_headings_outside_of_code_and_front_matter(tmp_path: Path) -> None:
    text = "---\ntitle: x\n---\n# The *data* step\n\n```sh\n# no heading\n```\n\nUnderlined\n---\nmore\n"
    (tmp_path / "a.md").write_text(text)
    document = read_document(tmp_path / "a.md", "a.md")
    assert document.text == text
    assert [(h.level, h.title, text[h.start : h.start + 3]) for h in document.headings] == [
        (1, "The data step", "# T"),
        (2, "Underlined", "Und"),
    ]


def test_mail_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"From: a@example.org\nSubject: Tea\n\nAt four.\n")
    assert read_document(tmp_path / "a.eml", "a.eml").text.endswith("Subject: Tea\n\nAt four.")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32", "cp1252"])
def test_text_of_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = "Die Prüfung der Geräte erfolgt jährlich; größere Mängel müssen sofort gemeldet werden. " * 4
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    document = read_document(tmp_path / "a.txt", "a.txt")
    assert document.text.strip() == text.strip()
    assert bool(document.notes) == (encoding == "cp1252")
    assert all("is not UTF-8; it was read as" in note for note in document.notes)


def test_a_text_with_a_damaged_letter_is_still_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Grüße aus Köln, schöne Übung, ".encode() + b"\xff und so fort, M\xc3")
    document = read_document(tmp_path / "a.txt", "a.txt")
    assert document.text == "Grüße aus Köln, schöne Übung,  und so fort, M"
    assert document.notes == ("a.txt is UTF-8 with damaged letters at 2 places, which were left out.",)


def test_locked_pdf(tmp_path: Path) -> None:
    path = made.pdf(tmp_path / "a.pdf", ["secret"], password="x")
    assert refused(path) == "encrypted document: it is locked by a password; save it without one"


@pytest.mark.parametrize("suffix", [".pdf", ".docx", ".pptx", ".xlsx"])
@pytest.mark.parametrize("damage", ["noise", "truncated", "foreign"])
def test_broken_files(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"a{suffix}"
    if damage == "noise":
        path.write_bytes(b"no such thing \x00\xff" * 50)
    elif damage == "truncated":
        whole = made.pdf(path, ["x"]) if suffix == ".pdf" else getattr(made, suffix[1:])(path)
        data = whole.read_bytes()
        path.write_bytes(data[: len(data) // 3] if suffix != ".pdf" else data[:200])
    else:
        made.xlsx(path) if suffix != ".xlsx" else made.docx(path)
    said = refused(path)
    assert said.startswith("broken document: not a") or (suffix == ".pdf" and "another kind of file" in said)


def test_a_file_of_another_kind_than_its_name_says(tmp_path: Path) -> None:
    made.pdf(tmp_path / "a.txt", ["x"])
    said = "another kind of file: by its first bytes it is a PDF; give it the ending .pdf"
    assert refused(tmp_path / "a.txt") == said
    made.docx(tmp_path / "a.md")
    assert "by its first bytes it is an archive, as Word, Excel and PowerPoint write them" in refused(tmp_path / "a.md")


def test_locked_office_file(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512)
    assert "encrypted document: it is locked by a password, or in the format of Office 2003" in refused(
        tmp_path / "a.docx"
    )


def test_zip_bomb_is_not_opened(tmp_path: Path) -> None:
    tracemalloc.start()
    said = refused(made.zip_bomb(tmp_path / "a.docx"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said.startswith("zip bomb: ") and "would unpack to 200,000,008; it was not opened" in said
    assert peak < 20e6


def test_nul_bytes_and_undecodable_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"some text\0 and more")
    assert "NUL bytes: the first at byte 9: a binary file" in refused(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_bytes(bytes(range(1, 256)) * 3)
    assert "undecodable bytes: neither UTF-8 nor any usual encoding; save it as UTF-8" in refused(tmp_path / "b.txt")
    (tmp_path / "c.txt").write_bytes(b"\xff\xfeab\xd8")
    assert "undecodable bytes: not utf-16 as its first bytes say" in refused(tmp_path / "c.txt")


def test_a_line_of_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    for name in ("a.txt", "a.md", "a.html"):
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(2 * 10**9)  # a hole: it takes no room on the disk
        tracemalloc.start()
        said = refused(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert "file too large: 2,000 MB; at most" in said and "Split it" in said
        assert peak < 10e6
    with (tmp_path / "b.txt").open("wb") as stream:
        stream.truncate(plain.LARGEST_TEXT + 1)
    assert refused(tmp_path / "b.txt").startswith("file too large: 50 MB; at most 50 MB of one text file")


@pytest.mark.parametrize("suffix", [suffix for suffix in READERS if suffix != ".eml"])
def test_empty_files(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").touch()
    assert refused(tmp_path / f"a{suffix}") == "empty document: the file has no bytes"


def test_documents_without_text(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<script>x</script>")
    (tmp_path / "a.txt").write_text(" \n ")
    made.pdf(tmp_path / "a.pdf", [""])
    assert refused(tmp_path / "a.html") == refused(tmp_path / "a.txt") == "empty document: it holds no text"
    assert "no text: none of its 1 pages has a text layer" in refused(tmp_path / "a.pdf")


def test_a_stamp_on_a_scan_does_not_pass_for_its_text(tmp_path: Path) -> None:
    document = read_document(made.scanned_pdf(tmp_path / "a.pdf", "Opening hours", stamp="Page 1"), "a.pdf")
    assert document.text.strip() == "Page 1"
    assert document.notes == ("a.pdf: pages that are pictures, of which little or no text was read: 1.",)
    typed = "A sentence that is typed below the picture and goes on for a while."
    assert not read_document(made.scanned_pdf(tmp_path / "b.pdf", "Opening hours", stamp=typed), "b.pdf").notes


def test_a_page_as_large_as_a_house_is_drawn_coarsely(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(14_000, 14_000))
    canvas.rect(10, 10, 9000, 9000, fill=1)
    canvas.showPage()
    canvas.save()
    import pypdfium2

    pdf = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    bitmap = drawn(pdf[0])
    assert 30 * 10**6 < bitmap.width * bitmap.height < 1.01 * MOST_DOTS
    pdf.close()


def test_the_fields_of_a_form_are_read(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(60, 700, "Name:")
    canvas.acroForm.textfield(name="n", value="Anna Weber, Cologne", x=120, y=690, width=200, height=20)
    canvas.linkURL("https://a.example", (60, 600, 120, 620))
    canvas.save()
    assert read_document(tmp_path / "a.pdf", "a.pdf").text.split("\n")[:2] == ["Name:", "Anna Weber, Cologne"]


def test_one_bad_page_does_not_spoil_the_others(tmp_path: Path) -> None:
    path = made.pdf(tmp_path / "a.pdf", ["First words", "Second words", "Third words"])
    data = path.read_bytes()
    tree = re.search(rb"/Kids \[([^\]]*)\]", data)
    assert tree is not None
    second = tree.group(1).split(b" R")[1].split()[0]
    path.write_bytes(data.replace(b"\n%s 0 obj\n<<" % second, b"\n%s 0 obj\n<x" % second))
    document = read_document(path, "a.pdf")
    assert "First words" in document.text and "Second" not in document.text
    assert document.page_at(document.text.index("Third words")) == 3
    assert document.notes == ("a.pdf: pages that are damaged and were left out: 2.",)


def test_a_pdf_of_ten_thousand_empty_pages(tmp_path: Path) -> None:
    import pypdfium2

    pdf = pypdfium2.PdfDocument.new()
    for _ in range(10_000):
        pdf.new_page(200, 200).close()
    pdf.save(tmp_path / "a.pdf")
    pdf.close()
    assert "no text: none of its 10,000 pages has a text layer" in refused(tmp_path / "a.pdf")


def test_a_scan_without_ocr_says_what_to_install(tmp_path: Path) -> None:
    said = refused(made.scanned_pdf(tmp_path / "a.pdf", "Opening hours"))
    assert said.endswith("install OCR for scanned pages: pip install 'stillroom[documents]'")


def test_entities_in_a_docx_do_not_grow(tmp_path: Path) -> None:
    """A document of a kilobyte whose entities would unfold to a thousand million letters."""
    path = made.docx(tmp_path / "a.docx")
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    body = parts["word/document.xml"].decode()
    head, _, rest = body.partition("?>")
    body = f'{head}?><!DOCTYPE d [<!ENTITY e0 "lollollol">{levels}]>{rest}'.replace("Call before nine.", "&e9;")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, body if name == "word/document.xml" else data)
    try:
        text = read_document(path, "a.docx").text
    except UnreadableDocumentError as error:
        assert error.reason == "broken document"
    else:
        assert len(text) < 1000

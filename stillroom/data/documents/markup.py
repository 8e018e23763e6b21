"""HTML pages: the words that a reader sees, and the places of the headings."""

from pathlib import Path
from typing import Any

from stillroom.data.documents.document import Document, Heading, UnreadableDocumentError, printable
from stillroom.data.documents.plain import decode, load_bytes

_UNREAD = (
    *("script", "style", "noscript", "template", "svg", "iframe", "object", "button", "nav", "footer"),
    *("select", "textarea", "datalist", "dialog"),
)
"""Elements that are no text of the page: programs, controls, and what every page of a site repeats."""
_BLOCKS = ("summary", "details", "figcaption", "section", "article", "main", "aside", "dt", "dd")


def read_html(path: Path, file: str) -> Document:
    """A page from a file; its encoding is what the page declares, else as for text files."""
    page, charset = _saved_page(load_bytes(path))
    return document_of(page, file, charset)


def _saved_page(data: bytes) -> tuple[bytes, str | None]:
    """The page itself and its charset in what a browser saved as one file (MHTML): a mail with the pictures beside it.

    Any other data as it is.
    """
    from email import message_from_bytes

    if b"multipart/related" not in data[:2000].replace(b"\r", b"").partition(b"\n\n")[0].lower():
        return data, None
    for part in message_from_bytes(data).walk():
        if part.get_content_type() == "text/html" and isinstance(page := part.get_payload(decode=True), bytes):
            return page, part.get_content_charset()
    return data, None


def document_of(data: bytes, file: str, charset: str | None = None) -> Document:
    """A page from its bytes; `charset` is what the server declared. Scripts are neither run nor kept."""
    tree, notes = parse(data, file, charset)
    return document_of_tree(tree, file, notes)


def parse(data: bytes, file: str, charset: str | None = None) -> tuple[Any, tuple[str, ...]]:
    """The tree of a page, None for an empty one, and what there is to say about its encoding."""
    from lxml import html

    text, notes = _declared(data, file, charset)
    if not text.strip():
        return None, notes
    # A text that declares an encoding is refused by lxml, so bytes go in, whose encoding is then certain.
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True)
    try:
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
        # What lies deeper than two thousand elements is cut off, with all that follows.
        if any(fault.type_name == "ERR_RESOURCE_LIMIT" for fault in parser.error_log):
            raise UnreadableDocumentError("broken document", "its elements are nested too deep; save it as PDF")
        return tree, notes
    except UnreadableDocumentError:
        raise
    except (ValueError, AssertionError) as error:  # lxml.etree.ParserError is a ValueError by another name
        raise UnreadableDocumentError("broken document", f"not HTML: {error}") from error


def document_of_tree(tree: Any, file: str, notes: tuple[str, ...] = ()) -> Document:
    """The text of a parsed page. The tree is changed: what is no text is taken out."""
    if tree is None:
        return Document(file, "", notes=notes)
    from inscriptis.html_engine import Inscriptis
    from inscriptis.model.config import ParserConfig

    unfold(tree)
    for element in list(tree.iter(*_UNREAD)):
        _drop(element)
    for element in tree.xpath("//*[@hidden and @hidden != 'until-found'] | //*[@aria-hidden='true']"):
        _drop(element)
    _drop_forms(tree)
    config = ParserConfig(css=_css(), annotation_rules={f"h{level}": [str(level)] for level in range(1, 7)})
    try:
        laid_out = Inscriptis(_main(tree), config)
        text = str(laid_out.get_text())
        marks = [(note.start, note.end, int(note.metadata)) for note in laid_out.get_annotations()]
    except (ValueError, AttributeError, KeyError, IndexError, RecursionError, AssertionError) as error:
        # inscriptis cannot lay out some nested tables; the bare words are still worth having.
        bare = printable(str(tree.text_content()))
        return Document(file, bare, notes=(*notes, f"{file} could not be laid out ({type(error).__name__})."))
    headings = []
    for start, end, level in sorted(marks):
        said = printable(text[start:end])
        if title := " ".join(said.split()):
            place = len(printable(text[:start]))  # what no reader sees is taken out of the text before it, too
            headings.append(Heading(level, title, place + len(said) - len(said.lstrip())))
    return Document(file, printable(text), headings=tuple(headings), notes=notes)


def _declared(data: bytes, file: str, charset: str | None) -> tuple[str, tuple[str, ...]]:
    import codecs
    import re

    found = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]+)", data[:4096], re.IGNORECASE)
    for name in (charset, found.group(1).decode("ascii") if found else None):
        try:
            if name and b"\0" not in data:
                # Browsers read Latin-1 and ASCII as the larger Windows-1252.
                western = codecs.lookup(name).name in ("iso8859-1", "ascii")
                return printable(data.decode("cp1252" if western else name)), ()
        except (UnicodeError, LookupError):
            continue
    return decode(data, file)


def _main(tree: Any) -> Any:
    """The part that is about the page's matter, where the page says which it is."""
    for path in ("//main", "//*[@role='main']", "//article"):
        found = tree.xpath(path)
        if len(found) == 1 and len(found[0].text_content().strip()) > 100:
            return found[0]
    return tree


def unfold(tree: Any) -> None:
    """Open the parts of a page that a button on it unfolds, such as the answers below questions."""
    controlled = {id for names in tree.xpath("//@aria-controls") for id in str(names).split()}
    for element in tree.xpath("//*[@id]"):
        if element.get("id") in controlled or element.get("role") == "tabpanel":
            for name in ("hidden", "aria-hidden", "style"):
                element.attrib.pop(name, None)


def _drop_forms(tree: Any) -> None:
    """Take forms out, but one that holds most of the page: some systems wrap every page in a form."""
    whole = len(" ".join(tree.text_content().split()))
    for element in list(tree.iter("form")):
        if len(" ".join(element.text_content().split())) <= whole / 2:
            _drop(element)


def _css() -> dict[str, Any]:
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.html_properties import Display
    from inscriptis.model.html_element import HtmlElement

    css = dict(CSS_PROFILES["strict"])
    return css | {name: HtmlElement(display=Display.block) for name in _BLOCKS if name not in css}


def _drop(element: Any) -> None:
    if element.getparent() is not None:
        element.drop_tree()

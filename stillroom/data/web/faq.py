"""Question–answer pairs of FAQ pages, in the six ways that pages write them.

`FAQPage` of schema.org as JSON-LD or as microdata, `details` with a `summary`, `dl` with `dt` and `dd`, buttons that
unfold an answer, and headings; the last two where they end in a question mark. A question that is there in two ways is
taken once, from the first of these.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stillroom.data.documents.document import printable
from stillroom.data.documents.markup import document_of_tree, parse, unfold

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_DEEPEST = 50
"""JSON-LD nested deeper than this is an accident."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, its answer as plain text, and the way it was written, by its name in _WAYS."""

    question: str
    answer: str
    way: str


def pairs(data: bytes, url: str, charset: str | None = None) -> list[Pair]:
    """The pairs of a page from its bytes, in the page's order for each way. Raises UnreadableDocumentError."""
    tree, _ = parse(data, url, charset)
    if tree is None:
        return []
    unfold(tree)
    found: dict[str, Pair] = {}
    for way, read in _WAYS:
        for question, answer in read(tree):
            question, answer = " ".join(printable(question).split()), printable(answer).strip()
            if question and answer:
                found.setdefault(question.casefold(), Pair(question, answer, way))
    return list(found.values())


def _json_ld(tree: Any) -> Iterator[tuple[str, str]]:
    for script in tree.iter("script"):
        if (script.get("type") or "").partition(";")[0].strip().lower() != "application/ld+json":
            continue
        try:
            value = json.loads(script.text or "", strict=False)
        except (ValueError, RecursionError):
            continue
        for page in _objects(value, "FAQPage", 0):
            for question in _objects(page.get("mainEntity", []), "Question", 0):
                answers = list(_objects(question.get("acceptedAnswer", []), "Answer", 0))
                answer = next((answer.get("text") for answer in answers), None)
                name = question.get("name") or question.get("text")
                if isinstance(name, str) and isinstance(answer, str):
                    yield _plain(name), _plain(answer)


def _objects(value: Any, kind: str, depth: int) -> Iterator[dict[str, Any]]:
    """Every object of the schema.org type in a JSON-LD value, outermost first."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value:
            yield from _objects(item, kind, depth + 1)
    elif isinstance(value, dict):
        types = value.get("@type", [])
        names = types if isinstance(types, list) else [types]
        if any(str(name).rpartition("/")[2] == kind for name in names):
            yield value
        else:
            for item in value.values():
                yield from _objects(item, kind, depth + 1)


def _microdata(tree: Any) -> Iterator[tuple[str, str]]:
    for item in tree.xpath("//*[@itemscope][contains(@itemtype, 'schema.org/Question')]"):
        names = item.xpath(".//*[@itemprop='name']")
        answers = item.xpath(".//*[contains(@itemprop, 'acceptedAnswer')]")
        if names and answers:
            texts = answers[0].xpath("descendant-or-self::*[@itemprop='text']") or answers[:1]
            yield names[0].get("content") or names[0].text_content(), _text(texts[:1])


def _details(tree: Any) -> Iterator[tuple[str, str]]:
    for element in tree.iter("details"):
        summary = element.find("summary")
        if summary is not None:
            rest = [child for child in element if child is not summary]
            yield summary.text_content(), _text([summary.tail, *rest])


def _lists(tree: Any) -> Iterator[tuple[str, str]]:
    for element in tree.iter("dl"):
        questions, answers = list[str](), list[Any]()
        # A dt and its dd may lie in a div; several dt share the dd that follow them.
        for item in element.iter("dt", "dd"):
            if item.tag == "dt":
                if answers:
                    yield from ((question, _text(answers)) for question in questions)
                    questions, answers = [], []
                questions.append(item.text_content())
            else:
                answers.append(item)
        yield from ((question, _text(answers)) for question in questions)


def _buttons(tree: Any) -> Iterator[tuple[str, str]]:
    panels = {str(element.get("id")): element for element in tree.xpath("//*[@id]")}
    for button in tree.xpath("//*[@aria-controls]"):
        question, panel = button.text_content().strip(), panels.get(str(button.get("aria-controls")))
        if question.endswith(("?", "？")) and panel is not None:
            yield question, _text([panel])


def _headings(tree: Any) -> Iterator[tuple[str, str]]:
    for heading in tree.iter(*_HEADINGS):
        question = heading.text_content().strip()
        if question.endswith(("?", "？")):
            yield question, _text(_below(heading))


def _below(heading: Any) -> list[Any]:
    """What follows a heading up to the next one of its level or a higher one; a wrapper around the heading is left."""
    while heading.getnext() is None and not (heading.tail or "").strip() and heading.getparent() is not None:
        heading = heading.getparent()
        if heading.tag in ("body", "main", "article", "section"):
            return []
    found: list[Any] = [heading.tail]
    for item in heading.itersiblings():
        if next(item.iter(*_HEADINGS), None) is not None:
            break
        found.append(item)
        found.append(item.tail)
    return found


_WAYS = (
    ("FAQPage", _json_ld), ("microdata", _microdata), ("details", _details), ("dl", _lists),
    ("button", _buttons), ("heading", _headings),
)  # fmt: skip


def _text(parts: list[Any]) -> str:
    """Elements and bare texts as one plain text."""
    from copy import deepcopy

    from lxml import html

    box = html.Element("div")
    box.text = ""
    for part in parts:
        if isinstance(part, str):
            if len(box):
                box[-1].tail = (box[-1].tail or "") + part
            else:
                box.text += part
        elif part is not None:
            copy = deepcopy(part)
            copy.tail = None
            box.append(copy)
    return document_of_tree(box, "").text.strip()


def _plain(text: str) -> str:
    """A text that may hold HTML."""
    if "<" not in text and "&" not in text:
        return text
    tree, _ = parse(f"<div>{text}</div>".encode("utf-8", "replace"), "", "utf-8")
    return document_of_tree(tree, "").text.strip()

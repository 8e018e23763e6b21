"""The source `web`: the pages of a sitemap or a list, in chunks or as question–answer pairs."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from stillroom.data.documents.chunks import Chunk, chunks
from stillroom.data.documents.document import Document, UnreadableDocumentError
from stillroom.data.documents.markup import document_of
from stillroom.data.documents.plain import decode
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_rows, earlier_ids, faults_of
from stillroom.data.web.faq import pairs
from stillroom.data.web.fetch import Fetcher, FetchError, checked
from stillroom.data.web.sitemap import addresses
from stillroom.data.web.store import Page, Store
from stillroom.models.cache import cache_folder
from stillroom.recipe.model import WebSource

DAY = 86_400.0
_HTML = ("text/html", "application/xhtml+xml")


class WebReader:
    """Reads one WebSource; a page that cannot be had is rejected with the reason."""

    def __init__(self, source: WebSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.notes: list[str] = []
        self.fetcher = Fetcher(Store(cache_folder() / "web", source.max_age_days * DAY), source.delay)

    def faults(self) -> list[str]:
        """Addresses that are none, and a sitemap or a list that cannot be read or names no page."""
        found = faults_of(self.base, self.source.skip_ids_in)
        try:
            if not self.pages:
                where = self.source.sitemap or self.source.urls_in or "urls"
                found.append(f"{where} names no page to read.")
        except FetchError as error:
            found.append(f"{self.source.sitemap or self.source.urls_in}: {error}.")
        except UnicodeDecodeError:
            found.append(f"{self.base / str(self.source.urls_in)} is not UTF-8 text with one address a line.")
        except OSError:
            found.append(f"No such file: {self.base / str(self.source.urls_in)}")
        return found

    def size(self) -> int:
        """The number of pages: how many rows they make is known only when they are read."""
        return min(len(self.pages), self.source.sample or len(self.pages))

    def rows(self) -> Iterator[Row | Rejected]:
        """The chunks or pairs of the sample."""
        skip = earlier_ids(self.base, self.source.skip_ids_in)
        try:
            yield from draw_rows(self._all(), self.source.sample, self.seed, skip)
        finally:
            self.fetcher.close()
        self.notes += self.fetcher.notes

    @cached_property
    def pages(self) -> list[str]:
        """The addresses to read, each once. Raises FetchError, or OSError for the list's file."""
        source = self.source
        listed = list(source.urls)
        if source.urls_in:
            lines = (self.base / source.urls_in).read_text(encoding="utf-8-sig").splitlines()
            listed += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        found = [checked(url) for url in listed]
        if source.sitemap:
            found += addresses(self.fetcher, source.sitemap, source.most_pages)
        return list(dict.fromkeys(found))[: source.most_pages]

    def chunks(self) -> Iterator[Chunk | Rejected]:
        """Every chunk of every page."""
        for item in self._fetched():
            if isinstance(item, Rejected):
                yield item
                continue
            try:
                document = _document(item)
            except UnreadableDocumentError as error:
                yield self._rejected(item.url, error.reason, error.detail)
                continue
            self.notes += document.notes
            yield from chunks(document, self.source.chunk_characters, self.source.chunk_overlap, f"{self.name}/")

    def _all(self) -> Iterator[Row | Rejected]:
        if self.source.give == "faq":
            yield from self._pairs()
            return
        for item in self.chunks():
            yield item.as_row(self.name, self.source.label) if isinstance(item, Chunk) else item

    def _pairs(self) -> Iterator[Row | Rejected]:
        for item in self._fetched():
            if isinstance(item, Rejected):
                yield item
                continue
            try:
                found = pairs(item.body, item.url, item.charset) if item.kind in _HTML else []
            except UnreadableDocumentError as error:
                yield self._rejected(item.url, error.reason, error.detail)
                continue
            if not found:
                yield self._rejected(item.url, "no question with an answer", item.url)
            for number, pair in enumerate(found, start=1):
                meta = {"file": item.url, "way": pair.way}
                yield Row(f"{self.name}/{item.url}#{number}", pair.question, pair.answer, self.name, meta)

    def _fetched(self) -> Iterator[Page | Rejected]:
        seen: set[str] = set()
        for url in self.pages:
            try:
                page = self.fetcher.get(url)
            except FetchError as error:
                yield self._rejected(url, error.reason, f"{url}: {error.detail}")
                continue
            if page.url in seen:
                yield self._rejected(url, "leads to a page that was read already", f"{url}: {page.url}")
            else:
                yield page
            seen.add(page.url)

    def _rejected(self, url: str, reason: str, detail: str) -> Rejected:
        return Rejected(Row(f"{self.name}/{url}", "", None, self.name), reason, detail)


def name_of(source: WebSource) -> str:
    """What reports call the source: its kind and its first host."""
    first = source.sitemap or next(iter(source.urls), "") or source.urls_in or ""
    return f"web:{urlsplit(first).netloc or first.rsplit('/', 1)[-1]}"


def _document(page: Page) -> Document:
    if page.kind in _HTML or not page.kind:
        document = document_of(page.body, page.url, page.charset)
    elif page.kind.startswith("text/"):
        text, notes = decode(page.body, page.url)
        document = Document(page.url, text, notes=notes)
    else:
        raise UnreadableDocumentError("not a web page", f"{page.url} is {page.kind}; save it, and read it as documents")
    if not document.text.strip():
        raise UnreadableDocumentError("empty document", f"{page.url} holds no text")
    return document

"""Which pages a site names in its sitemap."""

import gzip
import io
from collections.abc import Iterator

from stillroom.data.web.fetch import LARGEST_PAGE, Fetcher, FetchError, checked
from stillroom.data.web.store import Page

DEPTH = 3
"""Sitemaps may name sitemaps; deeper than this is a circle."""


def addresses(fetcher: Fetcher, sitemap: str, most: int) -> list[str]:
    """The addresses of a sitemap (XML, gzipped XML, or a text with one a line) in its order, each once, at most `most`.

    Raises FetchError where the sitemap itself cannot be read; one that it names and that cannot be read is noted.
    """
    found: dict[str, None] = {}
    for url in _below(fetcher, checked(sitemap), DEPTH, set()):
        found[url] = None
        if len(found) == most:
            fetcher.notes.append(f"{sitemap}: only the first {most:,} addresses were taken (most_pages).")
            break
    return list(found)


def _below(fetcher: Fetcher, sitemap: str, depth: int, seen: set[str]) -> Iterator[str]:
    seen.add(sitemap)
    kind, urls = _parse(fetcher.get(sitemap))
    for url in urls:
        try:
            address = checked(url)
        except FetchError as error:
            fetcher.notes.append(f"{sitemap}: {error.detail}.")
            continue
        if kind == "urlset":
            yield address
        elif address not in seen and depth > 1:
            try:
                yield from _below(fetcher, address, depth - 1, seen)
            except FetchError as error:
                fetcher.notes.append(f"{address}: {error}.")


def _parse(page: Page) -> tuple[str, list[str]]:
    """`urlset` or `sitemapindex`, and the addresses in it."""
    from lxml import etree

    body = _unpacked(page)
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "urlset", [line.strip() for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(body, parser)
    if root is None or not isinstance(root.tag, str):
        raise FetchError("no sitemap", f"{page.url} is not XML")
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise FetchError(
            "no sitemap", f"{page.url} holds <{kind}>, not <urlset>; to read single pages, list them in urls"
        )
    # Right below each entry: what lies deeper are the addresses of pictures and films.
    entries = "/*/*[local-name()='url' or local-name()='sitemap']/*[local-name()='loc']"
    found = ("".join(entry.xpath("text()")).strip() for entry in root.xpath(entries))
    return kind, [address for address in found if address]


def _unpacked(page: Page) -> bytes:
    if not page.body.startswith(b"\x1f\x8b"):
        return page.body
    try:
        with gzip.open(io.BytesIO(page.body)) as stream:
            body = stream.read(LARGEST_PAGE + 1)
    except (OSError, EOFError) as error:
        raise FetchError("no sitemap", f"{page.url} is broken: {error}") from error
    if len(body) > LARGEST_PAGE:
        raise FetchError("file too large", f"{page.url} unpacks to more than {LARGEST_PAGE / 1e6:.0f} MB")
    return body

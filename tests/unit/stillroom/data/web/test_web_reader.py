from pathlib import Path
from typing import Any

import pytest
from site_on_loopback import Site, site

from stillroom.data.documents.chunks import chunk_of
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.web.reader import WebReader
from stillroom.errors import UserError
from stillroom.recipe.faults import RecipeError
from stillroom.recipe.load import load_recipe
from stillroom.recipe.model import WebSource

for library in ("httpx2", "protego", "tenacity"):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[data]'")

LONG = "The keeper counts the jars in the evening. " * 20


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    return tmp_path


def opened(base: Path, **fields: Any) -> WebReader:
    return WebReader(WebSource(kind="web", delay=0, **fields), base, "web:here", 0)


def fill(here: Site) -> None:
    here.page("/robots.txt", "User-agent: *\nDisallow: /intern", "text/plain")
    here.page("/a", f"<script>no()</script><h1>Jars</h1><p>{LONG}</p>")
    here.page("/b.txt", "Plain words.", "text/plain")
    here.page("/c.pdf", b"%PDF", "application/pdf")
    here.page("/faq", "<h2>Open on Sunday?</h2><p>No.</p>")
    here.page("/empty", "<script>x</script>")
    names = ("a", "b.txt", "c.pdf", "gone", "intern/x", "empty")
    here.page("/sitemap.xml", f"<urlset>{''.join(f'<url><loc>{here.url}/{n}</loc></url>' for n in names)}</urlset>")


def test_pages_become_chunks_and_the_rest_says_why(cache: Path) -> None:
    with site() as here:
        fill(here)
        reader = opened(cache, sitemap=f"{here.url}/sitemap.xml", label="rules")
        assert reader.faults() == []
        items = list(reader.rows())
        asked = len(here.asked)
        assert [item for item in opened(cache, sitemap=f"{here.url}/sitemap.xml").rows() if isinstance(item, Row)]
        assert set(here.asked[asked:]) <= {"/robots.txt", "/gone"}  # all else is in the cache
    rows = [item for item in items if isinstance(item, Row)]
    assert [row.meta["file"] for row in rows] == [f"{here.url}/a", f"{here.url}/b.txt"]
    chunk = chunk_of(rows[0])
    assert chunk is not None and chunk.headings == ("Jars",) and rows[0].label == "rules"
    assert sorted(item.reason for item in items if isinstance(item, Rejected)) == [
        "empty document",
        "not a web page",
        "robots.txt forbids it",
        "the page cannot be read",
    ]


def test_faq_pages_become_questions_and_answers(cache: Path) -> None:
    with site() as here:
        fill(here)
        items = list(opened(cache, urls=[f"{here.url}/faq#x", f"{here.url}/a", f"{here.url}/faq"], give="faq").rows())
    row, rejected = items
    assert isinstance(row, Row) and (row.text, row.label) == ("Open on Sunday?", "No.")
    assert row.meta == {"file": f"{here.url}/faq", "way": "heading"} and row.id == f"web:here/{here.url}/faq#1"
    assert isinstance(rejected, Rejected) and rejected.reason == "no question with an answer"


def test_two_addresses_of_one_page_are_one(cache: Path) -> None:
    with site() as here:
        here.page("/a", f"<h1>Jars</h1><p>{LONG}</p>")
        here.answers("/old", (301, {"Location": "/a"}, b""))
        items = list(opened(cache, urls=[f"{here.url}/a", f"{here.url}/old"]).rows())
    row, rejected = items
    assert isinstance(row, Row) and isinstance(rejected, Rejected)
    assert rejected.reason == "leads to a page that was read already"


def test_a_list_of_addresses_in_a_file(cache: Path) -> None:
    with site() as here:
        fill(here)
        (cache / "pages.txt").write_text(f"\ufeff# ours\n{here.url}/b.txt\n\n", encoding="utf-8")
        rows = list(opened(cache, urls_in="pages.txt").rows())
    assert [row.text for row in rows if isinstance(row, Row)] == ["Plain words."]


def test_faults_before_anything_is_read(cache: Path) -> None:
    with site() as here:
        assert (
            "sitemap.xml: the page cannot be read: HTTP 404"
            in opened(cache, sitemap=f"{here.url}/sitemap.xml").faults()[0]
        )
        here.page("/none.xml", "<urlset></urlset>")
        assert "names no page to read" in opened(cache, sitemap=f"{here.url}/none.xml").faults()[0]
    assert "is no address" in opened(cache, urls=["www.example.org"]).faults()[0]
    assert "No such file" in opened(cache, urls_in="none.txt").faults()[0]
    (cache / "latin.txt").write_bytes(b"https://a.example/\xfc")
    assert "is not UTF-8 text with one address a line" in opened(cache, urls_in="latin.txt").faults()[0]


def test_the_recipe_says_what_is_missing(tmp_path: Path) -> None:
    text = "name: a\ninstruction: b\ndata:\n  sources:\n    - {kind: web, urls_in: none.txt, give: faq, label: x}\n"
    text += "    - {kind: web}\n    - {kind: sql, url_env: 'postgresql://me:secret@host/db', query: SELECT 1}\n"
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "r.yaml")
    said = str(caught.value)
    assert "sources[1]: names no page; write sitemap, urls or urls_in" in said
    assert "no such file" in said and "takes each question's own answer" in said
    assert "url_env: must be the name of an environment variable" in said and "secret" not in said
    assert isinstance(caught.value, UserError)

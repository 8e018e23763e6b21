import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from site_on_loopback import Site, site

from stillroom.data.web.fetch import Fetcher, FetchError, checked
from stillroom.data.web.sitemap import addresses
from stillroom.data.web.store import Store

for library in ("httpx2", "protego", "tenacity"):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install -e '.[data]'")


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(round(seconds, 3))


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    with site() as here:
        yield here


@pytest.fixture
def here(server: Site) -> Site:
    server.pages.clear()
    server.asked.clear()
    server.headers.clear()
    return server


def fetcher(folder: Path, *, delay: float = 0.0, max_age: float = 1000.0) -> tuple[Fetcher, Clock]:
    clock = Clock()
    return Fetcher(Store(folder, max_age), delay, clock.sleep, lambda: clock.now), clock


def fails(folder: Path, url: str) -> str:
    with pytest.raises(FetchError) as caught:
        fetcher(folder)[0].get(url)
    return str(caught.value)


def test_robots_txt_is_obeyed_and_asked_for_once(here: Site, tmp_path: Path) -> None:
    here.page("/robots.txt", "User-agent: *\nDisallow: /private\n\nUser-agent: other\nDisallow: /", "text/plain")
    here.page("/private/a", "secret")
    get = fetcher(tmp_path)[0].get
    assert get(here.page("/a", "one")).body == b"one"
    assert get(here.page("/b", "two")).body == b"two"
    with pytest.raises(FetchError, match=r"robots\.txt forbids it"):
        get(here.url + "/private/a")
    assert here.asked == ["/robots.txt", "/a", "/b"]
    assert here.headers[0]["User-Agent"].startswith("stillroom ")


def test_a_robots_txt_for_us_alone(here: Site, tmp_path: Path) -> None:
    here.page("/robots.txt", "User-agent: stillroom\nDisallow: /*.html$\n\nUser-agent: *\nAllow: /", "text/plain")
    assert "robots.txt forbids it" in fails(tmp_path, here.page("/a.html", "x"))
    assert fetcher(tmp_path)[0].get(here.page("/a.htm", "x")).body == b"x"


def test_a_robots_txt_that_fails_forbids_all(here: Site, tmp_path: Path) -> None:
    here.answers("/robots.txt", (503, {}, b""))
    url = here.page("/a", "x")
    assert "robots.txt cannot be read" in fails(tmp_path, url)
    assert here.count("/a") == 0


def test_requests_keep_their_distance(here: Site, tmp_path: Path) -> None:
    opened, clock = fetcher(tmp_path, delay=2.0)
    for name in ("/a", "/b", "/c"):
        opened.get(here.page(name, "x"))
    assert clock.slept == [2.0, 2.0, 2.0]


def test_a_longer_crawl_delay_counts(here: Site, tmp_path: Path) -> None:
    here.page("/robots.txt", "User-agent: *\nCrawl-delay: 7", "text/plain")
    opened, clock = fetcher(tmp_path, delay=2.0)
    for name in ("/a", "/b"):
        opened.get(here.page(name, "x"))
    assert clock.slept == [7.0, 7.0]


def test_a_request_rate_counts_and_a_pause_of_an_hour_is_not_waited(here: Site, tmp_path: Path) -> None:
    here.page("/robots.txt", "User-agent: *\nRequest-rate: 1/9", "text/plain")
    opened, clock = fetcher(tmp_path / "a", delay=2.0)
    opened.get(here.page("/a", "x"))
    assert clock.slept == [9.0]
    here.page("/robots.txt", "User-agent: *\nCrawl-delay: 3600", "text/plain")
    assert "robots.txt asks for too long a pause: " in fails(tmp_path / "b", here.url + "/a")
    assert here.count("/a") == 1


def test_a_redirect_to_another_host_asks_its_robots_txt(here: Site, tmp_path: Path) -> None:
    with site() as other:
        other.page("/robots.txt", "User-agent: *\nDisallow: /private", "text/plain")
        other.page("/private", "secret")
        url = here.answers("/a", (302, {"Location": other.page("/open", "words")}, b""))
        assert fetcher(tmp_path)[0].get(url).url == f"{other.url}/open"
        hidden = here.answers("/b", (302, {"Location": f"{other.url}/private"}, b""))
        assert "robots.txt forbids it" in fails(tmp_path, hidden)
        assert other.asked == ["/robots.txt", "/open", "/robots.txt"]


def test_a_page_that_drips_or_does_not_end_is_given_up(
    here: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stillroom.data.web.fetch.LONGEST_PAGE", 0.0)
    assert "it was not whole after 0 s" in fails(tmp_path, here.page("/a", "x" * 100))
    monkeypatch.setattr("stillroom.data.web.fetch.LONGEST_PAGE", 60.0)
    monkeypatch.setattr("stillroom.data.web.fetch.LARGEST_PAGE", 1000)
    bomb = gzip.compress(b"x" * 10**6)
    here.answers("/b", (200, {"Content-Encoding": "gzip"}, bomb))
    assert "file too large: more than" in fails(tmp_path, here.url + "/b")


def test_errors_that_pass_are_tried_again_as_the_server_asks(here: Site, tmp_path: Path) -> None:
    url = here.answers("/a", (429, {"Retry-After": "9"}, b""), (500, {}, b""), (200, {}, b"at last"))
    opened, clock = fetcher(tmp_path)
    assert opened.get(url).body == b"at last"
    assert clock.slept[0] == 9.0 and len(clock.slept) == 2 and here.count("/a") == 3


def test_errors_that_stay_end_with_a_reason(here: Site, tmp_path: Path) -> None:
    assert fails(tmp_path, here.answers("/a", (500, {}, b""))) == "no answer: HTTP 500 in 4 tries"
    assert fails(tmp_path, here.url + "/gone") == "the page cannot be read: HTTP 404"
    assert here.count("/gone") == 1
    assert "more than 5 redirects" in fails(tmp_path, here.answers("/c", (302, {"Location": "/c"}, b"")))
    assert "no address" in fails(tmp_path, here.answers("/d", (302, {"Location": "file:///etc/passwd"}, b"")))


def test_a_redirect_to_a_forbidden_place_is_not_followed(here: Site, tmp_path: Path) -> None:
    here.page("/robots.txt", "User-agent: *\nDisallow: /private", "text/plain")
    here.page("/private", "secret")
    assert "robots.txt forbids it" in fails(tmp_path, here.answers("/a", (301, {"Location": "/private"}, b"")))
    assert here.count("/private") == 0


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    assert "robots.txt cannot be read" in fails(tmp_path, "http://127.0.0.1:9/a")


def test_a_fresh_page_is_not_asked_for_again(here: Site, tmp_path: Path) -> None:
    url = here.page("/a", "one", ETag='"1"')
    first = fetcher(tmp_path)[0].get(url)
    assert fetcher(tmp_path)[0].get(url) == first
    assert here.asked == ["/robots.txt", "/a"]


def test_a_stale_page_is_asked_for_with_its_etag(here: Site, tmp_path: Path) -> None:
    url = here.page("/a", "one", ETag='"1"')
    first = fetcher(tmp_path)[0].get(url)
    again = fetcher(tmp_path, max_age=0)[0].get(url)
    assert again.body == b"one" and again.fetched > first.fetched
    assert here.headers[-1]["If-None-Match"] == '"1"'
    here.page("/a", "two", ETag='"2"')
    assert fetcher(tmp_path, max_age=0)[0].get(url).body == b"two"


def test_a_kept_copy_helps_out(here: Site, tmp_path: Path) -> None:
    url = here.page("/a", "one")
    fetcher(tmp_path)[0].get(url)
    here.answers("/a", (500, {}, b""))
    opened = fetcher(tmp_path, max_age=0)[0]
    assert opened.get(url).body == b"one"
    assert "the copy of 20" in opened.notes[0]


def test_a_damaged_copy_is_fetched_anew(here: Site, tmp_path: Path) -> None:
    url = here.page("/a", "one")
    fetcher(tmp_path)[0].get(url)
    next(tmp_path.rglob("*.page")).write_bytes(b"{nonsense")
    assert fetcher(tmp_path)[0].get(url).body == b"one"
    assert here.count("/a") == 2


SITEMAP = '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'


def test_sitemaps_of_sitemaps_gzip_and_text(here: Site, tmp_path: Path) -> None:
    def urls(*names: str) -> str:
        return SITEMAP.format("".join(f"<url><loc> {here.url}/{name} </loc></url>" for name in names))

    below = "".join(
        f"<sitemap><loc>{here.url}/{name}</loc></sitemap>" for name in ("one.xml", "two.gz", "gone", "index")
    )
    index = here.page("/index", f"<sitemapindex>{below}</sitemapindex>", "application/xml")
    here.page("/one.xml", urls("a", "b"))
    here.page("/two.gz", gzip.compress(urls("b", "c").encode()), "application/gzip")
    opened = fetcher(tmp_path)[0]
    assert addresses(opened, index, 10) == [f"{here.url}/{name}" for name in "abc"]
    assert "gone: the page cannot be read: HTTP 404" in opened.notes[0]
    assert addresses(opened, index, 2) == [f"{here.url}/{name}" for name in "ab"]
    listed = here.page("/list.txt", f"{here.url}/x\n{here.url}/y\n", "text/plain")
    assert addresses(opened, listed, 10) == [f"{here.url}/x", f"{here.url}/y"]


def test_addresses_of_pictures_in_a_sitemap_are_no_pages(here: Site, tmp_path: Path) -> None:
    image = '<image:image xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"><image:loc>{}</image:loc></image:image>'
    entry = f"<url><loc>{here.url}/a</loc>{image.format(here.url + '/a.png')}</url>"
    url = here.page("/images.xml", SITEMAP.format(entry), "application/xml")
    assert addresses(fetcher(tmp_path)[0], url, 10) == [f"{here.url}/a"]


def test_sitemaps_in_a_circle_end(here: Site, tmp_path: Path) -> None:
    def index(*names: str) -> str:
        below = "".join(f"<sitemap><loc>{here.url}/{name}</loc></sitemap>" for name in names)
        return f"<sitemapindex>{below}</sitemapindex>"

    here.page("/one.xml", index("two.xml", "one.xml"))
    here.page("/two.xml", index("one.xml", "three.xml"))
    here.page("/three.xml", SITEMAP.format(f"<url><loc>{here.url}/a</loc></url>"))
    assert addresses(fetcher(tmp_path)[0], f"{here.url}/one.xml", 10) == [f"{here.url}/a"]
    assert here.count("/one.xml") == 1


def test_what_is_no_sitemap(here: Site, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="holds <html>, not <urlset>"):
        addresses(fetcher(tmp_path)[0], here.page("/a", "<html><p>Hello</p></html>"), 5)
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'
    assert addresses(fetcher(tmp_path)[0], here.page("/b", bomb), 5) == []


def test_addresses_are_http_and_without_fragment() -> None:
    assert checked("https://a.example/b?c=1#d") == "https://a.example/b?c=1"
    assert checked("http://a.example") == "http://a.example/"
    with pytest.raises(FetchError, match=r"the address on a\.example holds a name or password") as caught:
        checked("https://me:hunter2@a.example/b")
    assert "hunter2" not in str(caught.value)
    for bad in ("ftp://a/b", "a.example/b", "http://", "http://[x"):
        with pytest.raises(FetchError, match="is no address"):
            checked(bad)

"""Fetching pages politely: robots.txt is obeyed, requests to one host keep their distance, nothing is fetched twice.

A robots.txt that cannot be read for the server's fault (5xx, no answer) forbids the whole host, as RFC 9309 has it; one
that is not there (4xx) forbids nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from stillroom.data.web.store import Page, Store

AGENT = "stillroom"
"""The name that robots.txt may address, and that servers see."""
LARGEST_PAGE = 50 * 10**6
MOST_REDIRECTS = 5
TRIES = 4
LONGEST_WAIT = 60.0
"""Seconds that a Retry-After is followed at most."""
LONGEST_DELAY = 600.0
"""Seconds between two requests; a host whose robots.txt asks for more is not asked at all."""
TIMEOUT = 20.0
LONGEST_PAGE = 300.0
"""Seconds for one whole page: a page that comes by drops would hold up everything."""


class FetchError(Exception):
    """A page that cannot be had. `reason` is one of a few, so that they can be counted."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class _Again(Exception):
    """An answer that may be better on the next try; `wait` is what the server asked for, in seconds."""

    def __init__(self, said: str, wait: float | None = None) -> None:
        super().__init__(said)
        self.wait = wait


@dataclass
class Fetcher:
    """Gets pages by address. `delay` is the least time between two requests to one host, in seconds."""

    store: Store
    delay: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    notes: list[str] = field(default_factory=list)
    _last: dict[str, float] = field(default_factory=dict)
    _robots: dict[str, Any] = field(default_factory=dict)
    _client: Any = None

    def get(self, url: str) -> Page:
        """The page, from the store while it is fresh there. Raises FetchError where it may not or cannot be had."""
        for _ in range(MOST_REDIRECTS + 1):
            kept = self.store.get(url)
            if kept is not None and self.store.is_fresh(kept):
                return kept
            self._ask_robots(url)
            try:
                page = self._request(url, kept)
            except FetchError as error:
                if kept is None or error.reason != "no answer":
                    raise
                self.notes.append(f"{url}: no answer ({error.detail}); the copy of {kept.day} was used.")
                return kept
            if not page.moved_to:
                self.store.put(page)
                return page
            url = page.moved_to
        raise FetchError("the page cannot be read", f"more than {MOST_REDIRECTS} redirects")

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask_robots(self, url: str) -> None:
        host = host_of(url)
        if host not in self._robots:
            self._robots[host] = self._read_robots(host)
        robots = self._robots[host]
        if isinstance(robots, str):
            raise FetchError("robots.txt cannot be read", f"{host}: {robots}, so nothing there may be fetched")
        if not robots.can_fetch(url, AGENT):
            raise FetchError("robots.txt forbids it", url)
        delay = _delay(robots)
        if delay > LONGEST_DELAY:
            raise FetchError(
                "robots.txt asks for too long a pause",
                f"{host}: {delay:,.0f} s between two requests, and at most {LONGEST_DELAY:.0f} s are waited",
            )

    def _read_robots(self, host: str) -> Any:
        from protego import Protego

        try:
            page = self._request(f"{host}/robots.txt", None)
            for _ in range(MOST_REDIRECTS):
                if not page.moved_to:
                    break
                page = self._request(page.moved_to, None)
        except FetchError as error:
            return error.detail if error.reason == "no answer" else Protego.parse("")
        return Protego.parse(page.body.decode("utf-8", "replace"))

    def _keep_distance(self, host: str) -> None:
        robots = self._robots.get(host)
        asked = 0.0 if robots is None or isinstance(robots, str) else _delay(robots)
        delay = max(self.delay, min(asked, LONGEST_DELAY))
        wait = self._last.get(host, -delay) + delay - self.clock()
        if host in self._last and wait > 0:
            self.sleep(wait)
        self._last[host] = self.clock()

    def _request(self, url: str, kept: Page | None) -> Page:
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

        grown = wait_random_exponential(multiplier=1, max=LONGEST_WAIT)

        def wait(state: Any) -> float:
            error = state.outcome.exception()
            asked = error.wait if isinstance(error, _Again) else None
            return min(asked, LONGEST_WAIT) if asked is not None else float(grown(state))

        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            stop=stop_after_attempt(TRIES),
            wait=wait,
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, url, kept)
        except _Again as error:
            raise FetchError("no answer", f"{error} in {TRIES} tries") from error

    def _once(self, url: str, kept: Page | None) -> Page:
        import httpx2

        if self._client is None:
            agent = f"{AGENT} (it reads pages for a data set, and obeys robots.txt)"
            self._client = httpx2.Client(headers={"User-Agent": agent}, timeout=TIMEOUT)
        self._keep_distance(host_of(url))
        conditions = {"If-None-Match": kept.etag, "If-Modified-Since": kept.modified} if kept else {}
        headers = {name: value for name, value in conditions.items() if value}
        try:
            with self._client.stream("GET", url, headers=headers) as answer:
                return self._read(url, answer, kept)
        except httpx2.InvalidURL as error:
            raise FetchError("the page cannot be read", f"no address: {error}") from error
        except httpx2.TransportError as error:
            raise _Again(f"{type(error).__name__} {error}".strip()) from error
        except httpx2.HTTPError as error:
            raise FetchError("the page cannot be read", str(error)) from error

    def _read(self, url: str, answer: Any, kept: Page | None) -> Page:
        status = answer.status_code
        if status == 304 and kept is not None:
            return self.store.renewed(kept)
        if status in (301, 302, 303, 307, 308) and "location" in answer.headers:
            return Page(url, moved_to=checked(urljoin(url, answer.headers["location"])))
        if status == 429 or status >= 500:
            raise _Again(f"HTTP {status}", _seconds(answer.headers.get("retry-after")))
        if status != 200:
            raise FetchError("the page cannot be read", f"HTTP {status}")
        body, began = bytearray(), time.monotonic()
        for part in answer.iter_bytes():
            body += part
            if time.monotonic() - began > LONGEST_PAGE:
                raise FetchError("the page cannot be read", f"it was not whole after {LONGEST_PAGE:.0f} s")
            if len(body) > LARGEST_PAGE:
                raise FetchError("file too large", f"more than {LARGEST_PAGE / 1e6:.0f} MB")
        return Page(
            url,
            body=bytes(body),
            kind=answer.headers.get("content-type", "").partition(";")[0].strip().lower(),
            charset=answer.charset_encoding,
            etag=answer.headers.get("etag", ""),
            modified=answer.headers.get("last-modified", ""),
            fetched=time.time(),
        )


def _delay(robots: Any) -> float:
    """Seconds that a robots.txt wants between two requests, by its Crawl-delay or its Request-rate."""
    rate = robots.request_rate(AGENT)
    between = rate.seconds / rate.requests if rate and rate.requests else 0.0
    return max(float(robots.crawl_delay(AGENT) or 0), float(between))


def checked(url: str) -> str:
    """The address without its fragment. Raises FetchError unless it is one of http or https, without a password: an
    address becomes part of ids and reports."""
    try:
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not http:// or https://")
        if parts.username or parts.password:
            raise FetchError("the page cannot be read", f"the address on {parts.hostname} holds a name or password")
        return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, ""))
    except ValueError as error:
        raise FetchError("the page cannot be read", f"{url[:200]} is no address: {error}") from error


def host_of(url: str) -> str:
    """Scheme, host and port of a checked address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _seconds(asked: str | None) -> float | None:
    """What Retry-After says: a number of seconds, or a date."""
    if not asked:
        return None
    if asked.strip().isdigit():
        return float(asked)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError):
        return None

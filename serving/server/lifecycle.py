"""Where the server stands between start and end, and how much is under way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Lifecycle:
    """Starting, ready, draining. Only the event loop's thread writes; others may read."""

    def __init__(self) -> None:
        self.started = False
        """A real token has been computed."""
        self.in_flight = 0
        """Requests for work (not probes or scrapes) that have not been answered to their end."""
        self._draining_since: float | None = None

    @property
    def draining(self) -> bool:
        """Whether no new work is admitted."""
        return self._draining_since is not None

    @property
    def ready(self) -> bool:
        """Whether new work is admitted."""
        return self.started and not self.draining

    def drain(self) -> None:
        """Admit nothing more; what is under way goes on."""
        if self._draining_since is None:
            self._draining_since = time.monotonic()

    def drained_for(self) -> float:
        """Seconds since `drain`; 0 before it."""
        return 0.0 if self._draining_since is None else time.monotonic() - self._draining_since

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request for work."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

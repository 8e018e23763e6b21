"""From tokens to text that may be sent: whole characters only, and nothing that might be the begin of a stop text."""

import codecs
from collections.abc import Sequence


class TextBuffer:
    """The text of one answer as its tokens come."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = [text for text in stop if text]
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False
        """A stop text was found; what comes after it is not said."""

    def add(self, piece: bytes) -> str:
        """Take a token's bytes; returns the text that is now certain to be said."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(piece)
        return self._release(whole=False)

    def end(self) -> str:
        """The rest, when no more tokens come. Bytes that are no whole character become U+FFFD."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(b"", final=True)
        return self._release(whole=True)

    def _release(self, whole: bool) -> str:
        found = [place for text in self._stop if (place := self._held.find(text)) >= 0]
        if found:
            self.stopped, self._held, said = True, "", self._held[: min(found)]
            return said
        keep = 0 if whole else max((_overlap(self._held, text) for text in self._stop), default=0)
        said, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return said


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a begin of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)

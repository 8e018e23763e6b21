"""What is found in a text, and the words around it that say what it is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stillroom.data.pii.words import NEAR, last_called

BLANK = "\x00"


_JSON_KEY = re.compile(r"[{,\s]\"[^\"\n]{1,30}\"\s*:\s*\"?$")
_DIGIT_LINES = re.compile(r"[\dA-Z](?:(?<=\d)[^\d\n]*+(?:\d[^\d\n]*+){3}|[A-Z0-9]{8})")
"""Lines with fewer digits, and without so long a word of them and capitals, hold no number that is anybody's."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of personal data in a text: characters `start` to `end`, and its kind."""

    start: int
    end: int
    kind: str


class Text:
    """A text of which parts are taken away as they are recognised, so that nothing is found twice."""

    def __init__(self, text: str) -> None:
        self.whole = text
        self.left = text
        self.spans: list[Span] = []
        self._called: dict[int, Mapping[str, int]] = {}

    def lines_with_digits(self) -> Iterator[tuple[int, int]]:
        """Where each line begins and ends that may hold a number: no number goes beyond its line."""
        found = _DIGIT_LINES.search(self.left)
        while found:
            end = self.left.find("\n", found.end())
            end = len(self.left) if end < 0 else end
            yield self.left.rfind("\n", 0, found.start()) + 1, end
            found = _DIGIT_LINES.search(self.left, end)

    def take(self, start: int, end: int, kind: str) -> None:
        """Remember a find; nothing else will be found there."""
        self.spans.append(Span(start, end, kind))
        self.blank(start, end)

    def blank(self, start: int, end: int) -> None:
        """Take a part away that is no personal data."""
        self.left = self.left[:start] + BLANK * (end - start) + self.left[end:]

    def blank_all(self, pattern: re.Pattern[str], start: int, end: int) -> None:
        """Take everything away that the pattern matches between two places."""
        blanked = pattern.sub(lambda match: BLANK * len(match[0]), self.left[start:end])
        self.left = self.left[:start] + blanked + self.left[end:]

    def is_called(self, start: int, *names: str) -> bool | None:
        """Whether the words before `start` call what follows by one of these names ("phone", "card", …).

        None where they call it nothing, False where a later word calls it something else, such as an order number.
        """
        ends = self._called.get(start)  # several finders may ask about one number
        if ends is None:
            before = self.whole[max(0, start - NEAR) : start].rpartition("\n\n")[2]
            if key := _JSON_KEY.search(before):
                before = key[0]  # what the keys before it hold is another matter
            ends = self._called[start] = last_called(before)
        own = max(ends[name] for name in names)
        # A server or an address has numbers of another kind: its name says nothing about these.
        others = max(end for name, end in ends.items() if name not in (*names, "ip"))
        return None if own < 0 and others < 0 else own >= others

"""Texts with words of the user's own lists. No list is shipped: what offends depends on the task and the language."""

import re
from collections.abc import Iterable
from pathlib import Path

from stillroom.data.clean.text import words_of
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError

LISTED = "words of a toxicity list"
_FIRST = re.compile("[a-z0-9]+")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class ListedWords:
    """Finds the words and phrases of some lists in texts, whatever their case."""

    def __init__(self, words: Iterable[str], max_hits: int) -> None:
        self.max_hits = max_hits
        longest_first = sorted(
            {" ".join(word.casefold().split()) for word in words}, key=lambda word: (-len(word), word)
        )
        self._pattern = re.compile("|".join(map(_bounded, longest_first)))
        firsts = [_FIRST.match(word) for word in longest_first if word.isascii()]
        self._firsts = {first[0] for first in firsts if first} if all(firsts) else None

    def __call__(self, row: Row) -> Row | Rejected:
        """The row, or its rejection with how many were found and which."""
        if self._firsts is not None and row.text.isascii() and self._firsts.isdisjoint(words_of(row.text)):
            return row  # of most texts the words tell it, and other steps ask for these, too
        found = self._pattern.findall(" ".join(row.text.casefold().split()))
        if len(found) <= self.max_hits:
            return row
        named = ", ".join(sorted(set(found))[:5])
        return Rejected(row, LISTED, f"{len(found)}: {named}", {"value": len(found), "bound": self.max_hits})


def read_lists(paths: Iterable[str]) -> list[str]:
    """The words of all lists. Raises UserError naming every list that is missing, no UTF-8 or empty."""
    words: list[str] = []
    faults: list[str] = []
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            faults.append(f"The word list {path} cannot be read: {error.strerror}.")
            continue
        except UnicodeDecodeError as error:
            faults.append(f"The word list {path} is not UTF-8 (byte {error.start}); save it as UTF-8.")
            continue
        listed = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        words += listed
        if not listed:
            faults.append(f"The word list {path} holds no word.")
    if faults:
        raise UserError("\n".join(faults))
    return words


def _bounded(word: str) -> str:
    # Chinese parts no words: there is no border to ask for.
    first, rest = re.escape(word[0]), re.escape(word[1:])
    # The letter comes before the look behind it: a pattern that begins with letters is looked for five times as fast.
    before = rf"(?<!\w{first})" if word[0].isalnum() and not _HAN.match(word[0]) else ""
    after = r"(?!\w)" if word[-1].isalnum() and not _HAN.match(word[-1]) else ""
    return first + before + rest + after

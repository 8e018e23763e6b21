"""Rows without personal data: text, label and facts, masked alike: what a label quotes still stands in its text."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from stillroom.data.pii.detect import find
from stillroom.data.pii.fake import fake, normal
from stillroom.data.pii.span import Span
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.cleaning import Pii

Choose = Callable[[str, str], str]
"""From a kind and a value to its fake."""


_MAY_BE_PERSONAL = re.compile(r"@|\d{3}[\d ./-]{3}")
_NUMBER = re.compile(r"[+＋(]?\d[\d\s()./\u2013-]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """One value and what stands for it."""

    kind: str
    original: str
    fake: str


class Masker:
    """Masks rows by the recipe's section `pii` and a secret key. Any process with both makes the same fakes."""

    def __init__(self, wanted: Pii, key: bytes, choose: Choose | None = None) -> None:
        """`choose` decides about the fakes instead of the key: a vault does that where two values drew one fake."""
        self.wanted, self.key = wanted, key
        self._choose = choose

    def row(self, row: Row) -> tuple[Row, list[Pair]]:
        """The masked row, and every value that was replaced in it."""
        found = find(row.text, self.wanted.kinds, self.wanted.name_model)
        pairs = _Pairs(self._fake, row.text, found)
        text, moves = pairs.replace(row.text, found)
        label = self._value(row.label, pairs, moves)
        meta = {name: self._value(value, pairs, None) for name, value in row.meta.items()}
        return replace(row, text=text, label=label, meta=meta) if pairs.made else row, pairs.made

    def rejected(self, item: Rejected) -> tuple[Rejected, list[Pair]]:
        """The same for a row that is left out: its reason may quote its text."""
        row, made = self.row(item.row)
        pairs = _Pairs(self._fake, made=made)
        detail = self._value(item.detail, pairs, None)
        return replace(item, row=row, detail=detail), pairs.made

    def finds(self, id: str) -> bool:
        """Whether an id holds personal data, which stays in it."""
        return bool(_MAY_BE_PERSONAL.search(id)) and bool(find(id, self.wanted.kinds))

    def text(self, text: str) -> str:
        """A masked text on its own."""
        return _Pairs(self._fake).replace(text, find(text, self.wanted.kinds, self.wanted.name_model))[0]

    def _value(self, value: Any, pairs: "_Pairs", moves: "_Moves | None") -> Any:
        if isinstance(value, str):
            quoted = pairs.as_quoted(value)
            if quoted is None:
                quoted = pairs.known_in(value, find(value, self.wanted.kinds, self.wanted.name_model))
            return pairs.replace(value, quoted)[0]
        if isinstance(value, list):
            return [self._value(inner, pairs, moves) for inner in value]
        if isinstance(value, dict):
            return {
                name: moves.place(inner)
                if moves and name in self.wanted.offsets and type(inner) is int
                else self._value(inner, pairs, moves)
                for name, inner in value.items()
            }
        return value

    def _fake(self, kind: str, value: str) -> str:
        return self._choose(kind, value) if self._choose else _drawn(kind, value, self.key)


class _Moves:
    """Where each place of a text lies after its spans were replaced by others of another length."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int, int]] = []

    def add(self, span: Span, length: int) -> None:
        self._spans.append((span.start, span.end, length))

    def place(self, before: int) -> int:
        moved = 0
        for start, end, length in self._spans:
            if before >= end:
                moved += length - (end - start)
            elif before > start:  # inside of what was replaced: no farther than the fake reaches
                return moved + start + min(before - start, length)
        return before + moved


class _Pairs:
    """What was replaced in one row so far."""

    def __init__(self, choose: Choose, text: str = "", found: Sequence[Span] = (), made: Sequence[Pair] = ()) -> None:
        self._choose, self._text, self._found = choose, text, found
        self.made: list[Pair] = list(made)

    def replace(self, text: str, spans: Sequence[Span]) -> tuple[str, _Moves]:
        """The text with a fake in place of every span."""
        moves, parts, end = _Moves(), [], 0
        for span in spans:
            value = text[span.start : span.end]
            made = self._choose(span.kind, value)
            pair = Pair(span.kind, value, made)
            if pair not in self.made:
                self.made.append(pair)
            parts += [text[end : span.start], made]
            moves.add(span, len(made))
            end = span.end
        return "".join([*parts, text[end:]]), moves

    def as_quoted(self, value: str) -> list[Span] | None:
        """The spans of a value that stands in the text, as they were found there; None where it does not."""
        at, quoted = self._text.find(value) if value else -1, None
        while at >= 0:
            end = at + len(value)
            touched = [span for span in self._found if span.start < end and span.end > at]
            if all(span.start >= at and span.end <= end for span in touched):
                quoted = [Span(span.start - at, span.end - at, span.kind) for span in touched]
                if quoted:
                    break
            at = self._text.find(value, at + 1)
        return quoted

    def known_in(self, value: str, found: Sequence[Span]) -> list[Span]:
        """What of a label is personal data: what is known from the text comes first, then what was found in it."""
        bare = value.strip()
        for pair in self.made:
            # Another way of writing it: +49 30 901820 for 030 901820.
            if (pair.kind != "phone" or _NUMBER.fullmatch(bare)) and normal(pair.kind, bare) == normal(
                pair.kind, pair.original
            ):
                return [Span(value.index(bare), len(value.rstrip()), pair.kind)]
        spans: list[Span] = []
        # Looked for one by one: most labels quote none of them, and a pattern for each row is slow to compile.
        known: Mapping[str, str] = {pair.original: pair.kind for pair in self.made if pair.original in value}
        if known:
            pattern = "|".join(re.escape(original) for original in sorted(known, key=len, reverse=True))
            spans = [
                Span(*match.span(), known[match[0]])
                for match in re.finditer(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", value)
            ]
        apart = [span for span in found if all(span.end <= one.start or span.start >= one.end for one in spans)]
        return sorted([*spans, *apart])


@lru_cache(2**14)
def _drawn(kind: str, value: str, key: bytes) -> str:
    return fake(kind, value, key)

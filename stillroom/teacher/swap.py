"""Another name in the text and in its label: values that a label copies from its text give way to those of others.

A value moves wherever it stands, in the text and in the label, so the label stays right. Only fields of free text are
swapped, and only values that stand in their text word for word.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stillroom.data.rows import Row
from stillroom.recipe.schema import free_text_fields

Place = tuple[str | int, ...]


class Swapper:
    """Knows the values of every free-text field in some rows."""

    def __init__(self, rows: Sequence[Row], schema: dict[str, Any]) -> None:
        self._names = {info.name for info in free_text_fields(schema)}
        self._values: dict[str, list[str]] = {}
        for row in rows:
            for name, value in self._copied(row):
                if value not in self._values.setdefault(name, []):
                    self._values[name].append(value)

    def swap(self, row: Row, rng: random.Random) -> tuple[str, Any] | None:
        """The text and the label with one value exchanged for that of another row; None where there is none."""
        candidates = list(dict.fromkeys(self._copied(row)))
        rng.shuffle(candidates)
        for name, old in candidates:
            others = [new for new in self._values[name] if not _touch(old, new) and not _stands(new, row.text)]
            if others:
                new = rng.choice(others)
                text = _pattern(old).sub(_literally(new), row.text)
                label = _replaced(row.label, old, new, row.text)
                if all(_stands(value, text) for value in _texts(label) if value not in set(_texts(row.label))):
                    return text, label
        return None

    def _copied(self, row: Row) -> Iterator[tuple[str, str]]:
        """The fields of a label whose value stands in the text, with that value."""
        for place, value in _leaves(row.label):
            name = ".".join(step for step in place if isinstance(step, str))
            if name in self._names and isinstance(value, str) and len(value) > 1 and _stands(value, row.text):
                yield name, value


def copied_values(row: Row) -> list[str]:
    """Every text of a label that stands in its row's text."""
    return [value for value in _texts(row.label) if value.strip() and _stands(value, row.text)]


def _replaced(label: Any, old: str, new: str, text: str) -> Any:
    """The label with `old` exchanged, also inside longer values, where these stand in the text and so change too."""
    if isinstance(label, dict):
        return {key: _replaced(value, old, new, text) for key, value in label.items()}
    if isinstance(label, list):
        return [_replaced(value, old, new, text) for value in label]
    if isinstance(label, str) and _stands(label, text):
        return _pattern(old).sub(_literally(new), label)
    return label


def _literally(text: str) -> Callable[[re.Match[str]], str]:
    """A replacement in which a backslash is a backslash."""
    return lambda _: text


def _leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield place, value
    else:
        for step, inner in items:
            yield from _leaves(inner, (*place, step))


def _texts(label: Any) -> list[str]:
    return [value for _, value in _leaves(label) if isinstance(value, str)]


def _pattern(value: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if re.match(r"\w", value) and not _spaceless(value[0]) else ""
    after = r"(?!\w)" if re.search(r"\w$", value) and not _spaceless(value[-1]) else ""
    return re.compile(before + re.escape(value) + after)


def _spaceless(letter: str) -> bool:
    """Whether a letter's script puts no spaces between words, so that no border can be looked for."""
    return "\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7af"


def _stands(value: str, text: str) -> bool:
    return bool(_pattern(value).search(text))


def _touch(one: str, other: str) -> bool:
    return one.casefold() in other.casefold() or other.casefold() in one.casefold()

"""The grid of a sweep: axes as they are typed, and the variants that they span."""

import hashlib
import json
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stillroom.errors import UserError
from stillroom.recipe.document import parse_document
from stillroom.recipe.faults import Place, suggest
from stillroom.recipe.messages import section_at
from stillroom.recipe.model import Recipe

SWEPT = ("base_model", "instruction", "data.balance", "sft", "train")
"""What may vary: whatever changes what is trained, and leaves the validation rows and the task as they are."""
LONGEST_NAME = 80
"""Characters of a variant's folder; file systems take 255 bytes, and the steps' own files need room too."""


@dataclass(frozen=True)
class Axis:
    """One key of the recipe and the values that it takes."""

    place: Place
    values: tuple[Any, ...]

    @property
    def key(self) -> str:
        """The place with dots."""
        return ".".join(map(str, self.place))


@dataclass(frozen=True)
class Variant:
    """One point of the grid: a value for every axis. The name depends on these values alone."""

    name: str
    change: dict[str, Any]


def parse_axes(words: Sequence[str]) -> list[Axis]:
    """Axes from words such as `sft.loss=[response,full]`; the values are YAML.

    A key may leave out the sections in its middle (`sft.rank`). Raises UserError with every fault of all words at once.
    """
    axes: list[Axis] = []
    faults: list[str] = []
    for word in words:
        key, sign, text = word.partition("=")
        try:
            if not sign:
                raise UserError(f"{word}: write KEY=[VALUE,VALUE], such as sft.loss=[response,full]")
            axis = Axis(_place(key.strip()), _values(key, text))
            if any(axis.key == other.key for other in axes):
                raise UserError(f"{key}: this key is an axis already; put all its values in one list")
            axes.append(axis)
        except UserError as fault:
            faults.append(str(fault))
    if faults:
        raise UserError("\n".join(dict.fromkeys(faults)))
    if not axes:
        raise UserError("A sweep needs a grid: --grid KEY=[VALUE,VALUE] ..., such as --grid sft.loss=[response,full]")
    return axes


def variants(axes: Sequence[Axis], sample: int | None = None, seed: int = 0) -> list[Variant]:
    """All combinations of the axes' values, the last axis fastest; or `sample` of them, drawn without repeats."""
    total = math.prod(len(axis.values) for axis in axes)
    numbers = range(total) if sample is None else sorted(random.Random(seed).sample(range(total), min(sample, total)))
    return [_variant(axes, number) for number in numbers]


def _variant(axes: Sequence[Axis], number: int) -> Variant:
    chosen: list[Any] = []
    for axis in reversed(axes):
        number, place = divmod(number, len(axis.values))
        chosen.insert(0, axis.values[place])
    change = {axis.key: value for axis, value in zip(axes, chosen, strict=True)}
    return Variant(_name(change), change)


def _name(change: dict[str, Any]) -> str:
    """Folder name of a variant: its values where they read well, with a checksum where that would lose something."""
    parts = []
    exact = True
    for key in sorted(change):
        text, faithful = _slug(change[key])
        parts.append(f"{key.rpartition('.')[2]}-{text}")
        exact = exact and faithful
    name = "_".join(parts)
    if exact and len(name) <= LONGEST_NAME and len({key.rpartition(".")[2] for key in change}) == len(change):
        return name
    document = json.dumps(change, sort_keys=True, ensure_ascii=False)
    return f"{name[: LONGEST_NAME - 9].rstrip('_-+.')}-{hashlib.sha256(document.encode()).hexdigest()[:8]}"


def _slug(value: Any) -> tuple[str, bool]:
    """A value in letters that a file name may hold, and whether it can be told again from them."""
    if isinstance(value, list):
        inner = [_slug(item) for item in value]
        plain = len(value) > 1 and not any(isinstance(item, list) for item in value)
        return "+".join(text for text, _ in inner), plain and all(faithful for _, faithful in inner)
    text = value if isinstance(value, str) else json.dumps(value)
    slug = re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip("-")
    return slug, slug == text != "" and (not isinstance(value, str) or not _looks_like_json(text))


def _looks_like_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _values(key: str, text: str) -> tuple[Any, ...]:
    document = parse_document(text)
    if not text.strip() or document.faults:
        why = document.faults[0].message if text.strip() else "no value"
        raise UserError(f"{key}={text}: {why}; write KEY=[VALUE,VALUE], in quotes where it holds spaces")
    values = document.data if isinstance(document.data, list) else [document.data]
    if not values:
        raise UserError(f"{key}: the list is empty; give it a value")
    for place, value in enumerate(values):
        if any(type(value) is type(other) and value == other for other in values[:place]):
            raise UserError(f"{key}: {json.dumps(value, ensure_ascii=False)} stands twice; remove one")
    return tuple(values)


def _place(key: str) -> Place:
    """The place of a key in the recipe; raises UserError for one that is not there or that a sweep may not vary."""
    known = {".".join(place): place for place in _keys()}
    swept = [name for name in known if any(name == one or name.startswith(f"{one}.") for one in SWEPT)]
    if key in swept:
        return known[key]
    if key in known:
        if key.startswith("data."):
            raise UserError(
                f"{key}: decides which rows are validated on, so its variants could not be compared; of the data, "
                "data.balance may vary"
            )
        raise UserError(f"{key}: changes nothing that a sweep measures; what may vary is {', '.join(SWEPT)}")
    inside = [name for name in swept if name.startswith(f"{key}.")]
    if inside:
        raise UserError(f"{key}: a section; name a key of it, such as {inside[0]}")
    first, _, last = key.rpartition(".")
    meant = [name for name in swept if first and name.startswith(f"{first}.") and name.endswith(f".{last}")]
    if len(meant) == 1:
        return known[meant[0]]
    same_end = [name for name in swept if name.rpartition(".")[2] == last]
    advice = f"did you mean '{same_end[0]}'?" if len(same_end) == 1 else suggest(key, swept, otherwise=_WHERE)
    raise UserError(f"{key}: unknown key; {advice}")


_WHERE = "docs/recipe.md lists them all"


def _keys(above: Place = ()) -> Iterator[tuple[str, ...]]:
    """Every key of the recipe that holds a value rather than a section."""
    section = section_at(above, {}) if above else Recipe
    for name in section.model_fields if section else ():
        place = (*map(str, above), name)
        if section_at(place, {}) is None:
            yield place
        else:
            yield from _keys(place)

"""The ways in which a right answer is made wrong.

A rule takes a gold answer and returns one broken version of it as text, or None where it does not fit (no date to
write wrongly, no list to repeat something in). Every rule proposes changes in random order and returns the first that
truly breaks what the rule says, as the schema's own validator sees it: an extra field is no fault under a schema that
allows extra fields, and then the rule does not fit.
"""

import copy
import datetime
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

from stillroom.recipe.model import RejectionRule
from stillroom.recipe.schema import canonical, validate

Schema = dict[str, Any]
Rule = Callable[[Any, Schema, str, random.Random], str | None]
"""From the gold answer, the schema, the input text and a source of chance to the broken answer's text, or None."""

EXTRA_FIELDS: dict[str, Any] = {
    # What small models like to add, with values of the kinds that they give.
    "confidence": 0.9,
    "description": "",
    "id": 1,
    "language": "en",
    "notes": None,
    "reason": "stated in the text",
    "source": "text",
    "summary": "",
}
PROSE_FOR_TEXT = [
    ("Sure! ", ""),
    ("", "\n\nLet me know if you need anything else."),
    ("Based on the text, I found the following:\n\n", "\n\nI hope this helps!"),
    ("Hier ist das Ergebnis:\n", ""),
    ("以下是结果\n", ""),
]
PROSE = [
    *PROSE_FOR_TEXT,
    ("Here is the JSON you asked for:\n", ""),
    ("The answer is ", "."),
    ("```json\n", "\n```"),
]
PLAUSIBLE = ["Anna Keller", "Room 214", "Budget review", "Main hall", "David Osei", "Team meeting", "Level 3", "Berlin"]
PLAUSIBLE_HAN = ["王丽华", "三楼会议室", "预算评审会", "大礼堂", "陈志强", "部门例会", "二号楼", "上海"]
EMBROIDERY = ["Annual", "Weekly", "Second", "Online", "New"]
EMBROIDERY_HAN = ["年度", "每周", "第二次", "线上", "新"]
DATE_STYLES = ["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d %B %Y", "%B %d, %Y", "%Y%m%d", "%Y年%m月%d日"]
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
HAN = re.compile(r"[\u4e00-\u9fff]")

Place = tuple[str | int, ...]
"""The keys and positions that lead from the whole answer to a value in it; empty for the whole."""


def extra_field(answer: Any, schema: Schema, text: str, rng: random.Random) -> str | None:
    """A key that the schema does not allow, at the end of an object."""

    def changes(value: Any) -> Iterator[Any]:
        for place, inner in _shuffled(_walk(value), rng):
            if isinstance(inner, dict):
                for name in _shuffled(EXTRA_FIELDS, rng):
                    if name not in inner:
                        yield _with(value, place, {**inner, name: EXTRA_FIELDS[name]})

    return _first_invalid(changes, answer, schema)


def missing_field(answer: Any, schema: Schema, text: str, rng: random.Random) -> str | None:
    """A required key left out."""

    def changes(value: Any) -> Iterator[Any]:
        for place, inner in _shuffled(_walk(value), rng):
            if isinstance(inner, dict):
                for name in _shuffled(inner, rng):
                    yield _with(value, place, {key: inner[key] for key in inner if key != name})

    return _first_invalid(changes, answer, schema)


def wrong_type(answer: Any, schema: Schema, text: str, rng: random.Random) -> str | None:
    """A value of another JSON type than the schema names there."""

    def changes(value: Any) -> Iterator[Any]:
        for place, inner in _shuffled(_walk(value), rng):
            for other in _shuffled(_other_types(inner), rng):
                yield _with(value, place, other)

    return _first_invalid(changes, answer, schema)


def broken_json(answer: Any, schema: Schema, text: str, rng: random.Random) -> str | None:
    """Text that no JSON reader takes: cut short, or a sign too few or too many."""
    whole = canonical(schema, answer)
    attempts = [
        whole[: rng.randrange(len(whole) // 2, len(whole))],
        whole[:-1],
        whole[:-1] + "," + whole[-1],
        whole + whole[-1],
        whole.replace('"', "'"),
        re.sub(r'"(\w+)":', r"\1:", whole),
        whole.replace('":', '"', 1),
        whole.replace(',"', '"', 1),
    ]
    return next((attempt for attempt in _shuffled(attempts, rng) if attempt and not _is_json(attempt)), None)


def prose_around(answer: Any, schema: Schema | None, text: str, rng: random.Random) -> str | None:
    """The right answer with talk before or after it, or in a code fence. It fits free text too, which has no schema."""
    before, after = rng.choice(PROSE if schema is not None else PROSE_FOR_TEXT)
    return f"{before}{canonical(schema, answer)}{after}"


def value_not_in_text(answer: Any, schema: Schema, text: str, rng: random.Random) -> str | None:
    """A valid answer in which what the text says, or leaves open (null), became something that it does not say.

    Half of the time what is left open comes first. A model's own wrong answers are mostly nulls that should be values:
    with nothing against them, 16 steps of DPO taught a model to invent an organiser where the mail names none.
    """
    known = text.casefold()
    from_nothing = PLAUSIBLE_HAN if HAN.search(text) else PLAUSIBLE

    def changes(value: Any) -> Iterator[Any]:
        places = _shuffled(_walk(value), rng)
        if rng.random() < 0.5:
            places.sort(key=lambda found: found[1] is not None)
        for place, inner in places:
            if inner is None:
                for other in _shuffled(from_nothing, rng):
                    if other.casefold() not in known:
                        yield _with(value, place, other)
            elif isinstance(inner, str) and inner.strip() and inner.casefold() in known:
                for other in _invented(inner, rng):
                    if other.casefold() not in known:
                        yield _with(value, place, other)

    return _first_valid(changes, answer, schema)


def wrong_date_format(answer: Any, schema: Schema, text: str, rng: random.Random) -> str | None:
    """The right date, not written as YYYY-MM-DD where the schema wants that."""

    def changes(value: Any) -> Iterator[Any]:
        for place, inner in _shuffled(_walk(value), rng):
            date = _date(inner)
            if date is not None:
                for style in _shuffled(DATE_STYLES, rng):
                    yield _with(value, place, date.strftime(style) + inner[10:])

    return _first_invalid(changes, answer, schema)


def duplicate_event(answer: Any, schema: Schema, text: str, rng: random.Random) -> str | None:
    """A valid answer in which one object of a list stands twice."""

    def changes(value: Any) -> Iterator[Any]:
        for place, inner in _shuffled(_walk(value), rng):
            if isinstance(inner, list) and all(isinstance(element, dict) for element in inner):
                for at in _shuffled(range(len(inner)), rng):
                    yield _with(value, place, [*inner[: at + 1], *inner[at:]])

    return _first_valid(changes, answer, schema)


RULES: dict[RejectionRule, Rule] = {
    "extra_field": extra_field,
    "missing_field": missing_field,
    "wrong_type": wrong_type,
    "broken_json": broken_json,
    "prose_around": prose_around,
    "value_not_in_text": value_not_in_text,
    "wrong_date_format": wrong_date_format,
    "duplicate_event": duplicate_event,
}


def broken_by(rule: RejectionRule, answer: Any, schema: Schema | None, text: str, rng: random.Random) -> str | None:
    """The answer broken by the named rule, or None where the rule does not fit."""
    if schema is None:
        return prose_around(answer, None, text, rng) if rule == "prose_around" else None
    return RULES[rule](answer, schema, text, rng)


def _first_invalid(changes: Callable[[Any], Iterator[Any]], answer: Any, schema: Schema) -> str | None:
    return next((_write(value) for value in changes(_ordered(schema, answer)) if validate(schema, value)), None)


def _first_valid(changes: Callable[[Any], Iterator[Any]], answer: Any, schema: Schema) -> str | None:
    return next((_write(value) for value in changes(_ordered(schema, answer)) if not validate(schema, value)), None)


def _ordered(schema: Schema, answer: Any) -> Any:
    """The answer with its keys in the schema's order, so that a broken answer differs in its fault alone."""
    return json.loads(canonical(schema, answer))


def _write(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _walk(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value in an answer with its place, the whole answer first."""
    yield place, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from _walk(inner, (*place, key))


def _with(value: Any, place: Place, new: Any) -> Any:
    """A copy of the answer with another value at one place."""
    if not place:
        return new
    changed = copy.deepcopy(value)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = new
    return changed


def _shuffled(values: Any, rng: random.Random) -> list[Any]:
    listed = list(values)
    rng.shuffle(listed)
    return listed


def _other_types(value: Any) -> list[Any]:
    """Mistakes of type that a model makes with such a value; None becomes a word for nothing."""
    if value is None:
        return ["none", "", False, []]
    if isinstance(value, bool):
        return [str(value).lower(), int(value), None]
    if isinstance(value, (int, float)):
        return [str(value), [value], None]
    if isinstance(value, str):
        return [[value], {"value": value}, None, len(value)]
    if isinstance(value, list):
        return [value[0] if value else {}, _write(value), None]
    return [list(value.values()), _write(value), None]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _date(value: Any) -> datetime.date | None:
    """The date that a text begins with, if it is a date or a date with a time."""
    if not isinstance(value, str) or not ISO_DATE.match(value):
        return None
    try:
        return datetime.date.fromisoformat(value[:10])
    except ValueError:
        return None


def _invented(value: str, rng: random.Random) -> Iterator[str]:
    """Plausible other values in place of one: a date or a number moved, a word added, something else said."""
    date = _date(value)
    if date is not None:
        # Within the year that the date is in, so that the change cannot leave the calendar.
        for days in _shuffled(range(1, 28), rng):
            yield date.replace(day=(date.day + days - 1) % 28 + 1).isoformat() + value[10:]
        return
    clock = re.fullmatch(r"(\d{2}):(\d{2})(.*)", value)
    if clock:
        for hours in _shuffled(range(1, 12), rng):
            yield f"{(int(clock[1]) + hours) % 24:02d}:{clock[2]}{clock[3]}"
        return
    for number in _shuffled(re.finditer(r"\d", value), rng):
        for digit in _shuffled("123456789", rng):
            yield value[: number.start()] + digit + value[number.end() :]
    han = bool(HAN.search(value))
    said_else = PLAUSIBLE_HAN if han else PLAUSIBLE
    embroidered = [f"{word}{value}" for word in EMBROIDERY_HAN] if han else [f"{word} {value}" for word in EMBROIDERY]
    yield from _shuffled([*said_else, *embroidered], rng)

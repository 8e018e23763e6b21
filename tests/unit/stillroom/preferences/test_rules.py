"""Every rule breaks what it says, whatever the schema and the answer."""

import json
import random
import string

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from stillroom.preferences.rules import EMBROIDERY, PLAUSIBLE, PROSE, RULES, broken_by
from stillroom.recipe.schema import canonical, unsupported, validate

words = st.sampled_from(["Budget review", "Saal 3", "会议", "x", "12 May", 'say "hi"', "Zoë", "10:30"])
names = st.text(string.ascii_lowercase + "_é", min_size=1, max_size=6)


def objects(fields):
    """Pairs of an object's schema and a strategy of its values, from named pairs and which of them may be left out."""
    schema = {
        "type": "object",
        "properties": {name: inner for name, (inner, _, _) in fields.items()},
        "required": [name for name, (_, _, required) in fields.items() if required],
        "additionalProperties": False,
    }
    values = st.fixed_dictionaries(
        {name: value for name, (_, value, required) in fields.items() if required},
        optional={name: value for name, (_, value, required) in fields.items() if not required},
    )
    return schema, values


def arrays(pair, most):
    schema, value = pair
    limit = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": schema, **limit}, st.lists(value, max_size=3 if most is None else most)


leaves = st.sampled_from(
    [
        ({"type": "string"}, words),
        ({"type": ["string", "null"]}, st.none() | words),
        ({"type": "string", "maxLength": 12}, words.filter(lambda word: len(word) <= 12)),
        ({"type": "string", "enum": ["event", "spam"]}, st.sampled_from(["event", "spam"])),
        ({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}, st.dates().map(str)),
        ({"type": "string", "format": "date"}, st.dates().map(str)),
        ({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"}, st.sampled_from(["09:00", "23:45"])),
        ({"type": "integer", "minimum": 0, "maximum": 9}, st.integers(0, 9)),
        ({"type": "number"}, st.sampled_from([0.5, -2.25, 3])),
        ({"type": "boolean"}, st.booleans()),
    ]
)


def with_children(children):
    fields = st.dictionaries(names, st.tuples(children, st.booleans()), min_size=1, max_size=3)
    as_object = fields.map(lambda found: objects({name: (*pair, required) for name, (pair, required) in found.items()}))
    return as_object | st.builds(arrays, children, st.sampled_from([None, 1, 3]))


tasks = st.recursive(leaves, with_children, max_leaves=6)
happenings = arrays(
    objects(
        {
            "title": ({"type": "string"}, words, True),
            "day": ({"type": "string", "format": "date"}, st.dates().map(str), True),
        }
    ),
    3,
)
roots = st.builds(
    # Half of the tasks have a list of dated things, which several rules are about.
    lambda found, dated: objects(
        {name: (*pair, required) for name, (pair, required) in found.items()}
        | ({"events": (*happenings, True)} if dated else {})
    ),
    st.dictionaries(names, st.tuples(tasks, st.booleans()), min_size=1, max_size=3),
    st.booleans(),
)


def leaves(value):
    if not isinstance(value, (dict, list)):
        return [value]
    return [leaf for inner in (value.values() if isinstance(value, dict) else value) for leaf in leaves(inner)]


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=50)
@given(data=st.data())
def test_a_broken_answer_is_broken_as_the_rule_says(rule, data):
    schema, values = data.draw(roots)
    answer = data.draw(values)
    assume(not unsupported(schema) and not validate(schema, answer))
    text = " | ".join(leaf for leaf in leaves(answer) if isinstance(leaf, str))
    rejected = broken_by(rule, answer, schema, text, random.Random(data.draw(st.integers(0, 99))))
    event("fits" if rejected is not None else "does not fit")
    if rejected is None:
        return
    gold = canonical(schema, answer)
    assert rejected != gold
    if rule == "broken_json":
        assert not is_json(rejected)
    elif rule == "prose_around":
        assert gold in rejected and not is_json(rejected)
    elif rule in ("value_not_in_text", "duplicate_event"):
        value = json.loads(rejected)
        assert not validate(schema, value)
        before, after = leaves(json.loads(gold)), leaves(value)
        if rule == "value_not_in_text":
            changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
            assert len(changed) == 1
            assert changed[0][0] is None or changed[0][0].casefold() in text.casefold()
            assert changed[0][1].casefold() not in text.casefold()
        else:
            assert gold in {canonical(schema, less) for less in without_one_repeat(value)}
    else:
        assert validate(schema, json.loads(rejected))


def without_one_repeat(value):
    """All that remains when one list element that equals its neighbour is taken out."""
    if isinstance(value, list):
        for at, inner in enumerate(value):
            if at and inner == value[at - 1]:
                yield value[:at] + value[at + 1 :]
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(inside):
        for less in without_one_repeat(inner):
            copy = value.copy()
            copy[key] = less
            yield copy


EVENT = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "time": {"type": ["string", "null"], "pattern": "^[0-9]{2}:[0-9]{2}$"},
    },
    "required": ["title", "date", "time"],
    "additionalProperties": False,
}
MAIL_SCHEMA = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": ["event", "spam", "other"]},
        "events": {"type": "array", "items": EVENT, "maxItems": 2},
    },
    "required": ["category", "events"],
    "additionalProperties": False,
}
MAIL = "Subject: Budget review\n\nThe Budget review is on 25 November 2026 at 10:30."
ONE = {"category": "event", "events": [{"title": "Budget review", "date": "2026-11-25", "time": "10:30"}]}
NONE = {"category": "other", "events": []}


def every(rule, answer, text=MAIL, draws=60):
    return {broken_by(rule, answer, MAIL_SCHEMA, text, random.Random(seed)) for seed in range(draws)}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_fits_an_event_mail_and_varies(rule):
    broken = every(rule, ONE)
    assert None not in broken
    assert len(broken) > (0 if rule == "duplicate_event" else 3)


def test_rules_that_need_an_event_do_not_fit_without_one():
    for rule in ("value_not_in_text", "wrong_date_format", "duplicate_event"):
        assert every(rule, NONE) == {None}
    for rule in ("extra_field", "missing_field", "wrong_type", "broken_json", "prose_around"):
        assert None not in every(rule, NONE)


def test_a_full_list_cannot_repeat_an_element():
    assert every("duplicate_event", {"category": "event", "events": ONE["events"] * 2}) == {None}


def test_an_open_date_field_has_no_wrong_format():
    schema = {"type": "object", "properties": {"day": {"type": "string"}}, "additionalProperties": False}
    assert RULES["wrong_date_format"]({"day": "2026-11-25"}, schema, "", random.Random(0)) is None


def test_a_date_is_rewritten_and_stays_that_date():
    dates = {json.loads(text)["events"][0]["date"] for text in every("wrong_date_format", ONE)}
    assert {"25.11.2026", "11/25/2026", "November 25, 2026", "2026年11月25日"} <= dates


def test_invented_times_are_times_and_titles_are_plausible():
    events = [json.loads(text)["events"][0] for text in every("value_not_in_text", ONE)]
    for time in {found["time"] for found in events}:
        assert int(time[:2]) < 24 and int(time[3:]) < 60
    titles = {found["title"] for found in events} - {"Budget review"}
    assert {"Main hall", "Annual Budget review"} <= titles


def test_what_the_text_does_say_is_never_taken_for_invented():
    said = [*PLAUSIBLE[1:], *(f"{word} budget REVIEW" for word in EMBROIDERY)]
    broken = every("value_not_in_text", ONE, MAIL + " ".join(said))
    titles = {json.loads(text)["events"][0]["title"] for text in broken} - {"Budget review"}
    assert titles == {PLAUSIBLE[0]}


def test_something_is_also_invented_where_the_text_gives_nothing():
    word = {"type": ["string", "null"]}
    schema = {"type": "object", "properties": {"what": word, "who": word}, "additionalProperties": False}
    answer = {"what": "Budget review", "who": None}
    rule, draws = RULES["value_not_in_text"], range(60)
    found = [json.loads(rule(answer, schema, MAIL, random.Random(seed))) for seed in draws]
    filled = [event["who"] for event in found if event["who"] is not None]
    assert set(filled) <= set(PLAUSIBLE) and 0.5 < len(filled) / len(found) < 0.95


def test_a_chinese_value_is_replaced_by_a_chinese_one():
    answer = {"category": "event", "events": [{"title": "会议", "date": "2026-11-25", "time": None}]}
    titles = {json.loads(text)["events"][0]["title"] for text in every("value_not_in_text", answer, "周三有会议。")}
    assert titles and all(any("\u4e00" <= sign <= "\u9fff" for sign in title) for title in titles)


def test_the_gold_answer_is_left_as_it_was():
    before = json.dumps(ONE)
    for rule in RULES:
        every(rule, ONE, draws=5)
    assert json.dumps(ONE) == before


def test_the_same_seed_breaks_the_same_way():
    for rule in RULES:
        first, second = (broken_by(rule, ONE, MAIL_SCHEMA, MAIL, random.Random(7)) for _ in range(2))
        assert first == second


def test_free_text_can_only_have_talk_around_it():
    assert {rule for rule in RULES if broken_by(rule, "Yes.", None, "", random.Random(0)) is not None} == {
        "prose_around"
    }
    talk = {broken_by("prose_around", "Yes.", None, "", random.Random(seed)) for seed in range(50)}
    assert all("Yes." in text and "JSON" not in text and "json" not in text for text in talk)
    assert all(before or after for before, after in PROSE)

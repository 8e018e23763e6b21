"""What must hold for every generated mail, and for the mix of many."""

import re
from collections import Counter
from datetime import date
from email.utils import parsedate_to_datetime
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.data.rows import Row
from stillroom.data.synthetic import generate
from stillroom.errors import UserError

CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
KEYS = ["title", "date", "time", "location", "organizer", "status"]
SHARES = {"en": 0.5, "de": 0.28, "zh": 0.22}
STATUSES = {"planned", "moved", "cancelled"}
WEEKDAYS = {
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "de": ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    "zh": ["周一", "周二", "周三", "周四", "周五", "周六", "周日"],
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(generate(5000, 11, SHARES))


def faults(row: Row) -> list[str]:
    """Everything that is wrong with a row's answer."""
    answer, found = row.label, []
    if list(answer) != ["category", "events"] or answer["category"] not in ("event", "spam", "other"):
        found.append("answer's keys or category")
    if (answer["category"] == "event") != (1 <= len(answer["events"]) <= 4):
        found.append("number of events")
    for event in answer["events"]:
        if list(event) != KEYS or event["status"] not in STATUSES:
            found.append("event's keys or status")
        if date.fromisoformat(event["date"]).isoformat() != event["date"]:
            found.append("date")
        if event["time"] is not None and not CLOCK.fullmatch(event["time"]):
            found.append("time")
        for name in ("title", "location", "organizer"):
            if event[name] is not None and (not event[name] or event[name] not in row.text):
                found.append(f"{name} is not in the mail")
        if not 0 < len(event["title"]) <= 60 or len(event["location"] or "") > 50:
            found.append("length of a name")
    return found


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), languages=st.sampled_from([("en",), ("de",), ("zh",), ("en", "de", "zh")]))
def test_every_answer_is_valid_and_its_names_stand_in_the_mail(seed: int, languages: tuple[str, ...]) -> None:
    for row in generate(3, seed, dict.fromkeys(languages, 1)):
        assert faults(row) == []
        assert row.meta["language"] in languages
        assert row.source == "generated"


def test_five_thousand_answers_are_valid(rows: list[Row]) -> None:
    assert [(row.text, faults(row)) for row in rows if faults(row)] == []


def test_no_wording_is_left_unfilled(rows: list[Row]) -> None:
    for row in rows:
        body = row.text.split("\n\n", 1)[1]
        assert not re.search(r"[{}<|]|\[(?!Calendar\]|Kalender\])", body.replace(" | ", "")), body
        assert "  " not in body.replace("   ", "")
        assert not re.search(r" [.,;!?](\s|$)|,,|，，|。。|\.\.", body), body


def test_headers_can_be_read(rows: list[Row]) -> None:
    for row in rows:
        sender, day, subject, empty = row.text.split("\n")[:4]
        assert re.fullmatch(r"From: .+ <[a-z0-9.'-]+@[a-z0-9]+\.example>", sender), sender
        assert parsedate_to_datetime(day.removeprefix("Date: ")).tzinfo is not None
        assert subject.startswith("Subject: ") and len(subject) > len("Subject: ")
        assert empty == ""


def test_no_event_lies_before_its_mail(rows: list[Row]) -> None:
    for row in rows:
        sent = parsedate_to_datetime(row.text.split("\n")[1].removeprefix("Date: "))
        for event in row.label["events"]:
            assert event["date"] >= sent.date().isoformat()
            if event["date"] == sent.date().isoformat() and event["time"]:
                assert event["time"] > f"{sent:%H:%M}", row.text


def test_same_seed_same_rows() -> None:
    assert list(generate(60, 5, SHARES)) == list(generate(60, 5, SHARES))
    assert [row.text for row in generate(60, 5, SHARES)] != [row.text for row in generate(60, 6, SHARES)]


def test_a_row_does_not_depend_on_the_count() -> None:
    assert list(generate(20, 5, SHARES)) == list(islice(generate(200, 5, SHARES), 20))


def test_ids_are_unique_and_stable(rows: list[Row]) -> None:
    assert [row.id for row in rows] == [f"generated-11-{number}" for number in range(5000)]


def test_texts_and_titles_are_composed(rows: list[Row]) -> None:
    assert len({row.text for row in rows}) > 0.95 * len(rows)
    bodies = {row.text.split("\n\n", 1)[1] for row in rows}
    assert len(bodies) > 0.95 * len(rows)
    assert len({event["title"] for row in rows for event in row.label["events"]}) > 2500


def test_shares(rows: list[Row]) -> None:
    size = len(rows)
    categories = Counter(row.label["category"] for row in rows)
    languages = Counter(row.meta["language"] for row in rows)
    for counts, shares in (
        (categories, {"event": 0.72, "other": 0.18, "spam": 0.1}),
        (languages, SHARES),
    ):
        assert set(counts) == set(shares)
        for name, share in shares.items():
            assert abs(counts[name] / size - share) < 0.025, (name, counts[name])
    events = [row for row in rows if row.label["category"] == "event"]
    assert 0.05 < sum("\n> " in row.text for row in events) / len(events) < 0.11


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_every_language_has_every_style_kind_and_null(rows: list[Row], language: str) -> None:
    mine = [row for row in rows if row.meta["language"] == language]
    assert len({row.meta["date_style"] for row in mine} - {"none"}) >= 12
    assert len({row.meta["style"] for row in mine} - {"none"}) >= 6
    assert len({row.meta["time_style"] for row in mine}) >= 6
    kinds = {row.meta["kind"] for row in mine}
    assert {"planned", "moved", "cancelled", "several", "spam", "chat", "newsletter", "receipt"} <= kinds
    assert {"invoice", "report", "greeting", "shipping", "deadline"} <= kinds
    events = [event for row in mine for event in row.label["events"]]
    for name in ("time", "location", "organizer"):
        assert 0.1 < sum(event[name] is None for event in events) / len(events) < 0.5
    assert {len(row.label["events"]) for row in mine} == {0, 1, 2, 3, 4}


def test_mails_are_short(rows: list[Row]) -> None:
    for language, most in (("en", 110), ("de", 110)):
        sizes = sorted(len(row.text.split()) for row in rows if row.meta["language"] == language)
        assert 25 <= sizes[len(sizes) // 2] <= 60
        assert sizes[len(sizes) * 95 // 100] <= most
    sizes = sorted(len(row.text.split("\n\n", 1)[1]) for row in rows if row.meta["language"] == "zh")
    assert sizes[len(sizes) * 9 // 10] <= 120


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_weekday_that_is_named_is_the_dates_own(rows: list[Row], language: str) -> None:
    """In a mail of one event that still stands every full weekday name in a plain style is the event's."""
    names, checked = WEEKDAYS[language], 0
    for row in rows:
        quoted_or_more = "\n> " in row.text or re.search(r"reply by|RSVP|open until|bis |报名|回复", row.text)
        if row.meta["language"] != language or row.meta["kind"] not in ("planned", "cancelled") or quoted_or_more:
            continue
        body = row.text.split("\n\n", 1)[1]
        named = [name for name in names if name in body]
        if named and "week" in row.meta["date_style"]:
            event = row.label["events"][0]
            assert named == [names[date.fromisoformat(event["date"]).weekday()]], row.text
            checked += 1
    assert checked > 20


def test_moved_events_mention_the_old_date(rows: list[Row]) -> None:
    moved = [row for row in rows if row.meta["kind"] == "moved" and row.meta["date_style"] == "iso"]
    assert moved
    days = [len(set(re.findall(r"\d{4}-\d\d-\d\d", row.text))) for row in moved]
    assert sum(days) > 1.3 * len(moved)


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(UserError, match=r"en, de and zh, not fr"):
        generate(1, 1, {"en": 1, "fr": 1})

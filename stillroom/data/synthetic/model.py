"""What the parts of a generated mail are, and what a language must bring along."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Title:
    """The name of an event. `gender` (m, f, n) is the head noun's; only German asks for it."""

    text: str
    gender: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A location: `text` is the name, `at` the name in a sentence (`in der Stadtbibliothek`)."""

    text: str
    at: str


@dataclass(frozen=True, slots=True)
class Party:
    """A person or a body. `subject` and `by` are the name in a sentence (`die Musikschule`, `von der Musikschule`)."""

    text: str
    mailbox: str
    subject: str
    by: str
    is_body: bool = False

    @property
    def header(self) -> str:
        """The value of a From line."""
        return f"{self.text} <{self.mailbox}>"


@dataclass(frozen=True, slots=True)
class DateText:
    """A date in words: bare (`23 November`), as an adverbial (`on 23 November`), as a target (`to 23 November`)."""

    day: date
    style: str
    text: str
    on: str
    to: str


@dataclass(frozen=True, slots=True)
class TimeText:
    """A time of day in words: bare (`14:30`) and as an adverbial (`at 14:30`)."""

    clock: time
    style: str
    text: str
    at: str


@dataclass(frozen=True, slots=True)
class DateStyle:
    """One way to write a date.

    `fits(day, sent)` says whether the style names that day without doubt in a mail sent on that day; `write` writes it.
    `span` marks `in three days`, which cannot follow a preposition.
    """

    name: str
    weight: float
    fits: Callable[[date, date], bool]
    write: Callable[[date, date], tuple[str, str, str]]
    relative: bool = False
    span: bool = False


# A name, a weight, and what gives the time bare and as an adverbial, or None where the style cannot say it.
TimeStyle = tuple[str, float, Callable[[time], tuple[str, str] | None]]


@dataclass(frozen=True, slots=True)
class Domain:
    """A walk of life: what its events are called, where and at what hours they are held."""

    name: str
    weight: float
    hours: tuple[int, int]
    title: Callable[[Random], Title]
    place: Callable[[Random], Place]
    weekdays_only: bool = False


@dataclass(frozen=True, slots=True)
class Occasion:
    """One event with its wording; `before` is what a moved event's date and time were."""

    title: Title
    date: DateText
    time: TimeText | None
    place: Place | None
    host: Party | None
    status: str
    before: tuple[DateText, TimeText | None] | None = None

    def answer(self) -> dict[str, Any]:
        """The event as the recipe's answer states it, keys in the answer's order."""
        return {
            "title": self.title.text,
            "date": self.date.day.isoformat(),
            "time": self.time.clock.strftime("%H:%M") if self.time else None,
            "location": self.place.text if self.place else None,
            "organizer": self.host.text if self.host else None,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Labels:
    """The words before the colons of a field list."""

    what: str
    date: str
    time: str
    where: str
    host: str
    status: str
    before: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A language's sentences, in the grammar of `template.py`.

    `sentences` is keyed by (status, caller, register): the caller is `sender` where the wording makes it plain that
    the sender calls the event, else `neutral`. `postponed` may be said only where the new date is the later one.
    """

    sentences: Mapping[tuple[str, str, str], tuple[str, ...]]
    greetings: Mapping[str, tuple[str, ...]]
    closings: Mapping[str, tuple[str, ...]]
    moved: tuple[str, ...]
    postponed: tuple[str, ...]
    where: tuple[str, ...]
    starts: tuple[str, ...]
    hosts: tuple[str, ...]
    speakers: tuple[str, ...]
    terse_hosts: tuple[str, ...]
    item_hosts: tuple[str, ...]
    passed_on: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]
    reply_by: tuple[str, ...]
    labels: tuple[Labels, ...]
    statuses: Mapping[str, tuple[str, ...]]
    fields_intro: Mapping[str, tuple[str, ...]]
    bulletin_intro: Mapping[str, tuple[str, ...]]
    bulletin_items: Mapping[str, tuple[str, ...]]
    bulletin_end: tuple[str, ...]
    notifications: Mapping[str, tuple[str, ...]]
    notification_end: tuple[str, ...]
    subjects: Mapping[str, tuple[str, ...]]
    quotes: tuple[str, ...]
    footers: tuple[str, ...]
    relays: tuple[str, ...]
    systems: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """All that one language brings: dates, times, names, grammar and wording.

    `others` and `spam` map a kind of mail without events to its (subjects, bodies).
    """

    code: str
    date_styles: tuple[DateStyle, ...]
    times: tuple[TimeStyle, ...]
    domains: tuple[Domain, ...]
    person: Callable[[Random], Party]
    body: Callable[[Random], Party]
    town: Callable[[Random], str]
    grammar: Callable[[Title], dict[str, str]]
    wording: Wording
    others: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    spam: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    vocabulary: Mapping[str, tuple[str, ...]]
    first_name: Callable[[str], str]
    joiner: str = " "
    comma: str = ", "

"""Drawing the events of a mail: what, when, where, by whom, and whether it still stands."""

from collections.abc import Sequence
from datetime import date, time
from random import Random

from stillroom.data.synthetic.dates import draw_dates, write_time
from stillroom.data.synthetic.model import DateStyle, DateText, Domain, Language, Occasion, Party, TimeText, Title
from stillroom.data.synthetic.template import pick

_STATUS = (("planned", 0.66), ("moved", 0.18), ("cancelled", 0.16))
_NO_TIME = 0.22
_NO_PLACE = 0.25
_SAME_DAY = 0.25  # of the moved events with a time: only the hour changes
_TITLE_LIMIT = 60
_MINUTES = ((0, 0.5), (30, 0.3), (15, 0.1), (45, 0.1))


def draw_occasions(
    random: Random, language: Language, sent: date, count: int, host: Party | str | None, called: bool = False
) -> list[Occasion]:
    """Draw `count` events with different titles and days, in the order of their days.

    `host` is the party that holds them all, None where nobody is named, or `named` for somebody new for each event.
    """
    # Nobody invites to the restart of a server, so the callers of such work are named or unknown.
    domain = pick(
        random, [(domain, domain.weight) for domain in language.domains if not (called and domain.name == "systems")]
    )
    statuses = [pick(random, _STATUS) for _ in range(count)]
    span_ok = all(status == "planned" for status in statuses)
    days = _draw_days(random, language, sent, count, span_ok, domain.weekdays_only)
    occasions: list[Occasion] = []
    titles: set[str] = set()
    for day, status in zip(days, statuses, strict=True):
        title = _draw_title(random, domain, titles)
        clock = None if random.random() < _NO_TIME else draw_time(random, language, domain)
        place = None if random.random() < _NO_PLACE else domain.place(random)
        party = _draw_host(random, language, domain) if host == "named" else host
        before = _draw_before(random, language, domain, sent, day, clock) if status == "moved" else None
        assert not isinstance(party, str)
        occasions.append(Occasion(title, day, clock, place, party, status, before))
    return occasions


def draw_time(random: Random, language: Language, domain: Domain) -> TimeText:
    """Draw a time of day that suits the kind of event."""
    first, last = domain.hours
    clock = time(12) if random.random() < 0.05 else time(random.randint(first, last), pick(random, _MINUTES))
    return write_time(random, language.times, clock)


def plain_styles(language: Language) -> list[DateStyle]:
    """The styles that do not depend on the header."""
    return [style for style in language.date_styles if not style.relative]


def _draw_title(random: Random, domain: Domain, used: set[str]) -> Title:
    while True:
        title = domain.title(random)
        # A title inside another one would make the answer ambiguous.
        if len(title.text) <= _TITLE_LIMIT and not any(title.text in other or other in title.text for other in used):
            used.add(title.text)
            return title


def _draw_host(random: Random, language: Language, domain: Domain) -> Party:
    by_body = domain.name != "systems" and random.random() < 0.45
    return language.body(random) if by_body else language.person(random)


def _draw_days(
    random: Random, language: Language, sent: date, count: int, span_ok: bool, weekdays_only: bool
) -> list[DateText]:
    styles = [style for style in language.date_styles if span_ok or not style.span]
    while True:  # some styles name no day, or too few days, from this header
        style = pick(random, [(style, style.weight) for style in styles])
        days = draw_dates(random, style, sent, count, weekdays_only=weekdays_only)
        if len(days) == count:
            return days


def _draw_before(
    random: Random, language: Language, domain: Domain, sent: date, day: DateText, clock: TimeText | None
) -> tuple[DateText, TimeText | None]:
    """What a moved event's date and time were.

    The old time is given only where the new one is: else a reader might think that the old time still holds.
    """
    if clock is not None and day.day != sent and random.random() < _SAME_DAY:
        return day, _another_time(random, language, domain, clock)
    styles: Sequence[DateStyle] = [style for style in language.date_styles if not style.span and style.name != "today"]
    if random.random() < 0.6:  # people mostly write both dates alike
        styles = [style for style in styles if style.name == day.style] or styles
    while True:
        days = draw_dates(
            random,
            pick(random, [(style, style.weight) for style in styles]),
            sent,
            2,
            earliest=1,
            weekdays_only=domain.weekdays_only,
        )
        days = [old for old in days if old.day != day.day]
        if days:
            old_time = _another_time(random, language, domain, clock) if clock and random.random() < 0.5 else None
            # Most events are put off; the rest are brought forward, so that the later day is not always the answer.
            return days[0 if random.random() < 0.6 else -1], old_time
        styles = plain_styles(language)


def _another_time(random: Random, language: Language, domain: Domain, clock: TimeText) -> TimeText:
    while True:
        other = draw_time(random, language, domain)
        if other.clock != clock.clock:
            return other

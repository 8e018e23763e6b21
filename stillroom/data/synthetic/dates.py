"""Dates relative to the day a mail was sent, and the rule that every style names exactly one day.

A style is used only where the readings that careful people might have agree. `next Tuesday` is written on a Thursday,
when the coming Tuesday is also next week's; on a Monday it is not written at all.
"""

from collections.abc import Sequence
from datetime import date, time, timedelta
from random import Random

from stillroom.data.synthetic.model import DateStyle, DateText, TimeStyle, TimeText
from stillroom.data.synthetic.template import pick

# Most mails speak of the coming weeks; the last bound lets years change between the header and the event.
_HORIZONS = ((14, 0.5), (45, 0.35), (150, 0.15))
_SCAN = 150


def ahead(day: date, sent: date) -> int:
    """Days from the header's day to `day`."""
    return (day - sent).days


def soon(day: date, sent: date) -> bool:
    """A date without its year: after the header's day and less than half a year off, so the next such day."""
    return 0 < ahead(day, sent) < 180


def this_month_or_next(day: date, sent: date) -> bool:
    """A bare day of the month (`the 23rd`): the next such day, at most 25 days off."""
    return 0 < ahead(day, sent) <= 25


def coming_weekday(day: date, sent: date) -> bool:
    """A bare weekday: the next such day, never the header's own."""
    return 0 < ahead(day, sent) < 7


def weeks_apart(day: date, sent: date) -> int:
    """Calendar weeks (Monday to Sunday) between the two days."""
    return (day - timedelta(day.weekday()) - sent + timedelta(sent.weekday())).days // 7


def later_this_week(day: date, sent: date) -> bool:
    """A later day of the header's own calendar week."""
    return ahead(day, sent) > 0 and weeks_apart(day, sent) == 0


def next_weekday(day: date, sent: date) -> bool:
    """A day of next calendar week that is also the first such weekday to come, and is not tomorrow."""
    return weeks_apart(day, sent) == 1 and 2 <= ahead(day, sent) <= 7


def week_after_weekday(day: date, sent: date) -> bool:
    """`a week from Monday`: the coming Monday and seven days more."""
    return 7 < ahead(day, sent) < 14


def draw_dates(
    random: Random, style: DateStyle, sent: date, count: int, earliest: int = 0, weekdays_only: bool = False
) -> list[DateText]:
    """Draw up to `count` different days that the style can name, in order, at least `earliest` days after `sent`."""
    days = [sent + timedelta(offset) for offset in range(earliest, _SCAN)]
    days = [day for day in days if style.fits(day, sent) and not (weekdays_only and day.weekday() > 4)]
    horizon = pick(random, _HORIZONS)
    near = [day for day in days if ahead(day, sent) <= horizon]
    days = near if len(near) >= count else days
    return [write_date(style, day, sent) for day in sorted(random.sample(days, min(count, len(days))))]


def write_date(style: DateStyle, day: date, sent: date) -> DateText:
    """Write a day in a style."""
    return DateText(day, style.name, *style.write(day, sent))


def write_time(random: Random, styles: Sequence[TimeStyle], clock: time) -> TimeText:
    """Write a time of day in one of the styles that can say it."""
    able = []
    for name, weight, write in styles:
        words = write(clock)
        if words is not None:
            able.append(((name, words), weight))
    name, words = pick(random, able)
    return TimeText(clock, name, *words)

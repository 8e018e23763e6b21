"""English dates and times of day."""

from collections.abc import Callable
from datetime import date, time

from stillroom.data.synthetic.dates import (
    ahead,
    coming_weekday,
    later_this_week,
    next_weekday,
    soon,
    this_month_or_next,
    week_after_weekday,
)
from stillroom.data.synthetic.model import DateStyle, TimeStyle
from stillroom.data.synthetic.template import words

MONTHS = words("January February March April May June July August September October November December")
WEEKDAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
NUMBERS = words("zero one two three four five six seven eight nine ten eleven twelve")


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _on(pattern: str) -> Callable[[date, date], tuple[str, str, str]]:
    """A style that takes `on`; the pattern's fields are named for what they hold."""

    def write(day: date, sent: date) -> tuple[str, str, str]:
        text = pattern.format(
            y=day.year,
            m=day.month,
            d=day.day,
            month=MONTHS[day.month - 1],
            mon=MONTHS[day.month - 1][:3],
            weekday=WEEKDAYS[day.weekday()],
            wd=WEEKDAYS[day.weekday()][:3],
            nth=ordinal(day.day),
        )
        return text, f"on {text}", f"to {text}"

    return write


def _bare(pattern: str) -> Callable[[date, date], tuple[str, str, str]]:
    """A style that stands without a preposition (`tomorrow`)."""

    def write(day: date, sent: date) -> tuple[str, str, str]:
        days = ahead(day, sent)
        text = pattern.format(
            weekday=WEEKDAYS[day.weekday()],
            days=NUMBERS[min(max(days, 0), 12)],
            weeks=NUMBERS[min(max(days, 0) // 7, 12)],
        )
        return text, text, f"to {text}"

    return write


def _day_first_is_plain(day: date, sent: date) -> bool:
    """23/11/2026 can only be read one way; 03/04/2026 is never written."""
    return ahead(day, sent) > 0 and (day.day > 12 or day.day == day.month)


def _future(day: date, sent: date) -> bool:
    return ahead(day, sent) > 0


STYLES = (
    DateStyle("iso", 1.2, _future, _on("{y}-{m:02}-{d:02}")),
    DateStyle("numeric_slash", 1.5, _day_first_is_plain, _on("{d:02}/{m:02}/{y}")),
    DateStyle("day_month_year", 1.5, _future, _on("{d} {month} {y}")),
    DateStyle("month_day_year", 1.5, _future, _on("{month} {d}, {y}")),
    DateStyle("day_mon_year", 1, _future, _on("{d} {mon} {y}")),
    DateStyle("weekday_day_month_year", 1, _future, _on("{weekday}, {d} {month} {y}")),
    DateStyle("wd_day_mon", 1.5, soon, _on("{wd} {d} {mon}")),
    DateStyle("weekday_day_month", 1.5, soon, _on("{weekday} {d} {month}")),
    DateStyle("weekday_month_day", 1.2, soon, _on("{weekday}, {month} {d}")),
    DateStyle("day_month", 1.2, soon, _on("{d} {month}")),
    DateStyle("month_day", 1, soon, _on("{month} {d}")),
    DateStyle("ordinal_day_month", 1, soon, _on("{nth} {month}")),
    DateStyle("ordinal_of_month", 0.8, soon, _on("the {nth} of {month}")),
    DateStyle("month_ordinal", 0.8, soon, _on("{month} {nth}")),
    DateStyle("ordinal_day", 0.8, this_month_or_next, _on("the {nth}"), relative=True),
    DateStyle("weekday", 1.2, coming_weekday, _on("{weekday}"), relative=True),
    DateStyle("today", 0.6, lambda day, sent: day == sent, _bare("today"), relative=True),
    DateStyle("tomorrow", 1.2, lambda day, sent: ahead(day, sent) == 1, _bare("tomorrow"), relative=True),
    DateStyle(
        "day_after_tomorrow",
        0.6,
        lambda day, sent: ahead(day, sent) == 2,
        _bare("the day after tomorrow"),
        relative=True,
    ),
    DateStyle("this_weekday", 1, later_this_week, _bare("this {weekday}"), relative=True),
    DateStyle("next_weekday", 1.2, next_weekday, _bare("next {weekday}"), relative=True),
    DateStyle("in_days", 0.8, lambda day, sent: 3 <= ahead(day, sent) <= 10, _bare("in {days} days"), True, True),
    DateStyle(
        "in_weeks", 0.6, lambda day, sent: ahead(day, sent) in (14, 21, 28), _bare("in {weeks} weeks"), True, True
    ),
    DateStyle(
        "week_from_today", 0.4, lambda day, sent: ahead(day, sent) == 7, _bare("a week from today"), relative=True
    ),
    DateStyle("week_from_weekday", 0.7, week_after_weekday, _bare("a week from {weekday}"), relative=True),
)


def _at(write: Callable[[time], str | None]) -> Callable[[time], tuple[str, str] | None]:
    def both(clock: time) -> tuple[str, str] | None:
        text = write(clock)
        return None if text is None else (text, f"at {text}")

    return both


def _half_day(clock: time) -> str:
    return "am" if clock.hour < 12 else "pm"


def _twelve(clock: time) -> int:
    return clock.hour % 12 or 12


def _meridiem(gap: str, dot: str) -> Callable[[time], str | None]:
    def write(clock: time) -> str | None:
        if clock.hour == 0:
            return None
        minutes = f"{dot}{clock.minute:02}" if clock.minute else ""
        return f"{_twelve(clock)}{minutes}{gap}{_half_day(clock)}"

    return write


def _spoken(clock: time) -> str | None:
    """`half past two in the afternoon`: only with its part of the day, or it could be the night."""
    if clock.hour in (0, 12) or not 7 <= clock.hour <= 21 or clock.minute not in (0, 15, 30, 45):
        return None
    part = "in the morning" if clock.hour < 12 else "in the afternoon" if clock.hour < 18 else "in the evening"
    hour, coming = NUMBERS[_twelve(clock)], NUMBERS[_twelve(clock) % 12 + 1]
    words = {0: f"{hour} o'clock", 15: f"quarter past {hour}", 30: f"half past {hour}", 45: f"quarter to {coming}"}
    return f"{words[clock.minute]} {part}"


def _noon(clock: time) -> str | None:
    return "noon" if clock == time(12) else None


def _range(clock: time) -> tuple[str, str] | None:
    """From the start to an end; the start is the answer."""
    if clock.hour > 20:
        return None
    start, end = f"{clock:%H:%M}", f"{clock.hour + 2:02}:{clock:%M}"
    return f"{start}–{end}", f"from {start} to {end}"


TIMES: tuple[TimeStyle, ...] = (
    ("24_hours", 3.0, _at(lambda clock: f"{clock:%H:%M}")),
    ("meridiem", 3.0, _at(_meridiem(" ", ":"))),
    ("meridiem_tight", 1.2, _at(_meridiem("", "."))),
    ("spoken", 1.5, _at(_spoken)),
    ("noon", 6.0, _at(_noon)),
    ("range", 0.7, _range),
)

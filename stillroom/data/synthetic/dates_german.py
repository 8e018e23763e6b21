"""German dates and times of day."""

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

MONTHS = words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember")
WEEKDAYS = words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag")
NUMBERS = words("null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf")
HOURS = ("zwölf", "eins", *NUMBERS[2:12])

_Write = Callable[[date, date], tuple[str, str, str]]


def _fields(pattern: str, day: date, sent: date) -> str:
    days = ahead(day, sent)
    return pattern.format(
        y=day.year,
        yy=day.year % 100,
        m=day.month,
        d=day.day,
        month=MONTHS[day.month - 1],
        weekday=WEEKDAYS[day.weekday()],
        wd=WEEKDAYS[day.weekday()][:2],
        days=NUMBERS[min(max(days, 0), 12)],
        weeks=NUMBERS[min(max(days, 0) // 7, 12)],
    )


def _forms(text: str, on: str, to: str) -> _Write:
    """The same date bare, after `am` (dative) and after `auf` (accusative)."""

    def write(day: date, sent: date) -> tuple[str, str, str]:
        return _fields(text, day, sent), _fields(on, day, sent), _fields(to, day, sent)

    return write


def _am(text: str) -> _Write:
    return _forms(text, f"am {text}", f"auf den {text}")


def _weekday_and(text: str) -> _Write:
    return _forms("{weekday}, " + text, "am {weekday}, dem " + text, "auf {weekday}, den " + text)


def _bare(text: str) -> _Write:
    return _forms(text, text, f"auf {text}")


def _future(day: date, sent: date) -> bool:
    return ahead(day, sent) > 0


STYLES = (
    DateStyle("iso", 0.6, _future, _am("{y}-{m:02}-{d:02}")),
    DateStyle("dotted", 2, _future, _am("{d:02}.{m:02}.{y}")),
    DateStyle("dotted_short_year", 0.8, _future, _am("{d}.{m}.{yy:02}")),
    DateStyle("dotted_no_year", 1.8, soon, _am("{d}.{m}.")),
    DateStyle("day_month_year", 1.5, _future, _am("{d}. {month} {y}")),
    DateStyle("day_month", 1.5, soon, _am("{d}. {month}")),
    DateStyle("weekday_day_month", 1.5, soon, _weekday_and("{d}. {month}")),
    DateStyle("weekday_day_month_year", 1, _future, _weekday_and("{d}. {month} {y}")),
    DateStyle("weekday_dotted", 1, soon, _weekday_and("{d:02}.{m:02}.")),
    DateStyle("wd_dotted", 1, soon, _forms("{wd}, {d}.{m}.", "am {wd}, {d}.{m}.", "auf {wd}, {d}.{m}.")),
    DateStyle("ordinal_day", 0.6, this_month_or_next, _am("{d}."), relative=True),
    DateStyle("weekday", 1.2, coming_weekday, _forms("{weekday}", "am {weekday}", "auf {weekday}"), relative=True),
    DateStyle(
        "coming_weekday",
        0.8,
        next_weekday,
        _forms("kommenden {weekday}", "am kommenden {weekday}", "auf kommenden {weekday}"),
        relative=True,
    ),
    DateStyle("today", 0.6, lambda day, sent: day == sent, _bare("heute"), relative=True),
    DateStyle("tomorrow", 1, lambda day, sent: ahead(day, sent) == 1, _bare("morgen"), relative=True),
    DateStyle("day_after_tomorrow", 1, lambda day, sent: ahead(day, sent) == 2, _bare("übermorgen"), relative=True),
    DateStyle("this_weekday", 0.8, later_this_week, _bare("diesen {weekday}"), relative=True),
    DateStyle("next_weekday", 1, next_weekday, _bare("nächsten {weekday}"), relative=True),
    DateStyle("in_days", 0.8, lambda day, sent: 3 <= ahead(day, sent) <= 10, _bare("in {days} Tagen"), True, True),
    DateStyle(
        "in_weeks", 0.6, lambda day, sent: ahead(day, sent) in (14, 21, 28), _bare("in {weeks} Wochen"), True, True
    ),
    DateStyle(
        "week_from_today", 0.5, lambda day, sent: ahead(day, sent) == 7, _bare("heute in einer Woche"), relative=True
    ),
    DateStyle(
        "week_from_weekday",
        0.6,
        week_after_weekday,
        _forms("{weekday} in einer Woche", "am {weekday} in einer Woche", "auf {weekday} in einer Woche"),
        relative=True,
    ),
)


def _um(write: Callable[[time], str | None]) -> Callable[[time], tuple[str, str] | None]:
    def both(clock: time) -> tuple[str, str] | None:
        text = write(clock)
        return None if text is None else (text, f"um {text}")

    return both


def _full_hour(clock: time) -> str | None:
    return None if clock.minute else f"{clock.hour} Uhr"


def _spoken(clock: time) -> str | None:
    """`halb drei nachmittags`: only with its part of the day."""
    if not 7 <= clock.hour <= 21 or clock.hour == 12 or clock.minute not in (15, 30, 45):
        return None
    part = "morgens" if clock.hour < 10 else "vormittags" if clock.hour < 12 else "nachmittags"
    part = part if clock.hour < 18 else "abends"
    hour, coming = HOURS[clock.hour % 12], HOURS[(clock.hour + 1) % 12]
    words = {15: f"Viertel nach {hour}", 30: f"halb {coming}", 45: f"Viertel vor {coming}"}
    return f"{words[clock.minute]} {part}"


def _noon(clock: time) -> str | None:
    return "12 Uhr mittags" if clock == time(12) else None


def _range(clock: time) -> tuple[str, str] | None:
    """From the start to an end; the start is the answer."""
    if clock.hour > 20:
        return None
    start, end = (f"{hour}:{clock:%M}" if clock.minute else f"{hour}" for hour in (clock.hour, clock.hour + 2))
    return f"{start}–{end} Uhr", f"von {start} bis {end} Uhr"


TIMES: tuple[TimeStyle, ...] = (
    ("24_hours", 3.0, _um(lambda clock: f"{clock:%H:%M} Uhr")),
    ("dotted", 2.0, _um(lambda clock: f"{clock.hour}.{clock:%M} Uhr")),
    ("full_hour", 5.0, _um(_full_hour)),
    ("spoken", 1.5, _um(_spoken)),
    ("noon", 4.0, _um(_noon)),
    ("range", 0.7, _range),
)

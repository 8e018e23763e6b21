"""Chinese dates and times of day."""

from collections.abc import Callable
from datetime import date, time

from stillroom.data.synthetic.dates import ahead, later_this_week, soon, weeks_apart
from stillroom.data.synthetic.model import DateStyle, TimeStyle

WEEKDAYS = tuple("一二三四五六日")
NUMBERS = (*tuple("零一两三四五六七八九十"), "十一", "十二")


def _text(pattern: str) -> Callable[[date, date], tuple[str, str, str]]:
    """Chinese dates take no preposition."""

    def write(day: date, sent: date) -> tuple[str, str, str]:
        days = ahead(day, sent)
        text = pattern.format(
            y=day.year,
            m=day.month,
            d=day.day,
            wd=WEEKDAYS[day.weekday()],
            days=NUMBERS[min(max(days, 0), 12)],
            weeks=NUMBERS[min(max(days, 0) // 7, 12)],
        )
        return text, text, text

    return write


def _future(day: date, sent: date) -> bool:
    return ahead(day, sent) > 0


def _same_month(day: date, sent: date) -> bool:
    return ahead(day, sent) > 0 and (day.year, day.month) == (sent.year, sent.month)


def _next_month(day: date, sent: date) -> bool:
    return day.year * 12 + day.month == sent.year * 12 + sent.month + 1


STYLES = (
    DateStyle("iso", 0.8, _future, _text("{y}-{m:02}-{d:02}")),
    DateStyle("year_slash", 0.8, _future, _text("{y}/{m}/{d}")),
    DateStyle("year_month_day", 2, _future, _text("{y}年{m}月{d}日")),
    DateStyle("month_day", 2, soon, _text("{m}月{d}日")),
    DateStyle("month_day_spoken", 1, soon, _text("{m}月{d}号")),
    DateStyle("month_day_weekday", 1.2, soon, _text("{m}月{d}日（周{wd}）")),
    DateStyle("month_day_xingqi", 1, soon, _text("{m}月{d}日星期{wd}")),
    DateStyle("year_month_day_weekday", 0.8, _future, _text("{y}年{m}月{d}日（星期{wd}）")),
    DateStyle("this_month_day", 0.6, _same_month, _text("本月{d}日"), relative=True),
    DateStyle("next_month_day", 0.6, _next_month, _text("下个月{d}号"), relative=True),
    DateStyle("today", 0.6, lambda day, sent: day == sent, _text("今天"), relative=True),
    DateStyle("tomorrow", 1.2, lambda day, sent: ahead(day, sent) == 1, _text("明天"), relative=True),
    DateStyle("day_after_tomorrow", 0.8, lambda day, sent: ahead(day, sent) == 2, _text("后天"), relative=True),
    DateStyle("in_3_days", 0.5, lambda day, sent: ahead(day, sent) == 3, _text("大后天"), relative=True),
    DateStyle("this_weekday", 1.2, later_this_week, _text("本周{wd}"), relative=True),
    DateStyle("this_weekday_spoken", 0.6, later_this_week, _text("这周{wd}"), relative=True),
    DateStyle("next_weekday", 1.5, lambda day, sent: weeks_apart(day, sent) == 1, _text("下周{wd}"), relative=True),
    DateStyle(
        "next_weekday_spoken", 0.6, lambda day, sent: weeks_apart(day, sent) == 1, _text("下星期{wd}"), relative=True
    ),
    DateStyle(
        "week_after_next", 0.6, lambda day, sent: weeks_apart(day, sent) == 2, _text("下下周{wd}"), relative=True
    ),
    DateStyle("in_days", 0.6, lambda day, sent: 3 <= ahead(day, sent) <= 10, _text("{days}天后"), True, True),
    DateStyle("in_weeks", 0.5, lambda day, sent: ahead(day, sent) in (14, 21), _text("{weeks}周后"), True, True),
)


def part_of_day(hour: int) -> str:
    """The word that a 12-hour time needs."""
    bounds = ((5, "凌晨"), (8, "早上"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上"))
    return next(word for bound, word in bounds if hour < bound)


def _same(write: Callable[[time], str | None]) -> Callable[[time], tuple[str, str] | None]:
    def both(clock: time) -> tuple[str, str] | None:
        text = write(clock)
        return None if text is None else (text, text)

    return both


def _part(digits: Callable[[int], str]) -> Callable[[time], str | None]:
    """`下午2点半` or `下午两点半`."""

    def write(clock: time) -> str | None:
        if clock.hour == 0:
            return None
        minutes = {0: "", 15: "一刻", 30: "半", 45: "三刻"}.get(clock.minute)
        if minutes is None:
            return None
        return f"{part_of_day(clock.hour)}{digits(clock.hour % 12 or 12)}点{minutes}"

    return write


def _minutes(clock: time) -> str | None:
    if clock.hour == 0:
        return None
    minutes = f"{clock.minute}分" if clock.minute else ""
    return f"{part_of_day(clock.hour)}{clock.hour % 12 or 12}点{minutes}"


def _range(clock: time) -> str | None:
    """From the start to an end; the start is the answer."""
    return None if clock.hour > 20 else f"{clock:%H:%M}-{clock.hour + 2:02}:{clock:%M}"


TIMES: tuple[TimeStyle, ...] = (
    ("24_hours", 2.5, _same(lambda clock: f"{clock:%H:%M}")),
    ("part_digits", 3.0, _same(_part(str))),
    ("part_words", 1.2, _same(_part(lambda hour: NUMBERS[hour]))),
    ("part_minutes", 1.0, _same(_minutes)),
    (
        "hour_minute",
        0.8,
        _same(lambda clock: f"{clock.hour}时{clock.minute:02}分" if clock.minute else f"{clock.hour}时整"),
    ),
    ("range", 0.7, _same(_range)),
)

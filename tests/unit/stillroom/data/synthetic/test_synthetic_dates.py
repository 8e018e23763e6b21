"""Date and time expressions against days that were worked out by hand, and against a calendar of their own."""

from datetime import date, time, timedelta

import pytest

from stillroom.data.synthetic.chinese import CHINESE
from stillroom.data.synthetic.english import ENGLISH
from stillroom.data.synthetic.german import GERMAN
from stillroom.data.synthetic.model import Language

LANGUAGES = {"en": ENGLISH, "de": GERMAN, "zh": CHINESE}

# In November 2026 the 23rd is a Monday. (language, header's day, expression, the day it means)
EXPRESSIONS = [
    ("en", "2026-11-23", "today", "2026-11-23"),
    ("en", "2026-11-23", "tomorrow", "2026-11-24"),
    ("en", "2026-12-31", "tomorrow", "2027-01-01"),
    ("en", "2026-11-23", "the day after tomorrow", "2026-11-25"),
    ("en", "2026-11-23", "this Friday", "2026-11-27"),
    ("en", "2026-11-26", "next Tuesday", "2026-12-01"),
    ("en", "2026-11-24", "next Tuesday", "2026-12-01"),
    ("en", "2026-11-26", "Tuesday", "2026-12-01"),
    ("en", "2026-11-23", "in three days", "2026-11-26"),
    ("en", "2026-11-23", "in two weeks", "2026-12-07"),
    ("en", "2026-11-25", "a week from Monday", "2026-12-07"),
    ("en", "2026-11-23", "a week from today", "2026-11-30"),
    ("en", "2026-11-23", "the 3rd", "2026-12-03"),
    ("en", "2026-11-23", "3 January", "2027-01-03"),
    ("en", "2024-02-20", "February 29", "2024-02-29"),
    ("en", "2026-11-02", "23/11/2026", "2026-11-23"),
    ("en", "2026-11-02", "Mon 23 Nov", "2026-11-23"),
    ("de", "2026-11-23", "heute", "2026-11-23"),
    ("de", "2026-11-23", "morgen", "2026-11-24"),
    ("de", "2026-11-23", "übermorgen", "2026-11-25"),
    ("de", "2026-11-23", "diesen Freitag", "2026-11-27"),
    ("de", "2026-11-26", "nächsten Dienstag", "2026-12-01"),
    ("de", "2026-11-26", "kommenden Dienstag", "2026-12-01"),
    ("de", "2026-11-23", "in drei Tagen", "2026-11-26"),
    ("de", "2026-11-23", "in zwei Wochen", "2026-12-07"),
    ("de", "2026-11-23", "heute in einer Woche", "2026-11-30"),
    ("de", "2026-11-25", "Montag in einer Woche", "2026-12-07"),
    ("de", "2026-11-23", "3.12.", "2026-12-03"),
    ("de", "2026-11-23", "3.1.", "2027-01-03"),
    ("de", "2026-11-02", "23.11.2026", "2026-11-23"),
    ("de", "2026-11-02", "Montag, 23. November", "2026-11-23"),
    ("zh", "2026-11-23", "今天", "2026-11-23"),
    ("zh", "2026-11-23", "明天", "2026-11-24"),
    ("zh", "2026-11-23", "后天", "2026-11-25"),
    ("zh", "2026-11-23", "大后天", "2026-11-26"),
    ("zh", "2026-11-23", "本周日", "2026-11-29"),
    ("zh", "2026-11-23", "下周三", "2026-12-02"),
    ("zh", "2026-11-29", "下周一", "2026-11-30"),
    ("zh", "2026-11-23", "下下周一", "2026-12-07"),
    ("zh", "2026-11-23", "三天后", "2026-11-26"),
    ("zh", "2026-11-23", "两周后", "2026-12-07"),
    ("zh", "2026-11-02", "本月23日", "2026-11-23"),
    ("zh", "2026-12-30", "下个月3号", "2027-01-03"),
    ("zh", "2026-11-02", "2026年11月23日", "2026-11-23"),
    ("zh", "2026-11-02", "11月23日（周一）", "2026-11-23"),
]

NEVER_WRITTEN = [  # two careful people could read these two ways
    ("en", "2026-11-23", "next Wednesday"),
    ("en", "2026-11-22", "next Monday"),
    ("en", "2026-03-01", "03/04/2026"),
    ("en", "2026-11-29", "this Monday"),
    ("de", "2026-11-23", "nächsten Mittwoch"),
    ("de", "2026-11-23", "kommenden Mittwoch"),
    ("zh", "2026-11-30", "本周一"),
]

CLOCKS = [
    ("en", "14:30", {"14:30", "2:30 pm", "2.30pm", "half past two in the afternoon", "14:30–16:30"}),
    ("en", "09:45", {"09:45", "9:45 am", "9.45am", "quarter to ten in the morning", "09:45–11:45"}),
    ("en", "12:00", {"12:00", "12 pm", "12pm", "noon", "12:00–14:00"}),
    ("en", "19:00", {"19:00", "7 pm", "7pm", "seven o'clock in the evening", "19:00–21:00"}),
    ("de", "14:30", {"14:30 Uhr", "14.30 Uhr", "halb drei nachmittags", "14:30–16:30 Uhr"}),
    ("de", "14:00", {"14:00 Uhr", "14.00 Uhr", "14 Uhr", "14–16 Uhr"}),
    ("de", "12:30", {"12:30 Uhr", "12.30 Uhr", "12:30–14:30 Uhr"}),
    ("de", "20:45", {"20:45 Uhr", "20.45 Uhr", "Viertel vor neun abends", "20:45–22:45 Uhr"}),
    ("zh", "14:30", {"14:30", "下午2点半", "下午两点半", "下午2点30分", "14时30分", "14:30-16:30"}),
    ("zh", "12:00", {"12:00", "中午12点", "中午十二点", "12时整", "12:00-14:00"}),
    ("zh", "20:15", {"20:15", "晚上8点一刻", "晚上八点一刻", "晚上8点15分", "20时15分", "20:15-22:15"}),
]


def meanings(language: Language, sent: date, expression: str) -> set[date]:
    """Every day within half a year that the language would write so."""
    days = [sent + timedelta(offset) for offset in range(180)]
    styles = language.date_styles
    return {
        day for day in days for style in styles if style.fits(day, sent) and style.write(day, sent)[0] == expression
    }


@pytest.mark.parametrize(("code", "sent", "expression", "meant"), EXPRESSIONS)
def test_expression_means_one_day(code: str, sent: str, expression: str, meant: str) -> None:
    assert meanings(LANGUAGES[code], date.fromisoformat(sent), expression) == {date.fromisoformat(meant)}


@pytest.mark.parametrize(("code", "sent", "expression"), NEVER_WRITTEN)
def test_doubtful_expressions_are_never_written(code: str, sent: str, expression: str) -> None:
    assert meanings(LANGUAGES[code], date.fromisoformat(sent), expression) == set()


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("sent", [date(2026, 11, 23), date(2024, 2, 25), date(2027, 12, 31), date(2025, 8, 7)])
def test_no_two_days_are_written_alike(code: str, sent: date) -> None:
    written: dict[str, date] = {}
    for offset in range(170):
        day = sent + timedelta(offset)
        for style in LANGUAGES[code].date_styles:
            if style.fits(day, sent):
                text = style.write(day, sent)[0]
                assert written.setdefault(text, day) == day, text


@pytest.mark.parametrize(("code", "clock", "texts"), CLOCKS)
def test_times_of_day(code: str, clock: str, texts: set[str]) -> None:
    written = (write(time.fromisoformat(clock)) for _, _, write in LANGUAGES[code].times)
    assert {words[0] for words in written if words} == texts


@pytest.mark.parametrize("code", LANGUAGES)
def test_there_are_at_least_twelve_date_styles_and_six_ways_to_say_the_time(code: str) -> None:
    names = [style.name for style in LANGUAGES[code].date_styles]
    assert len(names) == len(set(names)) >= 12
    assert len(LANGUAGES[code].times) >= 6
